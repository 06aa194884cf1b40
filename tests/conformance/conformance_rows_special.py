"""The table, third part: special functions, what runs along an axis, reading by position, equations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
from conformance_families import M, N, along, binary, calls, operands, pairs, unary, with_one_of
from conformance_programs import Row
from conformance_rows import FLOATS, INTEGERS, NUMBERS, POSITIVE, SUMS, UNIT, largest, largest_squared, of_absolute
from scipy import special

import graphopt.tensor as T

PROBABILITY, SHAPE = (0.05, 0.95), (0.5, 3.0)
SCIPYS = ("float32", "float64", "int32", "int64", "uint64")
"""Dtypes for which SciPy's functions agree about the dtype of the result; of 16 bits and less, some make float32."""


def part(function: Callable[..., Any], which: int) -> Callable[..., Any]:
    """One of the results of a function that has several."""
    return lambda *arrays: function(*arrays)[which]


def real_part(function: Callable[..., Any], *fixed: Any) -> Callable[..., Any]:
    """The real part where there is no other, NaN elsewhere, in the dtype of SciPy's real functions."""

    def of_real(x: Any) -> Any:
        result = function(x.astype("float64") + 0j, *fixed)
        return np.where(result.imag == 0, result.real, np.nan).astype(special.psi(x).dtype)

    return of_real


def _scipy(
    names: str, interval: tuple[float, float] = (-4.0, 4.0), values: str = "finite", ulps: int = 64
) -> list[Row]:
    """Functions of one array that SciPy has under the same name."""
    columns: Any = {"ulps": ulps, "values": values, "dtypes": SCIPYS, "smooth": (interval,)}
    return [Row(name, getattr(special, name), unary, **columns) for name in names.split()]


def of_order(name: str, *orders: float, reference: Any = None, interval: tuple[float, float] = POSITIVE) -> Row:
    """A function of an order, which has no derivative with respect to it, and an array."""
    function = reference or getattr(special, name)
    family = with_one_of(*[(n,) for n in orders])
    return Row(name, lambda x, n: function(n, x), family, 256, "unit", dtypes=("float64",),
               ours=lambda x, n: getattr(T, name)(n, x), smooth=(interval,))  # fmt: skip


def recurrence(factors: Any, terms: Any, axis: int = -1) -> Any:
    factors, terms = (np.moveaxis(x, axis, 0) for x in np.broadcast_arrays(factors, terms))
    result = np.zeros(factors.shape, np.result_type(factors, terms))
    for k in range(len(result)):
        result[k] = factors[k] * (result[k - 1] if k else 0) + terms[k]
    return np.moveaxis(result, 0, axis)


SPECIAL = [
    *_scipy("erfinv", UNIT, "unit"),
    *_scipy("erfcinv ndtri logit", PROBABILITY, "unit"),
    *_scipy("erfcx erfi dawsn ndtr log_ndtr expit log_expit exprel cosm1 i0 i0e i1 i1e j0 j1"),
    *_scipy("gammaln psi entr exp1 expi k0 k0e k1 k1e y0 y1", POSITIVE, "unit"),
    *_scipy("ellipe ellipk", UNIT, "unit"),
    *_scipy("airy", values="unit", ulps=256),
    Row("loggamma", special.loggamma, unary, 64, "unit", dtypes=SCIPYS, smooth=(POSITIVE,)),
    Row("factorial", special.factorial, unary, 64, "counts", dtypes=("float64",), smooth=(POSITIVE,)),
    Row("lambertw", real_part(special.lambertw), unary, 64, "unit", dtypes=SCIPYS, smooth=(POSITIVE,)),
    Row("lambertw_lower", lambda x: real_part(special.lambertw, -1)(-0.36 * x), unary, 64, "unit", dtypes=FLOATS,
        ours=lambda x: T.lambertw_lower(-0.36 * x), smooth=(PROBABILITY,)),
    Row("riemann_zeta", special.zeta, unary, 64, "places", dtypes=FLOATS, smooth=None),
    *[Row(f"airy_{name}", part(special.airy, k), unary, 256, "unit", dtypes=SCIPYS)
      for k, name in enumerate(("ai", "ai_slope", "bi", "bi_slope"))],
    *[Row(name, part(function, k), unary, 64, "unit", dtypes=SCIPYS, smooth=(POSITIVE,)) for name, function, k in (
        ("sine_integral", special.sici, 0), ("cosine_integral", special.sici, 1),
        ("sinh_integral", special.shichi, 0), ("cosh_integral", special.shichi, 1),
        ("fresnel_sine", special.fresnel, 0), ("fresnel_cosine", special.fresnel, 1))],
    *_scipy("sici shichi fresnel", POSITIVE, "unit"),
    *[Row(name, getattr(special, name), operands(2, numbers=False), 64, "unit", dtypes=("float64",), smooth=(SHAPE,))
      for name in ("beta", "betaln", "binom", "rel_entr", "xlog1py")],
    Row("kl_div", special.kl_div, operands(2, numbers=False), 64, "unit", dtypes=("float64",), smooth=(SHAPE,),
        scale=largest),
    Row("zeta", special.zeta, operands(2, numbers=False), 64, "counts unit", dtypes=FLOATS, smooth=None),
    *[of_order(name, 0.5, 2.0) for name in ("gammainc", "gammaincc")],
    Row("betainc", lambda x: special.betainc(2.0, 0.5, x), unary, 64, "unit", dtypes=FLOATS,
        ours=lambda x: T.betainc(2.0, 0.5, x), smooth=(PROBABILITY,)),
    *[of_order(name, 0, 1, 2.5) for name in ("jv", "yv", "iv", "ive", "kv", "kve")],
    of_order("jn", 0, 1, 3), of_order("yn", 0, 1, 3), of_order("expn", 1, 2, 3), of_order("polygamma", 0, 1, 2),
    of_order("spherical_jn", 0, 1, 2), of_order("spherical_yn", 0, 1, 2),
]  # fmt: skip

UFUNCS = [
    Row("sinc", np.sinc, unary, 16, "finite", dtypes=FLOATS, scale=lambda program, result, x: 1.0),
    Row("fix", np.fix, unary, dtypes=FLOATS),
    Row("real", np.real, unary),
    Row("imag", np.imag, unary, smooth=None),
    Row("conj", np.conj, unary, dtypes=NUMBERS),
    Row("conjugate", np.conjugate, unary, dtypes=NUMBERS),
    Row("frexp", np.frexp, unary, smooth=None),
    Row("frexp_mantissa", part(np.frexp, 0), unary),
    Row("frexp_exponent", part(np.frexp, 1), unary, dtypes=FLOATS, values="finite", smooth=None),
    Row("times_power_of_two", lambda x, n: np.ldexp(x, n.astype(int)), operands(2, numbers=False), 0, "small places",
        dtypes=("float64",), smooth=None),
    Row("spacing", np.spacing, unary, dtypes=FLOATS),
    Row("bitwise_count", np.bitwise_count, unary, dtypes=INTEGERS, smooth=None),
    *[Row(name, getattr(np, name), binary, smooth=None) for name in ("bitwise_left_shift", "bitwise_right_shift")],
    *[Row(name, np.invert, unary, smooth=None) for name in ("bitwise_not", "bitwise_invert")],
]  # fmt: skip

ALONG = [
    Row("cumsum", np.cumsum, along(0), 16, **SUMS),
    Row("cumprod", np.cumprod, along(0), 32, "small"),
    Row("cumulative_sum", np.cumulative_sum, along(1, optional=False), 16, "finite", scale=of_absolute),
    Row("cumulative_prod", np.cumulative_prod, along(1, optional=False), 32, "small"),
    Row("recurrence", recurrence, pairs((((N, M), (N, M)), ((N,), (N,)), ((M,), (N, M)))), 32, "finite", dtypes=FLOATS,
        scale=lambda program, result, *arrays: np.abs(recurrence(*map(np.abs, arrays)))),
    Row("vecdot", np.vecdot, pairs((((N,), (N,)), ((N, M), (M,)), ((N, M), (N, M)))), 16, **SUMS),
    Row("matvec", np.matvec, pairs((((N, M), (M,)), ((2, N, M), (2, M)))), 16, **SUMS),
    Row("vecmat", np.vecmat, pairs((((N,), (N, M)), ((2, N), (2, N, M)))), 16, **SUMS),
    Row("take", np.take, calls((([0, 2, -1], (5,)), ([[1, 0]], (3, 2)), (2, (4, 3))))),
    Row("take_along_axis", lambda x, at: np.take_along_axis(x, np.array(at), 1), calls((([[0], [2]], (2, 3)),)),
        ours=lambda x, at: T.take_along_axis(x, np.array(at), 1)),
]  # fmt: skip


def positive_definite(x: Any, on: Any) -> Any:
    """x xᵀ/64 + 2·1: far from singular, for elements up to 8."""
    return on.matmul(x, on.swapaxes(x, -1, -2)) / 64 + 2 * np.eye(x.shape[-2])


def solved(name: str, call: Callable[..., Any], *shapes: Any) -> Row:
    """A function of a matrix, made positive definite, and perhaps of a right-hand side: `call(on, matrix, …)`."""
    return Row(
        name,
        lambda x, *others: call(np, positive_definite(x, np), *others),
        lambda random: (tuple(("float64", shape) for shape in random.choice(shapes)), (), {}),
        256,
        "finite",
        ours=lambda x, *others: call(T, positive_definite(x, T), *others),
        scale=largest_squared,
    )


def triangular(on: Any, a: Any, b: Any) -> Any:
    return (scipy.linalg if on is np else T.linalg).solve_triangular(a, b, lower=True)


def cho_solve(on: Any, a: Any, b: Any) -> Any:
    return (scipy.linalg if on is np else T.linalg).cho_solve((on.linalg.cholesky(a), True), b)


SQUARE = (((3, 3),), ((1, 1),), ((2, 3, 3),), ((0, 2, 2),))
EQUATIONS = (((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 2), (2, N)), ((1, 1), (1,)))
EQUATIONS_AT_ONCE = (*EQUATIONS, ((2, 3, 3), (2, 3, 1)))
SOLVED = [
    solved("linalg.cholesky", lambda on, a: on.linalg.cholesky(a), *SQUARE),
    solved("linalg.inv", lambda on, a: on.linalg.inv(a), *SQUARE),
    solved("linalg.det", lambda on, a: on.linalg.det(a), *SQUARE),
    solved("linalg.slogdet", lambda on, a: tuple(on.linalg.slogdet(a)), *SQUARE),
    solved("linalg.solve", lambda on, a, b: on.linalg.solve(a, b), *EQUATIONS_AT_ONCE),
    solved("linalg.solve_triangular", triangular, *EQUATIONS),
    solved("linalg.cho_solve", cho_solve, *EQUATIONS),
]

SPECIALS = [*SPECIAL, *UFUNCS, *ALONG, *SOLVED]
