"""What ops on square matrices mean, one matrix at a time: by LAPACK, and exactly over mpmath numbers.

All are total. Where LAPACK refuses a matrix (singular, not positive definite), every element of that matrix's result is
NaN, so that a program computes what it can of a batch, and a rewrite never adds or removes an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np

__all__ = ["exactly", "numerically"]

Array = Any
Shape = tuple[int, ...]


def _each(function: Callable[..., Any], arrays: tuple[Array, ...], core: Shape | None, exact: bool = False) -> Array:
    """A function of matrices for every entry of a batch; `core` is its result's shape, the last operand's if None."""
    batch = np.broadcast_shapes(*(x.shape[:-2] for x in arrays))
    stretched = [np.broadcast_to(x, (*batch, *x.shape[-2:])) for x in arrays]
    result = np.empty((*batch, *(arrays[-1].shape[-2:] if core is None else core)), arrays[-1].dtype)
    for index in np.ndindex(*batch):
        try:
            result[index] = function(*(x[index] for x in stretched))
        except (np.linalg.LinAlgError, ZeroDivisionError):
            result[index] = mpmath.nan if exact else np.nan
    return result


# --- LAPACK ----------------------------------------------------------------------------------------------------------


def _solve_triangular(a: Array, b: Array, lower: bool, unit_diagonal: bool) -> Array:
    from scipy.linalg.blas import get_blas_funcs

    trsm = get_blas_funcs("trsm", (a, b))

    def solve(a: Array, b: Array) -> Array:
        # LAPACK's trtrs, written out: OpenBLAS starts all threads for that one, however small the matrix.
        if not unit_diagonal and np.any(np.diagonal(a) == 0):
            raise np.linalg.LinAlgError("singular")
        return trsm(1.0, a.T, b.T, side=1, lower=not lower, diag=unit_diagonal).T  # xᵀ aᵀ = bᵀ: columns come first

    function: Callable[..., Any] = solve if a.size and b.size else lambda a, b: b
    return _each(function, (a, b), None)


def _adjugate(a: Array) -> Array:
    """From a = U Σ Vᵀ: adj(a) = det(U) det(V) V adj(Σ) Uᵀ, with nothing divided by a small singular value."""
    u, s, vt = np.linalg.svd(a)
    n = a.shape[-1]
    others = np.prod(np.where(np.eye(n, dtype=bool), 1, s[..., None, :]), axis=-1)
    sign = np.linalg.det(u) * np.linalg.det(vt)
    return sign[..., None, None] * (np.swapaxes(vt, -1, -2) * others[..., None, :]) @ np.swapaxes(u, -1, -2)


def _slogdet(a: Array) -> Array:
    return np.stack(np.linalg.slogdet(a), axis=-1)


def numerically(name: str) -> Callable[..., Array]:
    """The meaning in NumPy of the op of that name."""
    if name == "solve_triangular":
        return _solve_triangular
    functions: dict[str, Callable[..., Any]] = {
        "cholesky": np.linalg.cholesky, "inv": np.linalg.inv, "solve": np.linalg.solve, "det": np.linalg.det,
        "slogdet": _slogdet, "adjugate": _adjugate,
    }  # fmt: skip
    function = functions[name]

    def meaning(*arrays: Array) -> Array:
        try:
            return function(*arrays)
        except np.linalg.LinAlgError:  # some matrix of the batch: find out which
            return _each(function, arrays, None)

    return meaning


# --- mpmath ----------------------------------------------------------------------------------------------------------


def _refuse(*matrices: Array) -> None:
    if not all(mpmath.isfinite(x) for a in matrices for x in a.flat):
        raise ZeroDivisionError("numbers that are none")


def _exact_cholesky(a: Array) -> Array:
    _refuse(np.tril(a) if a.size else a)
    n = len(a)
    factor = np.full((n, n), mpmath.mpf(0), object)
    for j in range(n):
        rest = a[j, j] - sum((factor[j, k] ** 2 for k in range(j)), mpmath.mpf(0))
        if rest <= 0:
            raise ZeroDivisionError("not positive definite")
        factor[j, j] = mpmath.sqrt(rest)
        for i in range(j + 1, n):
            inner = sum((factor[i, k] * factor[j, k] for k in range(j)), mpmath.mpf(0))
            factor[i, j] = (a[i, j] - inner) / factor[j, j]
    return factor


def _eliminated(a: Array, b: Array) -> tuple[Array, Array, int]:
    """Gauss's elimination with partial pivoting: upper triangle, right sides, and the sign of the exchanged rows."""
    u, y, sign = np.array(a, object), np.array(b, object), 1
    for j in range(len(u)):
        pivot = max(range(j, len(u)), key=lambda i: abs(u[i, j]))
        if u[pivot, j] == 0:
            continue
        if pivot != j:
            u[[j, pivot]], y[[j, pivot]], sign = u[[pivot, j]], y[[pivot, j]], -sign
        for i in range(j + 1, len(u)):
            factor = u[i, j] / u[j, j]
            u[i], y[i] = u[i] - factor * u[j], y[i] - factor * y[j]
    return u, y, sign


def _exact_solve(a: Array, b: Array) -> Array:
    _refuse(a, b)
    u, y, _ = _eliminated(a, b)
    return _exact_solve_triangular(u, y, lower=False, unit_diagonal=False)


def _exact_inv(a: Array) -> Array:
    return _exact_solve(a, np.array([[mpmath.mpf(i == j) for j in range(len(a))] for i in range(len(a))], object))


def _exact_solve_triangular(a: Array, b: Array, lower: bool, unit_diagonal: bool) -> Array:
    _refuse(b)
    n = len(a)
    x = np.array(b, object)
    order = range(n) if lower else range(n - 1, -1, -1)
    for i in order:
        for k in range(i) if lower else range(i + 1, n):
            x[i] = x[i] - a[i, k] * x[k]
        if not unit_diagonal:
            _refuse(a[i : i + 1, i : i + 1])
            x[i] = x[i] / a[i, i]
    return x


def _exact_det(a: Array) -> Any:
    _refuse(a)
    u, _, sign = _eliminated(a, a[:, :0])
    return mpmath.fprod(u.diagonal()) * sign


def _exact_slogdet(a: Array) -> list[Any]:
    value = _exact_det(a)
    return [mpmath.sign(value), mpmath.log(abs(value)) if value else -mpmath.inf]


def _exact_adjugate(a: Array) -> Array:
    result = np.empty(a.shape, object)
    for i, j in np.ndindex(*a.shape):
        minor = np.delete(np.delete(a, i, axis=0), j, axis=1)
        result[j, i] = (-1) ** (i + j) * _exact_det(minor)
    return result


_EXACT: dict[str, Callable[..., Any]] = {
    "cholesky": _exact_cholesky, "inv": _exact_inv, "solve": _exact_solve, "solve_triangular": _exact_solve_triangular,
    "det": _exact_det, "slogdet": _exact_slogdet, "adjugate": _exact_adjugate,
}  # fmt: skip


def exactly(name: str, core: Shape | None = None) -> Callable[..., Array]:
    """The meaning over mpmath numbers of the op of that name, whose result for one matrix has the shape `core`."""
    function = _EXACT[name]

    def meaning(*arrays: Array, **attributes: Any) -> Array:
        return _each(lambda *matrices: function(*matrices, **attributes), arrays, core, exact=True)

    return meaning
