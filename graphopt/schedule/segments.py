"""Cutting a long straight-line body into segments of bounded length.

A compiler's time grows faster than linearly with the length of one vectorized body (2,000 statements 0.8 s, 20,000
statements 20 s with gcc 12). Segments of bounded length, each a function of its own over a short strip of elements,
keep it linear; values that live from one segment to a later one are kept in slots, reused as soon as they are free.

A segment first loads what it reads from arrays into slots, then computes from slots to slots, then stores. The middle,
which is nearly all of it, touches no array: it may run over more lanes than there are elements, up to whole vectors, so
that no compiler writes it a second time for the elements that are left over. That halves time and code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphopt.schedule.statements import Compute, Defining, Load, Local, Position, Statement, Store, used
from graphopt.schedule.steps import Kernel

__all__ = ["LIMIT", "Live", "Segment", "Stores", "is_long", "live_slots", "segments"]

LIMIT = 400
"""Statements a segment has at most."""


@dataclass(frozen=True, slots=True)
class Live:
    """A value in memory, and the slot (of its dtype) that holds it."""

    name: str
    dtype: str
    slot: int


@dataclass(frozen=True, slots=True)
class Stores:
    """What is written to arrays from slots, those `takes`: along memory, or `scattered`.

    A vector that is scattered over as many lines of the cache as it has lanes takes longer than its lanes one by one.
    """

    statements: tuple[Store, ...]
    takes: tuple[Live, ...]
    scattered: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a body.

    Attributes
    ----------
    loads
        What is read from arrays beforehand, each with the slot it goes to.
    takes
        The values that the statements find in slots.
    statements
        What is computed.
    leaves
        The values that go to slots afterwards: for later segments, or for the stores.
    stores
        What is written to arrays in the end.
    whole
        Whether the statements touch no array, and so may be run for lanes that stand for no element.
    """

    loads: tuple[tuple[Load, Live], ...]
    takes: tuple[Live, ...]
    statements: tuple[Statement, ...]
    leaves: tuple[Live, ...]
    stores: tuple[Stores, ...]
    whole: bool

    def buffers(self) -> set[str]:
        """The arrays it reads and writes."""
        stores = [s for group in self.stores for s in group.statements]
        touched = (*(load for load, _ in self.loads), *self.statements, *stores)
        return {s.buffer for s in touched if not isinstance(s, Compute | Position) and hasattr(s, "buffer")}


def is_long(kernel: Kernel) -> bool:
    """Whether a kernel is one straight body that should be cut: elementwise over at most one axis."""
    return (
        kernel.form == "map"
        and not kernel.outer
        and len(kernel.inner) <= 1
        and len(kernel.stages) == 1
        and not kernel.stages[0].row
        and len(kernel.stages[0].lane) > LIMIT
    )


class _Slots:
    """Which slots are taken, and until which segment."""

    def __init__(self) -> None:
        self.held: dict[str, Live] = {}
        self._free: dict[str, list[int]] = {}
        self._count: dict[str, int] = {}
        self._ending: dict[int, list[Live]] = {}

    def take(self, name: str, dtype: str, last: int) -> Live:
        """A slot for a value until the end of segment `last`; that it has, if it has one."""
        if name not in self.held:
            free = self._free.get(dtype)
            slot = free.pop() if free else self._count.get(dtype, 0)
            self._count[dtype] = max(self._count.get(dtype, 0), slot + 1)
            self.held[name] = Live(name, dtype, slot)
            self._ending.setdefault(last, []).append(self.held[name])
        return self.held[name]

    def release(self, number: int) -> None:
        """Segment `number` is over."""
        for live in self._ending.pop(number, []):
            self._free.setdefault(live.dtype, []).append(live.slot)


def segments(kernel: Kernel) -> tuple[Segment, ...]:
    """The segments of a long kernel, in order. Linear in the number of statements."""
    body = kernel.stages[0].lane
    pieces = [body[k : k + LIMIT] for k in range(0, len(body), LIMIT)]
    last: dict[str, int] = {}
    for number, piece in enumerate(pieces):
        for statement in piece:
            last |= dict.fromkeys(used(statement), number)
            if isinstance(statement, Defining):
                last.setdefault(statement.target, number)
    slots = _Slots()
    result = []
    for number, piece in enumerate(pieces):
        result.append(_segment(piece, number, last, slots))
        slots.release(number)
    return tuple(result)


def _segment(piece: Sequence[Statement], number: int, last: dict[str, int], slots: _Slots) -> Segment:
    whole = all(isinstance(s, Load | Compute | Position | Store) for s in piece)
    loads = [s for s in piece if isinstance(s, Load)] if whole else []
    stores = [s for s in piece if isinstance(s, Store)] if whole else []
    statements = [s for s in piece if not whole or not isinstance(s, Load | Store)]
    loaded = [(load, slots.take(load.target, load.dtype, last[load.target])) for load in loads]
    read = dict.fromkeys(name for s in statements for name in used(s))
    takes = [slots.held[name] for name in read if name in slots.held]
    written = dict.fromkeys(s.value.name for s in stores if isinstance(s.value, Local))
    leaves = [
        slots.take(s.target, s.dtype, last[s.target])
        for s in statements
        if isinstance(s, Defining) and (last[s.target] > number or s.target in written)
    ]
    groups = []
    for scattered in (False, True):
        if group := [s for s in stores if _is_scattered(s) == scattered]:
            names = dict.fromkeys(s.value.name for s in group if isinstance(s.value, Local))
            groups.append(Stores(tuple(group), tuple(slots.held[name] for name in names), scattered))
    return Segment(tuple(loaded), tuple(takes), tuple(statements), tuple(leaves), tuple(groups), whole)


def _is_scattered(store: Store) -> bool:
    return any(stride != 1 for _, stride in store.index.terms)


def live_slots(parts: tuple[Segment, ...]) -> dict[str, int]:
    """How many slots of each dtype the segments need."""
    counts: dict[str, int] = {}
    for segment in parts:
        for live in (*(live for _, live in segment.loads), *segment.leaves):
            counts[live.dtype] = max(counts.get(live.dtype, 0), live.slot + 1)
    return counts
