"""Indexing as NumPy has it, and arrays with another part: nothing is changed in place.

`x[…]` reads; `T.set_subtensor(x[…], y)` and `x.at[…].set(y)` give a new array in which the part is another. What a key
means is read in `graphopt.tensor.selection`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.dimensions import Counted, Dim, DimLike, counted
from graphopt.errors import InvalidArgument, ShapeMismatch, TypeMismatch
from graphopt.graph.build import topological
from graphopt.graph.counts import equal_counts
from graphopt.ops.arithmetic import add, maximum, minimum, multiply, remainder
from graphopt.ops.indexing import slice_
from graphopt.ops.leaves import iota
from graphopt.ops.logic import where
from graphopt.ops.shape import expand_dims, reshape
from graphopt.tensor.positions import is_known
from graphopt.tensor.selection import Selection, select
from graphopt.tensor.shape import broadcast_to, canonical_axes, expression
from graphopt.tensor.ufuncs import clip
from graphopt.types import shape_text
from graphopt.variable import Variable, as_variable, caller, convert

__all__ = ["Selector", "getitem", "inc_subtensor", "set_subtensor", "take", "take_along_axis"]


class Part(Variable):
    """What an indexing expression gives: a variable that knows what it is a part of."""

    __slots__ = ("selection",)

    def __init__(self, value: Variable, selection: Selection) -> None:
        super().__init__(
            value.type, value.op, value.operands, value.attributes, value.name, value.origin, value.nonempty
        )
        self.selection = selection

    def remade(self, **changed: Any) -> Part:
        """A part like this one, of the same array."""
        return Part(super().remade(**changed), self.selection)


def getitem(x: Any, key: Any) -> Any:
    """`x[key]` for integers, slices, `None`, an ellipsis, and arrays of integers or of truth values.

    A mask that is computed chooses as many elements as the program counts when it runs: `x[x > 0].shape[0]` is a
    dimension of its own.

    Raises
    ------
    IndexOutOfRange
        If there are too many indices, or one is outside an axis of known length; the call raises it otherwise.
    TypeMismatch
        If an index is an array of floats.
    UnsupportedExpression
        For a single truth value.
    """
    selection = select(x, key)
    result = selection.read()
    if result is selection.whole:  # what is selected is a value of its own, even where it is everything
        sizes = tuple(result.shape)
        result = slice_(result, start=(0,) * len(sizes), step=(1,) * len(sizes), shape=sizes)
    return Part(result, selection)


def set_subtensor(part: Any, value: Any) -> Any:
    """The array that `part` is a part of, with another value there: `set_subtensor(x[1:, 0], 0)`.

    Parameters
    ----------
    part
        An indexing expression, `x[…]`.
    value
        What is put there: broadcast to the part's shape and cast to its dtype, as NumPy's assignment does. Where
        indices name a place twice, the last value stands.

    Raises
    ------
    InvalidArgument
        If `part` is no indexing expression.
    TypeMismatch
        If the value's dtype does not convert within its kind (floats are not put among integers).
    ShapeMismatch
        If the value does not broadcast to the part.
    """
    return _written(part, value, "set")


def inc_subtensor(part: Any, value: Any) -> Any:
    """The array that `part` is a part of, with `value` added there: `inc_subtensor(x[1:, 0], 1)`.

    Where indices name a place twice, both are added. Raises like `set_subtensor`.
    """
    return _written(part, value, "add")


def _written(part: Any, value: Any, mode: str) -> Any:
    if isinstance(part, Part):
        return part.selection.write(_fitting(value, part), mode)
    raise InvalidArgument(f"expected an indexing expression such as x[1:], found {part!r}")


def _fitting(value: Any, part: Variable) -> Any:
    if not isinstance(value, Variable):
        value = as_variable(value, part.dtype if isinstance(value, bool | int | float) else None)
    if value.dtype != part.dtype:
        if not np.can_cast(value.dtype, part.dtype, "same_kind"):
            raise TypeMismatch(
                f"a value of {value.dtype} is put into an array of {part.dtype}; cast it first; at {caller()}"
            )
        value = convert(value, part.dtype)
    if value.shape == part.shape:
        return value
    try:
        return broadcast_to(value, part.shape)
    except ShapeMismatch:
        found, wanted = shape_text(value.shape), shape_text(part.shape)
        raise ShapeMismatch(
            f"a value of shape {found} does not fit the part, of shape {wanted}; at {caller()}"
        ) from None


class Selector:
    """`x.at[key]`: what functions of a part of an array there are. Each gives a new array."""

    __slots__ = ("_x",)

    def __init__(self, x: Any) -> None:
        self._x = x

    def __getitem__(self, key: Any) -> _At | _Masked:
        if isinstance(key, Variable) and key.dtype == "bool" and not is_known(key):
            return _Masked(self._x, key)
        return _At(select(self._x, key))


class _At:
    """A part. Where indices name a place twice, values are taken in order."""

    __slots__ = ("_part", "_selection")

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._part = selection.read()

    def get(self) -> Any:
        """The part."""
        return self._part

    def set(self, value: Any) -> Any:
        """With another value there."""
        return self._write(value, "set")

    def add(self, value: Any) -> Any:
        """With a value added there."""
        return self._write(value, "add")

    def multiply(self, value: Any) -> Any:
        """With a factor there. A place that indices name twice gets the last product."""
        return self._write(multiply(self._part, _fitting(value, self._part)), "set")

    def max(self, value: Any) -> Any:
        """With the larger of what is there and a value."""
        return self._write(value, "maximum")

    def min(self, value: Any) -> Any:
        """With the smaller of what is there and a value."""
        return self._write(value, "minimum")

    def _write(self, value: Any, mode: str) -> Any:
        return self._selection.write(_fitting(value, self._part), mode)


class _Masked:
    """The elements for which a mask is true, of an array.

    Values broadcast against the array, which then needs no counting; only values as many as are chosen, such as those
    made of `x[mask]`, are put where these come from.
    """

    __slots__ = ("_key", "_mask", "_x")

    def __init__(self, x: Any, mask: Variable) -> None:
        self._x, self._key = expression(x), mask
        axes = tuple(range(mask.ndim, self._x.ndim))
        self._mask = expand_dims(mask, axis=axes) if axes else mask

    def get(self) -> Any:
        """The elements."""
        return getitem(self._x, self._key)

    def set(self, value: Any) -> Any:
        """With another value there."""
        if self._is_chosen(value):
            return self._chosen().set(value)
        return where(self._mask, _fitting(value, self._x), self._x)

    def add(self, value: Any) -> Any:
        """With a value added there."""
        return self._chosen().add(value) if self._is_chosen(value) else self._combined(add, value)

    def multiply(self, value: Any) -> Any:
        """With a factor there."""
        return self._chosen().multiply(value) if self._is_chosen(value) else self._combined(multiply, value)

    def max(self, value: Any) -> Any:
        """With the larger of what is there and a value."""
        return self._chosen().max(value) if self._is_chosen(value) else self._combined(maximum, value)

    def min(self, value: Any) -> Any:
        """With the smaller of what is there and a value."""
        return self._chosen().min(value) if self._is_chosen(value) else self._combined(minimum, value)

    def _combined(self, op: Any, value: Any) -> Any:
        return self.set(op(self._x, _fitting(value, self._x)))

    def _is_chosen(self, value: Any) -> bool:
        """Whether there is a value for each chosen element: the first axis has a length that is counted.

        The array may have such a length itself: what is as long as it broadcasts against it.
        """
        rank = self._x.ndim - self._key.ndim + 1
        if not isinstance(value, Variable) or value.ndim != rank or not counted(value.shape[0]):
            return False
        return not _counts_the_same(value.shape[0], self._x.shape[self._key.ndim - 1])

    def _chosen(self) -> _At:
        return _At(select(self._x, self._key))


def _counts_the_same(one: DimLike, other: DimLike) -> bool:
    """Whether two sizes are equal, by their names or because equal masks count them."""
    names = [size.symbol for size in (one, other) if isinstance(size, Dim)]
    counting = [name.of for name in names if isinstance(name, Counted)]
    if one == other or len(counting) < 2:
        return one == other
    equal = equal_counts(topological(counting))
    first, second = (equal.get(count, count) for count in counting)
    return first is second


def take(x: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
    """The elements at `indices` along an axis; of all elements in one axis if none is given.

    Parameters
    ----------
    indices
        Integers of any shape, which stands in the place of the axis.
    mode
        What an index outside the axis does: "raise"; "clip", the nearest one is taken (and a negative index is none);
        "wrap", it counts on from the start.

    Raises
    ------
    InvalidArgument
        If there is no such mode.
    """
    x, indices = expression(x), expression(indices)
    if axis is None:
        x, axis = x if x.ndim == 1 else reshape(x, shape=(x.size,)), 0
    (axis,) = canonical_axes(axis, x.ndim, "take", x)
    size = x.shape[axis]
    if mode == "clip":
        indices = clip(indices, 0, size - 1)
    elif mode == "wrap":
        indices = remainder(indices, size)
    elif mode != "raise":
        raise InvalidArgument(f"take: mode is 'raise', 'clip' or 'wrap', found {mode!r}")
    return getitem(x, (*[slice(None)] * axis, indices))


def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """The elements at positions along one axis that differ from place to place, such as `argsort` gives.

    Parameters
    ----------
    indices
        Integers, of the rank of `x`; the other axes broadcast against those of `x`.

    Raises
    ------
    InvalidArgument
        If the ranks differ.
    """
    x, indices = expression(x), expression(indices)
    if axis is None:
        x, axis = x if x.ndim == 1 else reshape(x, shape=(x.size,)), 0
    if indices.ndim != x.ndim:
        raise InvalidArgument(f"take_along_axis: indices {indices.type} have not the rank of {x.type}")
    (axis,) = canonical_axes(axis, x.ndim, "take_along_axis", x)
    others = {k: tuple(j for j in range(x.ndim) if j != k) for k in range(x.ndim) if k != axis}
    key = [expand_dims(iota(size=x.shape[k]), axis=others[k]) if k in others else indices for k in range(x.ndim)]
    return getitem(x, tuple(key))
