"""NumPy's matrix products: every rank is brought to `matmul` of matrices, the one form that is recognized."""

from __future__ import annotations

from typing import Any

from graphopt.errors import ShapeMismatch
from graphopt.ops import shape as ops
from graphopt.ops.linear_algebra import matmul as product_of_matrices
from graphopt.tensor.shape import expression
from graphopt.variable import Variable

__all__ = ["dot", "matmul", "outer"]


def matmul(a: Any, b: Any) -> Any:
    """NumPy's `@`: vectors are rows on the left and columns on the right, leading axes broadcast.

    Raises
    ------
    ShapeMismatch
        If an operand is a scalar, or the inner sizes differ.
    """
    a, b = expression(a), expression(b)
    if not (isinstance(a, Variable) and isinstance(b, Variable)):
        return product_of_matrices(a, b)
    if not a.ndim or not b.ndim:
        raise ShapeMismatch(f"matmul takes no scalars, found {a.type} and {b.type}; use * instead")
    left = ops.expand_dims(a, axis=(0,)) if a.ndim == 1 else a
    right = ops.expand_dims(b, axis=(1,)) if b.ndim == 1 else b
    result: Any = product_of_matrices(left, right)
    drop = (*((result.ndim - 2,) if a.ndim == 1 else ()), *((result.ndim - 1,) if b.ndim == 1 else ()))
    return ops.squeeze(result, axis=drop) if drop else result


def dot(a: Any, b: Any) -> Any:
    """NumPy's `dot` for ranks up to 2; scalars multiply.

    Raises
    ------
    ShapeMismatch
        For higher ranks, where `dot` and `matmul` differ: say which is meant with `matmul`.
    """
    a, b = expression(a), expression(b)
    if all(isinstance(x, Variable) for x in (a, b)):
        if a.ndim == 0 or b.ndim == 0:
            return a * b
        if a.ndim > 2 or b.ndim > 2:
            raise ShapeMismatch(f"dot is for ranks up to 2, found {a.type} and {b.type}; use T.matmul")
    return matmul(a, b)


def outer(a: Any, b: Any) -> Any:
    """All products of an element of one array with an element of another; both are read as vectors."""
    a, b = (
        ops.reshape(x, shape=(x.size,)) if isinstance(x, Variable) and x.ndim != 1 else x
        for x in (expression(a), expression(b))
    )
    return ops.expand_dims(a, axis=(1,)) * ops.expand_dims(b, axis=(0,))
