"""NumPy's sorting and what is made of it: orders, places in sorted vectors, medians and quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.dimensions import DimLike, product
from graphopt.errors import InvalidArgument, ShapeMismatch
from graphopt.ops import sorting as ops
from graphopt.ops.arithmetic import floor
from graphopt.ops.gather import gather
from graphopt.ops.logic import equal, isnan, where
from graphopt.ops.reduction import spread
from graphopt.tensor.shape import canonical_axes, expression, rank, reshape, transpose
from graphopt.tensor.ufuncs import cast
from graphopt.types import is_float, shape_text
from graphopt.variable import Variable, as_variable, caller

__all__ = ["argsort", "median", "percentile", "quantile", "searchsorted", "sort"]

KINDS = (None, "quicksort", "mergesort", "heapsort", "stable")


def sort(x: Any, axis: int | None = -1, kind: str | None = None, *, stable: bool | None = None) -> Any:
    """Elements in ascending order along an axis, NaN last; all elements in one axis if it is None.

    The order is stable whatever `kind` and `stable` ask for. Where elements are equal, the derivative of a sorted place
    is that of the element which comes there in the stable order.
    """
    x, axes = _along(x, axis, kind, "sort")
    return ops.sort(x, axis=axes)


def argsort(x: Any, axis: int | None = -1, kind: str | None = None, *, stable: bool | None = None) -> Any:
    """The positions from which `sort` takes the elements, int64; those of equal elements ascend."""
    x, axes = _along(x, axis, kind, "argsort")
    return ops.argsort(x, axis=axes)


def _along(x: Any, axis: int | None, kind: str | None, what: str) -> tuple[Any, tuple[int, ...]]:
    if kind not in KINDS:
        raise InvalidArgument(f"{what}: kind is one of {', '.join(map(repr, KINDS))}, found {kind!r}")
    x = expression(x)
    if axis is None:
        return reshape(x, (-1,)), (0,)
    return x, canonical_axes(axis, rank(x, what), what)


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Where values would be inserted into a sorted vector to keep it sorted; int64, of the shape of `v`.

    Parameters
    ----------
    a
        A vector in ascending order, NaN last; what comes out for another is not specified.
    v
        The values.
    side
        "left": before equal elements. "right": behind them.
    sorter
        The positions that put `a` in order, as `argsort` gives them.

    Raises
    ------
    ShapeMismatch
        If `a` is no vector.
    InvalidArgument
        If `side` is something else.
    """
    a, v = expression(a), expression(v)
    if sorter is not None:
        a = gather(a, cast(sorter, "int64"))
    return ops.searchsorted(a, v, side=side)


def median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The middle element over axes in ascending order, or the mean of the two; NaN if there is a NaN.

    Raises
    ------
    ShapeMismatch
        If there are no elements.
    """
    ordered, count, axes = _ordered(x, axis, "median")
    half = as_variable(count) // 2
    upper = _at(ordered, half)
    lower = _at(ordered, (as_variable(count) - 1) // 2)
    return _finished(
        where(equal(as_variable(count) % 2, 1), upper, (lower + upper) / 2), ordered, count, axes, keepdims
    )


def quantile(x: Any, q: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """What a share `q` of the elements over axes lies below, interpolated linearly; NaN if there is a NaN.

    Parameters
    ----------
    x
        Numbers; integers count as float64.
    q
        Between 0 and 1, where that can be known; any shape, whose axes come first in the result.
    axis
        An axis, several, or None for all.
    keepdims
        Whether reduced axes stay, with length 1.

    Raises
    ------
    InvalidArgument
        If a number among `q` is below 0 or above 1.
    ShapeMismatch
        If there are no elements.
    """
    return _quantile(x, q, axis, keepdims, "quantile", 1)


def percentile(x: Any, q: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """`quantile` for shares in percent."""
    return _quantile(x, q, axis, keepdims, "percentile", 100)


def _quantile(x: Any, q: Any, axis: Any, keepdims: bool, what: str, whole: int) -> Any:
    ordered, count, axes = _ordered(x, axis, what)
    if not isinstance(q, Variable):
        number = isinstance(q, int | float)
        q = np.asarray(q, ordered.dtype if number else None)
        if not np.all((q >= 0) & (q <= whole)):
            raise InvalidArgument(f"{what}: q lies between 0 and {whole}, found {q}; at {caller()}")
        q = as_variable(q)
    share = q / whole if whole != 1 else q
    place = share * cast(as_variable(count) - 1, share.dtype)
    lower = floor(place)
    part = place - lower
    part = reshape(part, (*part.shape, *[1] * (ordered.ndim - 1)))
    first, second = (_at(ordered, cast(position, "int64")) for position in (lower, lower + 1))
    slope = second - first
    found = where(part >= 0.5, second - slope * (1 - part), first + slope * part)  # exact at both ends, as NumPy's
    return _finished(found, ordered, count, axes, keepdims, q.ndim)


def _ordered(x: Any, axis: Any, what: str) -> tuple[Any, DimLike, tuple[int, ...]]:
    """The elements over some axes in one axis at the front, sorted; how many they are; which axes."""
    x = expression(x)
    x = x if is_float(x.dtype) else cast(x, "float64")
    axes = canonical_axes(axis, rank(x, what), what)
    kept = tuple(k for k in range(x.ndim) if k not in axes)
    count = product(x.shape[k] for k in axes)
    if count == 0:
        raise ShapeMismatch(f"{what}: shape {shape_text(x.shape)} has no elements over axes {axes}; at {caller()}")
    front = reshape(transpose(x, (*axes, *kept)), (count, *(x.shape[k] for k in kept)))
    return ops.sort(front, axis=(0,)), count, axes


def _at(ordered: Any, position: Any) -> Any:
    return gather(ordered, position)


def _finished(found: Any, ordered: Any, count: DimLike, axes: tuple[int, ...], keepdims: bool, lead: int = 0) -> Any:
    """NaN where there is one, which then is the last; reduced axes back behind the `lead` axes in front."""
    found = where(isnan(_at(ordered, as_variable(count) - 1)), np.nan, found)
    return spread(found, tuple(lead + k for k in axes)) if keepdims else found
