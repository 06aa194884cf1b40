"""Elementwise algebra: constants of a chain gathered, integer powers multiplied out, odd and even functions.

Constants that are not finite, or would not be once gathered, stay where they are.
"""

from __future__ import annotations

import math
from typing import Any

import graphopt.tensor as T
from graphopt.ops.leaves import constant
from graphopt.rewrite import Exact, Match, Reassociates, Rule, Stabilizes, Ulps, V, floating, refuse, rule
from graphopt.rewrite.measures import decreasing
from graphopt.rewrite.pattern import Pattern
from graphopt.rewrite.standard_measures import HAZARDS, NEGATIONS, OPERATIONS
from graphopt.variable import literal

__all__ = ["RULES", "is_number"]

x = V("x", dtype=floating)
HIGHEST = 16  # beyond it, the errors of the multiplications add up to more than a power is worth


def is_number(c: Any) -> bool:
    """A finite constant that is not 0: one number, not an array of them."""
    value = c.attributes["value"] if c.op is constant else None
    return isinstance(value, int | float) and math.isfinite(value) and value != 0


c, d = V("c", constant=True, ndim=0, where=is_number), V("d", constant=True, ndim=0, where=is_number)


def _gather(name: str, pattern: Pattern, form: str, combine: Any) -> Rule:
    """A rule that computes a constant c' from c and d: `form` says where c' stands."""
    forms = {
        "x + c": lambda x, c: x + c, "c - x": lambda x, c: c - x,
        "x * c": lambda x, c: x * c, "c / x": lambda x, c: c / x,
    }  # fmt: skip

    @rule(pattern, claim=Reassociates(), name=name, algebra=f"{pattern} → {form.replace('c', '(c ∘ d)')}")
    def gather(match: Match, x: Any, c: Any, d: Any) -> Any:
        value = combine(c.attributes["value"], d.attributes["value"])
        largest = 3.0e38 if c.dtype == "float32" else 1e308
        if not 1 / largest <= abs(value) <= largest and not (value == 0 and form == "x + c"):
            return refuse("the gathered constant would overflow or underflow")
        return forms[form](x, literal(value, c.dtype))

    return gather


SUMS = (
    _gather("add-add", (x + c) + d, "x + c", lambda c, d: c + d),                       # (x + c) + d
    _gather("add-subtract", (x + c) - d, "x + c", lambda c, d: c - d),                  # (x + c) - d
    _gather("subtract-add", (x - c) + d, "x + c", lambda c, d: d - c),                  # (x - c) + d
    _gather("subtract-subtract", (x - c) - d, "x + c", lambda c, d: -(c + d)),          # (x - c) - d
    _gather("constant-minus-add", (c - x) + d, "c - x", lambda c, d: c + d),            # (c - x) + d
    _gather("constant-minus-subtract", (c - x) - d, "c - x", lambda c, d: c - d),       # (c - x) - d
    _gather("minus-add", c - (x + d), "c - x", lambda c, d: c - d),                     # c - (x + d)
    _gather("minus-subtract", c - (x - d), "c - x", lambda c, d: c + d),                # c - (x - d)
)  # fmt: skip

PRODUCTS = (
    _gather("times-times", (x * c) * d, "x * c", lambda c, d: c * d),                   # (x·c)·d
    _gather("times-over", (x * c) / d, "x * c", lambda c, d: c / d),                    # (x·c)/d
    _gather("over-times", (x / c) * d, "x * c", lambda c, d: d / c),                    # (x/c)·d
    _gather("constant-over-times", (c / x) * d, "c / x", lambda c, d: c * d),           # (c/x)·d
    _gather("constant-over-over", (c / x) / d, "c / x", lambda c, d: c / d),            # (c/x)/d
    _gather("over-product", c / (x * d), "c / x", lambda c, d: c / d),                  # c/(x·d)
    _gather("over-quotient", c / (x / d), "c / x", lambda c, d: c * d),                 # c/(x/d)
)  # fmt: skip

ODD = (T.sin, T.tan, T.sinh, T.tanh, T.arcsin, T.arctan, T.arcsinh, T.arctanh, T.erf, T.cbrt)
PARITY = (
    *(Rule(f"{f.name}-of-negative", f(-x), -f(x), claim=Exact()) for f in ODD),         # f(-x) = -f(x)
    *(Rule(f"{f.name}-of-negative", f(-x), f(x), claim=Exact()) for f in (T.cos, T.cosh)),  # f(-x) = f(x)
)  # fmt: skip


@rule(x**c, claim=Ulps(2 * HIGHEST))
def integer_power(match: Match, x: Any, c: Any) -> Any:
    """xⁿ → a product of x, x², x⁴, … for n from 3 to 16"""
    exponent = c.attributes["value"]
    if exponent not in range(3, HIGHEST + 1):
        return refuse(f"the exponent is no integer from 3 to {HIGHEST}")
    power, result, left = x, None, int(exponent)
    while left:
        if left % 2:
            result = power if result is None else power * result
        left //= 2
        power = T.square(power) if left else power
    return result


def _positive(match: Match) -> bool:
    return bool(match["c"].attributes["value"] > 0)


LOGARITHMS = (
    Rule("log-over-constant", T.log(x / c), T.log(x) - T.log(c), claim=Stabilizes(4), where=_positive),
    Rule("log-constant-over", T.log(c / x), T.log(c) - T.log(x), claim=Stabilizes(4), where=_positive),
)  # fmt: skip

RULES: tuple[Rule, ...] = (
    *decreasing(OPERATIONS, *SUMS, *PRODUCTS),
    *decreasing(NEGATIONS, *PARITY),
    *decreasing(HAZARDS, integer_power, *LOGARITHMS),
)
