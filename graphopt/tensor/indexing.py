"""NumPy's basic indexing (integers, slices, `None`, ellipsis) and what is put together from parts.

`x[…]` reads; `T.set_subtensor(x[…], y)` and `x.at[…].set(y)` give a new array in which the part is another: nothing is
changed in place. Lengths that are not known yet become expressions of the dimensions, as NumPy clips slices; an integer
index that may lie outside is checked by the call.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from graphopt.dimensions import Dim, DimLike, opaque
from graphopt.errors import IndexOutOfRange, InvalidArgument, ShapeMismatch, TypeMismatch, UnsupportedExpression
from graphopt.ops import arithmetic as a
from graphopt.ops import indexing as ops
from graphopt.ops import shape as views
from graphopt.tensor.shape import broadcast_to, canonical_axes, expression, rank
from graphopt.types import shape_text
from graphopt.variable import Variable, as_variable, convert

__all__ = ["Selector", "concatenate", "diff", "flip", "getitem", "inc_subtensor", "pad", "roll", "set_subtensor",
           "split", "stack"]  # fmt: skip


class _Span(NamedTuple):
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


def _span(key: slice, size: DimLike, axis: int) -> _Span:
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
    return _Span(first, step, room if by == 1 else (room + (by - 1)) // by)


def _is_within(bound: DimLike | None) -> bool:
    """Whether a bound is counted from the end, and so never lies beyond it."""
    return isinstance(bound, int) and bound < 0


def _index(value: Any, axis: int) -> DimLike:
    if isinstance(value, Dim):
        return value
    if isinstance(value, bool | np.bool_):
        raise UnsupportedExpression(f"axis {axis}: masks of booleans are not supported; use T.where")
    try:
        return operator.index(value)
    except TypeError:
        raise UnsupportedExpression(
            f"axis {axis}: an index is an integer, a slice, None or an ellipsis; found {value!r}"
        ) from None


def _single(value: Any, size: DimLike, axis: int) -> _Span:
    index = _index(value, axis)
    position = size + index if isinstance(index, int) and index < 0 else index
    room = size - 1 - position
    if (isinstance(room, int) and room < 0) or (isinstance(position, int) and position < 0):
        raise IndexOutOfRange(f"index {value} is outside axis {axis} of {size} elements")
    return _Span(position, 1, 1)


def getitem(x: Any, key: Any) -> Any:
    """`x[key]` for integers, slices, `None` and one ellipsis.

    Raises
    ------
    IndexOutOfRange
        If there are too many indices, or one is outside an axis of known length.
    UnsupportedExpression
        For arrays and masks as indices.
    """
    x = expression(x)
    rank(x, "indexing")
    keys = list(key) if isinstance(key, tuple) else [key]
    ellipses = [k for k, item in enumerate(keys) if item is Ellipsis]
    used = sum(item is not None and item is not Ellipsis for item in keys)
    if len(ellipses) > 1 or used > x.ndim:
        what = "more than one ellipsis" if len(ellipses) > 1 else f"{used} indices"
        raise IndexOutOfRange(f"{what} for an array of rank {x.ndim}, {x.type}")
    place = ellipses[0] if ellipses else len(keys)
    keys[place : place + 1] = [slice(None)] * (x.ndim - used)
    spans: list[_Span] = []
    dropped: list[int] = []
    added: list[int] = []
    kept = 0
    for item in keys:
        if item is None:
            added.append(kept + len(added))
            continue
        axis = len(spans)
        spans.append((_span if isinstance(item, slice) else _single)(item, x.shape[axis], axis))
        if isinstance(item, slice):
            kept += 1
        else:
            dropped.append(axis)
    result = _part(x, spans)
    result = views.squeeze(result, axis=tuple(dropped)) if dropped else result
    return views.expand_dims(result, axis=tuple(added)) if added else result


def _part(x: Any, spans: Sequence[_Span]) -> Any:
    start, step, shape = (tuple(column) for column in zip(*spans, strict=True)) if spans else ((), (), ())
    if all(by == 1 for by in step) and shape == tuple(x.shape):
        return x
    return ops.slice_(x, start=start, step=step, shape=shape)


# --- parts put in ---------------------------------------------------------------------------------------------------


def set_subtensor(part: Any, value: Any) -> Any:
    """The array that `part` is a part of, with another value there: `set_subtensor(x[1:, 0], 0)`.

    Parameters
    ----------
    part
        An indexing expression, `x[…]`.
    value
        What is put there: broadcast to the part's shape and cast to its dtype, as NumPy's assignment does.

    Raises
    ------
    TypeMismatch
        If the value's dtype does not convert within its kind (floats are not put among integers).
    ShapeMismatch
        If the value does not broadcast to the part.
    """
    chain, whole = [], part
    while isinstance(whole, Variable) and whole.op in (views.squeeze, views.expand_dims):
        chain.append(whole)
        (whole,) = whole.operands
    value = _fitting(value, part)
    for view in chain:  # from the outside in: undo the views on the value
        undo = views.expand_dims if view.op is views.squeeze else views.squeeze
        value = undo(value, axis=view.attributes["axis"])
    if whole.op is not ops.slice_:
        return value  # the whole array
    return ops.put(whole.operands[0], value, start=whole.attributes["start"], step=whole.attributes["step"])


def inc_subtensor(part: Any, value: Any) -> Any:
    """The array that `part` is a part of, with `value` added there: `inc_subtensor(x[1:, 0], 1)`."""
    return set_subtensor(part, a.add(part, _fitting(value, part)))


def _fitting(value: Any, part: Variable) -> Any:
    if not isinstance(value, Variable):
        value = as_variable(value, part.dtype if isinstance(value, bool | int | float) else None)
    if value.dtype != part.dtype:
        if not np.can_cast(value.dtype, part.dtype, "same_kind"):
            raise TypeMismatch(f"a value of {value.dtype} is put into an array of {part.dtype}; cast it first")
        value = convert(value, part.dtype)
    return value if value.shape == part.shape else broadcast_to(value, part.shape)


class Selector:
    """`x.at[key]`: what functions of a part of an array there are. Each gives a new array."""

    __slots__ = ("_x",)

    def __init__(self, x: Any) -> None:
        self._x = x

    def __getitem__(self, key: Any) -> _At:
        return _At(getitem(self._x, key))


class _At:
    __slots__ = ("_part",)

    def __init__(self, part: Any) -> None:
        self._part = part

    def get(self) -> Any:
        """The part."""
        return self._part

    def set(self, value: Any) -> Any:
        """With another value there."""
        return set_subtensor(self._part, value)

    def add(self, value: Any) -> Any:
        """With a value added there."""
        return inc_subtensor(self._part, value)

    def multiply(self, value: Any) -> Any:
        """With a factor there."""
        return set_subtensor(self._part, a.multiply(self._part, _fitting(value, self._part)))

    def max(self, value: Any) -> Any:
        """With the larger of what is there and a value."""
        return set_subtensor(self._part, a.maximum(self._part, _fitting(value, self._part)))

    def min(self, value: Any) -> Any:
        """With the smaller of what is there and a value."""
        return set_subtensor(self._part, a.minimum(self._part, _fitting(value, self._part)))


# --- joined and taken apart -------------------------------------------------------------------------------------------


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """Arrays joined along an axis they all have; flattened first if it is None.

    Raises
    ------
    InvalidArgument
        If there is none, or the axis is outside their rank.
    ShapeMismatch
        If other axes differ.
    """
    parts = [expression(array) for array in arrays]
    if not parts:
        raise InvalidArgument("concatenate: expected at least one array")
    if axis is None:
        parts, axis = [views.reshape(part, shape=(part.size,)) for part in parts], 0
    if any(not part.ndim for part in parts):
        raise ShapeMismatch("concatenate: scalars have no axis to be joined along; use stack")
    axes = canonical_axes(axis, parts[0].ndim, "concatenate")
    dtype = str(np.result_type(*[part.dtype for part in parts]))
    return ops.concatenate(*[convert(part, dtype) if part.dtype != dtype else part for part in parts], axis=axes)


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis."""
    parts = [expression(array) for array in arrays]
    if not parts:
        raise InvalidArgument("stack: expected at least one array")
    if any(part.ndim != parts[0].ndim for part in parts):
        raise ShapeMismatch(f"stack: shapes {', '.join(shape_text(part.shape) for part in parts)} differ")
    axes = canonical_axes(axis, parts[0].ndim + 1, "stack")
    return concatenate([views.expand_dims(part, axis=axes) for part in parts], axes[0])


def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Taken apart along an axis, into so many equal parts or before these positions."""
    x = expression(x)
    (axis,) = canonical_axes(axis, x.ndim, "split")
    size = x.shape[axis]
    if isinstance(indices_or_sections, int):
        count = indices_or_sections
        if count < 1 or (isinstance(size, int) and size % count):
            raise InvalidArgument(f"split: {size} elements do not divide into {count} equal parts")
        each = size // count
        x = views.reshape(
            x, shape=tuple(each * count if k == axis else s for k, s in enumerate(x.shape))
        )  # or an error
        bounds: list[Any] = [each * k for k in range(count + 1)]
    else:
        bounds = [0, *indices_or_sections, None]
    lead = (slice(None),) * axis
    return [getitem(x, (*lead, slice(low, high))) for low, high in itertools.pairwise(bounds)]


def flip(x: Any, axis: Any = None) -> Any:
    """In the opposite order along axes; along all if none is given."""
    x = expression(x)
    axes = canonical_axes(axis, x.ndim, "flip")
    return getitem(x, tuple(slice(None, None, -1) if k in axes else slice(None) for k in range(x.ndim)))


def roll(x: Any, shift: int, axis: int | None = None) -> Any:
    """Moved along an axis by so many places; what leaves at the end comes back at the start."""
    x = expression(x)
    if axis is None:
        return views.reshape(roll(views.reshape(x, shape=(x.size,)), shift, 0), shape=tuple(x.shape))
    (axis,) = canonical_axes(axis, x.ndim, "roll")
    size = x.shape[axis]
    if isinstance(size, int):
        shift = shift % size if size else 0
    elif shift:
        raise UnsupportedExpression(f"roll: the length {size} of axis {axis} must be known")
    if shift == 0:
        return x
    lead = (slice(None),) * axis
    return concatenate([getitem(x, (*lead, slice(-shift, None))), getitem(x, (*lead, slice(None, -shift)))], axis)


def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    """The differences of neighbours along an axis, taken n times."""
    x = expression(x)
    (axis,) = canonical_axes(axis, x.ndim, "diff")
    lead = (slice(None),) * axis
    for _ in range(n):
        later, earlier = getitem(x, (*lead, slice(1, None))), getitem(x, (*lead, slice(None, -1)))
        x = a.subtract(later, earlier) if x.dtype != "bool" else later != earlier
    return x


def pad(x: Any, pad_width: Any, constant_values: Any = 0) -> Any:
    """With a constant around it: `pad_width` elements, (before, after), or one such pair for each axis."""
    x = expression(x)
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    if any(width < 0 for pair in widths for width in pair):
        raise InvalidArgument(f"pad: widths are at least 0, found {pad_width}")
    shape = tuple(before + size + after for (before, after), size in zip(widths, x.shape, strict=True))
    whole = broadcast_to(convert(as_variable(constant_values), x.dtype), shape)
    return ops.put(whole, x, start=tuple(before for before, _ in widths), step=(1,) * x.ndim) if x.ndim else x
