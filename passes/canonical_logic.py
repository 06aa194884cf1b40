"""Selections, comparisons and logic in canonical form: no condition is negated, none is decided already.

NaN makes some of them false for floats: x == x → True, ¬(x < y) → x ≥ y. Those are for integers and bools.
x < x → False and ¬(x = y) → x ≠ y hold for all.
"""

from __future__ import annotations

import graphopt.tensor as T
from graphopt.op import Op
from graphopt.rewrite import Exact, Rule, V, integral
from graphopt.rewrite.measures import decreasing
from graphopt.rewrite.standard_measures import OPERATIONS

__all__ = ["RULES"]

x, y, z, c = V("x"), V("y"), V("z"), V("c")
p = V("x", dtype="bool")


def discrete(dtype: str) -> bool:
    """Integers and bools: every two values are comparable."""
    return dtype == "bool" or integral(dtype)


i, j = V("x", dtype=discrete), V("y", dtype=discrete)

SELECTIONS = (
    Rule("where-true", T.where(True, x, y), x, claim=Exact()),                                # where(true, x, y) = x
    Rule("where-false", T.where(False, x, y), y, claim=Exact()),                              # where(false, x, y) = y
    Rule("where-not", T.where(T.logical_not(c), x, y), T.where(c, y, x), claim=Exact()),      # where(¬c, x, y)
    Rule("where-where-left", T.where(c, T.where(c, x, y), z), T.where(c, x, z), claim=Exact()),
    Rule("where-where-right", T.where(c, x, T.where(c, y, z)), T.where(c, x, z), claim=Exact()),
)  # fmt: skip

CONNECTIVES = (
    Rule("and-true", T.logical_and(p, True), p, claim=Exact()),                               # x ∧ true = x
    Rule("and-false", T.logical_and(x, False), False, claim=Exact()),                         # x ∧ false = false
    Rule("and-itself", T.logical_and(p, p), p, claim=Exact()),                                # x ∧ x = x
    Rule("or-true", T.logical_or(x, True), True, claim=Exact()),                              # x ∨ true = true
    Rule("or-false", T.logical_or(p, False), p, claim=Exact()),                               # x ∨ false = x
    Rule("or-itself", T.logical_or(p, p), p, claim=Exact()),                                  # x ∨ x = x
    Rule("not-and-not", T.logical_and(T.logical_not(x), T.logical_not(y)),
         T.logical_not(T.logical_or(x, y)), claim=Exact()),                                   # ¬x ∧ ¬y = ¬(x ∨ y)
    Rule("not-or-not", T.logical_or(T.logical_not(x), T.logical_not(y)),
         T.logical_not(T.logical_and(x, y)), claim=Exact()),                                  # ¬x ∨ ¬y = ¬(x ∧ y)
)  # fmt: skip


def _reflexive(comparison: Op, value: bool) -> Rule:
    operand = x if comparison in (T.less, T.greater) else i
    return Rule(f"{comparison.name.replace('_', '-')}-itself", comparison(operand, operand), value, claim=Exact())


def _negated(comparison: Op, opposite: Op) -> Rule:
    left, right = (i, j) if comparison not in (T.equal, T.not_equal) else (x, y)
    name = f"not-{comparison.name.replace('_', '-')}"
    return Rule(name, T.logical_not(comparison(left, right)), opposite(left, right), claim=Exact())


COMPARISONS = (
    _reflexive(T.equal, True), _reflexive(T.less_equal, True), _reflexive(T.greater_equal, True),
    _reflexive(T.not_equal, False), _reflexive(T.less, False), _reflexive(T.greater, False),
    _negated(T.equal, T.not_equal), _negated(T.not_equal, T.equal),
    _negated(T.less, T.greater_equal), _negated(T.greater_equal, T.less),
    _negated(T.greater, T.less_equal), _negated(T.less_equal, T.greater),
)  # fmt: skip

RULES: tuple[Rule, ...] = decreasing(OPERATIONS, *SELECTIONS, *CONNECTIVES, *COMPARISONS)
