"""Rechecks what the door promises: edges and operand tuples agree, types follow from type rules, no cycles."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import networkx as nx

from graphopt.errors import GraphoptError, RewriteFailed
from graphopt.graph.body import bodies
from graphopt.graph.counts import COUNTING
from graphopt.ops.leaves import input_
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
    if set(view) != set(graph):
        raise RewriteFailed(f"nodes {sorted(set(view) ^ set(graph))} are known to the graph or to NetworkX alone")
    for node in graph:
        operands = graph.operands(node)
        edges = {key: operand for operand, _, key in view.in_edges(node, keys=True)}
        if edges != dict(enumerate(operands)):
            raise RewriteFailed(f"node {node} ({graph.op(node)}): edges {edges} are not its operands {operands}")
        types = tuple([graph.type(operand) for operand in operands])
        op, kinds = graph.op(node), tuple([type.dtype for type in types])
        if op.arity is not None and len(operands) != op.arity:
            raise RewriteFailed(f"node {node} ({op}) has {len(operands)} operands; {op} takes {op.arity}")
        try:
            expected = op.type_rule(types, graph.attributes(node), agree)
            computes_in = kinds if op.operand_dtypes is None else op.operand_dtypes(kinds)
        except GraphoptError as error:
            raise RewriteFailed(f"node {node} ({graph.op(node)}): {error}") from None
        if expected != graph.type(node):
            raise RewriteFailed(
                f"node {node} ({graph.op(node)}) says {graph.type(node)}; its operands make it {expected}"
            )
        for body in bodies(graph.attributes(node)).values():
            verify(body.graph)
        if computes_in != kinds:
            raise RewriteFailed(
                f"node {node} ({op}) meets operands of {kinds}; it computes in {computes_in}: cast them"
            )
    for role, nodes in (("input", graph.inputs), ("output", graph.outputs)):
        for name, node in nodes.items():
            if node not in graph:
                raise RewriteFailed(f"{role} {name} is node {node}, which is not in the graph")
    for name in graph.checks:
        if graph.type(graph.outputs[name]).dtype != "bool":
            raise RewriteFailed(f"check {name} is of type {graph.type(graph.outputs[name])}; checks are bool")
    if stray := {node for node in graph if graph.op(node) is input_} ^ set(graph.inputs.values()):
        raise RewriteFailed(f"nodes {sorted(stray)} are inputs without a name, or named as inputs without being one")
    if miscounted := [node for node in graph if graph._operand_uses[node] != view.out_degree(node)]:
        raise RewriteFailed(f"the uses of nodes {miscounted[:10]} are miscounted")
    if stray := {node for node in graph if COUNTING in graph.op(node).traits} ^ graph._counting:
        raise RewriteFailed(f"nodes {sorted(stray)} count without being known to, or are said to and do not")
    if graph._output_uses != Counter(graph.outputs.values()):
        raise RewriteFailed(f"outputs are counted as {graph._output_uses}, which are {dict(graph.outputs)}")
    if not nx.is_directed_acyclic_graph(view):
        raise RewriteFailed(f"the graph has a cycle: {nx.find_cycle(view)}")
