"""From a graph of scalars to the same graph over vectors: what makes a function of scalars a ufunc."""

from __future__ import annotations

from collections.abc import Collection

from graphopt.dimensions import dim
from graphopt.graph.graph import Graph
from graphopt.op import Attributes
from graphopt.ops.leaves import input_
from graphopt.types import agree

__all__ = ["LENGTH", "is_liftable", "lift"]

LENGTH = "length"
"""The name of the dimension that lifted inputs have."""


def is_liftable(graph: Graph) -> bool:
    """Whether every node has a meaning per element: scalars, elementwise ops, and stacks of them."""
    return all(
        graph.op(node).arity == 0 or "elementwise" in graph.op(node).traits or graph.op(node).name == "stack"
        for node in graph
    ) and all(not graph.type(node).shape for node in graph.inputs.values())


def lift(graph: Graph, vectors: Collection[str]) -> Graph:
    """The graph with the named scalar inputs made vectors of one length; all other types follow by type rules."""
    lifted = Graph()
    nodes: dict[int, int] = {}
    names = {node: name for name, node in graph.inputs.items()}
    for node in [*graph.inputs.values(), *graph.order()]:
        if node in nodes:
            continue
        op, attributes, type = graph.op(node), graph.attributes(node), graph.type(node)
        operands = tuple(nodes[operand] for operand in graph.operands(node))
        if op is input_ and names[node] in vectors:
            type = type.with_shape((dim(LENGTH),))
            attributes = Attributes(dtype=type.dtype, shape=type.shape)
        elif operands:
            type = op.type_rule(tuple(lifted.type(operand) for operand in operands), attributes, agree)
        nodes[node] = lifted._add_node(op, operands, attributes, type, graph.name(node))
        lifted._data[nodes[node]]["origins"] = graph.origins(node)
    lifted.inputs = {name: nodes[node] for name, node in graph.inputs.items()}
    for name, node in graph.outputs.items():
        lifted._set_output(name, nodes[node])
    lifted._checks = graph.checks
    lifted.journal.clear()
    return lifted
