"""Expand composite ops into the ops they are made of.

Contract: afterwards no node is composite (softmax, log-softmax, log-sum-exp); every target has a form for what is
left. Rules that would recognize composites again may not run after it. The expansions of two composites over the same
operand share parts; `cse` merges them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from graphopt.graph import Graph
from graphopt.rewrite.passes import Context, Pass


@dataclass(frozen=True)
class Lower(Pass):
    """Expand composite ops. Linear in the size of the result."""

    name: ClassVar[str] = "lower"
    idempotent: ClassVar[bool] = True
    establishes: ClassVar[frozenset[str]] = frozenset({"lowered"})
    mandatory: ClassVar[bool] = True

    def run(self, graph: Graph, context: Context) -> None:
        """Replace each composite by its expansion; expansions may contain composites."""
        stack = [node for node in reversed(graph.order()) if _is_composite(graph, node)]
        while stack:
            node = stack.pop()
            op, mark = graph.op(node), graph.journal.mark()
            assert op.expand is not None
            operands = [graph.handle(operand) for operand in graph.operands(node)]
            context.replace(node, op.expand(*operands, **graph.attributes(node)), f"expand {op.name}")
            added = [entry[1] for entry in graph.journal.since(mark) if entry[0] == "add"]
            stack += [fresh for fresh in added if fresh in graph and _is_composite(graph, fresh)]


def _is_composite(graph: Graph, node: int) -> bool:
    return "composite" in graph.op(node).traits
