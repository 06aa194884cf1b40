"""Remove what no output needs, and checks that cannot fail.

Contract: afterwards every node but the inputs lies on a way to an output; no run-time check is the constant true, and
no two say the same of the same node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from graphopt.graph import Graph
from graphopt.graph.checks import settled
from graphopt.rewrite.passes import Context, Pass


@dataclass(frozen=True)
class DeadCode(Pass):
    """Remove nodes that no output needs. Linear."""

    name: ClassVar[str] = "dead-code"
    idempotent: ClassVar[bool] = True

    def run(self, graph: Graph, context: Context) -> None:
        """Settle the checks and prune the graph."""
        settled(graph)
        graph.prune()
