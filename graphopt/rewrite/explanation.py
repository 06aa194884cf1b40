"""Why a rule does not fire at a node: the orientation of its pattern that fits best, and what ended it.

A commutative op is matched in every order of its operands. Of the orders that fail, the one with most parts that fit
is the one the reader had in mind; a number where another number is expected counts as half.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from graphopt.errors import GraphoptError
from graphopt.graph.graph import Graph
from graphopt.ops.leaves import constant
from graphopt.rewrite.match import Match, Trace, match
from graphopt.rewrite.pattern import AnyOp, Application, Attr, Literal, Pattern, V, canonical
from graphopt.rewrite.rules import Refusal, Rule
from graphopt.rewrite.through import THROUGH, look

__all__ = ["explain"]


def explain(rule: Rule, graph: Graph, node: int) -> str:
    """What happens if a rule is tried at a node: that it would fire, or the condition that failed and where.

    Nothing is changed. A condition is named after its function, with the first line of the function's docstring.
    """
    reasons = []
    for orientation in rule.orientations:
        found = match(orientation, graph, node)
        if found is not None:
            reason = _declined(rule, found)
            if reason is None:
                return f"{rule.name} fires at node {node}: {rule.algebra}"
            reasons.append(reason)
    if reasons:
        return f"{rule.name} does not fire at node {node}: the pattern matches, but {reasons[0]} (at node {node})"
    best = max(rule.orientations, key=lambda orientation: _fit(orientation, graph, node))
    trace = Trace()
    match(best, graph, node, trace)
    if trace.node < 0:
        trace.record(0, node, f"expected {best}, found {graph.op(node).name} with other operands or attributes")
    return f"{rule.name} does not fire at node {node}: {trace.reason} (at node {trace.node})"


def _declined(rule: Rule, found: Match) -> str | None:
    """Why a match does not lead to a firing; None if it does."""
    try:
        if not rule.holds(found):
            assert rule.where is not None
            return f"{_condition(rule.where)} does not hold"
        result = rule.expression(found)
    except GraphoptError as error:
        return str(error)
    if isinstance(result, Refusal):
        return result.reason
    wanted = found.graph.type(found.node)
    return None if result.type == wanted else f"its result would be {result.type}, not {wanted}"


def _condition(predicate: Callable[..., Any]) -> str:
    """What a predicate is called, and what it says of itself."""
    name = getattr(predicate, "__name__", type(predicate).__name__)
    says = (inspect.getdoc(predicate) or "").partition("\n")[0].rstrip(".") if inspect.isroutine(predicate) else ""
    label = "the rule's condition" if name == "<lambda>" else f"the rule's condition {name}"
    return f"{label} ({says})" if says else label


def _fit(pattern: Pattern, graph: Graph, node: int) -> float:
    """How many parts of a pattern fit, those after one that does not included."""
    if isinstance(pattern, AnyOp):
        return float(pattern.admits(graph.op(node), tuple([graph.op(o) for o in graph.operands(node)])))
    if isinstance(pattern, V):
        return 1.0 if all(holds(graph, node) for _, holds in pattern.conditions) else 0.5
    if isinstance(pattern, Literal):
        if graph.op(node) is not constant:
            return 0.0
        return 1.0 if pattern.admits(graph.attributes(node)["value"], graph.type(node).dtype) else 0.5
    assert isinstance(pattern, Application)
    if pattern.op is THROUGH:
        below, _ = look(pattern, graph, node)
        return 1.0 + _fit(pattern.operands[0], graph, below)
    operands = graph.operands(node)
    if graph.op(node) is not pattern.op or len(operands) != len(pattern.operands):
        return 0.0
    attributes = sum(_attribute_fits(pattern, key, graph, node) for key in pattern.attributes)
    return 1.0 + attributes + sum(_fit(p, graph, o) for p, o in zip(pattern.operands, operands, strict=True))


def _attribute_fits(pattern: Application, key: str, graph: Graph, node: int) -> bool:
    wanted, found = pattern.attributes[key], graph.attributes(node)
    if key not in found:
        return False
    if isinstance(wanted, Attr):
        return wanted.where is None or bool(wanted.where(found[key]))
    operands = graph.operands(node)
    ndim = graph.type(operands[0]).ndim if operands else 0
    return bool(canonical(pattern.op, key, wanted, ndim) == found[key])
