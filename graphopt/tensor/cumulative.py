"""Running sums, products and linear recurrences along an axis."""

from __future__ import annotations

from typing import Any

from graphopt.ops import running as ops
from graphopt.ops.shape import reshape
from graphopt.tensor.shape import canonical_axes, expression
from graphopt.types import check_dtype, is_float
from graphopt.variable import convert

__all__ = ["cumprod", "cumsum", "cumulative_prod", "cumulative_sum", "recurrence"]


def _running(op: Any, x: Any, axis: int | None, dtype: Any) -> Any:
    x = expression(x)
    if dtype is None and not is_float(x.dtype):  # as sums and products do, in 64 bits
        dtype = "uint64" if x.dtype.startswith("u") else "int64"
    if dtype is not None and x.dtype != check_dtype(dtype):
        x = convert(x, check_dtype(dtype))
    if axis is None or not x.ndim:
        x, axis = reshape(x, shape=(x.size,)), 0
    return op(x, axis=canonical_axes(axis, x.ndim, op.name))


def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The sums of all elements up to each one along an axis; of all elements in one axis if none is given.

    Added from the front to the back, as NumPy does; bools and integers in 64 bits unless a dtype is given.
    """
    return _running(ops.cumsum, x, axis, dtype)


def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The products of all elements up to each one along an axis; of all elements in one axis if none is given.

    Its derivative divides by nothing, and so holds where elements are 0.
    """
    return _running(ops.cumprod, x, axis, dtype)


def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None) -> Any:
    """`cumsum` under the name of the array API standard."""
    return cumsum(x, axis, dtype)


def cumulative_prod(x: Any, /, *, axis: int | None = None, dtype: Any = None) -> Any:
    """`cumprod` under the name of the array API standard."""
    return cumprod(x, axis, dtype)


def recurrence(factors: Any, terms: Any, axis: int = -1) -> Any:
    """yₜ = factorsₜ yₜ₋₁ + termsₜ along an axis, beginning with 0: moving averages, filters, discounted sums.

    Parameters
    ----------
    factors, terms
        Floats that broadcast against each other.

    Examples
    --------
    An exponential moving average is `recurrence(1 - a, a * x)`.
    """
    from graphopt.tensor.shape import broadcast_to

    product = expression(factors) * expression(terms)  # the dtype and shape they have together
    both = [broadcast_to(convert(expression(x), product.dtype), product.shape) for x in (factors, terms)]
    return ops.recurrence(*both, axis=canonical_axes(axis, product.ndim, "recurrence"))
