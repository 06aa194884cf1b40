"""Where the temporaries of a program lie: rooms, which those share that are never needed at the same time.

A plan holds for all sizes. A room is as large as its largest tenant turns out to be at a call, and a call takes one
block for all rooms; so `MemoryPlan.bytes` says exactly what a call takes. An output is a room, too, for what is needed
before it is written and known to be no larger.

Not planned is what has a counted size: it is allocated when that is known.
"""

from __future__ import annotations

import heapq
from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from graphopt.dimensions import DimLike, evaluate, is_at_most, opaque, symbols
from graphopt.schedule.liveness import Lifetime, lifetimes

if TYPE_CHECKING:
    from graphopt.schedule.program import Buffer, Program

__all__ = ["LINE", "MemoryPlan", "Room", "plan", "planned"]

LINE = 64
"""Bytes to whose multiples rooms are aligned."""
USUAL = 1000
"""What a named size is taken for where rooms are compared: any number gives a plan that holds."""
TRIED = 16
"""Rooms of larger buffers that are looked through for a gap, so that planning stays linear."""
FOREVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Room:
    """Memory for the buffers `tenants`, one after another.

    It lies in the block of a call, or in that of the output `within`. `sizes` are bytes; it has the largest of them.
    """

    tenants: tuple[str, ...]
    sizes: tuple[DimLike, ...]
    within: str | None = None


@dataclass(frozen=True)
class MemoryPlan:
    """The rooms of a program: those of the block in the order in which they lie there, then those in outputs."""

    rooms: tuple[Room, ...] = ()

    @cached_property
    def block(self) -> tuple[Room, ...]:
        """The rooms that a call takes memory for."""
        return tuple(room for room in self.rooms if room.within is None)

    def bytes(self, sizes: Mapping[str, int]) -> int:
        """The bytes that a call with these sizes takes for temporaries."""
        return sum(-(-max(evaluate(size, sizes) for size in room.sizes) // LINE) * LINE for room in self.block)

    @property
    def formula(self) -> DimLike:
        """The same as a polynomial of the sizes."""
        total: DimLike = 0
        for room in self.block:
            largest, *others = room.sizes
            for size in others:
                largest = opaque("max", largest, size)
            total = total + (largest + (LINE - 1)) // LINE * LINE
        return total


def planned(program: Program, *, reuse: bool = True) -> Program:
    """The program with a plan of its memory."""
    return replace(program, memory=plan(program, reuse=reuse))


def plan(program: Program, *, reuse: bool = True) -> MemoryPlan:
    """Rooms for the temporaries of a program; with `reuse=False` one for each.

    The largest sizes come first. Buffers of one size take rooms from the last that is needed to the first, so that
    outputs, which are free in the beginning, are met late; a smaller buffer takes a gap between larger ones if there is
    one. So a chain of steps needs two rooms, however long it is.
    """
    lives = lifetimes(program.steps)
    buffers = [buffer for buffer in program.early("temporary") if buffer.name in lives]
    if not reuse:
        return MemoryPlan(tuple(Room((buffer.name,), (_bytes(buffer),)) for buffer in buffers))
    classes: dict[DimLike, list[Buffer]] = {}
    for buffer in sorted(buffers, key=lambda buffer: lives[buffer.name].end, reverse=True):
        classes.setdefault(_bytes(buffer), []).append(buffer)
    outputs = [_Space(b, lives[b.name].begin) for b in program.early("output") if b.name in lives]
    spaces: list[_Space] = []
    for size in sorted(classes, key=_usually, reverse=True):
        larger = [*(space for space in outputs if space.is_large_enough(size)), *reversed(spaces)][:TRIED]
        own: list[tuple[int, int]] = []  # until when it is free, the latest first, and its number
        for buffer in classes[size]:
            life = lives[buffer.name]
            if own and life.end < -own[0][0]:
                number = heapq.heapreplace(own, (-life.begin, own[0][1]))[1]
                spaces[number].take(buffer, life)
            elif (gap := next((space for space in larger if space.admits(buffer, life)), None)) is not None:
                gap.take(buffer, life)
            else:
                heapq.heappush(own, (-life.begin, len(spaces)))
                spaces.append(_Space())
                spaces[-1].take(buffer, life)
    return MemoryPlan(tuple(space.room() for space in (*spaces, *outputs) if space.tenants))


class _Space:
    """A room in the making. In an output, it is free until the output is written first."""

    def __init__(self, within: Buffer | None = None, until: int = FOREVER) -> None:
        self.within = within
        self.tenants: list[str] = []
        self.sizes: list[DimLike] = []
        self._taken = [Lifetime(until, FOREVER)]

    def is_large_enough(self, size: DimLike) -> bool:
        return self.within is None or is_at_most(size, _bytes(self.within))

    def admits(self, buffer: Buffer, life: Lifetime) -> bool:
        """Whether nobody needs it meanwhile. An output may be the user's, aligned to its own elements and no more."""
        if self.within is not None and buffer.type.itemsize > self.within.type.itemsize:
            return False
        place = bisect(self._taken, life)
        before = self._taken[place - 1].end if place else -1
        return before < life.begin and (place == len(self._taken) or life.end < self._taken[place].begin)

    def take(self, buffer: Buffer, life: Lifetime) -> None:
        place = bisect(self._taken, life)
        self._taken.insert(place, life)
        self.tenants.insert(place, buffer.name)
        size = _bytes(buffer)
        if not any(is_at_most(size, other) for other in self.sizes):
            self.sizes = [*(other for other in self.sizes if not is_at_most(other, size)), size]

    def room(self) -> Room:
        return Room(tuple(self.tenants), tuple(self.sizes), None if self.within is None else self.within.name)


def _bytes(buffer: Buffer) -> DimLike:
    return buffer.type.size * buffer.type.itemsize


def _usually(size: DimLike) -> int:
    return evaluate(size, dict.fromkeys(symbols(size), USUAL))
