"""Common subexpressions: compute equal things once.

Contract: afterwards no two nodes apply the same op, with the same attributes, to the same operands; the operands of
commutative ops count in any order. Values are the same bits. Held values (`barrier`) stay apart.

One sweep, operands before users, with a table of what was seen: by the time a node is reached its operands have been
merged, so a key of node ids is enough.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from graphopt.graph import Graph
from graphopt.ops.leaves import input_
from graphopt.rewrite.claims import Exact
from graphopt.rewrite.passes import Context, Pass


@dataclass(frozen=True)
class CommonSubexpressions(Pass):
    """Merge nodes that compute the same. Linear."""

    name: ClassVar[str] = "cse"
    idempotent: ClassVar[bool] = True

    def run(self, graph: Graph, context: Context) -> None:
        """Replace each node that was seen before by the first of its kind."""
        seen: dict[Hashable, int] = {}
        for node in graph.order():
            op = graph.op(node)
            if op is input_ or "hold" in op.traits:
                continue
            operands = graph.operands(node)
            if "commutative" in op.traits:
                operands = tuple(sorted(operands))
            first = seen.setdefault((op, operands, graph.attributes(node), graph.type(node)), node)
            if first != node:
                if context.exhausted:
                    return
                context.replace(node, first, "merge equal nodes", claim=Exact())
