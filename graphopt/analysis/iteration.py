"""The iteration space of a fusion group: which loops its nodes share, and whether a node may join.

All nodes of a group live on the same axes, in one of two levels: on the `outer` axes alone ("row"), or on the outer
and all `inner` axes ("lane"). Reductions go from lane to row, over all inner axes; broadcasts go from row to lane.
This is what a nest of loops without any further transformation can compute in one kernel, in stages: a node's stage
is the number of reductions beneath it.

The pass `fuse` grows groups by asking a space; the schedule replays a group through a new space to check it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from graphopt.analysis.views import TRACKABLE, is_view, track
from graphopt.dimensions import DimLike
from graphopt.op import Op
from graphopt.ops.gather import gather
from graphopt.ops.shape import stack

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["Axes", "IterationSpace", "fusible", "in_loops"]

Axes = tuple[int | None, ...]  # an axis for each dimension; None for length 1


def fusible(graph: Graph, node: int) -> bool:
    """Whether a loop nest can compute a node: elementwise ops, reductions, stacks and gathers that have a text."""
    return in_loops(graph.op(node))


def in_loops(op: Op) -> bool:
    """Whether a loop nest can compute an op."""
    loops = "elementwise" in op.traits or "reduction" in op.traits or op in (stack, gather)
    return loops and "host" not in op.traits


class IterationSpace:
    """The axes of a group of nodes, grown node by node in topological order.

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
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.extents: dict[int, DimLike] = {}
        self.outer: tuple[int, ...] = ()
        self.inner: tuple[int, ...] | None = None
        self.place: dict[int, Axes] = {}
        self.domain: dict[int, Axes] = {}
        self.stage: dict[int, int] = {}
        self.reductions: set[int] = set()
        self.refusal = ""
        self._next = 0

    @classmethod
    def of(cls, graph: Graph, members: Iterable[int]) -> IterationSpace | None:
        """The space of nodes in topological order; None if no nest of loops computes them all."""
        space = cls(graph)
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
        if self.graph.op(node) is stack:
            return None
        axes = self.place[node]
        for view in reversed(chain):
            axes = track(self.graph, view, axes)
        return node, axes

    # --- joining -----------------------------------------------------------------------------------------------
    def add(self, node: int) -> bool:
        """Let a node join if one nest of loops can compute it with the others. A refusal changes nothing."""
        op, graph = self.graph.op(node), self.graph
        sources = [self.source(operand) for operand in graph.operands(node)]
        if any(s is None and self._computes(operand) for s, operand in zip(sources, graph.operands(node), strict=True)):
            return self._refuse("it would read from memory what the same kernel is still writing there")
        stage = max((self.stage[s[0]] + (s[0] in self.reductions) for s in sources if s), default=0)
        if "reduction" in op.traits:
            return self._add_reduction(node, sources[0], stage)
        shape = graph.type(node).shape
        if op is gather:
            if sources[0] is not None:
                return self._refuse("what it reads at any position must lie in memory")
            rest = graph.type(graph.operands(node)[0]).ndim - len(sources) + 1
            axes = self._aligned([s[1] for s in sources[1:] if s], len(shape) - rest)
            if axes is None:
                return self._refuse("its indices run along different axes")
            return self._place(node, [*axes, *[None] * rest], shape, stage, 0)
        trailing = len(graph.attributes(node)["shape"]) if op is stack else 0
        shape = shape[: len(shape) - trailing]
        if not shape and op is not stack and self.outer and self.inner and all(not any(s[1]) for s in sources if s):
            self.domain[node] = self.place[node] = ()  # one number for all rows, computed for each
            self.stage[node] = 0
            return True
        axes = self._aligned([s[1] for s in sources if s], len(shape))
        if axes is None:
            return self._refuse("its operands run along different axes")
        return self._place(node, axes, shape, stage, trailing)

    def _computes(self, value: int) -> bool:
        """Whether a value lies in the memory that a member is stored to: a member's reshape, or a stack."""
        while is_view(self.graph, value):
            (value,) = self.graph.operands(value)
        return value in self.place

    def _aligned(self, operands: list[Axes], ndim: int) -> list[int | None] | None:
        """The axes that broadcasting operands give to a result; None if they contradict each other."""
        axes: list[int | None] = [None] * ndim
        for operand in operands:
            for k, axis in enumerate(operand, ndim - len(operand)):
                if axis is not None and axes[k] is not None and axes[k] != axis:
                    return None
                axes[k] = axis if axis is not None else axes[k]
        used = [axis for axis in axes if axis is not None]
        return axes if len(set(used)) == len(used) else None

    def _place(self, node: int, axes: list[int | None], shape: tuple[DimLike, ...], stage: int, trailing: int) -> bool:
        missing = [k for k, size in enumerate(shape) if size != 1 and axes[k] is None]
        fresh: list[int] = []
        outer, inner = self.outer, self.inner
        if missing:
            used = {axis for axis in axes if axis is not None}
            wanted = [shape[k] for k in missing]
            if not self.place:
                fresh = self._fresh(len(missing))
                outer = tuple(fresh)
            else:
                free = self._free_axes(used, wanted)
                if free is not None:
                    fresh = free
                elif (
                    inner is None
                    and used == set(outer)
                    and missing == list(range(len(shape) - len(missing), len(shape)))
                ):
                    fresh = self._fresh(len(missing))
                    inner = tuple(fresh)
                else:
                    return self._refuse(f"its axes {self._sizes(wanted)} are none of the loops {self._loops()}")
            for k, axis in zip(missing, fresh, strict=True):
                axes[k] = axis
        held = {axis for axis in axes if axis is not None}
        everything = set(outer) | set(inner or ())
        if inner is None and held == set(outer[: len(held)]) != everything:
            outer, inner = outer[: len(held)], outer[len(held) :]  # the first that lives on the slower axes alone
        if held != everything and not (inner is not None and held == set(outer)):
            return self._refuse(f"it lives on some of the loops {self._loops()} only")
        if inner and not outer and stage and held == everything:
            return self._refuse("a single row that is reduced and then mapped: two kernels, each parallel")
        for k, axis in zip(missing, fresh, strict=True):
            self.extents[axis] = shape[k]
        self.outer, self.inner = outer, inner
        self.domain[node] = tuple(axes)
        self.place[node] = (*axes, *((None,) * trailing))
        self.stage[node] = stage
        return True

    def _free_axes(self, used: set[int], wanted: list[DimLike]) -> list[int] | None:
        """Known axes that dimensions without one can take: those not in use, if the sizes are the same in order."""
        for candidates in ([*self.outer, *(self.inner or ())], list(self.outer)):
            free = [axis for axis in candidates if axis not in used]
            if used <= set(candidates) and [self.extents[axis] for axis in free] == wanted:
                return free
        return None

    def _add_reduction(self, node: int, source: tuple[int, Axes] | None, stage: int) -> bool:
        (operand,) = self.graph.operands(node)
        shape, reduced = self.graph.type(operand).shape, self.graph.attributes(node)["axis"]
        outer, inner = self.outer, self.inner
        if source is None:
            axes: list[int | None] = [None] * len(shape)
            real = [k for k, size in enumerate(shape) if size != 1]
            if not self.place:
                fresh = self._fresh(len(real))
                assigned = dict(zip(real, fresh, strict=True))
                outer = tuple(assigned[k] for k in real if k not in reduced)
                inner = tuple(assigned[k] for k in real if k in reduced)
            elif inner is None:
                kept = [k for k in real if k not in reduced]
                if [self.extents[axis] for axis in outer] == [shape[k] for k in real]:
                    assigned = dict(zip(real, outer, strict=True))
                elif [self.extents[axis] for axis in outer] == [shape[k] for k in kept]:
                    gone = [k for k in real if k in reduced]
                    assigned = dict(zip((*kept, *gone), (*outer, *self._fresh(len(gone))), strict=True))
                else:
                    return self._refuse(f"its axes {self._sizes(shape)} are not the loops {self._loops()}")
                inner = tuple(assigned[k] for k in real if k in reduced)
                outer = tuple(assigned[k] for k in real if k not in reduced)
            else:
                kept = [k for k in real if k not in reduced]
                gone = [k for k in real if k in reduced]
                if [self.extents[a] for a in (*outer, *inner)] != [shape[k] for k in (*kept, *gone)]:
                    return self._refuse(f"it reduces other axes than the loops {self._loops()} have")
                if len(kept) != len(outer):
                    return self._refuse(f"it keeps other axes than the loops {self._loops()} have")
                assigned = dict(zip((*kept, *gone), (*outer, *inner), strict=True))
            for k, axis in assigned.items():
                axes[k] = axis
        else:
            axes = list(source[1])
            if any(size != 1 and axes[k] is None for k, size in enumerate(shape)):
                return self._refuse("it reduces what is stretched along an axis")
            gone_axes = {axes[k] for k in reduced if axes[k] is not None}
            if inner is None:
                inner = tuple(axis for axis in outer if axis in gone_axes)
                outer = tuple(axis for axis in outer if axis not in gone_axes)
            elif gone_axes != set(inner):
                return self._refuse(f"it reduces other axes than the loops {self._loops()} do")
        if not outer and stage:
            return self._refuse("it needs the whole of an earlier reduction")
        if inner is not None and not inner and self.place:
            return self._refuse("it reduces no axis of the loops")
        self.extents |= {axis: shape[k] for k, axis in enumerate(axes) if axis is not None}
        self.outer, self.inner = outer, inner
        self.domain[node] = tuple(axes)
        self.place[node] = tuple(axis for k, axis in enumerate(axes) if k not in reduced)
        self.stage[node] = stage
        self.reductions.add(node)
        return True

    def _refuse(self, reason: str) -> bool:
        self.refusal = reason
        return False

    def _sizes(self, sizes: Iterable[DimLike]) -> str:
        return f"[{', '.join(map(str, sizes))}]"

    def _loops(self) -> str:
        """The extents of the loops: those of rows, then those within a row."""
        groups = [self.outer] if self.inner is None else [self.outer, self.inner]
        return " × ".join(self._sizes(self.extents[axis] for axis in group) for group in groups)

    def _fresh(self, count: int) -> list[int]:
        first = self._next
        self._next += count
        return list(range(first, self._next))

    # --- merging -----------------------------------------------------------------------------------------------
    def absorb(self, other: IterationSpace, pairs: list[tuple[int, int]]) -> bool:
        """Take over another space whose axes are these, given pairs (axis here, axis there) that are the same.

        The two must not depend on each other. A refusal changes nothing.
        """
        outer, inner = self.outer, self.inner
        if other.inner is not None and inner is None:
            return self._refuse("its loops have rows, and the others do not")
        mapping: dict[int, int] = {}
        for here, there in pairs:
            if mapping.setdefault(there, here) != here:
                return self._refuse("its axes meet the others' crosswise")
        levels = [(outer, other.outer), (inner or (), other.inner or ())]
        for mine, theirs in levels if other.inner is not None else [((*outer, *(inner or ())), other.outer), *levels]:
            rest_here = [axis for axis in mine if axis not in mapping.values()]
            rest_there = [axis for axis in theirs if axis not in mapping]
            if [self.extents[a] for a in rest_here] == [other.extents[a] for a in rest_there]:
                mapping |= dict(zip(rest_there, rest_here, strict=True))
        differ = f"its loops {other._loops()} are not the loops {self._loops()}"
        if set(mapping) != set(other.extents) or len(set(mapping.values())) != len(mapping):
            return self._refuse(differ)
        if any(self.extents[here] != other.extents[there] for there, here in mapping.items()):
            return self._refuse(differ)
        arriving = {mapping[axis] for axis in other.outer}
        if other.inner is None and inner is None and arriving == set(outer[: len(arriving)]) != set(outer):
            outer, inner = outer[: len(arriving)], outer[len(arriving) :]
        if other.inner is not None:
            if arriving != set(outer) or {mapping[axis] for axis in other.inner} != set(inner or ()):
                return self._refuse(differ)
        elif arriving != {*outer, *(inner or ())} and not (inner is not None and arriving == set(outer)):
            return self._refuse(differ)
        self.outer, self.inner = outer, inner
        for own, others in ((self.place, other.place), (self.domain, other.domain)):
            for node, axes in others.items():
                own[node] = tuple(None if axis is None else mapping[axis] for axis in axes)
        self.stage |= other.stage
        self.reductions.update(other.reductions)
        return True
