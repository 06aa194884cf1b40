"""Averages, spreads and covariances, and reductions that pass over NaN."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt.dimensions import opaque, product
from graphopt.errors import ShapeMismatch
from graphopt.ops.arithmetic import sqrt, square
from graphopt.ops.logic import isnan, logical_not, where
from graphopt.tensor import reduction
from graphopt.tensor.diagonals import diagonal
from graphopt.tensor.parts import concatenate
from graphopt.tensor.products import matmul
from graphopt.tensor.rearranging import atleast_2d
from graphopt.tensor.shape import broadcast_to, canonical_axes, expand_dims, expression, rank, transpose
from graphopt.tensor.ufuncs import cast, clip
from graphopt.types import is_float, shape_text

__all__ = ["average", "corrcoef", "cov", "nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum", "nanvar", "ptp"]


def average(
    x: Any, axis: Any = None, weights: Any = None, returned: bool = False, keepdims: bool = False
) -> Any | tuple[Any, Any]:
    """The mean weighted by an array of the same shape, or of the sizes of the axes.

    As nothing is known of the weights' values, a sum of 0 gives NaN or an infinity where NumPy raises. With `returned`,
    also the sum of the weights.

    Raises
    ------
    ShapeMismatch
        If the weights have another shape.
    """
    x = expression(x)
    axes = canonical_axes(axis, rank(x, "average"), "average")
    if weights is None:
        mean = reduction.mean(x, axes, keepdims)
        scale = cast(product(x.shape[k] for k in axes), mean.dtype)
    else:
        weights = _weights(expression(weights), x, axis, axes)
        dtype = str(np.result_type(x.dtype, weights.dtype, *([] if is_float(x.dtype) else ["float64"])))
        weights = cast(weights, dtype)
        scale = reduction.sum(weights, axes, keepdims)
        mean = reduction.sum(cast(x, dtype) * weights, axes, keepdims) / scale
    return (mean, broadcast_to(scale, mean.shape)) if returned else mean


def _weights(weights: Any, x: Any, axis: Any, axes: tuple[int, ...]) -> Any:
    """Weights in the shape of `x`."""
    if weights.ndim == x.ndim and (weights.shape == x.shape or axis is None):
        return broadcast_to(weights, x.shape)
    if axis is None or weights.ndim != len(axes):
        shapes = f"{shape_text(weights.shape)} for an array of shape {shape_text(x.shape)}"
        raise ShapeMismatch(f"average: weights of shape {shapes}; expected its shape, or the sizes of the axes")
    given = [k % x.ndim for k in axis] if isinstance(axis, Sequence) else list(axes)  # in the weights' order
    weights = transpose(weights, [given.index(k) for k in axes])
    return broadcast_to(expand_dims(weights, tuple(k for k in range(x.ndim) if k not in axes)), x.shape)


def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest element over axes less the smallest."""
    return reduction.max(x, axis, keepdims) - reduction.min(x, axis, keepdims)


def cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None) -> Any:
    """The covariances of variables, float64 as NumPy's.

    Parameters
    ----------
    m
        One variable, or a matrix in which each row is one and each column an observation.
    y
        More variables.
    rowvar
        False if each column is a variable.
    bias, ddof
        What the number of observations is reduced by in the divisor: 1; 0 with `bias`; or `ddof`.

    Raises
    ------
    ShapeMismatch
        If an array has more than two axes.
    """
    x = _variables(m, rowvar)
    if y is not None:
        x = concatenate([x, _variables(y, rowvar)], 0)
    deviation = x - reduction.mean(x, 1, keepdims=True)
    divisor = opaque("max", x.shape[1] - ((0 if bias else 1) if ddof is None else ddof), 0)
    covariances = matmul(deviation, transpose(deviation)) / divisor
    return covariances[0, 0] if covariances.shape == (1, 1) else covariances


def _variables(x: Any, rowvar: bool) -> Any:
    """A matrix with a variable in every row."""
    x = expression(x)
    if rank(x, "cov") > 2:
        raise ShapeMismatch(f"covariances are those of a vector or a matrix, found {x.type}")
    x = cast(atleast_2d(x), "float64")
    return x if rowvar or x.shape[0] == 1 else transpose(x)


def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    """The coefficients of correlation of variables, given as for `cov`; between -1 and 1."""
    c = cov(x, y, rowvar)
    if c.ndim == 0:
        return c / c
    deviations = sqrt(diagonal(c))
    return clip(c / expand_dims(deviations, 1) / expand_dims(deviations, 0), -1, 1)


# --- passing over NaN -------------------------------------------------------------------------------------------------


def _replaced(x: Any, value: float) -> Any:
    """With a number for every NaN; integers have none."""
    return where(isnan(x), value, x) if is_float(x.dtype) else x


def nansum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The sum over axes of what is no NaN."""
    return reduction.sum(_replaced(expression(x), 0), axis, keepdims)


def nanprod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The product over axes of what is no NaN."""
    return reduction.prod(_replaced(expression(x), 1), axis, keepdims)


def nanmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest element over axes that is no NaN; NaN if there is none. Of no elements, raises as `max`."""
    return _extremum(reduction.max, -math.inf, x, axis, keepdims)


def nanmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The smallest element over axes that is no NaN; NaN if there is none. Of no elements, raises as `min`."""
    return _extremum(reduction.min, math.inf, x, axis, keepdims)


def _extremum(function: Any, neutral: float, x: Any, axis: Any, keepdims: bool) -> Any:
    x = expression(x)
    found = function(_replaced(x, neutral), axis, keepdims)
    return where(reduction.all(isnan(x), axis, keepdims), math.nan, found) if is_float(x.dtype) else found


def _count(x: Any, axis: Any, keepdims: bool) -> Any:
    return cast(reduction.sum(logical_not(isnan(x)), axis, keepdims), x.dtype)


def nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean over axes of what is no NaN; NaN if there is nothing."""
    x = expression(x)
    return (
        nansum(x, axis, keepdims) / _count(x, axis, keepdims)
        if is_float(x.dtype)
        else reduction.mean(x, axis, keepdims)
    )


def nanvar(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """The variance over axes of what is no NaN, by the two-pass formula; NaN if there are no more than `ddof`."""
    x = expression(x)
    x = x if is_float(x.dtype) else cast(x, "float64")
    deviation = where(isnan(x), 0, x - nanmean(x, axis, keepdims=True))
    freedom = _count(x, axis, keepdims) - ddof
    return where(freedom > 0, reduction.sum(square(deviation), axis, keepdims) / freedom, math.nan)


def nanstd(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """The standard deviation over axes of what is no NaN. Of equal elements its derivative is 0."""
    return reduction.root(nanvar(x, axis, ddof, keepdims))
