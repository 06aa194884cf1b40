"""Rules that value facts allow: what bounds, signs and finiteness make superfluous.

`RULES` belong to `canonicalize`: absolute values, extrema and comparisons that are decided. `STABLE` belong to
`stabilize`, for they make a result more accurate; `FAST` to `fast_math`. Facts reach as far as the graph does, so that
an edit far away can make a rule match that did not: the next run of the pass finds it.

abs(x) → x changes no bit where the sign is clear; where x may be -0.0 it turns +0 into -0, which `Ulps(0)` says.
"""

from __future__ import annotations

from typing import Any

import graphopt.tensor as T
from graphopt.ops import logic
from graphopt.rewrite import (
    Exact,
    Improves,
    Match,
    RealOnly,
    Rule,
    Stabilizes,
    Ulps,
    V,
    clear_sign,
    nonnegative,
    nonpositive,
    positive,
)
from graphopt.rewrite.measures import decreasing
from graphopt.rewrite.standard_measures import OPERATIONS
from graphopt.variable import literal

__all__ = ["FAST", "RULES", "STABLE"]

x, y = V("x"), V("y")

SIGNS = (
    Rule("absolute-of-clear", T.abs(V("x", where=clear_sign)), x, claim=Exact()),          # x ≥ +0: |x| = x
    Rule("absolute-of-nonnegative", T.abs(V("x", where=nonnegative)), x, claim=Ulps(0)),   # x ≥ 0: |x| = x
    Rule("absolute-of-nonpositive", T.abs(V("x", where=nonpositive)), -x, claim=Ulps(0)),  # x ≤ 0: |x| = -x
)  # fmt: skip


def _above(match: Match) -> bool:
    first, second = (match.graph.facts(match.variables[name]) for name in "xy")
    return second.is_number and first.lo >= second.hi


def _below(match: Match) -> bool:
    first, second = (match.graph.facts(match.variables[name]) for name in "xy")
    return second.is_number and first.hi <= second.lo


EXTREMA = (
    Rule("maximum-decided", T.maximum(x, y), x, claim=Ulps(0), where=_above, tags=("facts",)),  # x ≥ y: max(x, y) = x
    Rule("minimum-decided", T.minimum(x, y), x, claim=Ulps(0), where=_below, tags=("facts",)),  # x ≤ y: min(x, y) = x
)  # fmt: skip


def _decided(match: Match) -> bool:
    facts = match.graph.facts(match.node)
    return facts.lo == facts.hi


def _truth(match: Match, **operands: Any) -> Any:
    return literal(bool(match.graph.facts(match.node).lo), "bool", match.graph.type(match.node).shape)


COMPARISONS = tuple(
    Rule(
        f"{op.name.replace('_', '-')}-decided", op(*[x, y][: op.arity]), _truth, claim=Exact(), where=_decided,
        tags=("facts",), algebra=f"{op.name} → true or false, where bounds decide it",
    )
    for op in (
        logic.less, logic.less_equal, logic.greater, logic.greater_equal, logic.equal, logic.not_equal,
        logic.isnan, logic.isinf, logic.isfinite,
    )
)  # fmt: skip

RULES: tuple[Rule, ...] = decreasing(OPERATIONS, *SIGNS, *EXTREMA, *COMPARISONS)

STABLE: tuple[Rule, ...] = (
    Rule("exp-log-of-nonnegative", T.exp(T.log(V("x", where=nonnegative))), x, claim=Improves()),   # x ≥ 0: e^log x = x
    Rule("root-of-square", T.sqrt(T.square(x)), T.abs(x), claim=Improves()),                        # √(x²) = |x|
    Rule(
        "log-times-exp", T.log(V("x", where=positive) * T.exp(y)), T.log(x) + y, claim=Stabilizes(8)
    ),                                                                                              # log(x·eʸ)
    Rule(
        "log-over-exp", T.log(V("x", where=positive) / T.exp(y)), T.log(x) - y, claim=Stabilizes(8)
    ),                                                                                              # log(x/eʸ)
    Rule(
        "log-exp-over", T.log(T.exp(y) / V("x", where=positive)), y - T.log(x), claim=Stabilizes(8)
    ),                                                                                              # log(eʸ/x)
)  # fmt: skip

FAST: tuple[Rule, ...] = (
    Rule("log-power", T.log(V("x", where=positive) ** y), y * T.log(x), claim=RealOnly()),          # log xʸ = y·log x
)  # fmt: skip
