"""Where a node would live in an iteration space: the axes of what is computed element by element.

What is here looks at a space and changes nothing. It returns a `Placement`, which the space takes over, or says why
there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graphopt.dimensions import DimLike

if TYPE_CHECKING:
    from graphopt.analysis.iteration import IterationSpace

__all__ = ["Axes", "Levels", "Placement", "aligned", "mapped", "sizes"]

Axes = tuple[int | None, ...]  # an axis for each dimension; None for length 1
Levels = tuple[tuple[int, ...], tuple[int, ...] | None]  # outer axes; inner ones, None while nobody has told them apart


@dataclass(frozen=True, slots=True)
class Placement:
    """What a space takes over when a node joins.

    Attributes
    ----------
    domain, place
        The axis of every dimension that the node iterates over, and of every dimension of its result.
    stage
        The number of reductions beneath it.
    levels
        The outer and inner axes of the space from now on.
    extents
        The sizes of axes that are new.
    reduces, hosts
        Whether it is a reduction; whether it is a product whose rows the others work on.
    across
        The reductions over the outer axes from now on; None if they stay what they are.
    """

    domain: Axes
    place: Axes
    stage: int
    levels: Levels
    extents: Mapping[int, DimLike] = field(default_factory=dict)
    reduces: bool = False
    hosts: bool = False
    across: frozenset[int] | None = None


def aligned(operands: Sequence[Axes], ndim: int) -> list[int | None] | None:
    """The axes that broadcasting operands give to a result; None if they contradict each other."""
    axes: list[int | None] = [None] * ndim
    for operand in operands:
        for k, axis in enumerate(operand, ndim - len(operand)):
            if axis is not None and axes[k] is not None and axes[k] != axis:
                return None
            axes[k] = axis if axis is not None else axes[k]
    used = [axis for axis in axes if axis is not None]
    return axes if len(set(used)) == len(used) else None


def mapped(
    space: IterationSpace, axes: list[int | None], shape: Sequence[DimLike], stage: int, trailing: int
) -> Placement | str:
    """Where a node lives whose operands say these axes of its dimensions; `trailing` ones are not iterated over."""
    missing = [k for k, size in enumerate(shape) if size != 1 and axes[k] is None]
    outer, inner = space.outer, space.inner
    fresh: list[int] = []
    if missing:
        used = {axis for axis in axes if axis is not None}
        wanted = [shape[k] for k in missing]
        if not space.place:
            fresh = space.fresh(len(missing))
            outer = tuple(fresh)
        elif (free := _free_axes(space, used, wanted)) is not None:
            fresh = free
        elif inner is None and used == set(outer) and missing == list(range(len(shape) - len(missing), len(shape))):
            fresh = space.fresh(len(missing))
            inner = tuple(fresh)
        else:
            return f"its axes {sizes(wanted)} are none of the loops {space.loops()}"
        for k, axis in zip(missing, fresh, strict=True):
            axes[k] = axis
    held = {axis for axis in axes if axis is not None}
    everything = {*outer, *(inner or ())}
    if inner is None and held == set(outer[: len(held)]) != everything:
        outer, inner = outer[: len(held)], outer[len(held) :]  # the first that lives on the slower axes alone
    if held != everything and not (inner is not None and held == set(outer)):
        return f"it lives on some of the loops {space.loops()} only"
    if inner and not outer and stage and held == everything:
        return "a single row that is reduced and then mapped: two kernels, each parallel"
    extents = {axis: shape[k] for k, axis in zip(missing, fresh, strict=True)}
    return Placement(tuple(axes), (*axes, *((None,) * trailing)), stage, (outer, inner), extents)


def sizes(extents: Sequence[DimLike]) -> str:
    """Sizes as refusals write them."""
    return f"[{', '.join(map(str, extents))}]"


def _free_axes(space: IterationSpace, used: set[int], wanted: list[DimLike]) -> list[int] | None:
    """Known axes that dimensions without one can take: those not in use, if the sizes are the same in order."""
    for candidates in ([*space.outer, *(space.inner or ())], list(space.outer)):
        free = [axis for axis in candidates if axis not in used]
        if used <= set(candidates) and [space.extents[axis] for axis in free] == wanted:
            return free
    return None
