"""Remove what no output needs.

Contract: afterwards every node but the inputs lies on a way to an output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from graphopt.graph import Graph
from graphopt.rewrite.passes import Context, Pass


@dataclass(frozen=True)
class DeadCode(Pass):
    """Remove nodes that no output needs. Linear."""

    name: ClassVar[str] = "dead-code"

    def run(self, graph: Graph, context: Context) -> None:
        """Prune the graph."""
        graph.prune()
