"""Launches of kernels that reduce: rows by their length, columns, and either in parts where there are few of them.

A row that is gone through more than once is held by its threads (`graphopt.schedule.held`): in registers by a warp or a
block, in memory that the block shares, or not at all if it is too long for that. What is reduced once and then leaves
the kernel may be split into parts, which a second launch combines in their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from graphopt.dimensions import DimLike
from graphopt.schedule.held import Slot, hold, slots
from graphopt.schedule.instance import AtMost, Condition, Extents, Instance
from graphopt.schedule.kernel_launch import (
    NARROW,
    THREADS,
    WARP,
    Launch,
    Scratch,
    at_least,
    at_most,
    count,
    launch,
    local_names,
    needed,
    portions,
)
from graphopt.schedule.online import online
from graphopt.schedule.statements import Keep, Load, Store
from graphopt.schedule.steps import Kernel, Stage
from graphopt.schedule.vectors import Vectors, is_wide, vectors

__all__ = ["COLUMNS", "columns", "rows"]

BLOCK = 1024
"""Threads of a block, at most."""
TEAMS = (128, 256, 512)
"""Threads of a block that holds a row in registers."""
FEW = 8
"""Elements of a short row that a thread holds in registers."""
HELD = 32
"""Registers of 4 bytes for all that a thread holds of a long one."""
OTHER = 40
"""Registers for addresses, sizes and running results, besides one for each statement of a body."""
REGISTERS = 65_536
"""Registers of a multiprocessor."""
SHARED = 160 * 1024
"""Bytes of shared memory that a row may take: there are devices that have more for a block, and many that have less."""
ROWS_AT_ONCE = THREADS // WARP
"""Rows that a block does, a warp each."""
EACH = 16
"""Elements of a row that a thread goes through, at least, where nothing is held."""
SHORT = 1024
"""Elements of a row for which a warp is enough where nothing is held."""
COLUMNS = WARP
"""Neighbouring columns that a block does."""
STEPS = BLOCK // COLUMNS
"""Threads that share a column, at most; each takes every so-many-th position of the reduced axes."""
PARTS = 1024
"""Parts of all reductions of a launch together, as far as they are what makes it parallel."""
PART = 2048
"""Elements of a row for which there is one more part."""
PART_OF_COLUMN = 64
"""Elements of a column for which there is one more part."""


def rows(kernel: Kernel) -> tuple[Launch, ...]:
    """A warp or a block for each row; if rows are few and reduced once, a block for each part of them."""
    number, width = count(kernel.outer), count(kernel.inner)
    lane = [s for stage in kernel.stages for s in stage.lane]
    wide = vectors(lane, kernel.inner, tails=not kernel.outer and len(kernel.inner) == 1)
    if not _reduces_once(kernel):
        held = hold(kernel.stages)
        found = slots(held)
        if not found:
            return (launch(kernel, "rows", kernel.stages, _passing(kernel, wide), vectors=wide),)
        long = online(kernel.stages)
        made = _held(kernel, held, found, wide, "passing" if long == kernel.stages else "online")
        return (launch(kernel, "rows", kernel.stages, made, vectors=wide, held=held, slots=found, online=long),)
    parts = _parts(at_least(1, PARTS // at_least(1, number)), width // PART)
    split: Extents = (number * parts, 1, 1)
    return _in_parts(
        kernel, "rows", number, parts, wide,
        whole=_passing(kernel, wide, (AtMost(parts, 1),)),
        split=_wide_or_not(kernel, "parts", "parts", (), split, (THREADS, 1, 1), THREADS, wide),
        join=((portions(number, ROWS_AT_ONCE), 1, 1), (WARP, ROWS_AT_ONCE, 1)),
    )  # fmt: skip


def columns(kernel: Kernel) -> tuple[Launch, ...]:
    """A block for neighbouring columns; if they are reduced once, a block for each part of them."""
    depth = count(kernel.inner)
    tasks = count(kernel.outer[:-1]) * portions(kernel.outer[-1].extent, COLUMNS)
    block: Extents = (COLUMNS, at_least(1, at_most(STEPS, depth)), 1)
    plain = Instance(kernel.name, "columns", (), (tasks, 1, 1), block, BLOCK, is_resident=True)
    if not _reduces_once(kernel):
        return (launch(kernel, "columns", kernel.stages, (plain,)),)
    parts = _parts(at_least(1, PARTS // at_least(1, tasks)), depth // PART_OF_COLUMN)
    number = count(kernel.outer)
    few = (COLUMNS, THREADS // COLUMNS, 1)
    return _in_parts(
        kernel, "columns", number, parts, NARROW,
        whole=(Instance(kernel.name, "columns", (), (tasks, 1, 1), block, BLOCK, 0, (AtMost(parts, 1),), True),),
        split=(Instance(f"{kernel.name}_parts", "parts", (), (tasks * parts, 1, 1), few, THREADS),),
        join=((portions(number, THREADS), 1, 1), (THREADS, 1, 1)),
    )  # fmt: skip


def _parts(enough: DimLike, worth: DimLike) -> DimLike:
    return at_least(1, at_most(enough, worth))


def _reduces_once(kernel: Kernel) -> bool:
    """Whether everything is reduced in one stage, and what is computed from that is done once a row."""
    first, *later = kernel.stages
    return bool(first.reductions) and not any(stage.lane for stage in later)


# --- instances of row kernels ----------------------------------------------------------------------------------------


def _held(
    kernel: Kernel, held: tuple[Stage, ...], found: tuple[Slot, ...], wide: Vectors, long: str
) -> Iterator[Instance]:
    number, width = count(kernel.outer), count(kernel.inner)
    rooms = {slot.room: np.dtype(slot.dtype).itemsize for slot in found}
    bytes = sum(rooms.values())
    words = sum(max(1, size // 4) for size in rooms.values()) + _loaded(held, wide)
    groups: Extents = (portions(number, ROWS_AT_ONCE), 1, 1)
    each: Extents = (number, 1, 1)
    many = max(FEW, 1 << (HELD // words).bit_length() >> 1)
    taken = many * words + OTHER + max(len(stage.lane) for stage in kernel.stages)
    for items in dict.fromkeys((FEW, many)):
        made = (AtMost(width, WARP * items),)
        yield from _wide_or_not(
            kernel, f"warp{items}", "registers", (WARP, items), groups, (WARP, ROWS_AT_ONCE, 1), THREADS, wide, made
        )
    for team in TEAMS:
        if team * taken <= REGISTERS:
            made = (AtMost(width, team * many),)
            yield from _wide_or_not(
                kernel, f"block{team}", "registers", (team, many), each, (team, 1, 1), team, wide, made
            )
    made = (AtMost(width * bytes, SHARED),)
    shared = width * bytes
    most = BLOCK if max(rooms.values()) <= 4 else BLOCK // 2  # functions of eight bytes need more registers
    warps = WARP * sum(np.dtype(r.dtype).itemsize for stage in kernel.stages for r in stage.reductions)
    for instance in _wide_or_not(kernel, "shared", "shared", (0,), each, (most, 1, 1), most, wide, made, shared):
        yield replace(instance, fixed=warps)
    yield from _wide_or_not(kernel, "long", long, (0,), each, (most, 1, 1), most, wide)


def _loaded(held: tuple[Stage, ...], wide: Vectors) -> int:
    """Registers for an element of each operand that a stage loads, all of a thread's before it begins, and drops."""
    most = 0
    for stage in held:
        kept = {s.slot for s in stage.lane if isinstance(s, Keep)}
        loads = [s for s in stage.lane if isinstance(s, Load) and is_wide(s, wide.axis, wide.lanes)]
        most = max(most, sum(max(1, np.dtype(s.dtype).itemsize // 4) for s in loads if s.target not in kept))
    return most


def _passing(kernel: Kernel, wide: Vectors, conditions: tuple[Condition, ...] = ()) -> tuple[Instance, ...]:
    """Nothing is held: there is one stage, or each loads and computes again."""
    number, width = count(kernel.outer), count(kernel.inner)
    team = at_least(2, at_most(THREADS // WARP, portions(width, WARP * EACH))) * WARP
    short = (*conditions, AtMost(width, SHORT))
    groups: Extents = (portions(number, ROWS_AT_ONCE), 1, 1)
    warps = _wide_or_not(kernel, "warp", "passing", (WARP,), groups, (WARP, ROWS_AT_ONCE, 1), THREADS, wide, short)
    return (
        *(warps if kernel.outer else ()),
        *_wide_or_not(kernel, "block", "passing", (0,), (number, 1, 1), (team, 1, 1), THREADS, wide, conditions),
    )


def _wide_or_not(
    kernel: Kernel,
    suffix: str,
    body: str,
    constants: tuple[int, ...],
    grid: Extents,
    block: Extents,
    threads: int,
    wide: Vectors,
    conditions: tuple[Condition, ...] = (),
    shared: DimLike = 0,
) -> Iterator[Instance]:
    """An instance with wide accesses, where there are any, and one without."""
    stem, resident = f"{kernel.name}_{suffix}", body != "parts"
    if wide.lanes > 1:
        both = (*conditions, *wide.conditions)
        yield Instance(f"{stem}_wide", body, (*constants, wide.lanes), grid, block, threads, shared, both, resident)
    yield Instance(stem, body, (*constants, 1), grid, block, threads, shared, conditions, resident)


# --- in parts --------------------------------------------------------------------------------------------------------


def _in_parts(
    kernel: Kernel,
    form: str,
    number: DimLike,
    parts: DimLike,
    wide: Vectors,
    *,
    whole: tuple[Instance, ...],
    split: Iterator[Instance] | tuple[Instance, ...],
    join: tuple[Extents, Extents],
) -> tuple[Launch, ...]:
    """The launch that does everything if there is one part, and else each part; and the launch that joins several.

    What the rest of a part needs is computed in both.
    """
    first, *later = kernel.stages
    if parts == 1:
        return (launch(kernel, form, kernel.stages, whole, vectors=wide),)
    several: DimLike = at_most(1, parts - 1)  # 1 or 0
    scratch = tuple(
        Scratch(f"{kernel.name}_part{n or ''}", r.dtype, several * parts * number)
        for n, r in enumerate(first.reductions)
    )
    stores = tuple(s for s in first.row if isinstance(s, Store))
    wanted = local_names((*stores, *(s for stage in later for s in stage.row)))
    rest = (Stage(needed(first.row, wanted, stores=True), ()), *(Stage(stage.row, ()) for stage in later))
    (blocks, _, _), block = join
    last = Instance(f"{kernel.name}_join", "join", (), (blocks * several, 1, 1), block, THREADS)
    return (
        launch(kernel, form, kernel.stages, (*whole, *split), scratch=scratch, parts=parts, vectors=wide),
        launch(kernel, f"{form} join", rest, (last,), name=last.name, scratch=scratch, parts=parts),
    )
