"""Bessel functions, cylindrical, modified and spherical, and Airy functions.

The first and second kind of whole orders are C's and CUDA's; the others have the trait "host". Derivatives follow the
recurrences of the families (Abramowitz & Stegun 9.1.27, 9.6.26, 10.1.20, 10.4.1), which divide by nothing, so that they
hold at 0 and to every order. With respect to the order there is none here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np

from graphopt.exact import real
from graphopt.exact_special import scaled_by_decay, spherical
from graphopt.op import Op
from graphopt.ops.arithmetic import maximum, sign
from graphopt.ops.define import elementwise
from graphopt.ops.signatures import scipy_signature
from graphopt.ops.special import exact_whole_order, from_scipy, host, no_derivative, of_whole_order

__all__ = ["jv", "yv"]

# --- whole orders, which C has --------------------------------------------------------------------------------------


def _vanishing(name: str) -> Callable[..., Any]:
    """SciPy's function with its limit 0 at infinity."""

    def function(*arrays: Any) -> Any:
        x, value = arrays[-1], from_scipy(name)(*arrays)
        return np.where(np.isinf(x) & ((x > 0) | (name[0] == "j")), 0, value).astype(x.dtype)

    return function


def _of_order(function: Callable[..., Any], order: int) -> Callable[..., Any]:
    return real(lambda x: _limit(function, x) if mpmath.isinf(x) else function(order, x), at_pole=-mpmath.inf)


def _limit(function: Callable[..., Any], x: Any) -> Any:
    return mpmath.mpf(0) if x > 0 or function is mpmath.besselj else mpmath.nan


def _of_any_order(function: Callable[..., Any]) -> Callable[..., Any]:
    held = exact_whole_order(lambda n, x: _limit(function, x) if mpmath.isinf(x) else function(n, x))
    return real(held, at_pole=-mpmath.inf)


_one, _two = scipy_signature(1), scipy_signature(2)
_ORDER = no_derivative("the order")

j0 = elementwise(
    "j0", _vanishing("j0"), _of_order(mpmath.besselj, 0), lambda g, y, x: (-(g * j1(x)),), signature=_one, cost=50
)
j1: Op = elementwise(
    "j1", _vanishing("j1"), _of_order(mpmath.besselj, 1), lambda g, y, x: (g * ((j0(x) - jn(2, x)) * 0.5),),
    signature=_one, cost=50,
)  # fmt: skip
jn: Op = elementwise(
    "jn", of_whole_order(_vanishing("jv")), _of_any_order(mpmath.besselj),
    lambda g, y, n, x: (_ORDER, g * ((jn(n - 1, x) - jn(n + 1, x)) * 0.5)),
    arity=2, signature=_two, cost=150,
)  # fmt: skip
y0 = elementwise(
    "y0", _vanishing("y0"), _of_order(mpmath.bessely, 0), lambda g, y, x: (-(g * y1(x)),), signature=_one, cost=50
)
y1: Op = elementwise(
    "y1", _vanishing("y1"), _of_order(mpmath.bessely, 1), lambda g, y, x: (g * ((y0(x) - yn(2, x)) * 0.5),),
    signature=_one, cost=50,
)  # fmt: skip
yn: Op = elementwise(
    "yn", of_whole_order(_vanishing("yv")), _of_any_order(mpmath.bessely),
    lambda g, y, n, x: (_ORDER, g * ((yn(n - 1, x) - yn(n + 1, x)) * 0.5)),
    arity=2, signature=_two, cost=150,
)  # fmt: skip

# --- any order ------------------------------------------------------------------------------------------------------


def _family(
    name: str, exact: Callable[..., Any], below: float, above: float, own: Callable[[Any], Any] | None = None
) -> Op:
    """A function f of order v and x with f' = below f(v - 1) + above f(v + 1) + own(x) f."""

    def pullback(g: Any, y: Any, v: Any, x: Any) -> tuple[Any, Any]:
        slope = below * op(v - 1, x) + above * op(v + 1, x)
        return _ORDER, g * (slope if own is None else slope + own(x) * y)

    op = host(name, exact, pullback, arity=2)
    return op


def _positive_decay(v: Any, x: Any) -> Any:
    return mpmath.besselk(v, x) * mpmath.exp(x)


jv = _family("jv", mpmath.besselj, 0.5, -0.5)
yv = _family("yv", mpmath.bessely, 0.5, -0.5)
iv = _family("iv", mpmath.besseli, 0.5, 0.5)
kv = _family("kv", mpmath.besselk, -0.5, -0.5)
ive = _family("ive", scaled_by_decay(mpmath.besseli), 0.5, 0.5, lambda x: -sign(x))
kve = _family("kve", _positive_decay, -0.5, -0.5, lambda x: 1.0)

i0 = host("i0", lambda x: mpmath.besseli(0, x), lambda g, y, x: (g * i1(x),))
i1: Op = host("i1", lambda x: mpmath.besseli(1, x), lambda g, y, x: (g * ((i0(x) + iv(2, x)) * 0.5),))
k0 = host("k0", lambda x: mpmath.besselk(0, x), lambda g, y, x: (-(g * k1(x)),))
k1: Op = host("k1", lambda x: mpmath.besselk(1, x), lambda g, y, x: (-(g * ((k0(x) + kv(2, x)) * 0.5)),))
i0e = host("i0e", lambda x: scaled_by_decay(mpmath.besseli)(0, x), lambda g, y, x: (g * (i1e(x) - sign(x) * y),))
i1e: Op = host(
    "i1e", lambda x: scaled_by_decay(mpmath.besseli)(1, x),
    lambda g, y, x: (g * ((i0e(x) + ive(2, x)) * 0.5 - sign(x) * y),),
)  # fmt: skip
k0e = host("k0e", lambda x: _positive_decay(0, x), lambda g, y, x: (g * (y - k1e(x)),))
k1e: Op = host("k1e", lambda x: _positive_decay(1, x), lambda g, y, x: (g * (y - (k0e(x) + kve(2, x)) * 0.5),))

# --- spherical ------------------------------------------------------------------------------------------------------


def _spherical(name: str, function: Callable[..., Any]) -> Op:
    """f of order n = 0, 1, …, with (2n + 1) f' = n f(n - 1) - (n + 1) f(n + 1)."""

    def pullback(g: Any, y: Any, n: Any, x: Any) -> tuple[Any, Any]:
        return _ORDER, g * ((n * op(maximum(n - 1, 0), x) - (n + 1) * op(n + 1, x)) / (2 * n + 1))

    op = host(
        name, exact_whole_order(spherical(function), 0), pullback, numpy=of_whole_order(from_scipy(name), 0), arity=2
    )
    return op


spherical_jn = _spherical("spherical_jn", mpmath.besselj)
spherical_yn = _spherical("spherical_yn", mpmath.bessely)

# --- Airy -----------------------------------------------------------------------------------------------------------


def _airy(name: str, function: Callable[..., Any], part: int, pullback: Callable[..., Any]) -> Op:
    return host(name, lambda x: function(x, derivative=part % 2), pullback, numpy=from_scipy("airy", part=part))


airy_ai = _airy("airy_ai", mpmath.airyai, 0, lambda g, y, x: (g * airy_ai_slope(x),))
airy_ai_slope: Op = _airy("airy_ai_slope", mpmath.airyai, 1, lambda g, y, x: (g * (x * airy_ai(x)),))
airy_bi = _airy("airy_bi", mpmath.airybi, 2, lambda g, y, x: (g * airy_bi_slope(x),))
airy_bi_slope: Op = _airy("airy_bi_slope", mpmath.airybi, 3, lambda g, y, x: (g * (x * airy_bi(x)),))
