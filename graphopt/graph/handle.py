"""Handles: nodes of a graph as something expressions are built on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphopt.variable import Variable

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["Handle"]


class Handle(Variable):
    """A node of a graph, used as a variable: `T.exp(graph.handle(n))` is an expression that `graph.add` takes."""

    __slots__ = ("graph", "node")

    def __init__(self, graph: Graph, node: int) -> None:
        super().__init__(graph.type(node), graph.op(node), (), graph.attributes(node), graph.name(node))
        self.graph = graph
        self.node = node

    @property
    def inputs(self) -> tuple[Handle, ...]:
        """Handles of the node's operands. (`operands` is empty: to an expression, a handle is a leaf.)"""
        return tuple(Handle(self.graph, operand) for operand in self.graph.operands(self.node))

    def __repr__(self) -> str:
        return f"<node {self.node}: {self.op.name}, {self.type}>"
