"""The iteration space of a fusion group: which loops its nodes share, and whether a node may join.

All nodes of a group live on the same axes, in one of two levels: on the `outer` axes alone ("row"), or on the outer
and all `inner` axes ("lane"). Reductions go from lane to row, over all inner axes; broadcasts go from row to lane.
This is what a nest of loops without any further transformation can compute in one kernel, in stages: a node's stage
is the number of reductions beneath it. Reductions over all outer axes may join those ("across"): every row adds to
their results, which are complete when the kernel is, so nothing in the group can use them.

One product of matrices may be a member, as the *host*: the others are then loops over its result, row by row.

The pass `fuse` grows groups by asking a space; the schedule replays a group through a new space to check it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from graphopt.analysis.contraction import by_vector, can_host, is_outer
from graphopt.analysis.memory_order import Runs
from graphopt.analysis.merging import meeting
from graphopt.analysis.placement import Axes, Placement, aligned, mapped, sizes
from graphopt.analysis.reducing import contracted, reduced
from graphopt.analysis.views import TRACKABLE, is_view, track, view_of
from graphopt.dimensions import DimLike
from graphopt.op import Op
from graphopt.ops.gather import gather
from graphopt.ops.shape import stack

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["Axes", "IterationSpace", "fusible", "in_loops"]


def fusible(graph: Graph, node: int) -> bool:
    """Whether a loop nest can compute a node: ops of loops, and products in which a factor is a vector."""
    return in_loops(graph.op(node)) or is_outer(graph, node) or by_vector(graph, node) is not None


def in_loops(op: Op) -> bool:
    """Whether a loop nest can compute an op: elementwise ops, reductions, stacks and gathers that have a text."""
    loops = "elementwise" in op.traits or "reduction" in op.traits or op in (stack, gather)
    return loops and "host" not in op.traits


class IterationSpace:
    """The axes of a group of nodes, grown node by node in topological order.

    Parameters
    ----------
    crossing
        Whether reductions over the outer axes may join those over the inner ones.

    Attributes
    ----------
    extents
        The size of each axis, by axis number.
    outer, inner
        The axes of rows, and those within a row (None while no node has told them apart).
    place
        For each node, the axis of every dimension of its result.
    domain
        For each node, the axis of every dimension it iterates over: its operand's, for a reduction.
    stage
        For each node, the number of reductions beneath it.
    reductions
        The nodes that reduce.
    refusal
        Why the last node or space that was refused could not join.
    across
        Those of them that reduce the outer axes, while others reduce the inner ones.
    host
        The product of matrices that the loops are an epilogue of.
    """

    def __init__(self, graph: Graph, crossing: bool = True) -> None:
        self.graph = graph
        self.crossing = crossing
        self.extents: dict[int, DimLike] = {}
        self.outer: tuple[int, ...] = ()
        self.inner: tuple[int, ...] | None = None
        self.place: dict[int, Axes] = {}
        self.domain: dict[int, Axes] = {}
        self.stage: dict[int, int] = {}
        self.reductions: set[int] = set()
        self.refusal = ""
        self.across: frozenset[int] = frozenset()
        self.host: int | None = None
        self.runs = Runs()
        self._next = 0

    @classmethod
    def of(cls, graph: Graph, members: Iterable[int], crossing: bool = True) -> IterationSpace | None:
        """The space of nodes in topological order; None if no nest of loops computes them all.

        A product of matrices comes first, if nothing that it reads is among them: it says what rows are.
        """
        space, members = cls(graph, crossing), list(members)
        hosts = [node for node in members if can_host(graph, node)]
        if len(hosts) == 1 and set(members).isdisjoint(view_of(graph, o).base for o in graph.operands(hosts[0])):
            members = [*hosts, *(node for node in members if node not in hosts)]
        return space if all(space.add(node) for node in members) else None

    def __len__(self) -> int:
        return len(self.place)

    def __contains__(self, node: object) -> bool:
        return node in self.place

    def is_row(self, node: int) -> bool:
        """Whether a node's result lives on the outer axes alone. Without inner axes every node is a lane."""
        return self.inner is not None and not set(self.inner) & set(self.place[node])

    def source(self, node: int) -> tuple[int, Axes] | None:
        """The member that a value is, seen through trackable views, and the axes of the value; None if outside."""
        chain = []
        while node not in self.place:
            if self.graph.op(node) not in TRACKABLE:
                return None
            chain.append(node)
            (node,) = self.graph.operands(node)
        if self.graph.op(node) is stack or node in self.across:
            return None
        axes = self.place[node]
        for view in reversed(chain):
            axes = track(self.graph, view, axes)
        return node, axes

    def operand_axes(self, node: int, position: int, domain: Axes | None = None) -> Axes:
        """The axis that each dimension of a node's operand runs along, given what the node iterates over."""
        domain, products = self.domain[node] if domain is None else domain, by_vector(self.graph, node)
        if products is not None:
            return tuple(None if k is None else domain[k] for k in products.operands[position])
        return domain[len(domain) - self.graph.type(self.graph.operands(node)[position]).ndim :]

    def loops(self) -> str:
        """The extents of the loops: those of rows, then those within a row."""
        groups = [self.outer] if self.inner is None else [self.outer, self.inner]
        return " × ".join(sizes([self.extents[axis] for axis in group]) for group in groups)

    def fresh(self, count: int) -> list[int]:
        """So many axes that nobody has."""
        first = self._next
        self._next += count
        return list(range(first, self._next))

    # --- joining -----------------------------------------------------------------------------------------------
    def add(self, node: int) -> bool:
        """Let a node join if one nest of loops can compute it with the others. A refusal changes nothing."""
        placement = self._placement(node)
        if isinstance(placement, str):
            self.refusal = placement
            return False
        self.outer, self.inner = placement.levels
        self.extents |= placement.extents
        self.domain[node], self.place[node], self.stage[node] = placement.domain, placement.place, placement.stage
        if placement.reduces:
            self.reductions.add(node)
        if placement.across is not None:
            self.across = placement.across
        if placement.hosts:
            self.host = node
        return True

    def _placement(self, node: int) -> Placement | str:
        """Where a node would live, or why it cannot join."""
        op, graph = self.graph.op(node), self.graph
        sources = [self.source(operand) for operand in graph.operands(node)]
        if any(s is None and self._computes(operand) for s, operand in zip(sources, graph.operands(node), strict=True)):
            return "it would read from memory what the same kernel is still writing there"
        members = [source for source in sources if source is not None]
        stage = max((self.stage[member] + (member in self.reductions) for member, _ in members), default=0)
        if "reduction" in op.traits:
            return reduced(self, node, sources[0], stage)
        if (products := by_vector(graph, node)) is not None:
            return contracted(self, node, products, sources, stage)
        if can_host(graph, node):
            return self._rows_of(node)
        shape = graph.type(node).shape
        if op is gather:
            if sources[0] is not None:
                return "what it reads at any position must lie in memory"
            rest = graph.type(graph.operands(node)[0]).ndim - len(sources) + 1
            axes = aligned([axes for _, axes in members], len(shape) - rest)
            if axes is None:
                return "its indices run along different axes"
            return mapped(self, [*axes, *[None] * rest], shape, stage, 0)
        trailing = len(graph.attributes(node)["shape"]) if op is stack else 0
        shape = shape[: len(shape) - trailing]
        if not shape and op is not stack and self.outer and self.inner and not any(any(axes) for _, axes in members):
            return Placement((), (), 0, (self.outer, self.inner))  # one number for all rows, computed for each
        axes = aligned([axes for _, axes in members], len(shape))
        if axes is None:
            return "its operands run along different axes"
        return mapped(self, axes, shape, stage, trailing)

    def _rows_of(self, host: int) -> Placement | str:
        """A product comes first: it says what rows are."""
        if self.place:
            return f"{self.graph.op(host)} is not a nest of loops"
        shape = self.graph.type(host).shape
        fresh = self.fresh(len(shape))
        axes = tuple(None if size == 1 else axis for axis, size in zip(fresh, shape, strict=True))
        *outer, inner = [axis for axis in axes if axis is not None]
        extents = {axis: size for axis, size in zip(fresh, shape, strict=True) if size != 1}
        return Placement(axes, axes, 0, (tuple(outer), (inner,)), extents, hosts=True)

    def _computes(self, value: int) -> bool:
        """Whether a value lies in the memory that a member is stored to: a member's reshape, or a stack."""
        while is_view(self.graph, value):
            (value,) = self.graph.operands(value)
        return value in self.place

    # --- merging -----------------------------------------------------------------------------------------------
    def absorb(self, other: IterationSpace, pairs: Sequence[tuple[int, int]]) -> bool:
        """Take over another space whose axes are these, given pairs (axis here, axis there) that are the same.

        The two must not depend on each other. A refusal changes nothing.
        """
        found = meeting(self, other, pairs)
        if isinstance(found, str):
            self.refusal = found
            return False
        self.outer, self.inner = found.levels
        self.place |= {node: found.here(axes) for node, axes in other.place.items()}
        self.domain |= {node: found.here(axes) for node, axes in other.domain.items()}
        self.stage |= other.stage
        self.reductions |= other.reductions
        self.across |= other.across
        self.host = other.host if self.host is None else self.host
        return True

    def turned(self) -> IterationSpace | None:
        """The same nodes with outer and inner axes exchanged; None if a reduction over the inner ones is used here."""
        lanes = [node for node in self.place if node not in self.reductions]
        everything = set(self.extents)
        if not self.crossing or self.host is not None or not self.outer or not self.inner or any(self.stage.values()):
            return None
        if any(set(self.domain[node]) - {None} != everything for node in lanes):
            return None
        result = IterationSpace(self.graph)
        result.extents, result.place, result.domain = dict(self.extents), dict(self.place), dict(self.domain)
        result.stage, result.reductions = dict(self.stage), set(self.reductions)
        result.outer, result.inner, result._next = self.inner, self.outer, self._next
        result.across = frozenset(self.reductions - self.across)
        return result
