"""One launch of one kernel on a device. Plain data, and what all forms of launches are made with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from graphopt.dimensions import DimLike, opaque, product
from graphopt.schedule.held import Slot
from graphopt.schedule.instance import Instance, possible
from graphopt.schedule.statements import Reading, Statement, Store, Writing, used
from graphopt.schedule.steps import Axis, Kernel, MatrixProduct, Stage
from graphopt.schedule.vectors import Vectors

__all__ = ["NARROW", "THREADS", "WARP", "Launch", "Scratch", "at_least", "at_most", "count", "launch", "local_names",
           "needed", "portions"]  # fmt: skip

THREADS = 256
"""Threads of a block, where nothing speaks for another number."""
WARP = 32
NARROW = Vectors("", 1)
"""One element at a time."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """Memory between two launches of one step: `count` elements."""

    name: str
    dtype: str
    count: DimLike


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch of one kernel, by one of its instances.

    Attributes
    ----------
    name
        What the instances' names begin with.
    form
        "map", "tiled", "rows", "columns", "ordered" or "product"; "rows join" or "columns join", the second launch of
        a reduction in parts.
    step
        The step of the program that this does, or half of.
    stages
        The statements that this launch runs, for a step that is loops.
    reads, writes
        The buffers it touches.
    instances
        The functions of the text that do it, the first of which a call takes that it can.
    scratch
        What passes from the first launch of a reduction in parts to the second, one for each reduction.
    parts
        Into how many parts each of them is split.
    vectors
        The accesses that are wide.
    held, slots
        The stages for threads that hold what they have had, and what that is.
    online
        The stages for rows that nobody can hold.
    """

    name: str
    form: str
    step: Kernel | MatrixProduct
    stages: tuple[Stage, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    instances: tuple[Instance, ...]
    scratch: tuple[Scratch, ...] = ()
    parts: DimLike = 1
    vectors: Vectors = NARROW
    held: tuple[Stage, ...] = ()
    slots: tuple[Slot, ...] = ()
    online: tuple[Stage, ...] = ()

    @property
    def buffers(self) -> tuple[str, ...]:
        """The buffers it is given, each once; scratch comes after them, the program's sizes last."""
        return tuple(dict.fromkeys((*self.reads, *self.writes)))

    @property
    def statements(self) -> tuple[Statement, ...]:
        """All statements, in order."""
        return tuple(s for stage in self.stages for s in (*stage.row, *stage.lane))


def launch(
    kernel: Kernel,
    form: str,
    stages: tuple[Stage, ...],
    instances: Iterable[Instance],
    *,
    name: str | None = None,
    scratch: tuple[Scratch, ...] = (),
    parts: DimLike = 1,
    vectors: Vectors = NARROW,
    held: tuple[Stage, ...] = (),
    slots: tuple[Slot, ...] = (),
    online: tuple[Stage, ...] = (),
) -> Launch:
    """A launch of a kernel's statements, with the instances that some call can take."""
    statements = [s for stage in stages for s in (*stage.row, *stage.lane)]
    reads = tuple(dict.fromkeys(s.buffer for s in statements if isinstance(s, Reading)))
    writes = tuple(dict.fromkeys(s.buffer for s in statements if isinstance(s, Writing)))
    return Launch(
        name or kernel.name, form, kernel, stages, reads, writes, possible(tuple(instances)), scratch, parts, vectors,
        held, slots, online,
    )  # fmt: skip


# --- statements ------------------------------------------------------------------------------------------------------


def needed(statements: tuple[Statement, ...], wanted: set[str], *, stores: bool = False) -> tuple[Statement, ...]:
    """The statements that define what is wanted and what that in turn needs; `stores` keeps stores as well."""
    wanted = set(wanted)
    kept: list[Statement] = []
    for statement in reversed(statements):
        if stores if isinstance(statement, Store) else getattr(statement, "target", None) in wanted:
            kept.append(statement)
            wanted.update(used(statement))
    return tuple(reversed(kept))


def local_names(statements: Iterable[Statement]) -> set[str]:
    """The locals that statements read."""
    return {name for statement in statements for name in used(statement)}


# --- dimensions ------------------------------------------------------------------------------------------------------


def count(axes: Iterable[Axis]) -> DimLike:
    """The number of positions of some axes."""
    return product(axis.extent for axis in axes)


def portions(number: DimLike, size: DimLike) -> DimLike:
    """number / size, rounded up."""
    return (number + (size - 1)) // size


def at_most(limit: DimLike, number: DimLike) -> DimLike:
    """The smaller of two numbers."""
    return opaque("min", limit, number)


def at_least(limit: DimLike, number: DimLike) -> DimLike:
    """The larger of two numbers."""
    return opaque("max", limit, number)
