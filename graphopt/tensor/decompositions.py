"""NumPy's and SciPy's functions of square matrices: Cholesky's factor, solutions, inverses, determinants.

The last two axes are matrices and leading ones batches, computed by LAPACK on the host. Integers count as float64.
Where NumPy raises LinAlgError, because a matrix is singular or not positive definite, every element of that matrix's
result is NaN, in every target, and the rest of the batch is computed: a call's arrays decide which matrices those are,
and a rewritten program must fail exactly where the original did.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from graphopt.errors import InvalidArgument
from graphopt.ops import decompositions as ops
from graphopt.ops import shape as views
from graphopt.ops.linear_algebra import swapped
from graphopt.tensor.shape import expression
from graphopt.variable import Variable

__all__ = ["SlogdetResult", "cho_solve", "cholesky", "det", "inv", "slogdet", "solve", "solve_triangular"]


class SlogdetResult(NamedTuple):
    """Sign and logarithm of the size of a determinant."""

    sign: Any
    logabsdet: Any


def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """The triangular L for which a = L Lᵀ, or with `upper` the U for which a = Uᵀ U.

    Parameters
    ----------
    a
        Symmetric positive definite matrices, float[..., n, n]; only the triangle that the result has is read.
    upper
        Which triangle.

    Returns
    -------
    Variable
        float[..., n, n], zeros outside the triangle; NaN where a matrix is not positive definite. Derivatives are
        with respect to the triangle that is read (Murray, 2016).

    Raises
    ------
    ShapeMismatch
        If the matrices are not square.
    """
    a = expression(a)
    return swapped(ops.cholesky(swapped(a))) if upper else ops.cholesky(a)


def solve(a: Any, b: Any) -> Any:
    """The x for which a x = b.

    Parameters
    ----------
    a
        Square matrices, float[..., n, n].
    b
        A vector, float[n], or matrices, float[..., n, k]: as in NumPy 2, only an array of rank 1 is a vector.

    Returns
    -------
    Variable
        float[..., n] for a vector, float[..., n, k] for matrices, leading axes broadcast; NaN where a matrix of `a` is
        singular.

    Raises
    ------
    ShapeMismatch
        If the shapes do not go together.
    """
    return _with_columns(ops.solve, expression(a), expression(b))


def solve_triangular(a: Any, b: Any, trans: int | str = 0, lower: bool = False, unit_diagonal: bool = False) -> Any:
    """The x for which a x = b, where `a` is triangular: what is outside its triangle is not read.

    Parameters
    ----------
    a, b
        As for `solve`.
    trans
        0 or "N": as it is. 1, "T", 2 or "C": aᵀ x = b.
    lower
        Which triangle of `a` is read.
    unit_diagonal
        Whether its diagonal counts as ones and is not read.

    Returns
    -------
    Variable
        As from `solve`; NaN where the diagonal has a zero.

    Raises
    ------
    ShapeMismatch
        If the shapes do not go together.
    InvalidArgument
        If `trans` is something else.
    """
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise InvalidArgument(f"solve_triangular: trans is 0, 1, 2, 'N', 'T' or 'C', found {trans!r}")
    a, b = expression(a), expression(b)
    if trans not in (0, "N"):
        a, lower = swapped(a), not lower

    def op(a: Any, b: Any) -> Any:
        return ops.solve_triangular(a, b, lower=bool(lower), unit_diagonal=bool(unit_diagonal))

    return _with_columns(op, a, b)


def cho_solve(c_and_lower: tuple[Any, bool], b: Any) -> Any:
    """The x for which a x = b, given a Cholesky factor of `a` and whether it is the lower one: SciPy's function."""
    factor, lower = c_and_lower
    if lower:
        return solve_triangular(factor, solve_triangular(factor, b, lower=True), trans=1, lower=True)
    return solve_triangular(factor, solve_triangular(factor, b, trans=1))


def inv(a: Any) -> Any:
    """The inverses of square matrices, float[..., n, n]; NaN where one is singular.

    To multiply with an inverse, `solve` takes fewer operations and is more accurate.
    """
    return ops.inv(expression(a))


def det(a: Any) -> Any:
    """The determinants of square matrices: float[...] of float[..., n, n].

    The derivative is the matrix of cofactors, for singular matrices too (from singular values); the second derivative
    is NaN where a matrix is singular.
    """
    return ops.det(expression(a))


def slogdet(a: Any) -> SlogdetResult:
    """Sign and logarithm of the size of the determinants of square matrices: neither overflows.

    A pair of float[...] of float[..., n, n]. A singular matrix has sign 0 and logarithm -∞, and a derivative of NaN.
    """
    both = ops.slogdet(expression(a))
    return SlogdetResult(views.pick(both, index=0), views.pick(both, index=1))


def _with_columns(op: Any, a: Any, b: Any) -> Any:
    """An op of matrices where the right side may be a vector."""
    if isinstance(b, Variable) and b.ndim == 1:
        x = op(a, views.expand_dims(b, axis=(1,)))
        return views.squeeze(x, axis=(x.ndim - 1,))
    return op(a, b)
