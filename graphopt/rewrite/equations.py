"""Rules as equations between terms: which rules an e-graph may use, and in which directions.

Their instances for the types that occur are made by `graphopt.rewrite.instantiation`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphopt.ops import TABLE
from graphopt.rewrite.claims import Claim, Exact, Improves, Reassociates, Stabilizes, Ulps
from graphopt.rewrite.pattern import AnyOp, Application, Attr, Pattern, V
from graphopt.rewrite.rules import Rule, pattern_names
from graphopt.rewrite.through import THROUGH

__all__ = ["Condition", "Equation", "equations", "trait_rules"]

SYMMETRIC = (Exact, Ulps, Reassociates)
"""Claims that hold in both directions."""

DIRECTED = (Improves, Stabilizes)
"""Claims that say which side is better: from left to right only."""

Condition = Callable[[Any, int], bool]


@dataclass(frozen=True)
class Equation:
    """One direction and one orientation of a rule; `conditions` by the name of the variable."""

    name: str
    pattern: Application
    replacement: Pattern
    conditions: Mapping[str, tuple[Condition, ...]]
    reverse: bool = False


def equations(
    rules: Sequence[Rule], improves: bool = False, oriented: bool = True
) -> tuple[list[Equation], dict[str, str]]:
    """What an e-graph can use of some rules, and why it cannot use the others.

    Parameters
    ----------
    rules
        Data rules become equations, in both directions where claim and variables allow it.
    improves
        Whether rules that improve or stabilize take part, in their one direction.
    oriented
        Whether operands of commutative ops are taken in every order; not needed where commutativity is a rule.

    Returns
    -------
    equations, left_out
        `left_out` gives a reason for each rule that is not used, by name.
    """
    admitted: tuple[type[Claim], ...] = (*SYMMETRIC, *DIRECTED) if improves else SYMMETRIC
    found: list[Equation] = []
    left_out: dict[str, str] = {}
    for rule in rules:
        reason = _inexpressible(rule, admitted)
        if reason:
            left_out[rule.name] = reason
            continue
        assert isinstance(rule.pattern, Application)
        conditions = _conditions_by_name(rule.pattern)
        left, right = rule.pattern, rule.replacement
        found += [Equation(rule.name, o, right, conditions) for o in (left.orientations() if oriented else [left])]
        if _reversible(rule):
            orientations = right.orientations() if oriented else [right]
            found += [Equation(rule.name, o, left, conditions, True) for o in orientations]
    return found, left_out


def trait_rules() -> tuple[Rule, ...]:
    """Commutativity and associativity of the ops that have these traits, as rules.

    Left out are `fmax` and `fmin`, which may tell zeros apart by their place, and the associativity of ops that need an
    elementary function, where an error of the inner application is not one of order alone.
    """
    x, y, z = V("x"), V("y"), V("z")
    rules = []
    for op in TABLE.values():
        if op.arity != 2 or op.name in ("fmax", "fmin"):
            continue
        if "commutative" in op.traits:
            claim = Ulps(0) if op.name in ("maximum", "minimum") else Exact()  # of two zeros, either may be the result
            rules.append(Rule(f"commutative-{op.name}", op(x, y), op(y, x), claim=claim))
        if "associative" in op.traits and "transcendental" not in op.traits:
            rules.append(Rule(f"associative-{op.name}", op(op(x, y), z), op(x, op(y, z)), claim=Reassociates()))
    return tuple(rules)


def _inexpressible(rule: Rule, admitted: tuple[type[Claim], ...]) -> str:
    """Why an e-graph cannot use a rule; empty if it can."""
    if not isinstance(rule.claim, admitted):
        return f"its claim {rule.claim} is not admitted"
    if not isinstance(rule.replacement, Pattern):
        return "its right side is code"
    if rule.where is not None:
        return "its condition is about the whole match"
    for part in rule.pattern.parts():
        if isinstance(part, AnyOp):
            return "its pattern stands for any op"
        if isinstance(part, Application) and part.op is THROUGH:
            return "its pattern sees through views"
        if isinstance(part, V):
            for text, _ in part.conditions:
                if text == "it is no constant" or text.startswith("it is used"):
                    return f"the condition of {part.name}, {text}, is about a node, not about a value"
    return ""


def _conditions_by_name(pattern: Pattern) -> dict[str, tuple[Condition, ...]]:
    found: dict[str, tuple[Condition, ...]] = {}
    for part in pattern.parts():
        if isinstance(part, V):
            found[part.name] = (*found.get(part.name, ()), *(holds for _, holds in part.conditions))
    return found


def _reversible(rule: Rule) -> bool:
    """Whether the right side determines the left one, attributes and all, and is not met at every value."""
    right = rule.replacement
    conditioned = any(
        isinstance(value, Attr) and value.where is not None
        for part in rule.pattern.parts()
        if isinstance(part, Application)
        for value in part.attributes.values()
    )
    return (
        isinstance(rule.claim, SYMMETRIC)
        and isinstance(right, Application)
        and not conditioned
        and pattern_names(right) == pattern_names(rule.pattern)
    )
