"""Matching a pattern at a node: from the root down, taking every operand where it stands.

Commutative ops need no search here: a rule is matched once per orientation of its pattern. The recursion is as deep
as the pattern, never as the graph.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from graphopt.graph.graph import Graph
from graphopt.graph.handle import Handle
from graphopt.ops.leaves import constant
from graphopt.rewrite.pattern import AnyOp, Application, Attr, Literal, Pattern, V, canonical, label

__all__ = ["Match", "Trace", "match"]


@dataclass(slots=True, eq=False)
class Match:
    """Where a pattern matched, and what its variables stand for.

    `match["x"]` is a variable's handle or an attribute's value.

    Attributes
    ----------
    graph, node
        The graph, and the node at which the root of the pattern matched.
    variables, attributes
        The nodes and attribute values bound, by name.
    nodes
        The nodes that applications of the pattern matched, root first.
    """

    graph: Graph
    node: int
    variables: dict[str, int] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    nodes: list[int] = field(default_factory=list)

    def __getitem__(self, name: str) -> Any:
        if name in self.variables:
            return self.graph.handle(self.variables[name])
        return self.attributes[name]

    @property
    def root(self) -> Handle:
        """The handle of the root."""
        return self.graph.handle(self.node)

    def bindings(self) -> dict[str, Any]:
        """Everything bound, as `match[name]` gives it."""
        return {name: self[name] for name in (*self.variables, *self.attributes)}


@dataclass(slots=True)
class Trace:
    """The deepest partial match seen: how many parts of the pattern fitted, where it ended, and why."""

    parts: int = -1
    node: int = -1
    reason: str = ""

    def record(self, parts: int, node: int, reason: str) -> None:
        """Keep a failure if it came later than the latest so far."""
        if parts > self.parts:
            self.parts, self.node, self.reason = parts, node, reason


def match(pattern: Pattern, graph: Graph, node: int, trace: Trace | None = None) -> Match | None:
    """Match a pattern, commutative operands taken in the order in which they stand.

    Parameters
    ----------
    pattern
        One orientation of a rule's pattern.
    graph, node
        Where.
    trace
        If given, learns how far the match came.
    """
    found = Match(graph, node)
    return found if _fits(pattern, node, found, trace) else None


def _fits(pattern: Pattern, node: int, found: Match, trace: Trace | None) -> bool:
    if isinstance(pattern, Application):
        return _application(pattern, node, found, trace)
    if isinstance(pattern, V):
        return _variable(pattern, node, found, trace)
    assert isinstance(pattern, Literal)
    graph = found.graph
    if graph.op(node) is constant and pattern.admits(graph.attributes(node)["value"], graph.type(node).dtype):
        return True
    if trace is not None:
        _fail(trace, found, node, f"expected the number {pattern}, found {_described(graph, node)}")
    return False


def _application(pattern: Application, node: int, found: Match, trace: Trace | None) -> bool:
    graph = found.graph
    if graph.op(node) is not pattern.op:
        if trace is not None:
            _fail(trace, found, node, f"expected {pattern.op.name}, found {_described(graph, node)}")
        return False
    operands = graph.operands(node)
    if len(operands) != len(pattern.operands):
        return False
    found.nodes.append(node)
    if pattern.attributes and not _attributes(pattern, node, found, trace):
        return False
    return all(_fits(part, operand, found, trace) for part, operand in zip(pattern.operands, operands, strict=True))


def _attributes(pattern: Application, node: int, found: Match, trace: Trace | None) -> bool:
    graph = found.graph
    attributes = graph.attributes(node)
    for key, wanted in pattern.attributes.items():
        if key not in attributes:
            return False
        value = attributes[key]
        if not isinstance(wanted, Attr):
            expected = canonical(pattern.op, key, wanted, graph.type(graph.operands(node)[0]).ndim)
            reason = None if expected == value else f"expected {key}={expected}, found {value}"
        elif wanted.name in found.attributes:
            expected = found.attributes[wanted.name]
            reason = None if expected == value else f"{wanted.name} is {expected} elsewhere, {value} here"
        else:
            found.attributes[wanted.name] = value
            where = wanted.where
            reason = None if where is None or where(value) else f"{key}={value} fails: {label(where)}"
        if reason is not None:
            if trace is not None:
                _fail(trace, found, node, reason)
            return False
    return True


def _variable(pattern: V, node: int, found: Match, trace: Trace | None) -> bool:
    known = found.variables.get(pattern.name)
    if known is not None:
        if known != node and trace is not None:
            both = f"{_described(found.graph, known)} and {_described(found.graph, node)}"
            _fail(trace, found, node, f"{pattern.name} would have to be two nodes, {both}; merge equal nodes first")
        return known == node
    graph = found.graph
    if isinstance(pattern, AnyOp):
        found.nodes.append(node)
        if not pattern.admits(graph.op(node), tuple([graph.op(operand) for operand in graph.operands(node)])):
            if trace is not None:
                _fail(trace, found, node, f"expected {pattern}, found {_described(graph, node)}")
            return False
    for text, holds in pattern.conditions:
        if not holds(graph, node):
            if trace is not None:
                _fail(trace, found, node, f"{pattern.name} does not satisfy: {text}; found {_described(graph, node)}")
            return False
    found.variables[pattern.name] = node
    return True


def _fail(trace: Trace, found: Match, node: int, reason: str) -> None:
    trace.record(len(found.nodes) + len(found.variables) + len(found.attributes), node, reason)


def _described(graph: Graph, node: int) -> str:
    return f"{graph.name(node) or graph.op(node).name} (node {node}, {graph.type(node)})"
