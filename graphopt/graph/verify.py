"""Rechecks what the door promises: edges and operand tuples agree, types follow from type rules, no cycles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx

from graphopt.errors import GraphoptError, RewriteFailed
from graphopt.types import agree

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["verify"]


def verify(graph: Graph) -> None:
    """Check every invariant of a graph; linear in its size.

    Raises
    ------
    RewriteFailed
        Naming the first node that breaks one.
    """
    view = graph._nx
    for node in graph:
        operands = graph.operands(node)
        edges = {key: operand for operand, _, key in view.in_edges(node, keys=True)}
        if edges != dict(enumerate(operands)):
            raise RewriteFailed(f"node {node} ({graph.op(node)}): edges {edges} are not its operands {operands}")
        types = tuple(graph.type(operand) for operand in operands)
        try:
            expected = graph.op(node).type_rule(types, graph.attributes(node), agree)
        except GraphoptError as error:
            raise RewriteFailed(f"node {node} ({graph.op(node)}): {error}") from None
        if expected != graph.type(node):
            raise RewriteFailed(
                f"node {node} ({graph.op(node)}) says {graph.type(node)}; its operands make it {expected}"
            )
    for role, nodes in (("input", graph.inputs), ("output", graph.outputs)):
        for name, node in nodes.items():
            if node not in graph:
                raise RewriteFailed(f"{role} {name} is node {node}, which is not in the graph")
    if not nx.is_directed_acyclic_graph(view):
        raise RewriteFailed(f"the graph has a cycle: {nx.find_cycle(view)}")
