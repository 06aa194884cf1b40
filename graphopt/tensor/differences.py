"""Differences and integrals of sampled functions: gradient, ediff1d, trapezoid."""

from __future__ import annotations

from typing import Any

from graphopt.errors import InvalidArgument, ShapeMismatch
from graphopt.tensor import reduction
from graphopt.tensor.indexing import getitem
from graphopt.tensor.parts import concatenate, diff
from graphopt.tensor.shape import canonical_axes, expression, rank, ravel, reshape
from graphopt.tensor.ufuncs import cast
from graphopt.types import is_float

__all__ = ["ediff1d", "gradient", "trapezoid"]


def ediff1d(x: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """The differences of neighbours among all elements, with others before and after them."""
    x = ravel(x)
    parts = [to_begin, diff(x), to_end]
    return concatenate([cast(ravel(part), x.dtype) for part in parts if part is not None])


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral along an axis by the trapezoidal rule, of samples `dx` apart or at the places `x`."""
    y = expression(y)
    (axis,) = canonical_axes(axis, rank(y, "trapezoid"), "trapezoid")
    if x is not None:
        x = expression(x)
        dx = reshape(diff(x), _along(axis, y.ndim)) if x.ndim == 1 else diff(x, axis=axis)
    return reduction.sum(dx * (_part(y, axis, 1, None) + _part(y, axis, None, -1)) / 2.0, axis)


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """The derivatives of a sampled function: central differences inside, one-sided ones at the ends.

    Parameters
    ----------
    f
        The samples; integers become float64.
    *varargs
        The spacing along every axis: none for 1, one for all, or one for each; a number, or the places as a vector.
    axis
        Along which axes; all if None.
    edge_order
        1 or 2, the order of the differences at the ends.

    Returns
    -------
    One array for one axis, a tuple for several.

    Raises
    ------
    InvalidArgument
        If there are other numbers of spacings, or another order.
    ShapeMismatch
        If an axis is known to be too short.
    """
    f = expression(f)
    f = f if is_float(f.dtype) else cast(f, "float64")
    axes = canonical_axes(axis, rank(f, "gradient"), "gradient")
    if isinstance(axis, tuple | list):
        axes = tuple(k % f.ndim for k in axis)
    spacings = list(varargs) * len(axes) if len(varargs) == 1 else list(varargs) or [1.0] * len(axes)
    if len(spacings) != len(axes):
        raise InvalidArgument(f"gradient: {len(spacings)} spacings for {len(axes)} axes")
    if edge_order not in (1, 2):
        raise InvalidArgument(f"gradient: edge_order is 1 or 2, found {edge_order!r}")
    results = [_derivative(f, k, h, edge_order) for k, h in zip(axes, spacings, strict=True)]
    return results[0] if len(results) == 1 else tuple(results)


def _derivative(f: Any, axis: int, spacing: Any, order: int) -> Any:
    if isinstance(size := f.shape[axis], int) and size < order + 1:
        raise ShapeMismatch(f"gradient: axis {axis} has {size} elements, at least {order + 1} are needed")
    if not isinstance(spacing, int | float):  # numbers are weak
        spacing = expression(spacing)
    if (ndim := getattr(spacing, "ndim", 0)) > 1:
        raise ShapeMismatch(f"gradient: a spacing is a number or a vector of places, found {spacing.type}")
    if ndim:
        steps = reshape(diff(spacing), _along(axis, f.ndim))
        before, after = _part(steps, axis, None, -1), _part(steps, axis, 1, None)
        ends = [_part(steps, axis, low, high) for low, high in ((0, 1), (1, 2), (-1, None), (-2, -1))]
    else:
        before = after = spacing
        ends = [spacing] * 4
    low, middle, high = _part(f, axis, None, -2), _part(f, axis, 1, -1), _part(f, axis, 2, None)
    if ndim:
        whole = before + after
        inner = -after / (before * whole) * low + (after - before) / (before * after) * middle
        inner = inner + before / (after * whole) * high
    else:
        inner = (high - low) / (2.0 * spacing)
    slope = _one_sided if order == 2 else _two_points
    first = slope(f, axis, (0, 1, 2), ends[0], ends[1])
    last = slope(f, axis, (-1, -2, -3), -ends[2], -ends[3])
    return concatenate([first, inner, last], axis)


def _two_points(f: Any, axis: int, places: tuple[int, int, int], near: Any, far: Any) -> Any:
    """The slope at the first of some places, from it and the next."""
    here, there = (_part(f, axis, k, k + 1 or None) for k in places[:2])
    return (there - here) / near


def _one_sided(f: Any, axis: int, places: tuple[int, int, int], near: Any, far: Any) -> Any:
    """The slope at the first of three places, of the parabola through all of them."""
    here, there, beyond = (_part(f, axis, k, k + 1 or None) for k in places)
    whole = near + far
    a, b, c = -(2.0 * near + far) / (near * whole), whole / (near * far), -near / (far * whole)
    return a * here + b * there + c * beyond


def _along(axis: int, ndim: int) -> tuple[int, ...]:
    return tuple(-1 if k == axis else 1 for k in range(ndim))


def _part(x: Any, axis: int, start: int | None, stop: int | None) -> Any:
    return getitem(x, (*(slice(None),) * axis, slice(start, stop)))
