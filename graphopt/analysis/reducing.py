"""Where a reduction would live in an iteration space, or a product by a vector, which is a reduction of products.

Most reductions lose all inner axes. One that loses all outer ones may join them, or turn rows and columns of what is
there, if memory runs that way. What is here changes nothing; see `graphopt.analysis.placement`.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphopt.analysis.contraction import SumOfProducts
from graphopt.analysis.memory_order import runs_alike, runs_along
from graphopt.analysis.placement import Axes, Levels, Placement, sizes
from graphopt.dimensions import DimLike

if TYPE_CHECKING:
    from graphopt.analysis.iteration import IterationSpace

__all__ = ["contracted", "reduced"]


def reduced(space: IterationSpace, node: int, source: tuple[int, Axes] | None, stage: int) -> Placement | str:
    """Where a reduction lives whose operand is the member `source`, or lies in memory."""
    (operand,) = space.graph.operands(node)
    shape, lost = space.graph.type(operand).shape, frozenset(space.graph.attributes(node)["axis"])
    axes: list[int | None] = [None] * len(shape) if source is None else list(source[1])
    if source is not None and any(size != 1 and axes[k] is None for k, size in enumerate(shape)):
        return "it reduces what is stretched along an axis"
    return _Candidate(space, node, shape, lost, stage).placed(axes, [k for k in range(len(shape)) if k not in lost])


def contracted(
    space: IterationSpace,
    node: int,
    products: SumOfProducts,
    sources: Sequence[tuple[int, Axes] | None],
    stage: int,
) -> Placement | str:
    """Where a sum of products lives; its factors are the members `sources`, or lie in memory."""
    axes: list[int | None] = [None] * len(products.shape)
    for source, along in zip(sources, products.operands, strict=True):
        for axis, k in zip(source[1] if source else (), along, strict=source is not None):
            if axis is not None and (k is None or axes[k] not in (None, axis)):
                return "its factors run along different axes"
            if axis is not None and k is not None:
                axes[k] = axis
    known = [axis for axis in axes if axis is not None]
    if len(set(known)) < len(known):
        return "its factors run along one axis in two ways"
    return _Candidate(space, node, products.shape, frozenset({products.summed}), stage).placed(axes, products.result)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A node of the domain `shape`, of whose dimensions it loses some."""

    space: IterationSpace
    node: int
    shape: Sequence[DimLike]
    lost: Set[int]
    stage: int

    def placed(self, axes: list[int | None], result: Sequence[int | None]) -> Placement | str:
        """Where it lives, given the axes that its operands say and the dimension that each of its result's is."""
        levels: Levels = (self.space.outer, self.space.inner)
        if self.space.place:
            met = self._met(axes)
            if met is None:
                return f"its axes {sizes(self.shape)} are not the loops {self.space.loops()}"
            axes = met
        else:
            levels = self._begun(axes)
        return self._in_levels(tuple(axes), tuple(None if k is None else axes[k] for k in result), levels)

    def _begun(self, axes: list[int | None]) -> Levels:
        """Fresh axes for the first node of a space, whose lost ones are the inner ones."""
        real = [k for k, size in enumerate(self.shape) if size != 1]
        for k, axis in zip(real, self.space.fresh(len(real)), strict=True):
            axes[k] = axis
        kept = tuple(axis for k, axis in enumerate(axes) if axis is not None and k not in self.lost)
        return kept, tuple(axis for k, axis in enumerate(axes) if axis is not None and k in self.lost)

    def _met(self, axes: list[int | None]) -> list[int | None] | None:
        """The axes also of dimensions without one, such that memory runs as it does for the others."""
        missing = [k for k, size in enumerate(self.shape) if size != 1 and axes[k] is None]
        outer, inner = self.space.outer, self.space.inner
        if not missing:
            return axes
        if inner is None:
            return self._told_apart(axes, missing)
        places = [*(k for k in missing if k not in self.lost), *(k for k in missing if k in self.lost)]
        for kept, gone in ((outer, inner), (inner, outer))[: 2 if outer and inner else 1]:
            free = [axis for axis in (*kept, *gone) if axis not in axes]
            if [self.space.extents[axis] for axis in free] == [self.shape[k] for k in places]:
                met = _filled(axes, dict(zip(places, free, strict=True)))
                if runs_alike(self.space, self.node, tuple(met)):
                    return met
        return None

    def _told_apart(self, axes: list[int | None], missing: list[int]) -> list[int | None] | None:
        """The axes of the first reduction among lanes, which it makes rows of; or of rows, to which it brings lanes."""
        free = [axis for axis in self.space.outer if axis not in axes]
        kept, gone = [k for k in missing if k not in self.lost], [k for k in missing if k in self.lost]
        extents = [self.space.extents[axis] for axis in free]
        if extents == [self.shape[k] for k in missing]:
            return _filled(axes, dict(zip(missing, free, strict=True)))
        if extents == [self.shape[k] for k in kept]:
            return _filled(axes, dict(zip((*kept, *gone), (*free, *self.space.fresh(len(gone))), strict=True)))
        return None

    def _in_levels(self, axes: Axes, place: Axes, levels: Levels) -> Placement | str:
        """Whether it fits into rows, and which are rows from now on."""
        space, (outer, inner) = self.space, levels
        gone, held = {axes[k] for k in self.lost} - {None}, set(axes) - {None}
        crosses = False
        if inner is None:
            inner = tuple(axis for axis in axes if axis in gone and axis is not None)
            outer = tuple(axis for axis in outer if axis not in gone)
        elif gone != set(inner):
            crosses = space.crossing and space.host is None and bool(inner) and gone == set(outer)
            if not crosses:
                return f"it reduces other axes than the loops {space.loops()} do"
        if held != {*outer, *inner}:
            return f"it runs along some of the loops {space.loops()} only"
        if not outer and self.stage:
            return "it needs the whole of an earlier reduction"
        if not inner and space.place:
            return "it reduces no axis of the loops"
        across = space.across | {self.node} if crosses else None
        if crosses and runs_along(space, outer[-1], inner[-1], self.node, axes) > 0:
            turned = space.turned() if not self.stage else None  # what it sums lies side by side in memory
            if turned is None:
                return "memory runs across its loops"
            outer, inner, across = turned.outer, turned.inner or (), frozenset(turned.across)
        extents = {axis: self.shape[k] for k, axis in enumerate(axes) if axis is not None}
        return Placement(axes, place, self.stage, (outer, inner), extents, reduces=True, across=across)


def _filled(axes: list[int | None], places: dict[int, int]) -> list[int | None]:
    return [places.get(k, axis) for k, axis in enumerate(axes)]
