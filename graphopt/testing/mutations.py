"""Mutants of a rule: the same rule with one mistake. A verifier is as good as the share of them that it finds.

`mutants` makes the mistakes people make: a sign, swapped operands, a lost condition, a domain too wide, a wrong
constant, a sibling function, a wrong or forgotten axis, a narrower dtype, and another derivative. Those of the whole
result can be made where the replacement is code, too. `graphopt.testing.verdicts` tells what becomes of them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphopt.errors import GraphoptError
from graphopt.op import Op
from graphopt.ops import TABLE
from graphopt.ops.arithmetic import cast, multiply, negative
from graphopt.ops.leaves import barrier, constant
from graphopt.ops.logic import logical_not
from graphopt.ops.shape import broadcast_to, expand_dims, pick, transpose
from graphopt.rewrite import AnyOp, Attr, Match, Rule, V, conditions, refuse
from graphopt.rewrite.pattern import Application, Literal, Pattern
from graphopt.rewrite.rules import Refusal
from graphopt.testing.instances import ANY_DTYPE
from graphopt.types import is_float, is_integer

__all__ = ["KINDS", "SIBLINGS", "WIDER", "Mutant", "mutants"]

KINDS: tuple[str, ...] = (
    "sign", "order", "condition", "domain", "axis", "broadcast", "dtype", "constant", "sibling", "derivative",
)  # fmt: skip
"""What sorts of mistakes there are."""

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

WIDER: Mapping[str, tuple[Callable[[Any], bool], ...]] = {
    "positive": (conditions.nonnegative, conditions.nonzero),
    "negative": (conditions.nonpositive, conditions.nonzero),
    "clear sign": (conditions.nonnegative,),
    "finite": (conditions.number,),
}
"""Conditions on value facts to those that a little more satisfies."""

altered = dataclasses.replace(
    barrier,
    name="altered",
    numpy=lambda x: x,
    exact=lambda x: x,
    pullback=lambda g, node: (g + g,),
    traits=frozenset({"elementwise"}),
)
"""Its operand, with twice its derivative. Not in the table of ops: only mutants use it."""

Conditions = tuple[tuple[str, Callable[[Any, int], bool]], ...]


@dataclass(frozen=True)
class Mutant:
    """A rule with one mistake.

    Attributes
    ----------
    kind, label
        What sort of mistake, one of `KINDS`, and which: unique among the mutants of a rule.
    rule
        The mutated rule; None if the mistake cannot even be written down.
    """

    kind: str
    label: str
    rule: Rule | None


def mutants(rule: Rule) -> list[Mutant]:
    """All mutants of a rule; where its replacement is code, those of its pattern, condition and whole result."""
    found: list[Mutant] = []
    for kind, label, change in _changes(rule):
        try:
            mutated: Rule | None = dataclasses.replace(rule, algebra="", **change)
        except GraphoptError:
            mutated = None
        found.append(Mutant(kind, label, mutated))
    return found


def _changes(rule: Rule) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The kind of each mistake, its label, and the fields of the rule that it changes."""
    if rule.where is not None:
        yield "condition", "condition dropped", {"where": None}
    yield from _weaker_patterns(rule.pattern)
    whole = rule.replacement
    for kind, label, change in _OF_RESULTS if isinstance(whole, Pattern) else (*_OF_RESULTS, *_OF_CODE):
        yield kind, label, {"replacement": _changed(rule, change)}
    if isinstance(whole, Pattern):
        for position, part in enumerate(whole.parts()):
            for kind, label, new in _mistakes(part):
                yield kind, f"{label} at {position}", {"replacement": _at(whole, position, new)}


# --- conditions -------------------------------------------------------------------------------------------------------


def _weaker_patterns(pattern: Pattern) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """One condition of one variable lost, or made wider."""
    variables = {part.name: part for part in pattern.parts() if isinstance(part, V) and part.conditions}
    for name, variable in sorted(variables.items()):
        for text, _ in variable.conditions:
            lost = {ANY_DTYPE: _always} if text.startswith("dtype") else {}
            yield "condition", f"{name}: not '{text}'", {"pattern": _with(pattern, name, text, lost)}
            for wider in WIDER.get(text, ()):
                weaker = dict(V(name, where=wider).conditions)
                label = f"{name}: '{next(iter(weaker))}' for '{text}'"
                yield "domain", label, {"pattern": _with(pattern, name, text, weaker)}
    for part in pattern.parts():
        if isinstance(part, AnyOp) and part.ops is not None:
            yield "condition", f"{part.name}: any operands", {"pattern": _over_any(pattern, part.name)}


def _always(graph: Any, node: int) -> bool:
    return True


def _with(pattern: Pattern, name: str, lost: str, instead: Mapping[str, Callable[[Any, int], bool]]) -> Pattern:
    """A pattern in which other conditions stand for one of a variable's."""

    def change(part: V) -> V:
        kept = [condition for condition in part.conditions if condition[0] != lost]
        found = len(kept) < len(part.conditions)
        changed: V = _copied(part, (*kept, *(instead.items() if found else ())))
        return changed

    return _mapped(pattern, name, change)


def _over_any(pattern: Pattern, name: str) -> Pattern:
    def change(part: V) -> V:
        assert isinstance(part, AnyOp)
        free: AnyOp = _copied(part, part.conditions)
        free.ops = None
        return free

    return _mapped(pattern, name, change)


def _copied(part: V, conditions: Conditions) -> Any:
    copy: Any = V(part.name)
    if isinstance(part, AnyOp):
        copy = AnyOp(part.name, trait=part.trait, ops=part.ops)
        copy.over = part.over
    copy.conditions = conditions
    return copy


def _mapped(pattern: Pattern, name: str, change: Callable[[V], V]) -> Pattern:
    """A pattern with all variables of a name changed."""
    if isinstance(pattern, V):
        return change(pattern) if pattern.name == name else pattern
    if not isinstance(pattern, Application):
        return pattern
    operands = tuple(_mapped(operand, name, change) for operand in pattern.operands)
    return Application(pattern.op, operands, pattern.attributes)


# --- the whole result -------------------------------------------------------------------------------------------------


def _opposite(x: Any) -> Any:
    return logical_not(x) if x.dtype == "bool" else negative(x)


def _with_another_derivative(x: Any) -> Any:
    return altered(x) if is_float(x.dtype) else None


def _narrowed(x: Any) -> Any:
    return cast(cast(x, dtype="float32"), dtype="float64") if x.dtype == "float64" else None


def _doubled(x: Any) -> Any:
    return multiply(x, 2) if is_float(x.dtype) or is_integer(x.dtype) else None


def _with_axes_swapped(x: Any) -> Any:
    pairs = [(i, j) for j in range(x.ndim) for i in range(j) if x.shape[i] == x.shape[j] != 1]
    if not pairs or x.op is constant:
        return None
    i, j = pairs[-1]
    swap = {i: j, j: i}
    return transpose(x, axes=tuple(swap.get(k, k) for k in range(x.ndim)))


def _of_first_element(x: Any) -> Any:
    if not x.ndim or x.shape[-1] in (0, 1) or x.op is constant:
        return None
    return broadcast_to(expand_dims(pick(x, index=0), axis=(x.ndim - 1,)), shape=x.shape)


_Change = tuple[str, str, Callable[[Any], Any]]
_OF_RESULTS: tuple[_Change, ...] = (
    ("sign", "sign flipped", _opposite),
    ("derivative", "derivative doubled", _with_another_derivative),
    ("dtype", "rounded to float32", _narrowed),
)
"""Kind, label, and what is made of the result; None where there is nothing to get wrong."""

_OF_CODE: tuple[_Change, ...] = (
    ("constant", "doubled", _doubled),
    ("axis", "axes swapped", _with_axes_swapped),
    ("broadcast", "all like the first", _of_first_element),
)
"""The same, for replacements whose parts cannot be changed."""


def _changed(rule: Rule, change: Callable[[Any], Any]) -> Callable[..., Any]:
    """The code of a replacement whose result is changed afterwards."""

    def replacement(match: Match, **bindings: Any) -> Any:
        result = rule.expression(match)
        if isinstance(result, Refusal):
            return result
        changed = change(result)
        return refuse("there is nothing to get wrong") if changed is None else changed

    return replacement


# --- parts of a replacement that is a pattern -------------------------------------------------------------------------


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
    if op.name == "where":
        condition, first, second = operands
        yield "order", "branches of where swapped", Application(op, (condition, second, first), attributes)
        yield "domain", "where dropped: its first branch", first
        yield "domain", "where dropped: its second branch", second
    if op.name == "negative":
        yield "sign", "negative dropped", operands[0]
    if op.name in SIBLINGS:
        sibling: Op = TABLE[SIBLINGS[op.name]]
        yield "sibling", f"{op.name} is {sibling.name}", Application(sibling, operands, attributes)
    if op.name in ("expand_dims", "broadcast_to"):
        yield "broadcast", f"{op.name} dropped", operands[0]
    if isinstance(attributes.get("axis"), Attr):
        for label, axis in (("0", (0,)), ("the last", (-1,))):
            yield "axis", f"axis of {op.name} is {label}", Application(op, operands, {**attributes, "axis": axis})
    if isinstance(attributes.get("index"), Attr):
        yield "axis", f"index of {op.name} is 0", Application(op, operands, {**attributes, "index": 0})


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
