"""What a thread that does whole elements of a row holds from one stage to the next, so that memory is read once.

A kernel's stages come with everything computed and loaded again where it is needed again. Here a later stage takes up
what an earlier one has had: elements that were loaded or stored, and values that are dear to compute (`Keep`,
`Recall`). For targets with room for a row: registers, or memory that the threads of a block share.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graphopt.schedule.statements import (
    Compute,
    Defining,
    Index,
    Keep,
    Load,
    Local,
    Recall,
    Statement,
    Store,
    used,
)
from graphopt.schedule.steps import Stage

__all__ = ["Slot", "hold", "slots"]

DEAR = 4
"""The cost of an op whose result is rather held than computed twice: a division, or more."""


@dataclass(frozen=True, slots=True)
class Slot:
    """What is held of each inner position, from the stage `first` to the stage `last`; slots of one `room` take turns.

    A slot may follow another in its room in the very stage where that is recalled last.
    """

    name: str
    dtype: str
    first: int
    last: int
    room: int


def hold(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """The stages with `Keep` and `Recall` in place of what later stages would load or compute again."""
    had: dict[str, int] = {}  # dear values, by name, and the stage that has them first
    names: dict[tuple[str, Index], str] = {}  # the local that holds an element of memory, since a stage before
    dear = _dear(stages)
    lanes: list[list[Statement]] = []
    kept: dict[str, int] = {}
    written: set[str] = set()
    for number, stage in enumerate(stages):
        lane: list[Statement] = []
        for statement in stage.lane:
            target = getattr(statement, "target", "")
            if isinstance(statement, Load) and (source := names.get((statement.buffer, statement.index))) is not None:
                lane.append(Recall(target, statement.dtype, source))
            elif isinstance(statement, Compute) and had.get(target, number) < number:
                lane.append(Recall(target, statement.dtype, target))
            else:
                lane.append(statement)
        lane = _needed(lane)
        for recalled in (s for s in lane if isinstance(s, Recall)):
            kept[recalled.slot] = number
        lanes.append(lane)
        here = {s.target for s in lane if isinstance(s, Defining | Recall)}
        written |= {s.buffer for s in lane if isinstance(s, Store)}
        for statement in lane:
            if isinstance(statement, Compute) and statement.target in dear:
                had.setdefault(statement.target, number)
            elif isinstance(statement, Load) and statement.buffer not in written:
                names.setdefault((statement.buffer, statement.index), statement.target)
            elif isinstance(statement, Store):
                names.pop((statement.buffer, statement.index), None)
                if isinstance(statement.value, Local) and statement.value.name in here:
                    names[statement.buffer, statement.index] = statement.value.name
    first: set[str] = set()
    result = []
    for stage, lane in zip(stages, lanes, strict=True):
        types = {s.target: s.dtype for s in lane if isinstance(s, Defining | Recall)}
        fresh = [name for name in types if name in kept and name not in first]
        first.update(fresh)
        result.append(Stage(stage.row, (*lane, *(Keep(name, Local(name), types[name]) for name in fresh))))
    return tuple(result)


def slots(stages: Sequence[Stage]) -> tuple[Slot, ...]:
    """What held stages keep, in rooms that slots of one size share if their times permit it."""
    last = {s.slot: number for number, stage in enumerate(stages) for s in stage.lane if isinstance(s, Recall)}
    result: list[Slot] = []
    free: list[tuple[str, int]] = []  # of each room: the dtype, and the stage of its last use
    for number, stage in enumerate(stages):
        for keep in (s for s in stage.lane if isinstance(s, Keep)):
            room = next((k for k, (dtype, end) in enumerate(free) if dtype == keep.dtype and end <= number), len(free))
            free[room : room + 1] = [(keep.dtype, last[keep.slot])]
            result.append(Slot(keep.slot, keep.dtype, number, last[keep.slot], room))
    return tuple(result)


def _dear(stages: Iterable[Stage]) -> set[str]:
    """The lane values among whose making is a division or something dearer."""
    dear: set[str] = set()
    for stage in stages:
        for statement in stage.lane:
            if isinstance(statement, Compute) and (statement.op.cost >= DEAR or not dear.isdisjoint(used(statement))):
                dear.add(statement.target)
    return dear


def _needed(lane: Iterable[Statement]) -> list[Statement]:
    """The statements without those that define what nothing uses any more."""
    wanted: set[str] = set()
    found = []
    for statement in reversed(list(lane)):
        if not isinstance(statement, Defining | Recall) or statement.target in wanted:
            wanted.update(used(statement))
            found.append(statement)
    return found[::-1]
