"""Whether two iteration spaces are one: which axes of one are which of the other.

What is here changes nothing; `IterationSpace.absorb` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphopt.analysis.placement import Axes, Levels

if TYPE_CHECKING:
    from graphopt.analysis.iteration import IterationSpace

__all__ = ["Meeting", "meeting"]


@dataclass(frozen=True, slots=True)
class Meeting:
    """The axis here of each axis there, and the outer and inner axes of both together."""

    axes: dict[int, int]
    levels: Levels

    def here(self, there: Axes) -> Axes:
        """What axes there are called here."""
        return tuple(None if axis is None else self.axes[axis] for axis in there)


def meeting(here: IterationSpace, there: IterationSpace, pairs: Sequence[tuple[int, int]]) -> Meeting | str:
    """How two spaces are one, given pairs (axis here, axis there) that are the same; or why they are not."""
    outer, inner = here.outer, here.inner
    if there.inner is not None and inner is None:
        return "its loops have rows, and the others do not"
    if (here.across or there.across) and not (here.crossing and here.host is there.host is None):
        return "it reduces other axes than the others do"
    if here.host is not None and there.host is not None:
        return "each is computed from a product's rows"
    axes: dict[int, int] = {}
    for mine, its in pairs:
        if axes.setdefault(its, mine) != mine:
            return "its axes meet the others' crosswise"
    levels = [(outer, there.outer), (inner or (), there.inner or ())]
    if there.inner is None:
        levels.insert(0, ((*outer, *(inner or ())), there.outer))
    for mine_all, its_all in levels:
        rest_here = [axis for axis in mine_all if axis not in axes.values()]
        rest_there = [axis for axis in its_all if axis not in axes]
        if [here.extents[axis] for axis in rest_here] == [there.extents[axis] for axis in rest_there]:
            axes |= dict(zip(rest_there, rest_here, strict=True))
    differ = f"its loops {there.loops()} are not the loops {here.loops()}"
    if set(axes) != set(there.extents) or len(set(axes.values())) != len(axes):
        return differ
    if any(here.extents[mine] != there.extents[its] for its, mine in axes.items()):
        return differ
    arriving = {axes[axis] for axis in there.outer}
    if there.inner is not None:
        fits = arriving == set(outer) and {axes[axis] for axis in there.inner} == set(inner or ())
    else:
        if inner is None and arriving == set(outer[: len(arriving)]) != set(outer):
            outer, inner = outer[: len(arriving)], outer[len(arriving) :]
        fits = arriving == {*outer, *(inner or ())} or (inner is not None and arriving == set(outer))
    return Meeting(axes, (outer, inner)) if fits else differ
