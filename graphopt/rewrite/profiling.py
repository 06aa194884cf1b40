"""What a rule costs and gains, measured only where `Pipeline.run(..., profile=True)` asks: time, operations, bytes.

The engine starts a stopwatch for a rule at a node and stops it when it leaves the node: matching, condition,
replacement and edit together, for one rule at a time. A ledger holds the cost of every node and is brought up to date
from the journal, so that what one firing changed is exact and takes time proportional to the edit.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from graphopt.analysis.cost import Cost, node_cost
from graphopt.dimensions import DimLike
from graphopt.graph.graph import Graph
from graphopt.rewrite.log import RuleRecord

__all__ = ["Change", "Ledger", "Stopwatch"]


class Change(NamedTuple):
    """By how much a graph grew; polynomials where sizes have names."""

    nodes: int
    flops: DimLike
    bytes: DimLike


class Ledger:
    """The cost of every node, each computed alone."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._mark = graph.journal.mark()
        self._costs = {node: node_cost(graph, node) for node in graph}

    def settle(self) -> Change:
        """What changed since the last time, or since the start."""
        graph, mark = self.graph, self._mark
        self._mark = graph.journal.mark()
        nodes = [entry[1] for entry in graph.journal.since(mark) if entry[0] in ("add", "remove", "operand")]
        change = Change(0, 0, 0)
        for node in dict.fromkeys(nodes):
            old = self._costs.pop(node, None)
            new = node_cost(graph, node) if node in graph else None
            if new is not None:
                self._costs[node] = new
            was, became = old or Cost(0, 0), new or Cost(0, 0)
            grown = (new is not None) - (old is not None)
            flops, moved = became.flops - was.flops, became.bytes - was.bytes
            change = Change(change.nodes + grown, change.flops + flops, change.bytes + moved)
        return change


class Stopwatch:
    """Time by rule, in milliseconds."""

    def __init__(self) -> None:
        self._running: RuleRecord | None = None
        self._since = 0.0

    def start(self, record: RuleRecord) -> None:
        """Run for this rule, and no longer for another."""
        self.stop()
        self._running, self._since = record, time.perf_counter()

    def stop(self) -> None:
        """Book the time that went by on the rule it ran for, if any, and run for none."""
        if self._running is not None:
            self._running.milliseconds += 1e3 * (time.perf_counter() - self._since)
            self._running = None
