"""From a fusion group to the stages of one kernel: which statement stands in which loop.

A row statement is done once for every position of the outer axes, a lane statement for every inner position as well.
A lane value that a later stage needs again is computed again if that is cheap, read back if it was stored anyway,
and else kept in a slot (`Keep`, `Recall`) where the target allows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from graphopt.analysis.contraction import by_vector, is_outer
from graphopt.analysis.iteration import Axes, IterationSpace
from graphopt.analysis.views import row_major
from graphopt.dimensions import DimLike
from graphopt.op import EMPTY, Op
from graphopt.ops.arithmetic import multiply
from graphopt.ops.gather import gather
from graphopt.ops.reduction import sum_
from graphopt.ops.shape import stack
from graphopt.schedule.builder import ProgramBuilder, axis_name, index_map, label
from graphopt.schedule.statements import (
    Accumulate,
    Compute,
    Gather,
    Index,
    Keep,
    Load,
    Local,
    Recall,
    Reduce,
    Statement,
    Store,
    Value,
    Within,
)
from graphopt.schedule.steps import Stage

__all__ = ["PANEL", "Destination", "StageBuilder"]

PANEL = "panel"
"""What the rows of a product are called where they lie in no buffer of the program's."""


DEAR = 4
"""The cost of an op whose result is rather kept and read again than computed twice: a division, or more."""

Known = dict[tuple[int, Index], str]
"""The locals that hold elements fetched from outside the group, by where they come from."""


class Destination:
    """Where a member's value goes: a buffer, and the stride in it of every dimension of the member's result."""

    def __init__(self, buffer: str, strides: tuple[DimLike, ...]) -> None:
        self.buffer = buffer
        self.strides = strides


class StageBuilder:
    """Writes the statements of one group. What a host computes is read from its buffer, or else from `PANEL`.

    Parameters
    ----------
    members
        The group's nodes, in topological order; the space has accepted them all.
    destinations
        For each member that must be stored, where.
    keep
        Whether lane values may be kept in slots between stages.
    """

    def __init__(
        self,
        builder: ProgramBuilder,
        space: IterationSpace,
        members: list[int],
        destinations: Mapping[int, list[Destination]],
        keep: bool = True,
    ) -> None:
        self.builder = builder
        self.graph = builder.graph
        self.space = space
        self.members = members
        self.destinations = destinations
        self.keep = keep
        if space.host is not None:  # its rows are in memory before the loops begin
            whole = row_major(self.graph.type(space.host).shape)
            self._host = Destination(builder.buffer_of.get(space.host, PANEL), whole)
        self.names = {node: self._name(node, position) for position, node in enumerate(members)}
        self.count = 1 + max(
            (space.stage[n] + (n in space.reductions and n not in space.across) for n in members), default=0
        )
        self.slots: dict[int, int] = {}  # member -> the stage that keeps it
        self.live = self._live()
        self._loads = len(members)

    def stages(self) -> tuple[Stage, ...]:
        """The stages, in order."""
        needed = self._needed()
        rows: list[list[Statement]] = [[] for _ in range(self.count)]
        lanes: list[list[Statement]] = [[] for _ in range(self.count)]
        row_loads: Known = {}
        for stage in range(self.count):
            lane_loads: Known = {}
            for node in self.members:
                if node not in self.space.reductions and self.space.is_row(node):
                    if self.space.stage[node] == stage and node in self.live:
                        self._compute(node, rows[stage], rows[stage], row_loads, row_loads)
                        self._store(node, rows[stage])
                elif node in needed[stage]:
                    self._lane(node, stage, rows[stage], lanes[stage], row_loads, lane_loads)
            for node in self.members:
                reduces = node in self.space.reductions and node not in self.space.across
                if reduces and self.space.stage[node] + 1 == stage:
                    self._store(node, rows[stage])
        return tuple(Stage(tuple(r), tuple(l)) for r, l in zip(rows, lanes, strict=True))

    # --- which stage needs what ------------------------------------------------------------------------------------
    def _needed(self) -> list[set[int]]:
        """For each stage, the lane members it computes, recalls or reads back; decides what is kept."""
        first: dict[int, int] = {}
        heavy = self._heavy()
        result = []
        for stage in range(self.count):
            needed = {n for n in self.members if self._is_sink(n) and self.space.stage[n] == stage}
            for node in reversed(self.members):
                if node not in needed:
                    continue
                earlier = first.setdefault(node, stage) < stage
                if earlier and node not in self.destinations and self.keep and node in heavy:
                    self.slots.setdefault(node, first[node])
                if not earlier or (node not in self.destinations and node not in self.slots):
                    needed.update(u for u in self._sources(node) if not self._is_row_value(u))
            result.append(needed)
        return result

    def _live(self) -> set[int]:
        """The members that are stored, and those that they need: another may have been computed again elsewhere."""
        live: set[int] = set()
        for node in reversed(self.members):
            if node in live or node in self.destinations:
                live.add(node)
                live.update(self._sources(node))
        return live

    def _is_sink(self, node: int) -> bool:
        return node != self.space.host and node in self.live and self._ends_here(node)

    def _ends_here(self, node: int) -> bool:
        return node in self.space.reductions or (node in self.destinations and not self.space.is_row(node))

    def _is_row_value(self, node: int) -> bool:
        return node in self.space.reductions or self.space.is_row(node)

    def _sources(self, node: int) -> Iterable[int]:
        for operand in self.graph.operands(node):
            source = self.space.source(operand)
            if source is not None:
                yield source[0]

    def _heavy(self) -> set[int]:
        """Lane members that are dear to compute again: a division or something dearer is among what they need."""
        heavy: set[int] = set()
        for node in self.members:
            if self._is_row_value(node):
                continue
            if self.graph.op(node).cost >= DEAR or any(u in heavy for u in self._sources(node)):
                heavy.add(node)
        return heavy

    # --- writing ---------------------------------------------------------------------------------------------------
    def _lane(
        self,
        node: int,
        stage: int,
        row: list[Statement],
        lane: list[Statement],
        row_loads: Known,
        lane_loads: Known,
    ) -> None:
        name, dtype = self.names[node], self.graph.type(node).dtype
        if node in self.slots and self.slots[node] < stage:
            lane.append(Recall(name, dtype, f"kept_{name}"))
            return
        own = self.space.stage[node]
        if node == self.space.host:
            self._compute(node, row, lane, row_loads, lane_loads)
            return
        if node in self.destinations and own < stage and self.graph.op(node) is not stack:
            destination = self.destinations[node][0]
            lane.append(Load(name, dtype, destination.buffer, self._index(node, destination)))
            return
        self._compute(node, row, lane, row_loads, lane_loads)
        if own == stage and node not in self.space.reductions:
            self._store(node, lane)
        if self.slots.get(node) == stage:
            lane.append(Keep(f"kept_{name}", Local(name), dtype))

    def _compute(
        self,
        node: int,
        row: list[Statement],
        here: list[Statement],
        row_loads: Known,
        loads: Known,
    ) -> None:
        op, type = self.graph.op(node), self.graph.type(node)
        if node == self.space.host:
            here.append(Load(self.names[node], type.dtype, self._host.buffer, self._index(node, self._host)))
            return
        if op is gather:
            self._gather(node, row, here, row_loads, loads)
            return
        operands = tuple(
            self._operand(operand, self.space.operand_axes(node, position), row, here, row_loads, loads)
            for position, operand in enumerate(self.graph.operands(node))
        )
        loops = tuple(self.graph.type(operand).dtype for operand in self.graph.operands(node))
        if op is stack:
            self._store_stack(node, operands, here)
        elif node in self.space.reductions:
            value = operands[0]
            if by_vector(self.graph, node) is not None:
                op, value = sum_, Local(f"product_{self._loads}")
                self._loads += 1
                here.append(Compute(value.name, type.dtype, multiply, operands, loops, EMPTY, node))
            self._reduce(node, op, value, here)
        else:
            op = multiply if is_outer(self.graph, node) else op
            attributes = self.graph.attributes(node)
            here.append(Compute(self.names[node], type.dtype, op, operands, loops, attributes, node))

    def _reduce(self, node: int, op: Op, value: Value, here: list[Statement]) -> None:
        dtype = self.graph.type(node).dtype
        if node not in self.space.across:
            here.append(Reduce(self.names[node], dtype, op, value, node))
            return
        for destination in self.destinations[node]:
            here.append(Accumulate(destination.buffer, self._index(node, destination), value, dtype, op, node))

    def _gather(self, node: int, row: list[Statement], here: list[Statement], row_loads: Known, loads: Known) -> None:
        """Read a stored value where other values say."""
        whole, *indices = self.graph.operands(node)
        view, type = self.builder.views[whole], self.graph.type(whole)
        count = len(indices)
        domain = self.space.domain[node]
        lead = len(domain) - (type.ndim - count)
        positions = tuple(
            Within(self._operand(index, domain[:lead], row, here, row_loads, loads), limit, stride)
            for index, limit, stride in zip(indices, type.shape, view.strides, strict=False)
        )
        axes = [None if axis is None else axis_name(axis) for axis in domain[lead:]]
        index = index_map(view.offset, axes, view.strides[count:])
        here.append(Gather(self.names[node], type.dtype, self.builder.buffer_of[view.base], index, positions))

    def _operand(
        self,
        operand: int,
        domain: Axes,
        row: list[Statement],
        here: list[Statement],
        row_loads: Known,
        loads: Known,
    ) -> Value:
        source = self.space.source(operand)
        if source is not None:
            return Local(self.names[source[0]])
        view = self.builder.views[operand]
        axes = [None if axis is None else axis_name(axis) for axis in domain[len(domain) - len(view.strides) :]]
        name = f"{label(self.graph.name(view.base) or self.graph.op(view.base).name)}_{self._loads}"
        value, fetch = self.builder.element(name, view, axes)
        if not fetch:
            return value
        (statement,) = fetch
        inner = {axis_name(axis) for axis in self.space.inner or ()}
        hoisted = self.space.inner is not None and not any(axis in inner for axis, _ in statement.index.terms)
        known, statements = (row_loads, row) if hoisted else (loads, here)
        key = (view.base, statement.index)
        if key not in known:
            known[key] = name
            self._loads += 1
            statements.append(statement)
        return Local(known[key])

    def _store(self, node: int, statements: list[Statement]) -> None:
        if self.graph.op(node) is stack:
            return
        dtype = self.graph.type(node).dtype
        for destination in self.destinations.get(node, ()):
            statements.append(Store(destination.buffer, self._index(node, destination), Local(self.names[node]), dtype))

    def _store_stack(self, node: int, operands: tuple[Value, ...], statements: list[Statement]) -> None:
        """Every operand goes to its own place behind the leading axes."""
        (destination,) = self.destinations[node]
        pieces = len(operands)
        lead = len(self.space.domain[node])
        shape = self.graph.type(node).shape[:lead]
        strides = [stride * pieces for stride in row_major(shape)]
        terms = tuple(
            sorted((axis_name(a), s) for a, s in zip(self.space.domain[node], strides, strict=True) if a is not None)
        )
        dtype = self.graph.type(node).dtype
        for position, value in enumerate(operands):
            statements.append(Store(destination.buffer, Index(position, terms), value, dtype))

    def _index(self, node: int, destination: Destination) -> Index:
        terms = [
            (axis_name(axis), stride)
            for axis, stride in zip(self.space.place[node], destination.strides, strict=True)
            if axis is not None and stride != 0
        ]
        return Index(0, tuple(sorted(terms)))

    def _name(self, node: int, position: int) -> str:
        name = self.graph.name(node)
        return f"{label(name) if name else self.graph.op(node).name}_{position}"
