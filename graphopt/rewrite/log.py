"""What a pipeline did: every firing, what each rule tried, and what each pass took and left.

Nothing is rendered while a pipeline runs. A firing keeps references to what it removed and what it put in its place;
text is made when someone asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graphopt.analysis.cost import Cost
from graphopt.dimensions import DimLike
from graphopt.graph.graph import Graph
from graphopt.graph.text import application
from graphopt.op import Attributes, Op
from graphopt.types import TensorType
from graphopt.variable import Origin

__all__ = ["Firing", "Log", "PassRecord", "RuleRecord", "Snapshot"]


class Snapshot(NamedTuple):
    """A node as it was at some moment."""

    node: int
    op: Op
    operands: tuple[int, ...]
    attributes: Attributes
    type: TensorType

    @staticmethod
    def of(graph: Graph, node: int) -> Snapshot:
        """A node as it is now."""
        return Snapshot(node, graph.op(node), graph.operands(node), graph.attributes(node), graph.type(node))

    def __str__(self) -> str:
        operands = [f"%{operand}" for operand in self.operands]
        return f"%{self.node} = {application(self.op, operands, self.attributes)}: {self.type}"


@dataclass(frozen=True, slots=True)
class Firing:
    """One replacement of one node.

    Attributes
    ----------
    rule
        The name of the rule, or of what a pass written as code did.
    step
        The name of the pass.
    node, new
        The node replaced and the one that took its place.
    before, after
        The nodes matched, root first, and the nodes added, operands first.
    origins
        Where the user made what the node replaced computes: files and lines, text when someone asks.
    """

    rule: str
    step: str
    node: int
    new: int
    before: tuple[Snapshot, ...]
    after: tuple[Snapshot, ...]
    origins: tuple[Origin, ...] = ()

    @property
    def nodes(self) -> tuple[int, ...]:
        """The nodes matched, root first."""
        return tuple(snapshot.node for snapshot in self.before)

    def diff(self) -> str:
        """What went and what came, a line a node."""
        lines = [f"- {snapshot}" for snapshot in reversed(self.before)]
        lines += [f"+ {snapshot}" for snapshot in self.after]
        if not self.after:
            lines.append(f"  %{self.node} is %{self.new}")
        return "\n".join(lines)

    def __str__(self) -> str:
        made = f", made at {', '.join(map(str, self.origins))}" if self.origins else ""
        return f"{self.step}: {self.rule} at %{self.node}{made}\n{self.diff()}"


@dataclass(slots=True)
class RuleRecord:
    """What a rule of a pass did.

    Attributes
    ----------
    tried
        At how many nodes the ops allowed it and its pattern was compared.
    matched
        How often pattern and condition held.
    declined
        How often it matched and did not fire all the same: its condition failed, it refused, or its result had
        another type. `reason` says why, the last time. These are the near misses of the table; `explain` tells about
        partial matches.
    fired
        How often it replaced a node.
    milliseconds, nodes, flops, bytes
        The time it took, and by how much its firings changed the graph; measured by `Pipeline.run(profile=True)`.
    """

    step: str
    rule: str
    claim: str = ""
    tried: int = 0
    matched: int = 0
    declined: int = 0
    fired: int = 0
    reason: str = ""
    milliseconds: float = 0.0
    nodes: int = 0
    flops: DimLike = 0
    bytes: DimLike = 0


@dataclass(slots=True)
class PassRecord:
    """One run of one pass. Costs are measured by `Pipeline.run(profile=True)`."""

    step: str
    milliseconds: float
    nodes_before: int
    nodes_after: int
    firings: int
    cost_before: Cost | None = None
    cost_after: Cost | None = None


@dataclass
class Log:
    """The record of a run. A sequence of `Firing`s, with `rules` and `passes` beside them.

    `log[17].rule`, `.nodes`, `.origins` and `.diff()` tell what one firing did; `table()` sums up.
    """

    firings: list[Firing] = field(default_factory=list)
    rules: dict[tuple[str, str], RuleRecord] = field(default_factory=dict)
    passes: list[PassRecord] = field(default_factory=list)
    profiled: bool = False

    def __len__(self) -> int:
        return len(self.firings)

    def __getitem__(self, position: int) -> Firing:
        return self.firings[position]

    def __iter__(self) -> Iterator[Firing]:
        return iter(self.firings)

    def record(self, step: str, rule: str, claim: object = "") -> RuleRecord:
        """The tally of a rule in a pass."""
        found = self.rules.get((step, rule))
        if found is None:
            found = self.rules[step, rule] = RuleRecord(step, rule, str(claim))
        return found

    def fired(self, rule: str) -> int:
        """How often a rule fired, whatever the pass."""
        return sum(record.fired for record in self.rules.values() if record.rule == rule)

    def table(self) -> str:
        """Passes with their times and node counts, then the rules that were tried, most firings first.

        A near miss is a match that did not fire: the rule refused, or its result would have had another type. Time
        by rule and changes of nodes, operations and bytes stand there if the run was profiled.
        """
        passes: list[tuple[str, ...]] = [("pass", "ms", "nodes", "", "firings")]
        rules: list[tuple[str, ...]] = [("rule", "pass", "claim", "tried", "matched", "near misses", "fired")]
        if self.profiled:
            passes[0] += ("flops", "bytes")
            rules[0] += ("ms", "nodes", "flops", "bytes")
        passes += [self._pass_row(record) for record in self.passes]
        rules += [
            self._rule_row(record)
            for record in sorted(self.rules.values(), key=lambda r: (-r.fired, -r.matched, r.step, r.rule))
        ]
        return f"{_columns(passes)}\n\n{_columns(rules)}\n"

    def _pass_row(self, p: PassRecord) -> tuple[str, ...]:
        row = (p.step, f"{p.milliseconds:.1f}", str(p.nodes_before), f"→ {p.nodes_after}", str(p.firings))
        if p.cost_before is None or p.cost_after is None:
            return row
        before, after = p.cost_before, p.cost_after
        return (*row, _change(after.flops - before.flops), _change(after.bytes - before.bytes))

    def _rule_row(self, r: RuleRecord) -> tuple[str, ...]:
        row = (r.rule, r.step, r.claim, str(r.tried), str(r.matched), str(r.declined), str(r.fired))
        if not self.profiled:
            return row
        took = f"{r.milliseconds:.2f}" if r.tried else "-"  # what passes written as code do is not timed apart
        return (*row, took, _change(r.nodes), _change(r.flops), _change(r.bytes))


def _change(value: DimLike) -> str:
    """A difference with its sign; nothing for none."""
    if isinstance(value, int):
        return f"{value:+}" if value else "0"
    return str(value)


def _columns(rows: list[tuple[Any, ...]]) -> str:
    """Rows with aligned columns; numbers to the right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if rows[-1][k][:1].isdigit() else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
