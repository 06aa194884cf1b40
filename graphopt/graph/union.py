"""Several programs side by side in one graph, so that one call of a compiler serves them all."""

from __future__ import annotations

from collections.abc import Sequence

from graphopt.dimensions import dim, substitute, symbols
from graphopt.errors import InvalidArgument
from graphopt.graph.body import bodies
from graphopt.graph.graph import Graph
from graphopt.graph.unify import rename_attributes, rename_type

__all__ = ["is_joinable", "label", "union"]


def label(name: str, position: int) -> str:
    """What an input, an output or a size of the program at that position is called in the union."""
    return f"{name}_{position}"


def is_joinable(graph: Graph) -> bool:
    """Whether the sizes of a graph can be given other names: no node counts one, and none has a body."""
    return not graph.settlers() and not any(bodies(graph.attributes(node)) for node in graph)


def union(graphs: Sequence[Graph]) -> Graph:
    """The disjoint union of graphs; inputs, outputs and sizes have the names that `label` gives. Linear.

    Nothing is merged, and groups of the fusion plans come along.

    Raises
    ------
    InvalidArgument
        If a graph is not joinable.
    """
    joint = Graph()
    for position, graph in enumerate(graphs):
        if not is_joinable(graph):
            raise InvalidArgument(f"graph {position} counts sizes or has bodies, so its sizes keep their names")
        guarded = {name for guard in graph.guards for side in guard for name in symbols(side)}
        names = {name: dim(label(name, position)) for name in graph.mentioned() | guarded}
        nodes: dict[int, int] = {}
        for node in [*graph.inputs.values(), *graph.order()]:
            if node in nodes:
                continue
            nodes[node] = joint._add_node(
                graph.op(node), tuple(nodes[operand] for operand in graph.operands(node)),
                rename_attributes(graph.attributes(node), names), rename_type(graph.type(node), names),
            )  # fmt: skip
            joint._data[nodes[node]]["origins"] = graph.origins(node)
        joint.inputs |= {label(name, position): nodes[node] for name, node in graph.inputs.items()}
        for name, node in graph.outputs.items():
            joint._set_output(label(name, position), nodes[node])
        joint.guards += [(substitute(a, names), substitute(b, names)) for a, b in graph.guards]
        for group in graph.fusion.groups:
            if group <= nodes.keys():
                joint.fusion.group([nodes[node] for node in group])
    joint.journal.clear()
    return joint
