"""Arrays put together along one axis or several, and taken apart again: what NumPy composes of `concatenate`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from graphopt.dimensions import DimLike, opaque
from graphopt.errors import InvalidArgument, ShapeMismatch
from graphopt.tensor.indexing import getitem
from graphopt.tensor.parts import concatenate, split
from graphopt.tensor.rearranging import atleast_1d, atleast_2d, atleast_3d, shape_padleft
from graphopt.tensor.shape import canonical_axes, expression, rank, ravel, transpose

__all__ = ["append", "array_split", "block", "column_stack", "concat", "dsplit", "dstack", "hsplit", "hstack",
           "vsplit", "vstack"]  # fmt: skip

concat = concatenate


def vstack(tup: Sequence[Any]) -> Any:
    """Joined as rows: along the first axis, vectors as matrices of one row."""
    return concatenate([atleast_2d(x) for x in tup], 0)


def hstack(tup: Sequence[Any]) -> Any:
    """Joined side by side: along the second axis, vectors along their only one."""
    parts = [atleast_1d(x) for x in tup]
    return concatenate(parts, 0 if parts and parts[0].ndim == 1 else 1)


def dstack(tup: Sequence[Any]) -> Any:
    """Joined along the third axis."""
    return concatenate([atleast_3d(x) for x in tup], 2)


def column_stack(tup: Sequence[Any]) -> Any:
    """Joined as columns: vectors as matrices of one column."""
    parts = [expression(x) for x in tup]
    return concatenate([transpose(atleast_2d(x)) if x.ndim < 2 else x for x in parts], 1)


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """One array after another along an axis; both flattened if it is None."""
    return concatenate([ravel(arr), ravel(values)] if axis is None else [arr, values], 0 if axis is None else axis)


def block(arrays: Any) -> Any:
    """Put together from nested lists of blocks: the innermost along the last axis, the next along the last but one.

    Raises
    ------
    InvalidArgument
        If the lists are nested to different depths, or one is empty.
    """
    depth, ndim = _nesting(arrays)
    ndim = max(depth, ndim)

    def joined(part: Any, level: int) -> Any:
        if level == depth:
            x = expression(part)
            return shape_padleft(x, ndim - x.ndim)
        return concatenate([joined(one, level + 1) for one in part], ndim - depth + level)

    return joined(arrays, 0)


def _nesting(arrays: Any) -> tuple[int, int]:
    """How deep the lists are, and the largest rank of what is in them."""
    if not isinstance(arrays, list):
        return 0, expression(arrays).ndim
    found = [_nesting(part) for part in arrays]
    if len({depth for depth, _ in found}) != 1:
        what = "nested to different depths" if found else "empty"
        raise InvalidArgument(f"block takes lists of lists of arrays, all equally deep; found one that is {what}")
    return found[0][0] + 1, max(ndim for _, ndim in found)


def array_split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Taken apart along an axis, into so many nearly equal parts, longer ones first, or before these positions."""
    x = expression(x)
    if not isinstance(count := indices_or_sections, int):
        return split(x, indices_or_sections, axis)
    if count < 1:
        raise InvalidArgument(f"array_split: the number of parts is at least 1, found {count}")
    (axis,) = canonical_axes(axis, rank(x, "array_split"), "array_split")
    each = x.shape[axis] // count
    longer = x.shape[axis] - each * count
    bounds: list[DimLike] = [each * k + opaque("min", longer, k) for k in range(count + 1)]
    bounds[-1] = x.shape[axis]
    lead = (slice(None),) * axis
    return [getitem(x, (*lead, slice(low, high))) for low, high in itertools.pairwise(bounds)]


def _split_along(x: Any, sections: int | Sequence[int], axis: int, least: int, what: str) -> list[Any]:
    x = expression(x)
    if rank(x, what) < least:
        raise ShapeMismatch(f"{what} takes an array of at least {least} axes, found {x.type}")
    return split(x, sections, axis)


def vsplit(x: Any, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """Taken apart along the first axis of two or more."""
    return _split_along(x, indices_or_sections, 0, 2, "vsplit")


def hsplit(x: Any, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """Taken apart along the second axis, a vector along its only one."""
    return _split_along(x, indices_or_sections, int(expression(x).ndim > 1), 1, "hsplit")


def dsplit(x: Any, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """Taken apart along the third axis."""
    return _split_along(x, indices_or_sections, 2, 3, "dsplit")
