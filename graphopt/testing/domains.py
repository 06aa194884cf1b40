"""Where each elementwise op is defined and well conditioned: the intervals that generators and tests draw from.

A domain here is a sensible one, not the largest: away from poles and from overflow, so that an error in a test is the
program's and not the rounding's. Edges and special values are tested on their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import graphopt.tensor as T
from graphopt.types import is_float

__all__ = ["CONFINED", "DOMAINS", "PARAMETERS", "SAFE", "SMOOTH", "WHOLE", "Interval", "domain"]

Interval = tuple[float, float]

_WIDE: Interval = (-4.0, 4.0)
_POSITIVE: Interval = (0.2, 4.0)

DOMAINS: dict[str, tuple[Interval, ...]] = {
    "divide": (_WIDE, _POSITIVE),
    "power": (_POSITIVE, (-3.0, 3.0)),
    "sqrt": (_POSITIVE,),
    "cbrt": (_POSITIVE,),
    "floor_divide": (_WIDE, _POSITIVE),
    "remainder": (_WIDE, _POSITIVE),
    "fmod": (_WIDE, _POSITIVE),
    "hypot": (_POSITIVE, _WIDE),
    "log": (_POSITIVE,),
    "log2": (_POSITIVE,),
    "log10": (_POSITIVE,),
    "log1p": ((-0.8, 4.0),),
    "tan": ((-1.3, 1.3),),
    "arcsin": ((-0.9, 0.9),),
    "arccos": ((-0.9, 0.9),),
    "arctan2": (_POSITIVE, _WIDE),
    "arccosh": ((1.1, 9.0),),
    "arctanh": ((-0.9, 0.9),),
    "gamma": ((0.3, 5.0),),
    "lgamma": ((0.3, 5.0),),
    "digamma": ((0.3, 5.0),),
    "trigamma": ((0.3, 5.0),),
    "log1mexp": ((-5.0, -0.1),),
    "xlogy": (_POSITIVE, _POSITIVE),
    # special functions
    "logit": ((0.05, 0.95),),
    "xlog1py": (_POSITIVE, _POSITIVE),
    "rel_entr": (_POSITIVE, _POSITIVE),
    "erfinv": ((-0.9, 0.9),),
    "erfcinv": ((0.1, 1.9),),
    "erfcx": ((-2.0, 4.0),),
    "ndtri": ((0.05, 0.95),),
    "erfi": ((-2.0, 2.0),),
    "gammainc": ((0.3, 5.0), _POSITIVE),
    "gammaincc": ((0.3, 5.0), _POSITIVE),
    "beta": (_POSITIVE, _POSITIVE),
    "betaln": (_POSITIVE, _POSITIVE),
    "betainc": (_POSITIVE, _POSITIVE, (0.1, 0.9)),
    "binom": ((4.0, 9.0), (0.2, 3.0)),
    "polygamma": ((1.0, 4.0), _POSITIVE),
    "zeta": ((1.5, 5.0), _POSITIVE),
    "riemann_zeta": ((1.5, 5.0),),
    "expi": (_POSITIVE,),
    "exp1": (_POSITIVE,),
    "expn": ((0.0, 4.0), _POSITIVE),
    "cosine_integral": (_POSITIVE,),
    "cosh_integral": (_POSITIVE,),
    "ellipk": ((-3.0, 0.9),),
    "ellipe": ((-3.0, 0.9),),
    "lambertw": ((-0.3, 4.0),),
    "lambertw_lower": ((-0.35, -0.05),),
    **dict.fromkeys(("y0", "y1", "k0", "k1", "k0e", "k1e"), (_POSITIVE,)),
    **dict.fromkeys(("jn", "yn"), ((-2.0, 5.0), _POSITIVE)),
    **dict.fromkeys(("jv", "yv", "iv", "kv", "ive", "kve"), ((-1.5, 3.0), _POSITIVE)),
    **dict.fromkeys(("spherical_jn", "spherical_yn"), ((0.0, 4.0), _POSITIVE)),
}
"""Op name to an interval for each operand; operands without an entry are in [-4, 4]."""

PARAMETERS: Mapping[str, int] = {
    "betainc": 2,
    **dict.fromkeys(("gammainc", "gammaincc", "polygamma", "zeta", "riemann_zeta", "expn"), 1),
    **dict.fromkeys(("jn", "yn", "jv", "yv", "iv", "kv", "ive", "kve", "spherical_jn", "spherical_yn"), 1),
}  # fmt: skip
"""How many of an op's operands, the first ones, are orders or shapes with respect to which it has no derivative."""

WHOLE: frozenset[str] = frozenset({"polygamma", "expn", "jn", "yn", "spherical_jn", "spherical_yn"})
"""The ops whose first operand is a whole number."""

SMOOTH: tuple[str, ...] = (
    "add", "multiply", "subtract", "negative", "divide", "square", "exp", "log", "sqrt", "tanh", "sin", "cos",
    "sigmoid", "softplus", "log1p", "expm1", "arctan", "erf", "logaddexp", "power", "hypot", "cbrt", "exp2",
    "log2", "log10", "tan", "arcsin", "arccos", "arctan2", "sinh", "cosh", "arcsinh", "arccosh", "arctanh",
    "erfc", "gamma", "lgamma", "digamma", "log1mexp", "logaddexp2", "xlogy", "fma",
)  # fmt: skip
"""Elementwise ops with derivatives of every order on their domains, the simplest first."""


def domain(name: str, arity: int) -> tuple[Interval, ...]:
    """An interval for each operand of an elementwise op."""
    return DOMAINS.get(name, (_WIDE,) * arity)


_ANY: Interval = (-math.inf, math.inf)
_ABOVE: Interval = (0.2, math.inf)

SAFE: dict[str, tuple[Interval, ...]] = {
    name: tuple((low, math.inf) if high in (4.0, 5.0, 9.0) else (low, high) for low, high in intervals)
    for name, intervals in DOMAINS.items()
} | {
    "divide": (_ANY, _ABOVE),
    "sin": ((-30.0, 30.0),),
    "cos": ((-30.0, 30.0),),
    "hypot": (_ABOVE, _ANY),
    "power": (_POSITIVE, (-3.0, 3.0)),
    "gamma": ((0.3, 5.0),),
    "log1mexp": ((-math.inf, -0.1),),
}
"""The intervals within which an op may be applied: wider than `DOMAINS` where the function stays tame. None: all."""


def _at_least(bound: float) -> Callable[[Any], Any]:
    def confine(x: Any) -> Any:
        return T.maximum(x, bound if is_float(x.dtype) else max(round(bound), int(bound > 0)))

    return confine


def _at_most(bound: float) -> Callable[[Any], Any]:
    def confine(x: Any) -> Any:
        return T.minimum(x, bound if is_float(x.dtype) else round(bound))

    return confine


def _magnitude(x: Any) -> Any:
    return T.abs(x)


def _square(x: Any) -> Any:
    return T.square(x)


def _number(x: Any) -> Any:
    return T.fmax(x, -math.inf if is_float(x.dtype) else 0)


def _finite(x: Any) -> Any:
    return T.fmin(T.fmax(x, -1e30), 1e30)


CONFINED: dict[str, tuple[Callable[[Any], Any], ...]] = {
    "positive": (_at_least(1.0), _at_least(2.0**-100)),
    "negative": (_at_most(-1.0),),
    "nonnegative": (_at_least(-0.0), _magnitude),
    "nonpositive": (_at_most(0.0),),
    "clear sign": (_magnitude, _square),
    "nonzero": (_at_least(1.0), _at_most(-1.0)),
    "number": (_number,),
    "finite": (_finite,),
}
"""For each condition on value facts, ways to make an unconfined value one that is known to satisfy it.

They are exact where it holds already, so that a rule meets every value of the domain; NaN passes where it is admitted.
"""
