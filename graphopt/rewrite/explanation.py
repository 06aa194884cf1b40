"""Why a rule does not fire at a node: the deepest partial match over all orientations, and what ended it."""

from __future__ import annotations

from graphopt.errors import GraphoptError
from graphopt.graph.graph import Graph
from graphopt.rewrite.match import Trace, match
from graphopt.rewrite.rules import Refusal, Rule

__all__ = ["explain"]


def explain(rule: Rule, graph: Graph, node: int) -> str:
    """What happens if a rule is tried at a node: that it would fire, or the condition that failed last and where.

    Nothing is changed.
    """
    trace = Trace()
    for orientation in rule.orientations:
        found = match(orientation, graph, node, trace)
        if found is None:
            continue
        try:
            result = rule.expression(found) if rule.holds(found) else Refusal("the rule's condition does not hold")
        except GraphoptError as error:
            result = Refusal(str(error))
        if isinstance(result, Refusal):
            trace.record(1_000_000, node, f"the pattern matches, but {result.reason}")
        elif result.type != graph.type(node):
            reason = f"the pattern matches, but its result would be {result.type}, not {graph.type(node)}"
            trace.record(1_000_000, node, reason)
        else:
            return f"{rule.name} fires at node {node}: {rule.algebra}"
    return f"{rule.name} does not fire at node {node}: {trace.reason} (at node {trace.node})"
