"""Cutting a long straight-line body into segments of bounded length.

A compiler's time grows faster than linearly with the length of one vectorized body (2,000 statements 0.8 s, 20,000
statements 20 s with gcc 12). Segments of bounded length, each a function of its own over a short strip of elements,
keep it linear; values that live from one segment to a later one are kept in slots, reused as soon as they are free.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphopt.schedule.statements import Defining, Statement, used
from graphopt.schedule.steps import Kernel

__all__ = ["LIMIT", "Live", "Segment", "is_long", "live_slots", "segments"]

LIMIT = 400
"""Statements a segment has at most."""


@dataclass(frozen=True, slots=True)
class Live:
    """A value that passes between segments, and the slot (of its dtype) that holds it."""

    name: str
    dtype: str
    slot: int


@dataclass(frozen=True, slots=True)
class Segment:
    """Some statements, the values they take over from earlier segments, and those they leave to later ones."""

    statements: tuple[Statement, ...]
    takes: tuple[Live, ...]
    leaves: tuple[Live, ...]


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


def segments(kernel: Kernel) -> tuple[Segment, ...]:
    """The segments of a long kernel, in order. Linear in the number of statements."""
    body = kernel.stages[0].lane
    pieces = [body[k : k + LIMIT] for k in range(0, len(body), LIMIT)]
    defined: dict[str, int] = {}
    dtype: dict[str, str] = {}
    last: dict[str, int] = {}
    for number, piece in enumerate(pieces):
        for statement in piece:
            for name in used(statement):
                last[name] = number
            if isinstance(statement, Defining):
                defined[statement.target], dtype[statement.target] = number, statement.dtype
    free: dict[str, list[int]] = {}
    count: dict[str, int] = {}
    slot: dict[str, int] = {}
    ending: dict[int, list[str]] = {}
    result = []
    for number, piece in enumerate(pieces):
        takes = dict.fromkeys(n for s in piece for n in used(s) if defined[n] < number)
        for name in ending.pop(number - 1, []):
            free.setdefault(dtype[name], []).append(slot[name])
        leaves = [s.target for s in piece if isinstance(s, Defining) and last.get(s.target, number) > number]
        for name in leaves:
            kind = dtype[name]
            if free.get(kind):
                slot[name] = free[kind].pop()
            else:
                slot[name] = count.get(kind, 0)
                count[kind] = slot[name] + 1
            ending.setdefault(last[name], []).append(name)
        result.append(
            Segment(
                piece,
                tuple(Live(n, dtype[n], slot[n]) for n in takes),
                tuple(Live(n, dtype[n], slot[n]) for n in leaves),
            )
        )
    return tuple(result)


def live_slots(parts: tuple[Segment, ...]) -> dict[str, int]:
    """How many slots of each dtype the segments need."""
    counts: dict[str, int] = {}
    for segment in parts:
        for live in segment.leaves:
            counts[live.dtype] = max(counts.get(live.dtype, 0), live.slot + 1)
    return counts
