"""NumPy's matrix products: every rank is brought to `matmul` of matrices, the one form that is recognized."""

from __future__ import annotations

from typing import Any

from graphopt.errors import ShapeMismatch
from graphopt.ops import shape as ops
from graphopt.ops.linear_algebra import matmul as product_of_matrices
from graphopt.tensor.contraction import tensordot
from graphopt.tensor.parts import stack
from graphopt.tensor.shape import broadcast_to, expression, moveaxis, ravel
from graphopt.types import shape_text
from graphopt.variable import Variable, caller, described

__all__ = ["cross", "dot", "matmul", "matvec", "outer", "vecdot", "vecmat"]


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
        raise ShapeMismatch(
            f"matmul takes no scalars, found {described(a)} and {described(b)}; use * instead; at {caller()}"
        )
    left = ops.expand_dims(a, axis=(0,)) if a.ndim == 1 else a
    right = ops.expand_dims(b, axis=(1,)) if b.ndim == 1 else b
    try:
        result: Any = product_of_matrices(left, right)
    except ShapeMismatch:
        shapes = f"{shape_text(a.shape)} and {shape_text(b.shape)}"
        inner, other = a.shape[-1], b.shape[max(b.ndim - 2, 0)]
        differ = isinstance(inner - other, int) and inner != other
        why = f"inner sizes {inner} and {other} differ" if differ else "leading axes do not broadcast"
        raise ShapeMismatch(
            f"matmul({described(a)}, {described(b)}): cannot multiply shapes {shapes}: {why}; at {caller()}"
        ) from None
    drop = (*((result.ndim - 2,) if a.ndim == 1 else ()), *((result.ndim - 1,) if b.ndim == 1 else ()))
    return ops.squeeze(result, axis=drop) if drop else result


def dot(a: Any, b: Any) -> Any:
    """NumPy's `dot`: the last axis of `a` with the last but one of `b`, or with its only one; scalars multiply.

    Raises
    ------
    ShapeMismatch
        If the inner sizes differ.
    """
    a, b = expression(a), expression(b)
    if all(isinstance(x, Variable) for x in (a, b)):
        if a.ndim == 0 or b.ndim == 0:
            return a * b
        if b.ndim > 2:
            return tensordot(a, b, (-1, -2))
    return matmul(a, b)


def outer(a: Any, b: Any) -> Any:
    """All products of an element of one array with an element of another, both flattened to vectors."""
    a, b = (ravel(x) if isinstance(x, Variable) and x.ndim != 1 else x for x in (expression(a), expression(b)))
    return ops.expand_dims(a, axis=(1,)) * ops.expand_dims(b, axis=(0,))


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The cross product of vectors of three elements, along an axis of each and of the result, or along one of all.

    Raises
    ------
    ShapeMismatch
        If the vectors have another number of elements; those of two, which are deprecated in NumPy, included.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    first, second = ([_last(x, place)[..., k] for k in range(3)] for x, place in ((a, axisa), (b, axisb)))
    parts = [first[j] * second[k] - first[k] * second[j] for j, k in ((1, 2), (2, 0), (0, 1))]
    return stack(parts, axisc)


def _last(x: Any, axis: int) -> Any:
    """With the axis of the three elements at the end."""
    x = moveaxis(expression(x), axis, -1) if expression(x).ndim else expression(x)
    if not x.ndim or (isinstance(x.shape[-1], int) and x.shape[-1] != 3):
        raise ShapeMismatch(f"cross takes vectors of 3 elements, found {x.type}")
    return x if x.shape[-1] == 3 else broadcast_to(x, (*x.shape[:-1], 3))


def vecdot(a: Any, b: Any, axis: int = -1) -> Any:
    """Inner products of vectors along an axis; the others broadcast.

    Raises
    ------
    ShapeMismatch
        If an operand is a scalar, or the sizes along the axis differ.
    """
    a, b = _with_axes("vecdot", a, 1), _with_axes("vecdot", b, 1)
    if axis != -1:
        a, b = moveaxis(a, axis, -1), moveaxis(b, axis, -1)
    product = matmul(ops.expand_dims(a, axis=(a.ndim - 1,)), ops.expand_dims(b, axis=(b.ndim,)))
    return ops.squeeze(product, axis=(product.ndim - 2, product.ndim - 1))


def matvec(a: Any, b: Any) -> Any:
    """Matrices times vectors; leading axes broadcast.

    Raises
    ------
    ShapeMismatch
        If `a` has no two axes or `b` none, or the inner sizes differ.
    """
    a, b = _with_axes("matvec", a, 2), _with_axes("matvec", b, 1)
    product = matmul(a, ops.expand_dims(b, axis=(b.ndim,)))
    return ops.squeeze(product, axis=(product.ndim - 1,))


def vecmat(a: Any, b: Any) -> Any:
    """Vectors times matrices; leading axes broadcast.

    Raises
    ------
    ShapeMismatch
        If `a` has no axis or `b` no two, or the inner sizes differ.
    """
    a, b = _with_axes("vecmat", a, 1), _with_axes("vecmat", b, 2)
    product = matmul(ops.expand_dims(a, axis=(a.ndim - 1,)), b)
    return ops.squeeze(product, axis=(product.ndim - 2,))


def _with_axes(what: str, x: Any, least: int) -> Any:
    x = expression(x)
    if isinstance(x, Variable) and x.ndim < least:
        expected = "a vector" if least == 1 else "a matrix"
        raise ShapeMismatch(f"{what} takes {expected} there, or a stack of them; found {x.type}")
    return x
