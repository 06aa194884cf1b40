"""Real-valued mpmath forms of scalar functions: the meaning an op has in exact arithmetic.

mpmath answers outside a function's real domain with complex numbers or exceptions; IEEE arithmetic answers with NaN
or an infinity. The wrappers here make the two agree, so that a shadow run in high precision never leaves the reals.
mpmath has no negative zero; results that depend on it are the ones for +0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
from mpmath import mp

__all__ = [
    "arctan2", "divide", "floor_divide", "fmod", "logaddexp", "maximum", "minimum", "power", "real", "remainder",
    "round_half_even", "sign", "xlogy",
]  # fmt: skip

Number = Any  # mpmath.mpf; mpmath ships no types
INFINITY, NAN = mpmath.inf, mpmath.nan


def real(function: Callable[..., Number], at_pole: Number = NAN) -> Callable[..., Number]:
    """`function` with NaN wherever its value is not real, and `at_pole` where mpmath finds a pole."""

    def wrapped(*arguments: Number) -> Number:
        if any(mpmath.isnan(a) for a in arguments):
            return NAN
        try:
            value = function(*arguments)
        except ZeroDivisionError:
            return at_pole
        except (ValueError, ArithmeticError, NotImplementedError):
            return NAN
        if isinstance(value, mpmath.mpc):
            return value.real if value.imag == 0 else NAN
        return mp.mpf(value)

    return wrapped


def divide(a: Number, b: Number) -> Number:
    if b == 0:
        return NAN if a == 0 or mpmath.isnan(a) else INFINITY * mpmath.sign(a)
    return mp.mpf(a) / b


def power(a: Number, b: Number) -> Number:
    """C's pow over the reals."""
    if b == 0 or a == 1:
        return mp.mpf(1)
    if mpmath.isnan(a) or mpmath.isnan(b):
        return NAN
    if mpmath.isinf(b):
        size = abs(a)
        return mp.mpf(1) if size == 1 else INFINITY if (size > 1) == (b > 0) else mp.mpf(0)
    odd = b == mpmath.floor(b) and b % 2 == 1
    if mpmath.isinf(a):
        return (mp.mpf(0) if b < 0 else INFINITY) * (-1 if a < 0 and odd else 1)
    if a == 0:
        return INFINITY if b < 0 else mp.mpf(0)
    if a < 0 and b != mpmath.floor(b):
        return NAN
    return mpmath.power(a, int(b)) if b == mpmath.floor(b) else mpmath.power(a, b)


def remainder(a: Number, b: Number) -> Number:
    """The remainder with the sign of the divisor, as Python's % and NumPy's remainder."""
    if b == 0 or mpmath.isnan(a) or mpmath.isnan(b) or mpmath.isinf(a):
        return NAN
    if mpmath.isinf(b):
        return a if a == 0 or (a > 0) == (b > 0) else b
    rest = mpmath.fmod(abs(a), abs(b))  # exact, however far apart the two are
    if rest and (a > 0) != (b > 0):
        rest = abs(b) - rest
    return rest if b > 0 else -rest


def fmod(a: Number, b: Number) -> Number:
    """The remainder with the sign of the dividend, as C's fmod."""
    if b == 0 or mpmath.isnan(a) or mpmath.isnan(b) or mpmath.isinf(a):
        return NAN
    return a if mpmath.isinf(b) else sign(a) * mpmath.fmod(abs(a), abs(b))


def floor_divide(a: Number, b: Number) -> Number:
    """The floor of the quotient, as NumPy's floor_divide: NaN for an infinite dividend."""
    if b == 0:
        return divide(a, b)
    if mpmath.isnan(a) or mpmath.isnan(b) or mpmath.isinf(a):
        return NAN
    if mpmath.isinf(b):
        return mp.mpf(0) if a == 0 or (a > 0) == (b > 0) else mp.mpf(-1)
    return (a - remainder(a, b)) / b


def arctan2(a: Number, b: Number) -> Number:
    if mpmath.isinf(a) and mpmath.isinf(b):
        return sign(a) * mp.pi * (1 if b > 0 else 3) / 4
    return real(mpmath.atan2)(a, b)


def maximum(a: Number, b: Number) -> Number:
    return NAN if mpmath.isnan(a) or mpmath.isnan(b) else max(a, b)


def minimum(a: Number, b: Number) -> Number:
    return NAN if mpmath.isnan(a) or mpmath.isnan(b) else min(a, b)


def sign(a: Number) -> Number:
    return NAN if mpmath.isnan(a) else mp.mpf((a > 0) - (a < 0))


def round_half_even(a: Number) -> Number:
    return a if mpmath.isinf(a) or mpmath.isnan(a) else mpmath.nint(a)


def logaddexp(a: Number, b: Number) -> Number:
    high, low = maximum(a, b), minimum(a, b)
    if mpmath.isnan(high) or mpmath.isinf(high):
        return high
    return high + mpmath.log1p(mpmath.exp(low - high))


def xlogy(x: Number, y: Number) -> Number:
    if mpmath.isnan(y):
        return NAN
    return mp.mpf(0) if x == 0 else x * real(mpmath.log)(y)
