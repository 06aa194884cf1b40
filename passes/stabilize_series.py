"""What is left of a function when its first term is subtracted: a power series near zero, the naive form elsewhere.

x - sin x, tan x - x and their kin have no closed form without cancellation. Within a radius the terms of the series
fall fast enough that a dozen of them leave less than a rounding; outside, cancellation costs a few bits and the naive
form stays. Each side computes on operands held where it is good, so that neither a value nor a derivative that is not
wanted can be NaN. Coefficients are exact fractions, rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import graphopt.tensor as T
from graphopt.rewrite import Improves, Match, Rule, V, rule
from graphopt.rewrite.pattern import Pattern

__all__ = ["LONGER"]

x = V("x")
TERMS = 18
LOST = Fraction(1, 2**58)  # what the first term left out may be, as a part of the first one


@dataclass(frozen=True)
class Remainder:
    """`minuend(x) - subtrahend(x)`, which near zero is the sum of coefficients times powers of x.

    Attributes
    ----------
    name
        Of the rule.
    minuend, subtrahend
        The parts, as functions of what stands for x in them.
    coefficients
        Of x to the powers `lowest`, `lowest + stride`, …
    radius
        Up to which |x| the series is used.
    """

    name: str
    minuend: Callable[[Any], Any]
    subtrahend: Callable[[Any], Any]
    coefficients: Sequence[Fraction]
    lowest: int
    stride: int
    radius: Fraction

    def terms(self) -> list[Fraction]:
        """The coefficients that count within the radius."""
        first, scale = self.coefficients[0], self.radius**self.stride
        return [c for k, c in enumerate(self.coefficients) if not k or abs(c / first) * scale**k > LOST]

    def value(self, x: Any) -> Any:
        """The series within the radius, the naive form outside."""
        is_near = T.abs(x) < float(self.radius)
        near = T.where(is_near, x, 0)
        far = T.where(is_near, 1, x)
        naive = self.minuend(far) - self.subtrahend(T.where(is_near, 2, x))
        return T.where(is_near, self.series(near), naive)

    def series(self, x: Any) -> Any:
        """By Horner's rule, in x or x²."""
        square = T.square(x)
        step = square if self.stride == 2 else x
        *rest, total = self.terms()
        result: Any = total
        for coefficient in reversed(rest):
            result = coefficient + step * result
        power = {1: x, 2: square, 3: x * square}[self.lowest]
        return power * result


def _bernoulli(count: int) -> list[Fraction]:
    numbers: list[Fraction] = [Fraction(1)]
    for n in range(1, count + 1):
        numbers.append(-sum((math.comb(n + 1, k) * numbers[k] for k in range(n)), Fraction()) / (n + 1))
    return numbers


BERNOULLI = _bernoulli(2 * TERMS + 6)
ODD = [2 * n + 1 for n in range(1, TERMS)]


def _signs(coefficients: Sequence[Fraction]) -> list[Fraction]:
    """+, -, +, …"""
    return [-c if k % 2 else c for k, c in enumerate(coefficients)]


def _tangent(power: int) -> Fraction:
    """The magnitude of the coefficient of an odd power in tan and tanh."""
    n = power + 1
    return abs(BERNOULLI[n]) * Fraction(2**n * (2**n - 1), math.factorial(n))


def _cotangent(power: int) -> Fraction:
    """The magnitude of the coefficient of an odd power in 1/x - cot x and coth x - 1/x."""
    n = power + 1
    return abs(BERNOULLI[n]) * Fraction(2**n, math.factorial(n))


def _itself(x: Any) -> Any:
    return x


FACTORIALS = [Fraction(1, math.factorial(n)) for n in ODD]
TANGENTS = [_tangent(n) for n in ODD]
COTANGENTS = [_cotangent(n) for n in (1, *ODD)]
QUARTER, HALF, ONE = Fraction(1, 4), Fraction(1, 2), Fraction(1)

REMAINDERS = (
    Remainder("x-minus-sin", _itself, T.sin, _signs(FACTORIALS), 3, 2, ONE),                # x - sin x
    Remainder("sinh-minus-x", T.sinh, _itself, FACTORIALS, 3, 2, ONE),                      # sinh x - x
    Remainder("tan-minus-x", T.tan, _itself, TANGENTS, 3, 2, HALF),                         # tan x - x
    Remainder("x-minus-tanh", _itself, T.tanh, _signs(TANGENTS), 3, 2, HALF),               # x - tanh x
    Remainder("x-minus-arctan", _itself, T.arctan, _signs([Fraction(1, n) for n in ODD]), 3, 2, QUARTER),
    Remainder("expm1-minus-x", T.expm1, _itself,
              [Fraction(1, math.factorial(n)) for n in range(2, TERMS)], 2, 1, HALF),       # (eˣ - 1) - x
    Remainder("x-minus-log1p", _itself, T.log1p,
              _signs([Fraction(1, n) for n in range(2, 2 + TERMS)]), 2, 1, Fraction(1, 8)),  # x - log(1 + x)
    Remainder("inverse-minus-cot", lambda x: 1 / x, lambda x: 1 / T.tan(x), COTANGENTS, 1, 2, HALF),
    Remainder("coth-minus-inverse", lambda x: 1 / T.tanh(x), lambda x: 1 / x, _signs(COTANGENTS), 1, 2, HALF),
)  # fmt: skip


def _rules(remainder: Remainder) -> tuple[Rule, Rule]:
    first, second = remainder.minuend(x), remainder.subtrahend(x)

    def make(pattern: Pattern, name: str, is_reversed: bool) -> Rule:
        @rule(pattern, claim=Improves(6), name=name, algebra=f"{pattern} → its series for |x| < {remainder.radius}")
        def replace(match: Match, x: Any) -> Any:
            value = remainder.value(x)
            return -value if is_reversed else value

        return replace

    return make(first - second, remainder.name, False), make(second - first, f"{remainder.name}-reversed", True)


LONGER: tuple[Rule, ...] = tuple(one for remainder in REMAINDERS for one in _rules(remainder))
