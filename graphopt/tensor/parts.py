"""Arrays joined, taken apart, and moved along their axes: concatenate, stack, split, flip, roll, diff, pad."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt.errors import InvalidArgument, ShapeMismatch
from graphopt.ops import arithmetic as a
from graphopt.ops import indexing as ops
from graphopt.ops import shape as views
from graphopt.ops.arithmetic import remainder
from graphopt.ops.leaves import iota
from graphopt.tensor.indexing import getitem
from graphopt.tensor.shape import broadcast_to, canonical_axes, expression
from graphopt.variable import as_variable, caller, convert, described

__all__ = ["concatenate", "diff", "flip", "pad", "roll", "split", "stack"]


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
        raise ShapeMismatch(f"concatenate: scalars have no axis to be joined along; use stack; at {caller()}")
    axes = canonical_axes(axis, parts[0].ndim, "concatenate")
    dtype = str(np.result_type(*[part.dtype for part in parts]))
    return ops.concatenate(*[convert(part, dtype) if part.dtype != dtype else part for part in parts], axis=axes)


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis."""
    parts = [expression(array) for array in arrays]
    if not parts:
        raise InvalidArgument("stack: expected at least one array")
    if any(part.ndim != parts[0].ndim for part in parts):
        raise _unlike(parts)
    axes = canonical_axes(axis, parts[0].ndim + 1, "stack")
    try:
        return concatenate([views.expand_dims(part, axis=axes) for part in parts], axes[0])
    except ShapeMismatch:
        raise _unlike(parts) from None


def _unlike(parts: Sequence[Any]) -> ShapeMismatch:
    listing = ", ".join(map(described, parts))
    return ShapeMismatch(f"stack({listing}): arrays of different shapes have no common rows; at {caller()}")


def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Taken apart along an axis, into so many equal parts or before these positions."""
    x = expression(x)
    (axis,) = canonical_axes(axis, x.ndim, "split", x)
    size = x.shape[axis]
    if isinstance(indices_or_sections, int):
        count = indices_or_sections
        if count < 1 or (isinstance(size, int) and size % count):
            raise InvalidArgument(f"split: {size} elements do not divide into {count} equal parts; at {caller()}")
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
    axes = canonical_axes(axis, x.ndim, "flip", x)
    return getitem(x, tuple(slice(None, None, -1) if k in axes else slice(None) for k in range(x.ndim)))


def roll(x: Any, shift: int, axis: int | None = None) -> Any:
    """Moved along an axis by so many places; what leaves at the end comes back at the start."""
    x = expression(x)
    if axis is None:
        return views.reshape(roll(views.reshape(x, shape=(x.size,)), shift, 0), shape=tuple(x.shape))
    (axis,) = canonical_axes(axis, x.ndim, "roll", x)
    size = x.shape[axis]
    lead = (slice(None),) * axis
    if not isinstance(size, int):
        return getitem(x, (*lead, remainder(iota(size=size) - shift, size)))
    shift = shift % size if size else 0
    if shift == 0:
        return x
    return concatenate([getitem(x, (*lead, slice(-shift, None))), getitem(x, (*lead, slice(None, -shift)))], axis)


def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    """The differences of neighbours along an axis, taken n times."""
    x = expression(x)
    (axis,) = canonical_axes(axis, x.ndim, "diff", x)
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
