"""Along which axis of an iteration space memory runs: where neighbouring positions read neighbouring elements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from graphopt.analysis.views import view_of
from graphopt.ops.gather import gather

if TYPE_CHECKING:
    from graphopt.analysis.iteration import Axes, IterationSpace

__all__ = ["Runs", "runs_alike", "runs_along", "runs_along_outer"]


class Runs:
    """How many operands that members read from memory run along each axis; brought up to date, never counted anew."""

    def __init__(self) -> None:
        self.found: Counter[tuple[int, frozenset[int | None]]] = Counter()
        self.members = 0

    def look(self, space: IterationSpace) -> None:
        """Count what has joined since."""
        for node in islice(space.domain, self.members, None):
            self.found.update(_operands(space, node, space.domain[node]))
        self.members = len(space.domain)


def runs_along(space: IterationSpace, one: int, other: int, node: int | None = None, axes: Axes = ()) -> int:
    """How many operands more are contiguous along one axis than along another; those with both count twice.

    With those of a node that would have `axes`, if it is given.
    """
    space.runs.look(space)
    votes = _votes(space.runs.found, one, other)
    return votes if node is None else votes + _votes(Counter(_operands(space, node, axes)), one, other)


def runs_along_outer(space: IterationSpace) -> bool:
    """Whether memory runs along the last outer axis rather than along the last inner one."""
    return bool(space.outer and space.inner) and runs_along(space, *_ends(space)) > 0


def runs_alike(space: IterationSpace, node: int, axes: Axes) -> bool:
    """Whether memory runs for a node that would have these axes as it does for the members."""
    if not space.outer or not space.inner:
        return True
    one, other = _ends(space)
    before = runs_along(space, one, other)
    return (runs_along(space, one, other, node, axes) - before) * before >= 0


def _ends(space: IterationSpace) -> tuple[int, int]:
    return space.outer[-1], (space.inner or ())[-1]


def _operands(space: IterationSpace, node: int, domain: Axes) -> Iterator[tuple[int, frozenset[int | None]]]:
    """For each operand in memory, the axis along which it is contiguous, and all that it steps along."""
    if space.graph.op(node) is gather or node == space.host:
        return
    for position, operand in enumerate(space.graph.operands(node)):
        if space.source(operand) is None:
            axes = space.operand_axes(node, position, domain)
            for axis, stride in zip(axes, view_of(space.graph, operand).strides, strict=True):
                if stride == 1 and axis is not None:
                    yield axis, frozenset(axes)


def _votes(found: Counter[tuple[int, frozenset[int | None]]], one: int, other: int) -> int:
    return sum(
        count * (2 if one in axes and other in axes else 1) * ((axis == one) - (axis == other))
        for (axis, axes), count in found.items()
    )
