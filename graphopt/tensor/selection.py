"""What NumPy's indexing selects: integers, slices, `None`, an ellipsis, arrays of integers and of truth values.

A key is read once, into a `Selection`: the part that slices cut out, and the positions that arrays choose in it. It can
be read (`x[key]`) and written (`x.at[key].set(…)`). Lengths that are not known yet become expressions of the
dimensions, as NumPy clips slices. Whether an index lies inside its axis is checked while the program is built where
both are known, and by the call otherwise.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from graphopt.dimensions import Dim, DimLike, opaque
from graphopt.errors import IndexOutOfRange, InvalidArgument, TypeMismatch, UnsupportedExpression
from graphopt.ops import arithmetic as a
from graphopt.ops import gather as gathers
from graphopt.ops import indexing as ops
from graphopt.ops import shape as views
from graphopt.ops.leaves import ArrayConstant, constant, iota
from graphopt.ops.logic import greater_equal, less, logical_and, where
from graphopt.tensor.positions import positions
from graphopt.tensor.shape import expression, rank
from graphopt.types import broadcast, is_float
from graphopt.variable import Variable, as_variable, caller, convert, described

__all__ = ["Selection", "select"]


class Span(NamedTuple):
    """Elements along one axis."""

    start: DimLike
    step: int
    size: DimLike


def _clipped(value: DimLike) -> DimLike:
    """A length: not below 0. Sums of products of sizes are none."""
    if isinstance(value, Dim) and all(
        factor > 0 and all(isinstance(part, str) for part in monomial) for monomial, factor in value.terms
    ):
        return value
    return opaque("max", value, 0)


def _from_start(bound: DimLike, size: DimLike, low: int) -> DimLike:
    """A bound counted from the start, where a negative one counts from the end; not below `low`."""
    if isinstance(bound, int) and bound < 0:
        return opaque("max", size + bound, low)
    return bound


def _span(key: slice, size: DimLike, axis: int) -> Span:
    """What a slice selects along an axis, by NumPy's rules."""
    step = 1 if key.step is None else _index(key.step, axis)
    if not isinstance(step, int) or step == 0:
        raise InvalidArgument(f"axis {axis}: a slice's step is an integer other than 0, found {key.step}")
    start, stop = (None if bound is None else _index(bound, axis) for bound in (key.start, key.stop))
    if step > 0:
        first = 0 if start is None else _from_start(start, size, 0)
        last = size if stop is None else _from_start(stop, size, 0)
        last = size if last is size else last if _is_within(stop) else opaque("min", last, size)
        room = _clipped(last - first)
    else:
        first = size - 1 if start is None else _from_start(start, size, -1)
        first = first if start is None or _is_within(start) else opaque("min", first, size - 1)
        last = -1 if stop is None else _from_start(stop, size, -1)
        room = _clipped(first - last)
    by = abs(step)
    return Span(first, step, room if by == 1 else (room + (by - 1)) // by)


def _is_within(bound: DimLike | None) -> bool:
    """Whether a bound is counted from the end, and so never lies beyond it."""
    return isinstance(bound, int) and bound < 0


def _index(value: Any, axis: int) -> DimLike:
    if isinstance(value, Dim):
        return value
    try:
        return operator.index(value)
    except TypeError:
        raise UnsupportedExpression(
            f"axis {axis}: an index is an integer, a slice of such or of sizes, None, an ellipsis or an array; "
            f"found {value!r}; at {caller()}"
        ) from None


def _single(value: Any, size: DimLike, axis: int) -> Span:
    index = _index(value, axis)
    position = size + index if isinstance(index, int) and index < 0 else index
    room = size - 1 - position
    if (isinstance(room, int) and room < 0) or (isinstance(position, int) and position < 0):
        raise IndexOutOfRange(f"index {value} is outside axis {axis} of {size} elements; at {caller()}")
    return Span(position, 1, 1)


@dataclass(frozen=True, eq=False)
class Selection:
    """What a key selects in an array.

    Attributes
    ----------
    whole
        The array.
    spans
        The part that slices and integers cut out: elements along every axis.
    dropped, added
        The axes of `whole` that integers take away, and the places where `None` adds one.
    arrays
        By axis of that part, the positions that arrays choose, each within the axis.
    place
        Where the axes of the arrays stand in the result.
    """

    whole: Any
    spans: tuple[Span, ...]
    dropped: tuple[int, ...] = ()
    added: tuple[int, ...] = ()
    arrays: tuple[tuple[int, Variable], ...] = ()
    place: int = 0

    def read(self) -> Any:
        """The selected elements."""
        part = self._cut()
        if not self.arrays:
            return part
        moved = _transposed(part, self._order(part.ndim))
        found = gathers.gather(moved, *[index for _, index in self.arrays])
        return _transposed(found, _inverse(self._result_order(found.ndim)))

    def write(self, value: Any, mode: str) -> Any:
        """The array with another value there, of the selection's type: "set", "add", "maximum" or "minimum"."""
        if not self.arrays:
            combine = {"set": None, "add": a.add, "maximum": a.maximum, "minimum": a.minimum}[mode]
            return self._paste(value if combine is None else combine(self.read(), value))
        part = self._cut()
        order = self._order(part.ndim)
        value = _transposed(value, self._result_order(value.ndim))
        moved = _transposed(part, order)
        moved = gathers.scatter(moved, value, *[index for _, index in self.arrays], mode=mode)
        return self._paste(_transposed(moved, _inverse(order)))

    def _cut(self) -> Any:
        """What slices, integers and `None` select."""
        part = self.whole
        if not self._is_whole():
            start, step, shape = (tuple(column) for column in zip(*self.spans, strict=True))
            part = ops.slice_(part, start=start, step=step, shape=shape)
        part = views.squeeze(part, axis=self.dropped) if self.dropped else part
        return views.expand_dims(part, axis=self.added) if self.added else part

    def _paste(self, part: Any) -> Any:
        """The array with another value for what slices, integers and `None` select."""
        part = views.squeeze(part, axis=self.added) if self.added else part
        part = views.expand_dims(part, axis=self.dropped) if self.dropped else part
        if self._is_whole():
            return part
        start, step = tuple(span.start for span in self.spans), tuple(span.step for span in self.spans)
        return ops.put(self.whole, part, start=start, step=step)

    def _is_whole(self) -> bool:
        sizes = self.whole.shape
        return all(span.step == 1 and span.size == size for span, size in zip(self.spans, sizes, strict=True))

    def _order(self, ndim: int) -> tuple[int, ...]:
        """The axes that arrays index, then the rest."""
        chosen = tuple(axis for axis, _ in self.arrays)
        return (*chosen, *(axis for axis in range(ndim) if axis not in chosen))

    def _result_order(self, ndim: int) -> tuple[int, ...]:
        """The axes of the result in the order in which `gather` gives them: those of the arrays first."""
        count = len(broadcast([index.shape for _, index in self.arrays]))
        chosen = tuple(range(self.place, self.place + count))
        return (*chosen, *(axis for axis in range(ndim) if axis not in chosen))


def _transposed(x: Any, order: tuple[int, ...]) -> Any:
    return x if order == tuple(range(len(order))) else views.transpose(x, axes=order)


def _inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(order)), key=order.__getitem__))


def select(x: Any, key: Any) -> Selection:
    """What `x[key]` is.

    Raises
    ------
    IndexOutOfRange
        If there are too many indices, or one is outside an axis of known length.
    TypeMismatch
        If an index is an array of floats.
    UnsupportedExpression
        For a single truth value.
    """
    x = expression(x)
    rank(x, "indexing")
    keys: list[Any] = []
    lengths: dict[Variable, DimLike] = {}
    for item in key if isinstance(key, tuple) else (key,):
        keys += _indices(item, lengths)
    ellipses = [k for k, item in enumerate(keys) if item is Ellipsis]
    used = sum(item is not None and item is not Ellipsis for item in keys)
    if len(ellipses) > 1 or used > x.ndim:
        what = "more than one ellipsis" if len(ellipses) > 1 else f"{used} indices"
        raise IndexOutOfRange(f"{what} for an array of rank {x.ndim}, {described(x)}; at {caller()}")
    by_array = any(isinstance(item, Variable) for item in keys)
    chosen = [k for k, item in enumerate(keys) if _is_index(item, by_array)]
    together = bool(chosen) and chosen == list(range(chosen[0], chosen[-1] + 1))
    place = ellipses[0] if ellipses else len(keys)
    keys[place : place + 1] = [slice(None)] * (x.ndim - used)
    spans: list[Span] = []
    dropped: list[int] = []
    added: list[int] = []
    arrays: list[tuple[int, Variable]] = []
    kept = 0
    shape = list(x.shape)
    for item in keys:
        axis = len(spans)
        if item is None:
            added.append(kept + len(added))
            continue
        size = x.shape[axis]
        if _is_index(item, by_array):
            if item in lengths:
                size = shape[axis] = _masked(size, lengths[item], axis)
            arrays.append((kept + len(added), item if item in lengths else _within(item, size, axis)))
            item = slice(None)
        spans.append((_span if isinstance(item, slice) else _single)(item, size, axis))
        if isinstance(item, slice):
            kept += 1
        else:
            dropped.append(axis)
    if tuple(shape) != x.shape:
        x = views.broadcast_to(x, shape=tuple(shape))  # to the same sizes by the names that masks have for them
    front = arrays[0][0] if together else 0
    return Selection(x, tuple(spans), tuple(dropped), tuple(added), tuple(arrays), front)


def _is_index(item: Any, by_array: bool) -> bool:
    """Whether an item chooses positions as an array does; integers do so beside arrays."""
    return isinstance(item, Variable) or (by_array and item is not None and not isinstance(item, slice | type(...)))


def _masked(size: DimLike, length: DimLike, axis: int) -> DimLike:
    """The length of an axis of which a mask chooses elements: the mask's; the graph makes sure that they are equal."""
    if size != length and (isinstance(length - size, int) or 1 in (size, length)):
        equal = "" if isinstance(length - size, int) else ", which is not known to be equal: declare it so"
        raise IndexOutOfRange(f"a mask of {length} elements along axis {axis} of {size} elements{equal}; at {caller()}")
    return length


def _indices(item: Any, lengths: dict[Variable, DimLike]) -> list[Any]:
    """An item of a key in simple terms: arrays of integers are variables, a mask one array for each of its axes.

    For the arrays of a mask, the mask's length along the axis is entered into `lengths`: they lie within the axis.
    """
    if item is None or item is Ellipsis or isinstance(item, slice | Dim) or _is_integer(item):
        return [item]
    if isinstance(item, bool | np.bool_):
        raise UnsupportedExpression(f"a truth value is no index, found {item}; use T.where")
    index = as_variable(item) if not isinstance(item, list) or item else as_variable(np.zeros(0, np.int64))
    if index.dtype == "bool":
        found = positions(index)
        lengths.update(zip(found, index.shape, strict=True))
        return found
    if is_float(index.dtype):
        raise TypeMismatch(f"an index is made of integers, found {described(index)}; cast it first; at {caller()}")
    return [index]


def _is_integer(item: Any) -> bool:
    return isinstance(item, int | np.integer) and not isinstance(item, bool)


def _within(index: Any, size: DimLike, axis: int) -> Any:
    """An index as positions from the start, checked to lie inside the axis: now if both are known, else by the call."""
    index = as_variable(index)
    value = index.attributes.get("value") if index.op is constant else None
    if value is not None and isinstance(size, int):
        array = value.array.astype(np.int64) if isinstance(value, ArrayConstant) else np.asarray(value, np.int64)
        outside = array[(array < -size) | (array >= size)]
        if outside.size:
            raise IndexOutOfRange(f"index {outside.flat[0]} is outside axis {axis} of {size} elements; at {caller()}")
        return as_variable(np.where(array < 0, array + size, array))
    if _is_surely_within(index, size):
        return index
    positions = convert(index, "int64")
    if not index.dtype.startswith("u"):
        positions = where(less(positions, 0), a.add(positions, size), positions)
    inside = logical_and(greater_equal(positions, 0), less(positions, size))
    from graphopt.tensor.control import check

    length = "" if str(size).startswith("?") else f" of {size} elements"
    return check(positions, inside, f"an index is outside axis {axis}{length}", kind="bounds")


def _is_surely_within(index: Variable, size: DimLike) -> bool:
    """Whether an index is every position of an axis, or a remainder of division by its length, in whatever shape."""
    while index.op in (views.reshape, views.expand_dims, views.squeeze, views.broadcast_to, views.transpose):
        (index,) = index.operands
    if index.op is a.remainder:
        return bool(index.operands[1].attributes.get("value") == size)
    return index.op is iota and bool(index.attributes["size"] == size)
