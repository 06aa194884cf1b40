"""SymPy's numbers as Python's, exactly: they are rounded once, later, to the dtype of what they meet.

Integers become `int`, rationals and floats of any precision `Fraction`, irrational constants a `Fraction` with many
more digits than any dtype keeps, infinities and NaN `float`. All of them take part weakly in promotion, as Python's
numbers do.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from sympy import Float, Integer, Number, NumberSymbol, Rational, S

from graphopt.frontend.describe import unsupported

__all__ = ["Weak", "is_negative", "number_value"]

Weak = int | Fraction | float

PRECISION = 320  # bits of an irrational constant: enough to round it to any dtype correctly
LARGEST_EXPONENT = 20_000  # beyond it a number is infinite, or zero, in every dtype

_SPECIAL: dict[Any, Weak] = {S.Infinity: math.inf, S.NegativeInfinity: -math.inf, S.NaN: math.nan}


def number_value(number: Any) -> Weak:
    """The exact value of a SymPy number or constant.

    Raises
    ------
    UnsupportedExpression
        For numbers that are not real: `I` and `zoo`.
    """
    if isinstance(number, Integer):
        return int(number.p)
    if isinstance(number, Rational):
        return Fraction(int(number.p), int(number.q))
    if number in _SPECIAL:
        return _SPECIAL[number]
    if isinstance(number, Float):
        return _binary(number._mpf_)
    if isinstance(number, NumberSymbol):
        return _binary(number._as_mpf_val(PRECISION))
    raise unsupported(number, "only real numbers have a meaning here; write real and imaginary parts apart")


def is_negative(number: Number) -> bool:
    """Whether a number is less than zero, read off its representation."""
    if isinstance(number, Rational):
        return bool(number.p < 0)
    return number is S.NegativeInfinity or (isinstance(number, Float) and bool(number._mpf_[0]))


def _binary(parts: tuple[int, int, int, int]) -> Weak:
    """(-1)^sign · mantissa · 2^exponent."""
    sign, mantissa, exponent, bits = (int(part) for part in parts)
    value = -mantissa if sign else mantissa
    if not mantissa:
        return Fraction(0)
    if exponent + bits > LARGEST_EXPONENT:
        return -math.inf if sign else math.inf
    if exponent + bits < -LARGEST_EXPONENT:
        return Fraction(0)
    return Fraction(value << exponent) if exponent >= 0 else Fraction(value, 1 << -exponent)
