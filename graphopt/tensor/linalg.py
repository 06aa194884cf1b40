"""Linear algebra under the names of `numpy.linalg`: products, powers, norms and diagonals of matrices; equations.

Matrices are the last two axes here, as in the array API standard, where the functions of the same name in
`graphopt.tensor` take the first two.
"""

from __future__ import annotations

from typing import Any

from graphopt.errors import InvalidArgument, ShapeMismatch
from graphopt.tensor import diagonals as _diagonals
from graphopt.tensor import products as _products
from graphopt.tensor.contraction import multi_dot, tensordot
from graphopt.tensor.decompositions import cho_solve, cholesky, det, inv, slogdet, solve, solve_triangular
from graphopt.tensor.norms import matrix_norm, norm, vector_norm
from graphopt.tensor.products import matmul, vecdot
from graphopt.tensor.rearranging import matrix_transpose
from graphopt.tensor.shape import broadcast_to, expression, rank
from graphopt.types import agree

__all__ = ["cho_solve", "cholesky", "cross", "det", "diagonal", "inv", "matmul", "matrix_norm", "matrix_power",
           "matrix_transpose", "multi_dot", "norm", "outer", "slogdet", "solve", "solve_triangular", "tensordot",
           "trace", "vecdot", "vector_norm"]  # fmt: skip


def diagonal(x: Any, *, offset: int = 0) -> Any:
    """The diagonals of the matrices in the last two axes."""
    return _diagonals.diagonal(x, offset, -2, -1)


def trace(x: Any, *, offset: int = 0) -> Any:
    """The sums of the diagonals of the matrices in the last two axes."""
    return _diagonals.trace(x, offset, -2, -1)


def outer(a: Any, b: Any) -> Any:
    """All products of an element of one vector with an element of another.

    Raises
    ------
    ShapeMismatch
        If one is no vector.
    """
    a, b = expression(a), expression(b)
    if rank(a, "outer") != 1 or rank(b, "outer") != 1:
        raise ShapeMismatch(f"outer takes two vectors, found {a.type} and {b.type}")
    return _products.outer(a, b)


def cross(a: Any, b: Any, *, axis: int = -1) -> Any:
    """The cross product of vectors of three elements along an axis."""
    return _products.cross(a, b, axis=axis)


def matrix_power(x: Any, n: int) -> Any:
    """A product of n equal matrices, by repeated squaring; the identity for n = 0, of inverses for n < 0.

    Raises
    ------
    InvalidArgument
        If n is no integer.
    ShapeMismatch
        If the last two axes are no square matrix.
    """
    x = expression(x)
    if not isinstance(n, int) or isinstance(n, bool):
        raise InvalidArgument(f"matrix_power: the exponent is an integer, found {n!r}")
    if rank(x, "matrix_power") < 2:
        raise ShapeMismatch(f"matrix_power takes matrices, found {x.type}")
    try:
        size = agree(*x.shape[-2:])
    except ShapeMismatch:
        raise ShapeMismatch(f"matrix_power takes square matrices, found {x.type}") from None
    square = (*x.shape[:-2], size, size)
    x = x if x.shape == square else broadcast_to(x, square)
    if n == 0:
        return broadcast_to(_diagonals.eye(size, dtype=x.dtype), square)
    x, n = (inv(x), -n) if n < 0 else (x, n)
    result = None
    while n:
        if n % 2:
            result = x if result is None else matmul(result, x)
        n //= 2
        x = matmul(x, x) if n else x
    return result
