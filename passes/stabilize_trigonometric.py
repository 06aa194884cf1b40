"""Trigonometric differences: half angles for 1 ± cos x, products for what sines and cosines of a sum leave.

The products take every function at x, y or half of one, which are exact, and never at a rounded sum. They lose
accuracy only where their own two terms cancel, near a zero that the operands determine badly; there, as everywhere
that the naive form is as good, the naive form is kept, its operand held away where it is not wanted.

Source: R. W. Hamming, "Numerical Methods for Scientists and Engineers", 2nd edition (1987), section 3.3.
"""

from __future__ import annotations

from typing import Any

import graphopt.tensor as T
from graphopt.rewrite import Improves, Match, Rule, V, rule
from graphopt.rewrite.pattern import Pattern

__all__ = ["LONGER", "RULES"]

x, y = V("x"), V("y")
half = x * 0.5
sine_squared, cosine_squared = T.square(T.sin(half)) * 2, T.square(T.cos(half)) * 2

HALF_ANGLES = (
    Rule("one-minus-cos", 1 - T.cos(x), sine_squared, claim=Improves(3)),           # 1 - cos x = 2 sin²(x/2)
    Rule("cos-minus-one", T.cos(x) - 1, -sine_squared, claim=Improves(3)),          # cos x - 1 = -2 sin²(x/2)
    Rule("one-plus-cos", T.cos(x) + 1, cosine_squared, claim=Improves(3)),          # 1 + cos x = 2 cos²(x/2)
    # what these leave of (1 - cos x)/sin x, sin x/(1 + cos x) and (1 - cos x)/x²
    Rule("tan-of-half", sine_squared / T.sin(x), T.tan(half), claim=Improves()),    # 2 sin²(x/2)/sin x = tan(x/2)
    Rule("tan-of-half-by-cos", T.sin(x) / cosine_squared, T.tan(half), claim=Improves()),
    Rule("sine-squared-over-square", sine_squared / T.square(x), T.square(T.sin(half) / x) * 2, claim=Improves(4)),
)  # fmt: skip

SYMMETRIC = (
    Rule("sin-sum-minus-sin-difference", T.sin(x + y) - T.sin(x - y), T.cos(x) * T.sin(y) * 2, claim=Improves(3)),
    Rule("cos-sum-minus-cos-difference", T.cos(x + y) - T.cos(x - y), -(T.sin(x) * T.sin(y) * 2), claim=Improves(3)),
    Rule("cos-difference-minus-cos-sum", T.cos(x - y) - T.cos(x + y), T.sin(x) * T.sin(y) * 2, claim=Improves(3)),
)  # fmt: skip


def _sin(x: Any, y: Any) -> Any:
    """sin(x + y) - sin x = 2 sin(y/2) cos(x + y/2)"""
    half = y * 0.5
    return _by_product(T.sin, x, y, T.sin(half) * 2, T.cos(x) * T.cos(half), -(T.sin(x) * T.sin(half)))


def _cos(x: Any, y: Any) -> Any:
    """cos(x + y) - cos x = -2 sin(y/2) sin(x + y/2)"""
    half = y * 0.5
    return _by_product(T.cos, x, y, T.sin(half) * -2, T.sin(x) * T.cos(half), T.cos(x) * T.sin(half))


def _by_product(function: Any, x: Any, y: Any, factor: Any, first: Any, second: Any) -> Any:
    total = first + second
    agree = T.abs(first) + T.abs(second) <= T.abs(total) * 2
    naive = function(T.where(agree, x, x + y)) - function(x)
    return T.where(agree, factor * total, naive)


def _tan(x: Any, y: Any) -> Any:
    """tan(x + y) - tan x = tan y (1 + tan² x)/(1 - tan x tan y)"""
    first, second = T.tan(x), T.tan(y)
    product = first * second
    is_small = T.abs(product) <= 0.5
    slope = (T.square(first) + 1) / (1 - T.where(is_small, product, 0))
    return T.where(is_small, second * slope, T.tan(T.where(is_small, x, x + y)) - first)


def _increments(function: Any, build: Any, ulps: int) -> tuple[Rule, Rule]:
    upper, lower, name = function(x + y), function(x), function(x).op.name

    def make(pattern: Pattern, label: str, sign: str, is_reversed: bool) -> Rule:
        @rule(pattern, claim=Improves(ulps), name=label, algebra=f"{sign}({build.__doc__})")
        def replace(match: Match, x: Any, y: Any) -> Any:
            return -build(x, y) if is_reversed else build(x, y)

        return replace

    return (
        make(upper - lower, f"{name}-increment", "", False),
        make(lower - upper, f"{name}-increment-reversed", "-", True),
    )


RULES: tuple[Rule, ...] = (*HALF_ANGLES, *SYMMETRIC)
LONGER: tuple[Rule, ...] = (
    *_increments(T.sin, _sin, 9),
    *_increments(T.cos, _cos, 9),
    *_increments(T.tan, _tan, 11),
)
