"""Rewrites that hold over the reals and promise nothing in floating point. Only the pipeline "fast" has them.

Contract: afterwards no rule of the table matches. Overflow, NaN and the last bits may change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import graphopt.tensor as T
from graphopt.ops.leaves import ArrayConstant
from graphopt.passes import canonical_facts, fast_linear_algebra
from graphopt.rewrite import Match, RealOnly, Rule, RulePass, V, floating, refuse, rule
from graphopt.rewrite.measures import Measure, decreasing
from graphopt.rewrite.standard_measures import FACTORIZATIONS, HAZARDS, OPERATIONS, REORDERINGS
from graphopt.variable import literal

x, y = V("x"), V("y")
c = V("c", ndim=0, constant=True)

TABLE = (
    Rule("exp-product", T.exp(x) * T.exp(y), T.exp(x + y), claim=RealOnly()),         # eˣ·eʸ = eˣ⁺ʸ
    Rule("exp-quotient", T.exp(x) / T.exp(y), T.exp(x - y), claim=RealOnly()),        # eˣ/eʸ = eˣ⁻ʸ
    Rule("over-exp", x / T.exp(y), x * T.exp(-y), claim=RealOnly()),                  # x/eʸ = x·e⁻ʸ
    Rule("square-of-sqrt", T.square(T.sqrt(x)), x, claim=RealOnly()),                 # (√x)² = x
    Rule("square-root", V("x", dtype=floating) ** 0.5, T.sqrt(x), claim=RealOnly()),  # x^½ = √x
)  # fmt: skip


@rule(x / c, claim=RealOnly())
def times_inverse(match: Match, x: Any, c: Any) -> Any:
    """x/c → x·(1/c)"""
    value = c.attributes["value"]
    if isinstance(value, ArrayConstant) or not value or 1 / value in (0.0, float("inf"), -float("inf")):
        return refuse("the constant has no inverse")
    return x * literal(1 / value, c.dtype)


@dataclass(frozen=True)
class FastMath(RulePass):
    """Rewrites that are true of real numbers only."""

    name: ClassVar[str] = "fast-math"
    excludes: ClassVar[frozenset[str]] = frozenset({"lowered"})
    rules: ClassVar[Sequence[Rule]] = (
        *decreasing(HAZARDS, *TABLE, times_inverse, *canonical_facts.FAST),
        *fast_linear_algebra.RULES,
    )
    order: ClassVar[Sequence[Measure]] = (HAZARDS, REORDERINGS, OPERATIONS, FACTORIZATIONS)
