"""Results that are written over what they are computed from: two buffers of a program become one.

A kernel may write over a temporary that nothing needs afterwards if every element is read, for the last time, where
and before it is written. Then all that the two buffers hold may lie in one, under the name of the later: an output
gives its memory to what it is made of, and a copy onto itself is no step at all.

Not for products and host calls, which read operands while they write.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from graphopt.dimensions import is_at_most
from graphopt.schedule.liveness import Lifetime, lifetimes, numbered
from graphopt.schedule.statements import Index, Load, Local, Reading, Statement, Store, Writing
from graphopt.schedule.steps import Branch, Kernel, Step

if TYPE_CHECKING:
    from graphopt.schedule.program import Buffer, Program

__all__ = ["in_place", "overwritable"]

FORMS = ("map", "rows", "columns", "ordered", "total")
"""Forms of kernels that pass each position once in every stage, the stages of one row after another."""


def in_place(program: Program) -> Program:
    """The program with fewer buffers. Inputs and constants are never written over, nor is what has a counted size."""
    late = {buffer.name for buffer in program.late}
    lives = lifetimes(program.steps)
    name_of: dict[str, str] = {}
    for number, step in numbered(program.steps):
        if not isinstance(step, Kernel):
            continue
        dying = [
            name
            for name in step.reads
            if name not in late and lives[name].end == number and program.buffers[name].role == "temporary"
        ]
        for written in step.writes if dying else ():
            over = next((n for n in dying if _goes(program, step, n, written, lives, number)), None)
            if over is not None and written not in late:
                dying.remove(over)
                name_of[over] = written
                lives[written] = Lifetime(lives[over].begin, lives[written].end)
    if not name_of:
        return program
    final = {name: _followed(name, name_of) for name in name_of}
    return replace(
        program,
        buffers={name: buffer for name, buffer in program.buffers.items() if name not in final},
        steps=tuple(_renamed_steps(program.steps, final)),
    )


def _goes(program: Program, step: Kernel, old: str, new: str, lives: Mapping[str, Lifetime], number: int) -> bool:
    """Whether a buffer that begins at a step may have the memory of one that ends there."""
    a, b = program.buffers[old], program.buffers[new]
    return (
        old != new
        and lives[new].begin == number
        and lives[old].begin < number
        and _has_room(a, b)
        and overwritable(step, old, new)
    )


def _has_room(old: Buffer, new: Buffer) -> bool:
    return (
        new.role in ("temporary", "output")
        and old.type.dtype == new.type.dtype
        and is_at_most(old.type.size, new.type.size)
    )


def overwritable(kernel: Kernel, old: str, new: str) -> bool:
    """Whether a kernel may be given the same memory for a buffer it reads and one it writes.

    So it is if the kernel writes each element of `new` once, at one place of its text, and reads elements of `old` at
    the very same positions and earlier in that text. Positions that depend on every axis belong to one pass through
    the loops alone, whatever thread does it. What is done once a row is left out: several threads may read it.
    """
    if kernel.form not in FORMS:
        return False
    where: Index | None = None
    axes = {axis.name for axis in (*kernel.outer, *kernel.inner) if axis.extent != 1}
    reads: list[Index] = []
    for statement, is_lane in _in_order(kernel):
        if isinstance(statement, Reading | Writing) and statement.buffer in (old, new):
            if not is_lane or not isinstance(statement, Load | Store):
                return False
            if isinstance(statement, Store):
                if statement.buffer == old or where is not None:
                    return False
                where = statement.index
            elif statement.buffer == old:
                if where is not None:
                    return False  # it would read what has been written
                reads.append(statement.index)
            elif statement.index != where:
                return False
    return where is not None and axes <= {name for name, _ in where.terms} and all(index == where for index in reads)


def _in_order(kernel: Kernel) -> Iterator[tuple[Statement, bool]]:
    for stage in kernel.stages:
        yield from ((statement, False) for statement in stage.row)
        yield from ((statement, True) for statement in stage.lane)


def _followed(name: str, name_of: Mapping[str, str]) -> str:
    while name in name_of:
        name = name_of[name]
    return name


def _renamed_steps(steps: tuple[Step, ...], names: Mapping[str, str]) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, Branch):
            condition = names.get(step.condition, step.condition)
            then, otherwise = (tuple(_renamed_steps(side, names)) for side in (step.then, step.otherwise))
            yield replace(step, condition=condition, then=then, otherwise=otherwise)
        elif names.keys().isdisjoint((*step.reads, *step.writes)):
            yield step
        else:
            renamed = _renamed(step, names)
            if not (isinstance(renamed, Kernel) and _does_nothing(renamed)):
                yield renamed


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """A step's plain data with other names for buffers, which no other text in it is like."""
    result = value
    if isinstance(value, str):
        result = names.get(value, value)
    elif type(value) is tuple:
        items = tuple(_renamed(item, names) for item in value)
        result = value if all(map(operator.is_, items, value)) else items
    elif type(value).__module__.startswith("graphopt.schedule.") and is_dataclass(value):
        found = {field.name: getattr(value, field.name) for field in fields(value)}
        changed = {key: new for key, old in found.items() if (new := _renamed(old, names)) is not old}
        result = replace(result, **changed) if changed else value
        if isinstance(result, Kernel):  # what is written over is read and written under one name
            result = replace(result, reads=tuple(dict.fromkeys(result.reads)))
    return result


def _does_nothing(kernel: Kernel) -> bool:
    """Whether a kernel copies elements to where they are."""
    match kernel.stages:
        case (stage,) if not stage.row and len(stage.lane) == 2:
            load, store = stage.lane
            return (
                isinstance(load, Load)
                and isinstance(store, Store)
                and (load.buffer, load.index, Local(load.target)) == (store.buffer, store.index, store.value)
            )
    return False
