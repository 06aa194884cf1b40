"""Norms of vectors and matrices that need no singular values.

The root of a sum of squares is written as just that: the rules of `stabilize` hold it from overflow and underflow.
Other powers are scaled here by the largest element (the smallest for negative powers). Where everything is 0, the
derivative of every norm is 0, which is one of the subgradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphopt.errors import InvalidArgument, ShapeMismatch, UnsupportedExpression
from graphopt.ops import arithmetic as a
from graphopt.ops import reduction
from graphopt.ops.logic import equal, isfinite, logical_and, not_equal, where
from graphopt.tensor.reduction import min as smallest
from graphopt.tensor.reduction import sum as total
from graphopt.tensor.shape import canonical_axes, expression, rank
from graphopt.tensor.ufuncs import cast
from graphopt.types import is_float

__all__ = ["matrix_norm", "norm", "vector_norm"]

Axes = tuple[int, ...]


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of a vector or a matrix, or of those along one axis or two.

    Parameters
    ----------
    x
        Numbers; integers become float64.
    ord
        None for the root of the sum of all squares. For vectors 0 (how many are not zero), inf, -inf or any other
        number p: (Σ|x|ᵖ)^(1/p). For matrices "fro", 1, -1 (sums of columns), inf, -inf (sums of rows).
    axis
        An integer for vectors, a pair for matrices; None for all of an array of rank 1 or 2, or of any if `ord` is
        None, too.
    keepdims
        Whether the axes are kept with length 1.

    Raises
    ------
    ShapeMismatch
        If `axis` is None for an `ord` that an array of this rank has no meaning for.
    UnsupportedExpression
        For ord 2, -2 and "nuc" of matrices, which need singular values.
    """
    x = _floating(x)
    n = rank(x, "norm")
    if axis is None and ord is not None and n not in (1, 2):
        raise ShapeMismatch(f"norm with ord={ord!r} takes a vector or a matrix, or an axis; found {x.type}")
    axes = canonical_axes(axis, n, "norm")
    if ord is None or (len(axes) == 1 and ord == 2):
        return _euclidean(x, axes, keepdims)
    if len(axes) == 1:
        return _of_vectors(x, ord, axes, keepdims)
    if len(axes) != 2:
        raise InvalidArgument(f"norm: axis is an integer, a pair of integers or None, found {axis!r}")
    # in the order given, where rows come first
    rows, columns = axes if axis is None else (k % n for k in axis)
    return _of_matrices(x, ord, rows, columns, keepdims)


def vector_norm(x: Any, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """The norm of vectors along one axis, or along several taken together; of all elements if none is given."""
    x = _floating(x)
    axes = canonical_axes(axis, rank(x, "vector_norm"), "vector_norm")
    return _euclidean(x, axes, keepdims) if ord == 2 else _of_vectors(x, ord, axes, keepdims)


def matrix_norm(x: Any, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norm of the matrices in the last two axes: "fro", 1, -1, inf or -inf, as in `norm`."""
    x = _floating(x)
    if rank(x, "matrix_norm") < 2:
        raise ShapeMismatch(f"matrix_norm takes an array of at least two axes, found {x.type}")
    return _of_matrices(x, ord, x.ndim - 2, x.ndim - 1, keepdims)


def _floating(x: Any) -> Any:
    x = expression(x)
    return x if is_float(x.dtype) else cast(x, "float64")


def _euclidean(x: Any, axes: Axes, keepdims: bool) -> Any:
    if not axes:
        return a.absolute(x)
    nothing = reduction.all_(equal(x, 0), axis=axes)
    x = where(reduction.spread(nothing, axes), 1, x)  # so that no derivative of a root at 0 is taken
    return _kept(where(nothing, 0, a.sqrt(reduction.sum_(a.square(x), axis=axes))), axes, keepdims)


def _of_vectors(x: Any, ord: Any, axes: Axes, keepdims: bool) -> Any:
    if isinstance(ord, bool) or not isinstance(ord, int | float) or math.isnan(ord):
        raise InvalidArgument(f"norm of vectors: ord is a number, inf, -inf or None, found {ord!r}")
    if ord == 0:
        return total(cast(not_equal(x, 0), x.dtype), axes, keepdims)
    sizes = a.absolute(x)
    if ord == 1:
        return total(sizes, axes, keepdims)
    if math.isinf(ord):
        return (_largest if ord > 0 else smallest)(sizes, axes, keepdims)
    return _kept(_power_mean(sizes, ord, axes), axes, keepdims)


def _power_mean(sizes: Any, p: float, axes: Axes) -> Any:
    """(Σxᵖ)^(1/p) of numbers of at least 0, whose powers are at most 1."""
    reference = (reduction.max_ if p > 0 else reduction.min_)(sizes, axis=axes)
    scale = where(logical_and(isfinite(reference), not_equal(reference, 0)), reference, 1)
    ratios = a.divide(sizes, reduction.spread(scale, axes))
    if p < 2:  # a kink, or a cusp, where an element is 0: its derivative is 0 to every order, as that of |x|
        zero = equal(sizes, 0)
        terms = where(zero, 0, a.power(where(zero, 1, ratios), p))
    else:
        terms = a.power(ratios, p)
    powers = reduction.sum_(terms, axis=axes)
    nothing = equal(powers, 0) if p > 0 else equal(reference, 0)
    return where(nothing, 0, scale * a.power(where(nothing, 1, powers), 1 / p))


def _largest(sizes: Any, axis: Any, keepdims: bool) -> Any:
    """The largest of numbers of at least 0; 0 of none, as in NumPy."""
    axes = canonical_axes(axis, sizes.ndim, "norm")
    return _kept(a.maximum(reduction.max_(sizes, axis=axes), 0) if axes else sizes, axes, keepdims)


_REDUCED: Mapping[Any, tuple[Callable[..., Any], int]] = {  # an extremum of sums along the rows' axis or the columns'
    1: (_largest, 0), -1: (smallest, 0), math.inf: (_largest, 1), -math.inf: (smallest, 1),
}  # fmt: skip


def _of_matrices(x: Any, ord: Any, rows: int, columns: int, keepdims: bool) -> Any:
    if ord in (None, "fro", "f"):
        return _euclidean(x, canonical_axes((rows, columns), x.ndim, "norm"), keepdims)
    if ord in (2, -2, "nuc"):
        raise UnsupportedExpression(f"norm: ord={ord!r} of matrices needs singular values; try 'fro', 1 or inf")
    if ord not in _REDUCED:
        raise InvalidArgument(f"norm of matrices: ord is 'fro', 1, -1, inf or -inf, found {ord!r}")
    extremum, along = _REDUCED[ord]
    sums = total(a.absolute(x), (rows, columns)[along], keepdims=True)
    return extremum(sums, (rows, columns), keepdims)


def _kept(y: Any, axes: Sequence[int], keepdims: bool) -> Any:
    return reduction.spread(y, tuple(axes)) if keepdims else y
