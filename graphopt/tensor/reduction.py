"""NumPy's reductions: argument forms, defaults, `keepdims`; and what is composed of them (mean, var, std).

`keepdims` becomes `expand_dims` of the reduction: the one form that rules have to know.
"""

from __future__ import annotations

from typing import Any

from graphopt.dimensions import Dim, DimLike, opaque, product
from graphopt.errors import InvalidArgument, ShapeMismatch
from graphopt.op import Attributes, Op
from graphopt.ops import neural
from graphopt.ops import reduction as ops
from graphopt.ops.arithmetic import sqrt, square
from graphopt.ops.leaves import iota
from graphopt.ops.logic import equal, isnan, logical_or, not_equal, where
from graphopt.ops.shape import expand_dims
from graphopt.tensor.shape import canonical_axes, expression, reshape
from graphopt.tensor.ufuncs import cast, floating
from graphopt.types import agree, is_float, shape_text
from graphopt.variable import Variable, caller

__all__ = ["all", "any", "argmax", "argmin", "count_nonzero", "log_softmax", "logsumexp", "max", "mean", "min", "prod",
           "softmax", "std", "sum", "var"]  # fmt: skip


def _axes(x: Any, axis: Any, what: str) -> Any:
    return canonical_axes(axis, x.ndim, what, x) if isinstance(x, Variable) else axis


def _reduce(op: Op, x: Any, axis: Any, keepdims: bool) -> Any:
    x = expression(x)
    axes = _axes(x, axis, op.name)
    if axes == () and isinstance(x, Variable):  # nothing is combined; small integers still become wide ones
        return cast(x, op.type_rule((x.type,), Attributes(axis=()), agree).dtype)
    reduced = op(x, axis=axes)
    return ops.spread(reduced, axes) if keepdims else reduced


def _extremum(op: Op, x: Any, axis: Any, keepdims: bool) -> Any:
    """As NumPy, an extremum of no elements is an error, while the op has a neutral element there."""
    x = expression(x)
    axes, reduced = _axes(x, axis, op.name), _reduce(op, x, axis, keepdims=False)
    if isinstance(x, Variable):
        for k in axes:
            if x.shape[k] == 0:
                which = "largest" if op is ops.max_ else "smallest"
                shape = shape_text(x.shape)
                raise ShapeMismatch(f"{op.name}: axis {k} of shape {shape} has no {which} element; at {caller()}")
        if unknown := tuple(x.shape[k] for k in axes if isinstance(x.shape[k], Dim)):
            reduced = reduced.needing(unknown)
    return ops.spread(reduced, axes) if keepdims else reduced


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The sum over axes; bools and integers add up in 64 bits."""
    return _reduce(ops.sum_, x, axis, keepdims)


def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The product over axes; bools and integers multiply in 64 bits."""
    return _reduce(ops.prod, x, axis, keepdims)


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest element over axes; NaN if one is. Raises ShapeMismatch, here or at the call, if there are none."""
    return _extremum(ops.max_, x, axis, keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The smallest element over axes; NaN if one is. Raises ShapeMismatch, here or at the call, if there are none."""
    return _extremum(ops.min_, x, axis, keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether some element over axes is nonzero."""
    return _reduce(ops.any_, truth(x), axis, keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether every element over axes is nonzero."""
    return _reduce(ops.all_, truth(x), axis, keepdims)


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Where the largest element along an axis stands first, or a NaN if there is one; int64.

    Raises
    ------
    ShapeMismatch
        If the axis has no elements.
    UnsupportedExpression
        If its length is not known while the program is built.
    """
    return _place(ops.max_, x, axis, keepdims, "argmax")


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Where the smallest element along an axis stands first, or a NaN if there is one; int64. Raises like `argmax`."""
    return _place(ops.min_, x, axis, keepdims, "argmin")


def _place(op: Op, x: Any, axis: int | None, keepdims: bool, what: str) -> Any:
    """The least position at which an extremum stands."""
    x = expression(x)
    ndim = x.ndim
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    axes = canonical_axes(axis, x.ndim, what, x)
    size = x.shape[axes[0]]
    if size == 0:
        raise ShapeMismatch(f"{what}: axis {axes[0]} of shape {shape_text(x.shape)} has no elements")
    hit = equal(x, ops.spread(op(x, axis=axes), axes))
    hit = logical_or(hit, isnan(x)) if is_float(x.dtype) else hit
    after = tuple(range(1, x.ndim - axes[0]))
    places = expand_dims(iota(size=size), axis=after) if after else iota(size=size)
    found = ops.min_(where(hit, places, size), axis=axes)
    found = found.needing((size,)) if isinstance(size, Dim) else found
    if not keepdims:
        return found
    return reshape(found, (1,) * ndim) if x.ndim != ndim else ops.spread(found, axes)


def count_nonzero(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """How many elements over axes are not zero; int64."""
    return sum(truth(x), axis, keepdims)


def truth(x: Any) -> Any:
    """A condition as bool: numbers are true where they are not 0."""
    x = expression(x)
    return not_equal(x, 0) if isinstance(x, Variable) and x.dtype != "bool" else x


def _count(x: Any, axis: Any) -> DimLike:
    return product(x.shape[a] for a in canonical_axes(axis, x.ndim, "mean"))


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The arithmetic mean over axes; integers give float64."""
    x = expression(x)
    axis = _axes(x, axis, "mean")
    total = sum(x if is_float(x.dtype) else x.astype("float64"), axis, keepdims)
    return total / _count(x, axis)


def var(x: Any, axis: Any = None, ddof: Any = 0, keepdims: bool = False, *, correction: Any = 0) -> Any:
    """The variance over axes, by the two-pass formula; the divisor is the count less `ddof`, or `correction`.

    Raises InvalidArgument if both are given.
    """
    if ddof and correction:
        raise InvalidArgument(f"ddof and correction are one thing; found both, {ddof} and {correction}")
    x = expression(x)
    axis = _axes(x, axis, "var")
    deviation = x - mean(x, axis, keepdims=True)
    return sum(square(deviation), axis, keepdims) / opaque("max", _count(x, axis) - (ddof or correction), 0)


def std(x: Any, axis: Any = None, ddof: Any = 0, keepdims: bool = False, *, correction: Any = 0) -> Any:
    """The standard deviation over axes; `ddof` and `correction` as for `var`. Of equal elements its derivative is 0."""
    return root(var(x, axis, ddof, keepdims, correction=correction))


def root(square: Any) -> Any:
    """The root of what is a square, of a length or a deviation: its derivative is 0 at 0, one of the subgradients."""
    nothing = equal(square, 0)
    return where(nothing, 0, sqrt(where(nothing, 1, square)))


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log of the sum of exp over axes, without overflow."""
    x = expression(x)
    x = x if not isinstance(x, Variable) or is_float(x.dtype) else cast(x, "float64")
    return _reduce(neural.logsumexp, x, axis, keepdims)


def softmax(x: Any, axis: Any = -1) -> Any:
    """exp(x) over its sum along axes, without overflow."""
    x = floating(x)
    return neural.softmax(x, axis=_nonempty(_axes(x, axis, "softmax")))


def log_softmax(x: Any, axis: Any = -1) -> Any:
    """The logarithm of softmax, without overflow or cancellation."""
    x = floating(x)
    return neural.log_softmax(x, axis=_nonempty(_axes(x, axis, "log_softmax")))


def _nonempty(axes: Any) -> Any:
    if axes == ():
        raise InvalidArgument("softmax needs an axis; a scalar has none")
    return axes
