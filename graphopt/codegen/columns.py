"""What a "columns" kernel carries from loop to loop.

In that form every loop runs over a block of columns, so a value computed once a row in one loop and used in another
becomes an array with one element a column: `<name>_c[lane]`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from graphopt.codegen.environment import C_TYPE, size_text
from graphopt.codegen.lanes import CHEAP
from graphopt.dimensions import product
from graphopt.schedule.statements import (
    Compute,
    Defining,
    Gather,
    Indexed,
    Keep,
    Recall,
    Reduce,
    Scan,
    Statement,
    Writing,
    used,
)
from graphopt.schedule.steps import Kernel, Stage

__all__ = [
    "carried",
    "carried_into",
    "column_block",
    "in_columns",
    "is_divisible",
    "is_flat",
    "short_rows",
    "steps_at_once",
    "taken",
]

SHORT = 16
"""The most elements of a row that is not done along itself."""
LONG = 32
"""Statements of a body that is not written twice."""
ROOM = 16384
"""Bytes for what the columns of a block carry from loop to loop."""


def carried(kernel: Kernel) -> dict[str, str]:
    """Name and dtype of every value that one loop defines and another uses, as arrays are to be declared."""
    return {f"{name}_c": dtype for name, dtype in _carried(kernel).items()}


def carried_into(statements: tuple[Statement, ...], kernel: Kernel) -> dict[str, str]:
    """Name and dtype of what a loop uses and another has left."""
    dtypes = _carried(kernel)
    own = {s.target for s in statements if isinstance(s, Defining | Recall | Scan)}
    return {name: dtypes[name] for s in statements for name in used(s) if name in dtypes and name not in own}


def taken(statements: tuple[Statement, ...], kernel: Kernel) -> list[str]:
    """The lines that fetch it for one lane."""
    found = carried_into(statements, kernel)
    return [f"const {C_TYPE[dtype]} {name} = {name}_c[lane];" for name, dtype in found.items()]


def in_columns(statements: tuple[Statement, ...], kernel: Kernel) -> list[Statement | str]:
    """The statements of one loop over lanes, with the storing of carried values behind them, as lines of text."""
    dtypes = _carried(kernel)
    lines: list[Statement | str] = []
    for statement in statements:
        if isinstance(statement, Reduce | Scan):
            lines.append(replace(statement, target=f"{statement.target}_c[lane]"))
            if isinstance(statement, Scan):  # what follows reads what has been reached
                lines.append(f"const {C_TYPE[statement.dtype]} {statement.target} = {statement.target}_c[lane];")
            continue
        lines.append(statement)
        if isinstance(statement, Defining) and statement.target in dtypes:
            lines.append(f"{statement.target}_c[lane] = {statement.target};")
    return lines


def is_divisible(kernel: Kernel) -> bool:
    """Whether the rows of a "columns" kernel may be divided among threads: reduced once, with what follows cheap."""
    if len(kernel.outer) != 1 or len(kernel.inner) != 1 or kernel.is_ordered or kernel.stages[0].row:
        return False
    first, *later = kernel.stages
    return (
        bool(first.reductions)
        and not any(isinstance(s, Writing) for s in first.lane)
        and not any(
            stage.lane or any(isinstance(s, Compute) and s.op.cost > CHEAP for s in stage.row) for stage in later
        )
    )


def short_rows(kernel: Kernel) -> int | str:
    """Whether rows are too short to be done along themselves: 1 or 0, or a condition in C where sizes tell at the call.

    A long body, or one without anything that is reduced, is not written twice for that.
    """
    if not kernel.inner or kernel.is_ordered:
        return 0
    width, side = product(axis.extent for axis in kernel.inner), kernel.outer[-1].extent
    if isinstance(width, int):
        return int(width <= SHORT and not (isinstance(side, int) and side <= SHORT))
    statements = list(kernel.statements())
    if len(statements) > LONG or not any(isinstance(s, Reduce) for s in statements):
        return 0
    if any(isinstance(axis.extent, int) and axis.extent > SHORT for axis in kernel.inner):
        return 0
    return f"{size_text(width)} <= {SHORT} && {size_text(side)} > {SHORT}"


def column_block(kernel: Kernel) -> int:
    """The most neighbouring columns to be done at a time.

    Many, so that rows are read in long runs; but what is carried should stay in the fastest cache, and what is kept
    for every position in the next one.
    """
    if kernel.slots or kernel.form != "columns":
        return 64
    carried_bytes = sum(np.dtype(dtype).itemsize for dtype in _carried(kernel).values())
    return max(64, min(1024, ROOM // max(carried_bytes, 1) // 64 * 64))


def steps_at_once(stage: Stage, kernel: Kernel) -> int:
    """How many rows one visit of a column's running results takes: several, where adding is all there is to do."""
    light = sum(s.op.cost for s in stage.lane if isinstance(s, Compute | Reduce)) <= CHEAP
    alone = kernel.form == "columns" and not kernel.is_ordered and not kernel.slots
    return 4 if light and stage.reductions and alone else 1


def is_flat(stage: Stage, kernel: Kernel) -> bool:
    """Whether the rows of a block lie behind one another, so that several short ones may be taken for a long one."""
    if len(kernel.outer) != 1 or len(kernel.inner) != 1 or steps_at_once(stage, kernel) == 1:
        return False
    (across,), (along,) = kernel.outer, kernel.inner
    for statement in stage.lane:
        if isinstance(statement, Indexed):
            strides = dict(statement.index.terms)
            if strides.get(along.name, 0) != strides.get(across.name, 0) * across.extent:
                return False
        if isinstance(statement, Gather | Writing | Keep | Recall):
            return False
    return True


def _carried(kernel: Kernel) -> dict[str, str]:
    dtypes: dict[str, str] = {}
    home: dict[str, tuple[int, str]] = {}
    for number, stage in enumerate(kernel.stages):
        for statement in stage.row:
            if isinstance(statement, Defining):
                dtypes[statement.target], home[statement.target] = statement.dtype, (number, "row")
        for reduction in stage.accumulators:
            dtypes[reduction.target], home[reduction.target] = reduction.dtype, (number, "lane")
    needed: dict[str, str] = {}
    for number, stage in enumerate(kernel.stages):
        for place, statements in (("row", stage.row), ("lane", stage.lane)):
            for statement in statements:
                for name in used(statement):
                    if name in home and home[name] != (number, place):
                        needed[name] = dtypes[name]
    for stage in kernel.stages:
        for reduction in stage.accumulators:
            needed.setdefault(reduction.target, reduction.dtype)
    return needed
