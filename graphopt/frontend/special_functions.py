"""SymPy's special functions and ours: `FORMS` on the way in, `MAKERS` on the way out.

SymPy's are functions of complex numbers; ours have their real values, and NaN where there is none. An order that SymPy
knows to be an integer selects the function of whole order, which C has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import sympy as s
from sympy.functions.special.error_functions import erf2

from graphopt.dimensions import Dim
from graphopt.frontend.builder import Value
from graphopt.frontend.describe import unsupported
from graphopt.frontend.form import Form, Reader, arguments, composed, of_op
from graphopt.op import Op
from graphopt.ops import arithmetic as a
from graphopt.ops import bessel as b
from graphopt.ops import elementary as e
from graphopt.ops import special as f
from graphopt.types import is_integer
from graphopt.variable import Variable

__all__ = ["FORMS", "MAKERS"]

Apply = Callable[..., Value]


def _is_whole(order: Value) -> bool:
    if isinstance(order, Variable):
        return is_integer(order.dtype)
    return isinstance(order, int | Dim) or (isinstance(order, Fraction) and order.denominator == 1)


def _bessel(low: tuple[Op, ...], whole: Op, any_order: Op) -> Form:
    """A function of order and argument: of the orders 0 and 1, of whole ones, of any."""

    def choose(apply: Apply, order: Value, x: Value) -> Value:
        for number, op in enumerate(low):
            if not isinstance(order, Variable) and order == number:
                return apply(op, x)
        return apply(whole if _is_whole(order) else any_order, order, x)

    return composed(choose)


def _polygamma(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    order, x = values
    if not isinstance(order, Variable) and order in (0, 1):
        return reader.apply(e.digamma if order == 0 else e.trigamma, x)
    if not _is_whole(order):
        raise unsupported(node, "polygamma has a meaning for whole orders only")
    return reader.apply(f.polygamma, order, x)


def _lambertw(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    branch = values[1] if len(values) == 2 else 0
    if isinstance(branch, Variable) or branch not in (0, -1):
        raise unsupported(node, "LambertW has real values on the branches 0 and -1 only")
    return reader.apply(f.lambertw if branch == 0 else f.lambertw_lower, values[0])


def _elliptic_e(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    if len(values) != 1:
        raise unsupported(node, "the incomplete elliptic integral has no op here; the complete one has one argument")
    return reader.apply(f.ellipe, values[0])


def _zeta(apply: Apply, x: Value, q: Value = 1) -> Value:
    return apply(f.riemann_zeta, x) if not isinstance(q, Variable) and q == 1 else apply(f.zeta, x, q)


def _expint(apply: Apply, order: Value, x: Value) -> Value:
    return apply(f.exp1, x) if not isinstance(order, Variable) and order == 1 else apply(f.expn, order, x)


def _lowergamma(apply: Apply, shape: Value, x: Value) -> Value:
    return apply(a.multiply, apply(f.gammainc, shape, x), apply(e.gamma, shape))


def _uppergamma(apply: Apply, shape: Value, x: Value) -> Value:
    return apply(a.multiply, apply(f.gammaincc, shape, x), apply(e.gamma, shape))


def _betainc(apply: Apply, p: Value, q: Value, low: Value, high: Value) -> Value:
    """I between two bounds, regularized."""
    above = apply(f.betainc, p, q, high)
    if not isinstance(low, Variable) and low == 0:
        return above
    return apply(a.subtract, above, apply(f.betainc, p, q, low))


FORMS: dict[type, Form] = {
    **{
        kind: of_op(op)
        for kind, op in {
            s.erfinv: f.erfinv, s.erfcinv: f.erfcinv, s.erfi: f.erfi, s.Ei: f.expi, s.Si: f.sine_integral,
            s.Ci: f.cosine_integral, s.Shi: f.sinh_integral, s.Chi: f.cosh_integral, s.fresnels: f.fresnel_sine,
            s.fresnelc: f.fresnel_cosine, s.beta: f.beta, s.binomial: f.binom, s.elliptic_k: f.ellipk,
            s.airyai: b.airy_ai, s.airyaiprime: b.airy_ai_slope, s.airybi: b.airy_bi, s.airybiprime: b.airy_bi_slope,
            s.digamma: e.digamma, s.trigamma: e.trigamma,
        }.items()
    },
    s.besselj: _bessel((b.j0, b.j1), b.jn, b.jv),
    s.bessely: _bessel((b.y0, b.y1), b.yn, b.yv),
    s.besseli: _bessel((b.i0, b.i1), b.iv, b.iv),
    s.besselk: _bessel((b.k0, b.k1), b.kv, b.kv),
    s.jn: of_op(b.spherical_jn),
    s.yn: of_op(b.spherical_yn),
    s.polygamma: Form(arguments, _polygamma),
    s.LambertW: Form(arguments, _lambertw),
    s.elliptic_e: Form(arguments, _elliptic_e),
    s.zeta: composed(_zeta),
    s.expint: composed(_expint),
    s.lowergamma: composed(_lowergamma),
    s.uppergamma: composed(_uppergamma),
    s.betainc_regularized: composed(_betainc),
    s.betainc: composed(
        lambda apply, p, q, low, high: apply(a.multiply, _betainc(apply, p, q, low, high), apply(f.beta, p, q))
    ),
    s.li: composed(lambda apply, x: apply(f.expi, apply(e.log, x))),
    erf2: composed(lambda apply, x, y: apply(a.subtract, apply(e.erf, y), apply(e.erf, x))),
}  # fmt: skip
"""How each of SymPy's classes is read."""


def _kept(kind: Any) -> Callable[..., Any]:
    """A SymPy class applied without evaluation."""
    return lambda *operands: kind(*operands, evaluate=False)


def _of_order(kind: Any, order: int) -> Callable[[Any], Any]:
    return lambda x: kind(s.Integer(order), x, evaluate=False)


def _decaying(kind: Any, *order: int) -> Callable[..., Any]:
    """exp(-|x|) times a modified function of the first kind."""
    return lambda *operands: s.exp(-s.Abs(operands[-1])) * kind(*order, *operands, evaluate=False)


def _growing(*order: int) -> Callable[..., Any]:
    """exp(x) times the modified function of the second kind."""
    return lambda *operands: s.exp(operands[-1]) * s.besselk(*order, *operands, evaluate=False)


MAKERS: dict[str, Callable[..., Any]] = {
    **{
        name: _kept(kind)
        for name, kind in {
            "erfinv": s.erfinv, "erfcinv": s.erfcinv, "erfi": s.erfi, "expi": s.Ei, "sine_integral": s.Si,
            "cosine_integral": s.Ci, "sinh_integral": s.Shi, "cosh_integral": s.Chi, "fresnel_sine": s.fresnels,
            "fresnel_cosine": s.fresnelc, "beta": s.beta, "binom": s.binomial, "ellipk": s.elliptic_k,
            "ellipe": s.elliptic_e, "airy_ai": s.airyai, "airy_ai_slope": s.airyaiprime, "airy_bi": s.airybi,
            "airy_bi_slope": s.airybiprime, "polygamma": s.polygamma, "zeta": s.zeta, "riemann_zeta": s.zeta,
            "expn": s.expint, "jn": s.besselj, "jv": s.besselj, "yn": s.bessely, "yv": s.bessely, "iv": s.besseli,
            "kv": s.besselk, "spherical_jn": s.jn, "spherical_yn": s.yn, "lambertw": s.LambertW,
        }.items()
    },
    **{
        name: _of_order(kind, order)
        for name, (kind, order) in {
            "j0": (s.besselj, 0), "j1": (s.besselj, 1), "y0": (s.bessely, 0), "y1": (s.bessely, 1),
            "i0": (s.besseli, 0), "i1": (s.besseli, 1), "k0": (s.besselk, 0), "k1": (s.besselk, 1),
            "exp1": (s.expint, 1),
        }.items()
    },
    "i0e": _decaying(s.besseli, 0), "i1e": _decaying(s.besseli, 1), "ive": _decaying(s.besseli),
    "k0e": _growing(0), "k1e": _growing(1), "kve": _growing(),
    "lambertw_lower": lambda x: s.LambertW(x, -1, evaluate=False),
    "gammainc": lambda p, x: s.lowergamma(p, x, evaluate=False) / s.gamma(p, evaluate=False),
    "gammaincc": lambda p, x: s.uppergamma(p, x, evaluate=False) / s.gamma(p, evaluate=False),
    "betainc": lambda p, q, x: s.betainc_regularized(p, q, 0, x),
    "betaln": lambda p, q: s.log(s.beta(p, q, evaluate=False), evaluate=False),
    "erfcx": lambda x: s.exp(x**2) * s.erfc(x, evaluate=False),
    "dawsn": lambda x: s.sqrt(s.pi) / 2 * s.exp(-(x**2)) * s.erfi(x, evaluate=False),
    "ndtri": lambda p: s.sqrt(2) * s.erfinv(2 * p - 1, evaluate=False),
    "log_ndtr": lambda x: s.log(s.erfc(-x / s.sqrt(2), evaluate=False) / 2, evaluate=False),
    "logit": lambda p: s.log(p / (1 - p), evaluate=False),
    "sinc": lambda x: s.sinc(s.pi * x, evaluate=False),
    "xlog1py": lambda x, y: x * s.log(1 + y, evaluate=False),
    "rel_entr": lambda x, y: x * s.log(x / y, evaluate=False),
    "exprel": lambda x: (s.exp(x, evaluate=False) - 1) / x,
}  # fmt: skip
"""What SymPy calls each op; the formulas hold where SymPy's functions have values."""
