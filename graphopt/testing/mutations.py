"""Mutants of a rule: the same rule with one mistake. A verifier is as good as the share of them that it finds.

Where the replacement is a pattern, `mutants` makes the mistakes people make: a sign, swapped operands, a lost
condition, a wrong constant, a sibling function, a forgotten axis, a narrower dtype, and another derivative.
`judge` verifies one as if it were a rule; `EQUIVALENT` holds the mutants that are no mistakes, with the reason.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from graphopt.errors import GraphoptError
from graphopt.op import Op
from graphopt.ops import TABLE
from graphopt.ops.arithmetic import negative
from graphopt.ops.leaves import barrier
from graphopt.rewrite import AnyOp, Rule, V
from graphopt.rewrite.pattern import Application, Attr, Literal, Pattern
from graphopt.testing.rules import verify_rule

__all__ = ["EQUIVALENT", "SIBLINGS", "Mutant", "Verdict", "judge", "mutants"]

SIBLINGS: Mapping[str, str] = {
    "exp": "expm1", "expm1": "exp", "log": "log1p", "log1p": "log", "sin": "cos", "cos": "sin", "max": "min",
    "min": "max", "maximum": "minimum", "minimum": "maximum", "add": "subtract", "subtract": "add",
    "multiply": "divide", "divide": "multiply", "softmax": "log_softmax", "log_softmax": "softmax", "sum": "prod",
    "prod": "sum", "sqrt": "cbrt", "tanh": "sigmoid", "sigmoid": "tanh", "sinh": "cosh", "cosh": "sinh", "any": "all",
    "all": "any", "erf": "erfc", "erfc": "erf", "less": "less_equal", "less_equal": "less", "greater": "greater_equal",
    "greater_equal": "greater", "equal": "not_equal", "not_equal": "equal", "logical_and": "logical_or",
    "logical_or": "logical_and", "floor": "ceil", "ceil": "floor", "square": "absolute", "absolute": "square",
}  # fmt: skip
"""Ops that are taken for one another."""

altered = dataclasses.replace(
    barrier,
    name="altered",
    numpy=lambda x: x,
    exact=lambda x: x,
    pullback=lambda g, node: (g + g,),
    traits=frozenset({"elementwise"}),
)
"""Its operand, with twice its derivative. Not in the table of ops: only mutants use it."""

EQUIVALENT: Mapping[tuple[str, str], str] = {
    ("RealOnly", "rounded to float32"): "nothing is promised in floating point, and over the reals a cast is nothing",
    ("power-minus-two", "constant 1: -c at 2"): "(-1/x)² is (1/x)², to the bit",
}
"""(rule or class of claim, mutant) to why the mutant keeps the claim."""


@dataclass(frozen=True)
class Mutant:
    """A rule with one mistake.

    Attributes
    ----------
    kind, label
        What sort of mistake, and which: unique among the mutants of a rule.
    rule
        The mutated rule; None if the mistake cannot even be written down.
    """

    kind: str
    label: str
    rule: Rule | None


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant, and the first line of what the verifier said, or the reason.

    `killed`; `survived`; `equivalent`: no mistake, by the reason given; `unneeded`: the claim was kept without a
    condition, which may be there for the types, the profit or the normal form.
    """

    outcome: str
    reason: str = ""


def mutants(rule: Rule) -> list[Mutant]:
    """All mutants of a rule; for a rule whose replacement is code, those of its pattern and condition only."""
    found: list[Mutant] = []
    for kind, label, change in _changes(rule):
        try:
            mutated: Rule | None = dataclasses.replace(rule, algebra="", **change)
        except GraphoptError:
            mutated = None
        found.append(Mutant(kind, label, mutated))
    return found


def judge(rule: Rule, mutant: Mutant, examples: int = 6, seed: int = 0) -> Verdict:
    """Verify a mutant like a rule.

    Parameters
    ----------
    rule
        What it is a mutant of.
    mutant
        Made by `mutants`.
    examples, seed
        As for `verify_rule`.

    Returns
    -------
    Verdict
        "killed" if the verifier rejects it, or it never fires, or it cannot be built or run.
    """
    for key in (rule.name, type(rule.claim).__name__):
        if reason := EQUIVALENT.get((key, mutant.label)):
            return Verdict("equivalent", reason)
    if mutant.rule is None:
        return Verdict("killed", "it cannot be written down")
    try:
        report = verify_rule(mutant.rule, examples=examples, seed=seed, shrink=False)
    except (GraphoptError, ArithmeticError, ValueError, IndexError, AssertionError) as error:
        return Verdict("killed", str(error).partition("\n")[0])
    if mutant.kind == "condition":
        return Verdict("unneeded", "the claim was kept without the condition")
    if mutant.kind == "derivative" and not report.gradients.compared:
        return Verdict("equivalent", "no program of the rule has a derivative")
    return Verdict("survived")


def _changes(rule: Rule) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The kind of each mistake, its label, and the fields of the rule that it changes."""
    if rule.where is not None:
        yield "condition", "condition dropped", {"where": None}
    conditioned = {part.name for part in rule.pattern.parts() if _is_variable(part) and part.conditions}
    for name in sorted(conditioned):
        yield "condition", f"conditions of {name} dropped", {"pattern": _free(rule.pattern, name)}
    whole = rule.replacement
    if not isinstance(whole, Pattern):
        return
    yield "sign", "sign flipped", {"replacement": negative(whole)}
    yield "derivative", "derivative doubled", {"replacement": altered(whole)}
    yield "dtype", "rounded to float32", {"replacement": _narrowed(whole)}
    for position, part in enumerate(whole.parts()):
        for kind, label, new in _mistakes(part):
            yield kind, f"{label} at {position}", {"replacement": _at(whole, position, new)}


def _mistakes(part: Pattern) -> Iterator[tuple[str, str, Pattern]]:
    """What may be put for one part of a replacement."""
    if isinstance(part, Literal) and not isinstance(part.value, bool):
        value = part.value
        for label, other in (("c + 1", value + 1), ("2c", 2 * value), ("-c", -value)):
            if (other != value and not math.isnan(value)) or (label == "-c" and value == 0):
                yield "constant", f"constant {value:g}: {label}", Literal(other)
    if not isinstance(part, Application):
        return
    op, operands, attributes = part.op, part.operands, part.attributes
    if len(operands) == 2 and "commutative" not in op.traits:
        yield "order", f"operands of {op.name} swapped", Application(op, operands[::-1], attributes)
    if op.name in SIBLINGS:
        sibling: Op = TABLE[SIBLINGS[op.name]]
        yield "sibling", f"{op.name} is {sibling.name}", Application(sibling, operands, attributes)
    if op.name == "expand_dims":
        yield "axis", "expand_dims dropped", operands[0]
    elif isinstance(attributes.get("axis"), Attr):
        yield "axis", f"axis of {op.name} is 0", Application(op, operands, {**attributes, "axis": (0,)})


def _narrowed(pattern: Pattern) -> Pattern:
    cast = TABLE["cast"]
    result: Pattern = cast(cast(pattern, dtype="float32"), dtype="float64")
    return result


def _is_variable(part: Pattern) -> TypeGuard[V]:
    return isinstance(part, V) and not isinstance(part, AnyOp)


def _free(pattern: Pattern, name: str) -> Pattern:
    """A pattern whose variable of that name has no conditions."""
    if _is_variable(pattern) and pattern.name == name:
        return V(name)
    if not isinstance(pattern, Application):
        return pattern
    return Application(pattern.op, tuple(_free(operand, name) for operand in pattern.operands), pattern.attributes)


def _at(pattern: Pattern, position: int, new: Pattern) -> Pattern:
    """A pattern with the part at a position, counted as `parts` yields them, replaced."""
    if position == 0:
        return new
    assert isinstance(pattern, Application)
    operands, start = list(pattern.operands), 1
    for k, operand in enumerate(operands):
        size = sum(1 for _ in operand.parts())
        if start <= position < start + size:
            operands[k] = _at(operand, position - start, new)
        start += size
    return Application(pattern.op, tuple(operands), pattern.attributes)
