"""From stages to a kernel: collapsing axes that lie behind one another in memory, and giving the axes their roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from graphopt.dimensions import DimLike
from graphopt.schedule.statements import (
    Defining,
    Index,
    Indexed,
    Load,
    Reading,
    Reduce,
    Scatter,
    Statement,
    Store,
    Writing,
    used,
)
from graphopt.schedule.steps import Axis, Kernel, Stage

__all__ = ["make_kernel", "runs_across"]

SMALL = 8
"""The extent of an axis that is not worth doing in blocks."""


def make_kernel(
    name: str,
    stages: tuple[Stage, ...],
    outer: Sequence[tuple[str, DimLike]],
    inner: Sequence[tuple[str, DimLike]] | None,
    note: str,
) -> Kernel:
    """A kernel from stages over provisionally named axes.

    Parameters
    ----------
    outer, inner
        Name and extent of each axis, slowest first. Without `inner`, positions may be done in any order: of the axes
        that remain after collapsing the outer ones, that along which most accesses run through memory becomes the inner
        one, the last one if in doubt.
    """
    stages = _used(stages)
    indices = [s.index for stage in stages for s in (*stage.row, *stage.lane) if isinstance(s, Indexed)]
    groups_outer = _collapse(outer, indices)
    if inner is not None:
        groups_inner = _collapse(inner, indices)
    else:
        fastest = max(range(len(groups_outer)), key=lambda k: (_running(groups_outer[k][0][-1], stages), k), default=0)
        groups_inner = groups_outer[fastest : fastest + 1]
        groups_outer = groups_outer[:fastest] + groups_outer[fastest + 1 :]
    renamed: dict[str, str] = {}
    axes_outer = _axes(groups_outer, "i", renamed)
    axes_inner = _axes(groups_inner, "j", renamed)
    stages = tuple(Stage(_rename(stage.row, renamed), _rename(stage.lane, renamed)) for stage in stages)
    reads = dict.fromkeys(s.buffer for stage in stages for s in (*stage.row, *stage.lane) if isinstance(s, Reading))
    writes = dict.fromkeys(s.buffer for stage in stages for s in (*stage.row, *stage.lane) if isinstance(s, Writing))
    kernel = Kernel(name, "map", axes_outer, axes_inner, stages, tuple(reads), tuple(writes), note)
    kernel = replace(kernel, form=_form(kernel))
    return replace(kernel, tile=_tile(kernel)) if kernel.form == "map" else kernel


def _used(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Stages without what nobody uses: values of a group that other groups compute again."""
    needed: set[str] = set()

    def kept(statements: Sequence[Statement]) -> tuple[Statement, ...]:
        found = []
        for statement in reversed(statements):
            if not isinstance(statement, Defining) or statement.target in needed:
                needed.update(used(statement))
                found.append(statement)
        return tuple(reversed(found))

    result = []
    for stage in reversed(stages):
        lane = kept(stage.lane)  # after the row's, which it uses
        result.append(Stage(kept(stage.row), lane))
    return tuple(reversed(result))


def _form(kernel: Kernel) -> str:
    if kernel.accumulates:
        return "crossed"
    if kernel.is_ordered:
        return "columns" if kernel.outer and kernel.inner and _runs_along_outer(kernel) else "ordered"
    if not any(isinstance(s, Reduce) for s in kernel.statements()) or not kernel.inner:
        return "map" if not any(isinstance(s, Reduce) for s in kernel.statements()) else "rows"
    if not kernel.outer:
        return "total"
    return "columns" if _runs_along_outer(kernel) else "rows"


def _runs_along_outer(kernel: Kernel) -> bool:
    """Whether most lane accesses are contiguous along the last outer axis and not along the last inner one.

    What steps along one of the two alone, as a vector beside a matrix does, counts half.
    """
    across, along = kernel.outer[-1].name, kernel.inner[-1].name
    votes = 0
    for stage in kernel.stages:
        for statement in stage.lane:
            if isinstance(statement, Load | Store | Scatter):
                strides = dict(statement.index.terms)
                weight = 2 if across in strides and along in strides else 1
                votes += weight * ((strides.get(across) == 1) - (strides.get(along) == 1))
    return votes > 0


def _running(axis: str, stages: Iterable[Stage]) -> int:
    """How much is to be said for an axis as the innermost: two for a load that runs along it, three for a store.

    Of a line of memory that is not written at once the rest must be read first, so stores count for more.
    """
    statements = (s for stage in stages for s in (*stage.row, *stage.lane) if isinstance(s, Indexed))
    return sum((2 + isinstance(s, Writing)) * (dict(s.index.terms).get(axis) == 1) for s in statements)


def _tile(kernel: Kernel) -> str:
    """The outer axis that is done in blocks together with the last inner one; "" if none is worth it."""
    if not kernel.inner or len(kernel.stages) != 1 or any(isinstance(s, Writing) for s in kernel.stages[0].row):
        return ""
    votes = {axis.name: 0 for axis in kernel.outer if not _is_small(axis)}
    for statement in kernel.stages[0].lane:
        if isinstance(statement, Load | Store):
            for axis in votes:
                votes[axis] += runs_across(statement.index, axis, kernel.inner[-1].name)
    best = max(votes, key=lambda axis: votes[axis], default="")
    return best if best and votes[best] and not _is_small(kernel.inner[-1]) else ""


def _is_small(axis: Axis) -> bool:
    return isinstance(axis.extent, int) and axis.extent < SMALL


def runs_across(index: Index, axis: str, inner: str) -> bool:
    """Whether an access runs through memory along `axis` and jumps along the axis `inner`."""
    strides = dict(index.terms)
    return strides.get(axis) == 1 and strides.get(inner, 0) not in (0, 1)


def _collapse(axes: Sequence[tuple[str, DimLike]], indices: Sequence[Index]) -> list[tuple[list[str], DimLike]]:
    """Join neighbours that every access runs through as if they were one axis."""
    groups: list[tuple[list[str], DimLike]] = []
    for name, extent in axes:
        if groups and all(_behind(groups[-1][0][-1], name, extent, index) for index in indices):
            names, size = groups.pop()
            groups.append(([*names, name], size * extent))
        else:
            groups.append(([name], extent))
    return groups


def _behind(slow: str, fast: str, extent: DimLike, index: Index) -> bool:
    strides = dict(index.terms)
    return strides.get(slow, 0) == strides.get(fast, 0) * extent


def _axes(groups: list[tuple[list[str], DimLike]], letter: str, renamed: dict[str, str]) -> tuple[Axis, ...]:
    """Final names; a collapsed axis takes the stride of its fastest part, the others vanish."""
    result = []
    for position, (names, extent) in enumerate(groups):
        name = letter if len(groups) == 1 else f"{letter}{position}"
        renamed |= dict.fromkeys(names[:-1], "")
        renamed[names[-1]] = name
        result.append(Axis(name, extent))
    return tuple(result)


def _rename(statements: tuple[Statement, ...], renamed: Mapping[str, str]) -> tuple[Statement, ...]:
    known: dict[Index, Index] = {}
    result = []
    for statement in statements:
        if isinstance(statement, Indexed):
            index = known.get(statement.index)
            if index is None:
                terms = tuple((renamed[a], s) for a, s in statement.index.terms if renamed[a])
                index = known[statement.index] = Index(statement.index.offset, terms)
            statement = replace(statement, index=index)
        result.append(statement)
    return tuple(result)
