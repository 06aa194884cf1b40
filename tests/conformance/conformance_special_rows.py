"""The rows of special functions: SciPy's values, in the interpreter, in C, and by differences.

Only floats are drawn: which float a function of integers has depends on the order of SciPy's loops. Orders and shape
parameters, which have no derivative, are Python numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from conformance_families import operands, unary, with_one_of
from conformance_programs import Program, Row
from scipy import special

import graphopt.tensor as T
from graphopt.testing.domains import PARAMETERS, WHOLE, domain

ULPS = 64


def of_one(program: Program, result: Any, *arrays: Any) -> Any:
    """The result, or 1: near a function's zeros, an error is one of its usual size."""
    return np.maximum(np.abs(result), 1.0)


def _row(name: str, reference: Any, family: Any, **columns: Any) -> Row:
    return Row(name, reference, family, ULPS, values="finite", scale=of_one, dtypes=("float32", "float64"), **columns)


def _of(names: str, **references: Any) -> list[Row]:
    """Functions of one array, which SciPy has under the same name or which are given."""
    named = {name: getattr(special, name) for name in names.split()} | references
    return [_row(name, reference, unary, smooth=domain(name, 1)) for name, reference in named.items()]


def _of_two(names: str) -> list[Row]:
    """Functions of two arrays."""
    return [_row(name, getattr(special, name), operands(2, numbers=False), smooth=domain(name, 2))
            for name in names.split()]  # fmt: skip


def _with(name: str, *parameters: tuple[float, ...], reference: Any = None) -> Row:
    """A function whose parameters come first and are numbers."""
    function = reference or getattr(special, name)
    smooth = domain(name, len(parameters[0]) + 1)[-1:]
    return _row(
        name,
        lambda x, *numbers: np.asarray(function(*numbers, x)).astype(x.dtype),
        with_one_of(*parameters),
        ours=lambda x, *numbers: getattr(T, name)(*numbers, x),
        smooth=smooth,
    )


def _real(branch: int) -> Any:
    """Lambert's W where it is real."""

    def function(x: Any) -> Any:
        value = special.lambertw(x, branch)
        return np.where(value.imag == 0, value.real, np.nan).astype(x.dtype)

    return function


def _part(function: Any, part: int) -> Any:
    return lambda x: function(x)[part]


POSITIVE = ((0.2, 4.0),)
ORDERS = ((0,), (1,), (2,), (0.5,))

SPECIAL = [
    *_of("erfinv erfcinv erfcx erfi dawsn ndtri log_ndtr ndtr logit expit log_expit exprel cosm1"),
    *_of("j0 j1 y0 y1 i0 i0e i1 i1e k0 k0e k1 k1e ellipk ellipe expi exp1", sinc=np.sinc),
    *_of("", lambertw=_real(0), lambertw_lower=_real(-1)),
    *_of(
        "",
        sine_integral=_part(special.sici, 0), cosine_integral=_part(special.sici, 1),
        sinh_integral=_part(special.shichi, 0), cosh_integral=_part(special.shichi, 1),
        fresnel_sine=_part(special.fresnel, 0), fresnel_cosine=_part(special.fresnel, 1),
        airy_ai=_part(special.airy, 0), airy_ai_slope=_part(special.airy, 1), airy_bi=_part(special.airy, 2),
        airy_bi_slope=_part(special.airy, 3),
    ),
    *[_row(name, getattr(special, name), unary, smooth=POSITIVE) for name in ("entr", "sici", "shichi", "psi")],
    *[_row(name, special.gammaln, unary, smooth=POSITIVE) for name in ("gammaln", "loggamma")],
    _row("fresnel", special.fresnel, unary),
    _row("airy", special.airy, unary),
    _row("factorial", lambda x: special.factorial(x).astype(x.dtype), unary, smooth=POSITIVE),
    _row("riemann_zeta", special.zeta, unary, smooth=None),
    *_of_two("beta betaln binom xlog1py rel_entr"),
    _row("kl_div", special.kl_div, operands(2, numbers=False), smooth=POSITIVE),
    _with("gammainc", (0.5,), (2.0,)),
    _with("gammaincc", (0.5,), (2.0,)),
    _with("betainc", (0.5, 2.0), (3.0, 1.0)),
    _with("polygamma", (0,), (1,), (2,), (4,)),
    _with("expn", (0,), (1,), (3,)),
    _with("zeta", (1.5,), (3.0,)),
    *[_with(name, *ORDERS) for name in ("jv", "yv", "iv", "ive", "kv", "kve")],
    _with("jn", *ORDERS, reference=special.jv),
    _with("yn", *ORDERS[:3]),
    *[_with(name, *ORDERS[:3]) for name in ("spherical_jn", "spherical_yn")],
]  # fmt: skip

assert PARAMETERS.keys() | WHOLE <= {row.name for row in SPECIAL}
