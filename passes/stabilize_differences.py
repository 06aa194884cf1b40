"""Differences of nearly equal values, by the algebra that takes them: conjugates, common denominators, factors.

f(x + c) - f(x) for a positive constant c, where x + c is lost in rounding when x is large; √(x + 1) - 1 and its kin,
where x is lost when it is small; x² - y². The replacements add, multiply and divide without cancellation, so that
their error is bounded by a few ulps whatever x is; those ulps are what `Improves` names, counted as one for each
rounding and doubled where a value is squared.

Left out because no claim holds: log x - log y → log1p((x - y)/y) is true, but takes sums of logarithms apart that
`stabilize_softmax` recognizes; the mean of squares minus the square of the mean, and complex quotients by R. Smith's
method, have errors that depend on all operands and are sometimes larger than those of the naive form.

Source: R. W. Hamming, "Numerical Methods for Scientists and Engineers", 2nd edition (1987), chapter 3.
"""

from __future__ import annotations

import math
from typing import Any

import graphopt.tensor as T
from graphopt.rewrite import Improves, Match, Rule, Stabilizes, V, floating, nonnegative, nonpositive, rule

__all__ = ["LONGER", "RULES"]

x, y = V("x"), V("y")
f = V("x", dtype=floating)


def _number(handle: Any) -> float:
    """The value of a constant of equal elements; NaN for another."""
    value = handle.attributes["value"]
    return value if isinstance(value, int | float) else math.nan


def _is_positive_constant(handle: Any) -> bool:
    return 0 < _number(handle) < math.inf


def _is_step(handle: Any) -> bool:
    """Neither so small that x·c underflows, nor so large that x·(x + c) overflows before the difference is lost."""
    return 1 <= _number(handle) <= 2**20


def _is_at_most_one(handle: Any) -> bool:
    return 0 < _number(handle) <= 1


c = V("c", ndim=0, constant=True, where=_is_positive_constant)
step = V("c", ndim=0, constant=True, where=_is_step)
small_step = V("c", ndim=0, constant=True, where=_is_at_most_one)


def _both_ways(name: str, upper: Any, lower: Any, difference: Any, ulps: int) -> tuple[Rule, Rule]:
    """The rule for upper - lower, and the one for lower - upper."""
    return (
        Rule(name, upper - lower, difference, claim=Improves(ulps)),
        Rule(f"{name}-reversed", lower - upper, -difference, claim=Improves(ulps)),
    )


def _square_roots() -> Any:
    near, far = T.sqrt(x), T.sqrt(x + c)
    return c / (far + near)


def _cube_roots() -> Any:
    near, far = T.cbrt(x), T.cbrt(x + c)
    return c / (T.square(far) + far * near + T.square(near))


def _reciprocal_roots() -> Any:
    near, far = T.sqrt(x), T.sqrt(x + step)
    return step / ((near * far) * (near + far))


def _logarithms(of_sum: Any, by: Any) -> Any:
    """Where x is the smaller there is no cancellation, and c/x may overflow; what is not wanted is held off."""
    large = T.log1p(by / T.maximum(x, by * 0.5))
    return T.where(x > by, large, of_sum - T.log(T.minimum(x, by * 2)))


STEPS = (
    *_both_ways("sqrt-step", T.sqrt(x + c), T.sqrt(x), _square_roots(), 3),                   # √(x+c) - √x
    *_both_ways("cbrt-step", T.cbrt(x + c), T.cbrt(x), _cube_roots(), 8),                     # ∛(x+c) - ∛x
    *_both_ways("inverse-root-step", 1 / T.sqrt(x), 1 / T.sqrt(x + step), _reciprocal_roots(), 7),
    *_both_ways(
        "arctan-step", T.arctan(x + small_step), T.arctan(x), T.arctan(small_step / (1 + x * (x + small_step))), 4
    ),                                                                                        # arctan(x+c) - arctan x
    *_both_ways("log-step", T.log(x + step), T.log(x), _logarithms(T.log(x + step), step), 2),
    *_both_ways("log1p-step", T.log1p(x), T.log(x), _logarithms(T.log1p(x), 1), 2),        # log(1+x) - log x
)  # fmt: skip


def _from_one(root: Any, infinity: float) -> Any:
    """x/(√(1 ± x) + 1), and an infinite x as it is: there both parts of the quotient are infinite."""
    return T.where(T.eq(x, infinity), x, x / (root + 1))


below, above = T.sqrt(1 - x), T.sqrt(x + 1)
on_circle = T.sqrt((1 - x) * (x + 1))

CONJUGATES = (
    Rule("sqrt-minus-one", above - 1, _from_one(above, math.inf), claim=Improves(3)),  # √(1+x)-1
    Rule("one-minus-sqrt", 1 - above, -_from_one(above, math.inf), claim=Improves(3)),
    Rule("one-minus-sqrt-below", 1 - below, _from_one(below, -math.inf), claim=Improves(3)),
    Rule("sqrt-below-minus-one", below - 1, -_from_one(below, -math.inf), claim=Improves(3)),
    Rule("one-minus-sqrt-on-circle", 1 - on_circle, x * (x / (on_circle + 1)), claim=Improves(4)),  # 1-√(1-x²)
)  # fmt: skip

SQUARES = (
    Rule("difference-of-squares", T.square(f) - T.square(y), (f - y) * (f + y), claim=Improves(3)),  # x² - y²
    Rule("sqrt-one-minus-square", T.sqrt(1 - T.square(x)), on_circle, claim=Stabilizes(2, relative=True)),  # √(1-x²)
    Rule(
        "sqrt-square-minus-one", T.sqrt(T.square(x) - 1), T.sqrt(T.abs(x) - 1) * T.sqrt(T.abs(x) + 1),
        claim=Improves(4),
    ),  # √(x² - 1)
)  # fmt: skip

RECIPROCAL_STEPS = _both_ways("reciprocal-step", 1 / x, 1 / (x + step), step / (x * (x + step)), 3)  # 1/x - 1/(x+c)
second_difference = 2 / (x * ((x - 1) * (x + 1)))
FROM_ONE = Rule(
    "one-minus-reciprocal", 1 - 1 / (x + 1), T.where(T.isinf(x), 1, x / (x + 1)), claim=Improves(2)
)  # 1 - 1/(1+x)
SECOND_DIFFERENCES = (
    Rule(
        "reciprocal-difference", (1 / (x + 1) - 2 / x) + 1 / (x - 1), second_difference, claim=Improves(5)
    ),                                                                                       # 1/(x+1) - 2/x + 1/(x-1)
    Rule(
        "reciprocal-difference-below", (1 / (x - 1) - 2 / x) + 1 / (x + 1), second_difference,
        claim=Improves(5),
    ),
)  # fmt: skip

hypotenuse = T.hypot(x, y)


def _without_cancellation(x: Any, y: Any, cancels: Any, sign: int) -> Any:
    """y²/(hypotenuse + |x|) where the leg x cancels against the hypotenuse and their sum is finite, or as written."""
    h = T.hypot(x, y)
    total = h + T.abs(x)
    cancels = cancels & (total < math.inf)
    return T.where(cancels, y * (y / T.where(cancels, total, 1)), h + sign * T.where(cancels, 0, x))


@rule(hypotenuse + x, claim=Improves(5), where=lambda match: not nonnegative(match["x"]))
def hypot_plus_leg(match: Match, x: Any, y: Any) -> Any:
    """√(x² + y²) + x → y²/(√(x² + y²) + |x|) for x < 0"""
    return _without_cancellation(x, y, x < 0, 1)


@rule(hypotenuse - x, claim=Improves(5), where=lambda match: not nonpositive(match["x"]))
def hypot_minus_leg(match: Match, x: Any, y: Any) -> Any:
    """√(x² + y²) - x → y²/(√(x² + y²) + |x|) for x > 0"""
    return _without_cancellation(x, y, x > 0, -1)


HYPOTENUSES = (
    Rule("hypot", T.sqrt(T.square(f) + T.square(y)), T.hypot(f, y), claim=Improves()),       # √(x² + y²)
    hypot_plus_leg, hypot_minus_leg,
)  # fmt: skip

RULES: tuple[Rule, ...] = (*RECIPROCAL_STEPS, *SECOND_DIFFERENCES)
LONGER: tuple[Rule, ...] = (*STEPS, *CONJUGATES, *SQUARES, FROM_ONE, *HYPOTENUSES)
