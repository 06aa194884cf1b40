"""Real-valued mpmath forms of special functions that mpmath lacks, or evaluates badly for extreme arguments."""

from __future__ import annotations

from typing import Any

import mpmath
from mpmath import mp

__all__ = [
    "dawsn", "erfcinv", "erfcx", "exprel", "log_ndtr", "logit", "ndtri", "rel_entr", "scaled_by_decay",
    "sinc", "spherical", "xlog1py",
]  # fmt: skip

Number = Any  # mpmath.mpf; mpmath ships no types
FAR = mpmath.mpf(10) ** 6  # beyond, four terms of an asymptotic series in 1/x² are good to 40 digits and more


def _tail(x: Number, ratio: int) -> Number:
    """1 + 1 r/(2x²) + 1·3 r²/(2x²)² + …: what erfc (r = -1) and Dawson's integral (r = 1) are far out."""
    total = term = mp.mpf(1)
    for k in range(1, 6):
        term = term * ratio * (2 * k - 1) / (2 * x * x)
        total += term
    return total


def erfcx(x: Number) -> Number:
    """exp(x²) erfc(x)."""
    if mpmath.isinf(x) or abs(x) > FAR:
        return _tail(x, -1) / (x * mpmath.sqrt(mp.pi)) if x > 0 else mpmath.inf
    return mpmath.exp(x * x) * mpmath.erfc(x)


def dawsn(x: Number) -> Number:
    """Dawson's integral, exp(-x²) ∫₀ˣ exp(t²) dt."""
    if mpmath.isinf(x) or abs(x) > FAR:
        return _tail(x, 1) / (2 * x)
    return mpmath.sqrt(mp.pi) / 2 * mpmath.exp(-x * x) * mpmath.erfi(x)


def erfcinv(x: Number) -> Number:
    """The inverse of erfc; near 0 with as many digits more as 1 - x needs."""
    if x == 0:
        return mpmath.inf
    if x < 0:
        return mpmath.nan
    with mpmath.workdps(mp.dps + (max(0, -int(mpmath.log10(x))) if x < 1 else 0)):
        return mpmath.erfinv(1 - x)


def ndtri(p: Number) -> Number:
    """The inverse of the normal distribution's cumulative function."""
    return -mpmath.sqrt(2) * erfcinv(2 * p)


def log_ndtr(x: Number) -> Number:
    """The logarithm of the normal distribution's cumulative function."""
    if x > 0:
        return mpmath.log1p(-mpmath.erfc(x / mpmath.sqrt(2)) / 2)
    return mpmath.log(erfcx(-x / mpmath.sqrt(2)) / 2) - x * x / 2


def logit(p: Number) -> Number:
    return mpmath.log(p) - mpmath.log1p(-p)


def exprel(x: Number) -> Number:
    """(exp(x) - 1) / x."""
    if mpmath.isinf(x):
        return x if x > 0 else mp.mpf(0)
    return mpmath.expm1(x) / x if x else mp.mpf(1)


def sinc(x: Number) -> Number:
    """sin(πx) / (πx)."""
    if mpmath.isinf(x):
        return mpmath.nan
    return mpmath.sinpi(x) / (mp.pi * x) if x else mp.mpf(1)


def xlog1py(x: Number, y: Number) -> Number:
    return mp.mpf(0) if x == 0 else x * mpmath.log1p(y)


def rel_entr(x: Number, y: Number) -> Number:
    """x log(x/y), 0 at x = 0, ∞ outside of x, y ≥ 0."""
    if x > 0 and y > 0:
        return x * mpmath.log(x / y)
    return mp.mpf(0) if x == 0 and y >= 0 else mpmath.inf


def scaled_by_decay(function: Any) -> Any:
    """`function(order, x)` times exp(-|x|)."""
    return lambda order, x: function(order, x) * mpmath.exp(-abs(x))


def spherical(function: Any) -> Any:
    """The spherical Bessel function that belongs to a cylindrical one: √(π/2x) f(n + 1/2, x)."""

    def value(order: Number, x: Number) -> Number:
        if x == 0:
            return mp.mpf(order == 0) if function is mpmath.besselj else -mpmath.inf
        sign = (-1) ** (int(order) + (function is not mpmath.besselj)) if x < 0 else 1
        return sign * mpmath.sqrt(mp.pi / (2 * abs(x))) * function(order + mp.mpf(1) / 2, abs(x))

    return value
