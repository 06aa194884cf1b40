"""Fusion: asks for one kernel wherever one nest of loops can do the work of several nodes.

Contract: the graph is unchanged; `graph.fusion` holds a plan in which every group is a legal `IterationSpace` and the
groups can be put in an order (no group needs a result of another that needs one of its own).

First one sweep in topological order, linear in the graph. Every group has a rank, one more than the highest of the
groups it was refused by or had to wait for; a value flows from lower to higher rank or stays in its group, so no cycle
can arise, and groups of equal rank never depend on each other. A node joins the group of highest rank among its
operands' if the loops allow it, merging several such groups; what cannot join starts a group of the next rank. A number
that takes a few operations, such as one over a dimension, is in no group: whoever needs it computes it.

Then values that pass from one group to another through memory are looked at once more (`graphopt.passes.recompute`):
where computing one again moves fewer bytes than storing and loading it, the group that reads it does so, and a group
that nobody reads is gone. Why a node did not join is kept beside the plan (`graph.fusion.reasons`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from graphopt.analysis.iteration import IterationSpace, fusible
from graphopt.analysis.views import TRACKABLE, is_view, sized_by
from graphopt.graph import Graph
from graphopt.passes.recompute import Recomputing, base_of, is_cheap
from graphopt.rewrite.passes import Context, Pass

NUMBERS = 8
"""The most operations by which a number is still computed by whoever needs it."""


@dataclass(frozen=True)
class Fuse(Pass):
    """Write the fusion plan.

    Attributes
    ----------
    max
        The most nodes of a group.
    recompute
        Whether a group may compute again what another one computes.
    """

    name: ClassVar[str] = "fuse"
    idempotent: ClassVar[bool] = True
    max: int = 100_000
    recompute: bool = True

    def run(self, graph: Graph, context: Context) -> None:
        graph.fusion.clear()
        planner = _Planner(graph, self.max)
        for node in graph.order():
            if graph.op(node).arity != 0 and not is_view(graph, node):
                planner.visit(node)
        planner.merge_siblings()
        groups = planner.groups()
        if self.recompute:
            groups = Recomputing(graph, groups, planner.of, self.max).groups()
        for group in groups:
            members = planner.members(group)
            if len(members) > 1 and not group.closed:
                graph.fusion.group(members)


@dataclass(eq=False)
class Group:
    """Nodes of one kernel: their loops, and the values they read from memory."""

    space: IterationSpace
    rank: int
    step: int | None = None  # the one node of a group that is no loops
    reads: set[int] = field(default_factory=set)

    @property
    def closed(self) -> bool:
        """Whether it is no loops, so that nothing can join."""
        return self.step is not None


class _Planner:
    def __init__(self, graph: Graph, limit: int) -> None:
        self.graph = graph
        self.limit = limit
        self.settlers = graph.settlers()
        self.of: dict[int, Group] = {}
        self.outputs = {base_of(graph, node) for node in graph.outputs.values()}
        self.numbers: dict[int, frozenset[int]] = {}  # cheap ones, in no group: with the numbers they are computed from

    def groups(self) -> list[Group]:
        """The groups, in an order in which they can run."""
        return sorted(dict.fromkeys(self.of.values()), key=lambda group: group.rank)

    def visit(self, node: int) -> None:
        """Let a node join the group of its operands, or start one."""
        if self._is_number(node):
            return
        needed = [self._source(operand) for operand in self.graph.operands(node)]
        if self.settlers:  # what counts its sizes is waited for, and is in no group
            read = (node, *self.graph.operands(node))
            needed += [(counting, False) for each in read for counting in sized_by(self.graph, each, self.settlers)]
        rank = max((self.of[base].rank for base, _ in needed if base in self.of), default=-1)
        near = [
            (self.of[base], reachable) for base, reachable in needed if base in self.of and self.of[base].rank == rank
        ]
        joined = self._join(node, near) if near else None
        if isinstance(joined, Group):
            self._enter(node, joined, needed)
            return
        if joined is not None:
            self.graph.fusion.reasons[node] = joined
        group = Group(IterationSpace(self.graph), rank + 1)
        if not fusible(self.graph, node) or not group.space.add(node):
            group.step = node
        self._enter(node, group, needed)

    def _join(self, node: int, near: list[tuple[Group, bool]]) -> Group | str:
        """The group of some operands' groups that a node has joined, or why it has not."""
        if not fusible(self.graph, node):
            return f"{self.graph.op(node)} is not a nest of loops"
        for group, reachable in near:
            if group.step is not None:
                return f"{self.graph.op(group.step)} is not a nest of loops"
            if not reachable:
                return "what it reads is laid out anew"
        merged = self._merged(node, list(dict.fromkeys(group for group, _ in near)))
        if isinstance(merged, str):
            return merged
        if len(merged.space) >= self.limit:
            return f"the group has {self.limit} nodes already"
        return merged if merged.space.add(node) else merged.space.refusal

    def _is_number(self, node: int) -> bool:
        """Whether a node is a number that every group computes for itself, such as one over a dimension."""
        graph = self.graph
        if graph.type(node).ndim or node in self.outputs or not is_cheap(graph, node):
            return False
        cone = {node}
        for operand in graph.operands(node):
            base = base_of(graph, operand)
            if graph.op(base).arity != 0 and base not in self.numbers:
                return False
            cone |= self.numbers.get(base, set())
        if len(cone) > NUMBERS or any(graph.type(operand).ndim for operand in graph.operands(node)):
            return False
        self.numbers[node] = frozenset(cone)
        return True

    def members(self, group: Group) -> set[int]:
        """The nodes of a group, with the numbers that it computes for itself."""
        found = set(group.space.place)
        for read in group.reads:
            found |= self.numbers.get(read, frozenset())
        return found

    def _enter(self, node: int, group: Group, needed: list[tuple[int, bool]]) -> None:
        self.of[node] = group
        group.reads |= {base for base, _ in needed if self.of.get(base) is not group}

    def _source(self, node: int) -> tuple[int, bool]:
        """What a value is computed by, and whether a loop can reach it there through views."""
        reachable = True
        while is_view(self.graph, node):
            reachable &= self.graph.op(node) in TRACKABLE
            (node,) = self.graph.operands(node)
        return node, reachable

    def _merged(self, node: int, groups: list[Group]) -> Group | str:
        """One group for all; why not, if their loops differ."""
        groups.sort(key=lambda group: (group.space.inner is None, -len(group.space)))
        first, *rest = groups
        for other in rest:
            pairs = self._pairs(node, first.space, other.space)
            if len(first.space) + len(other.space) > self.limit:
                return f"together they would have more than {self.limit} nodes"
            if not first.space.absorb(other.space, pairs):
                return first.space.refusal
            self._retarget(first, other)
        return first

    def _retarget(self, first: Group, other: Group) -> None:
        first.reads |= other.reads
        for member in other.space.place:
            self.of[member] = first

    def _pairs(self, node: int, first: IterationSpace, other: IterationSpace) -> list[tuple[int, int]]:
        """The axes that meet in the operands of a node, aligned as broadcasting aligns them."""
        here: dict[int, int] = {}
        there: dict[int, int] = {}
        for operand in self.graph.operands(node):
            for space, axes in ((first, here), (other, there)):
                source = space.source(operand)
                if source is not None:
                    axes.update({k - len(source[1]): a for k, a in enumerate(source[1]) if a is not None})
        return [(here[k], there[k]) for k in here.keys() & there.keys()]

    def merge_siblings(self) -> None:
        """Groups of one rank with the same loops that read the same values become one kernel."""
        kin: dict[object, list[Group]] = {}
        for group in self.groups():
            if group.closed:
                continue
            space = group.space
            extents = tuple(tuple(space.extents[a] for a in axes) for axes in (space.outer, space.inner or ()))
            siblings = kin.setdefault((group.rank, extents, space.inner is None), [])
            related = [sibling for sibling in siblings if sibling.reads & group.reads or not space.extents]
            for sibling in related:  # `group` may be what connects several
                large, small = sorted((group, sibling), key=lambda g: len(g.space), reverse=True)
                if len(large.space) + len(small.space) <= self.limit and large.space.absorb(small.space, []):
                    self._retarget(large, small)
                    siblings.remove(sibling)
                    group = large
            siblings.append(group)
