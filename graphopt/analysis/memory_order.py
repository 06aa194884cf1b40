"""Along which axis of an iteration space memory runs: where neighbouring positions read neighbouring elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphopt.analysis.views import view_of
from graphopt.ops.gather import gather

if TYPE_CHECKING:
    from graphopt.analysis.iteration import Axes, IterationSpace

__all__ = ["runs_alike", "runs_along", "runs_along_outer"]


def runs_along(space: IterationSpace, one: int, other: int) -> int:
    """How many operands more are contiguous along one axis than along another; those with both count twice."""
    votes = 0
    for node in space.domain:
        if space.graph.op(node) is gather:
            continue
        for position, operand in enumerate(space.graph.operands(node)):
            if space.source(operand) is None:
                axes = space.operand_axes(node, position)
                weight = 2 if one in axes and other in axes else 1
                for axis, stride in zip(axes, view_of(space.graph, operand).strides, strict=True):
                    votes += weight * (stride == 1) * ((axis == one) - (axis == other))
    return votes


def runs_along_outer(space: IterationSpace) -> bool:
    """Whether memory runs along the last outer axis rather than along the last inner one."""
    outer, inner = space.outer[-1:], (space.inner or ())[-1:]
    return bool(outer and inner) and runs_along(space, *outer, *inner) > 0


def runs_alike(space: IterationSpace, node: int, axes: Axes) -> bool:
    """Whether memory runs for a node that would have these axes as it does for the members."""
    outer, inner = space.outer[-1:], (space.inner or ())[-1:]
    if not outer or not inner:
        return True
    before = runs_along(space, *outer, *inner)
    space.domain[node] = axes
    after = runs_along(space, *outer, *inner)
    del space.domain[node]
    return (after - before) * before >= 0
