"""What arithmetic, rounding, extrema, selection and casts make of facts.

These ops are correctly rounded and monotone, so that the rounded results at the bounds are bounds of the results.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from graphopt.analysis.facts import Facts, Number, anything
from graphopt.analysis.transfer_step import Step, Transfer
from graphopt.types import is_float

__all__ = ["ARITHMETIC", "joined", "magnitudes", "products"]

INF = math.inf


def negated(a: Facts) -> Facts:
    """Facts of -x."""
    return Facts(-a.hi, -a.lo, a.nan, a.zero, a.zero, a.integer)


def sums(a: Facts, b: Facts) -> Facts:
    """Facts of x + y, one rounding away."""
    clash = (a.hi == INF and b.lo == -INF) or (a.lo == -INF and b.hi == INF)
    low = -INF if -INF in (a.lo, b.lo) else _finite_sum(a.lo, b.lo)
    high = INF if INF in (a.hi, b.hi) else _finite_sum(a.hi, b.hi)
    both = a.negative_zero and b.negative_zero
    return Facts(low, high, a.nan or b.nan or clash, True, both, a.integer and b.integer)


def _finite_sum(a: Number, b: Number) -> Number:
    return a if b == 0 else b if a == 0 else a + b


def products(a: Facts, b: Facts) -> Facts:
    """Facts of x·y. A bound 0·∞ stands for the products of numbers near it, which are 0."""
    corners = [x * y if x and y else 0 for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    clash = (a.zero and b.infinite) or (a.infinite and b.zero)
    clear = (a.has_clear_sign and b.has_clear_sign) or (a.is_negative and b.is_negative)
    return Facts(min(corners), max(corners), a.nan or b.nan or clash, True, not clear, a.integer and b.integer)


def _square(step: Step) -> Facts:
    (a,) = step.facts
    magnitude = magnitudes(a)
    return replace(products(magnitude, magnitude), nan=a.nan, negative_zero=False)


def magnitudes(a: Facts) -> Facts:
    """Facts of |x|."""
    low = 0 if a.lo <= 0 <= a.hi else min(abs(a.lo), abs(a.hi))
    return Facts(low, max(abs(a.lo), abs(a.hi)), a.nan, a.zero, False, a.integer)


def _divide(step: Step) -> Facts:
    a, b = step.facts
    clash = (a.zero and b.zero) or (a.infinite and b.infinite)
    clear = a.has_clear_sign and b.has_clear_sign
    nan = a.nan or b.nan or clash
    if b.lo <= 0 <= b.hi:
        return Facts(a.lo / b.hi if clear and b.hi and a.lo < INF else 0 if clear else -INF, INF, nan, True, not clear)
    corners = [x / y for x in (a.lo, a.hi) for y in (b.lo, b.hi) if not (math.isinf(x) and math.isinf(y))]
    corners += [INF if (x > 0) == (b.lo > 0) else -INF for x in (a.lo, a.hi) if math.isinf(x)]
    corners += [0.0] if b.infinite else []
    return Facts(min(corners), max(corners), nan, True, not clear)


def _power(step: Step) -> Facts:
    a, b = step.facts
    if a.has_clear_sign:
        return Facts(0, INF, a.nan or b.nan, True, False)
    return Facts()


def _maximum(step: Step) -> Facts:
    a, b = step.facts
    return _extremum(a, b, max(a.lo, b.lo), max(a.hi, b.hi))


def _minimum(step: Step) -> Facts:
    a, b = step.facts
    return _extremum(a, b, min(a.lo, b.lo), min(a.hi, b.hi))


def _extremum(a: Facts, b: Facts, low: Number, high: Number) -> Facts:
    minus = a.negative_zero or b.negative_zero
    return Facts(low, high, a.nan or b.nan, a.zero or b.zero, minus, a.integer and b.integer)


def _number_preferred(extremum: Callable[[Step], Facts]) -> Callable[[Step], Facts]:
    """`fmax` and `fmin`: where one operand is NaN, the other."""

    def transfer(step: Step) -> Facts:
        a, b = step.facts
        found = replace(extremum(step), nan=a.nan and b.nan)
        found = joined(found, replace(b, nan=False)) if a.nan else found
        return joined(found, replace(a, nan=False)) if b.nan else found

    return transfer


def joined(a: Facts, b: Facts) -> Facts:
    """What is true of both."""
    return Facts(
        min(a.lo, b.lo), max(a.hi, b.hi), a.nan or b.nan, a.zero or b.zero,
        a.negative_zero or b.negative_zero, a.integer and b.integer,
    )  # fmt: skip


def _where(step: Step) -> Facts:
    condition, a, b = step.facts
    return a if condition.lo == 1 else b if condition.hi == 0 else joined(a, b)


def _sign(step: Step) -> Facts:
    (a,) = step.facts
    low = -1 if a.lo < 0 else 0 if a.zero else 1
    return Facts(low, 1 if a.hi > 0 else 0 if a.zero else -1, a.nan, a.zero, a.negative_zero, True)


def _rounding(function: Callable[[Number], int]) -> Callable[[Step], Facts]:
    def transfer(step: Step) -> Facts:
        (a,) = step.facts
        low, high = (bound if math.isinf(bound) else function(bound) for bound in (a.lo, a.hi))
        return Facts(low, high, a.nan, True, not a.has_clear_sign, True)

    return transfer


def _cast(step: Step) -> Facts:
    (a,) = step.facts
    if is_float(step.type.dtype):
        return a
    if step.type.dtype == "bool":
        return Facts(0 if a.zero else 1, 1 if a.nan or a.lo or a.hi or not a.zero else 0, False, a.zero, False, True)
    if not a.is_finite:
        return anything(step.type.dtype)
    return Facts(math.trunc(a.lo), math.trunc(a.hi), False, True, False, True)


ARITHMETIC: dict[str, Transfer] = {
    "negative": lambda step: negated(step.facts[0]),
    "absolute": lambda step: magnitudes(step.facts[0]),
    "add": lambda step: sums(*step.facts),
    "subtract": lambda step: sums(step.facts[0], negated(step.facts[1])),
    "multiply": lambda step: products(*step.facts),
    "divide": _divide, "square": _square, "power": _power, "sign": _sign, "cast": _cast, "where": _where,
    "maximum": _maximum, "minimum": _minimum,
    "fmax": _number_preferred(_maximum), "fmin": _number_preferred(_minimum),
    "floor": _rounding(math.floor), "ceil": _rounding(math.ceil),
    "trunc": _rounding(math.trunc), "rint": _rounding(round),
}  # fmt: skip
"""Op name to what it makes of facts."""
