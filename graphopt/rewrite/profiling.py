"""What a rule costs and gains, measured only where `Pipeline.run(..., profile=True)` asks: time, operations, bytes.

A stopwatch runs for one rule at a time, from the start of one trial to the start of the next: matching, condition,
replacement and edit together. A ledger holds the cost of every node and is brought up to date from the journal, so
that what one firing changed is exact and takes time proportional to the edit.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from graphopt.analysis.cost import Cost, node_cost
from graphopt.dimensions import DimLike
from graphopt.graph.graph import Graph
from graphopt.rewrite.log import Log, RuleRecord

__all__ = ["Change", "Ledger", "Stopwatch", "TimedLog", "TimedRecord"]


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

    def start(self, record: RuleRecord | None) -> None:
        """Book the time that went by on the rule that ran, and run for this one."""
        now = time.perf_counter()
        if self._running is not None:
            self._running.milliseconds += 1e3 * (now - self._since)
        self._running, self._since = record, now

    def stop(self) -> None:
        """Run for none."""
        self.start(None)


class TimedRecord(RuleRecord):
    """A tally that starts the stopwatch whenever a trial is counted: a trial begins with that."""

    def __init__(self, stopwatch: Stopwatch, step: str, rule: str, claim: str) -> None:
        self._stopwatch = stopwatch
        self._tried = 0
        super().__init__(step, rule, claim)

    @property
    def tried(self) -> int:
        return self._tried

    @tried.setter
    def tried(self, count: int) -> None:
        self._tried = count
        if count:
            self._stopwatch.start(self)


class TimedLog(Log):
    """A log whose rules are timed."""

    def __init__(self) -> None:
        super().__init__(profiled=True)
        self.stopwatch = Stopwatch()

    def record(self, step: str, rule: str, claim: object = "") -> RuleRecord:
        """The tally of a rule in a pass, timed."""
        found = self.rules.get((step, rule))
        if found is None:
            found = self.rules[step, rule] = TimedRecord(self.stopwatch, step, rule, str(claim))
        return found
