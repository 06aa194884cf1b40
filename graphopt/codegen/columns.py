"""What a "columns" kernel carries from loop to loop.

In that form every loop runs over a block of columns, so a value computed once a row in one loop and used in another
becomes an array with one element a column: `<name>_c[lane]`.
"""

from __future__ import annotations

from dataclasses import replace

from graphopt.codegen.environment import C_TYPE
from graphopt.schedule.statements import Defining, Recall, Reduce, Scan, Statement, used
from graphopt.schedule.steps import Kernel

__all__ = ["carried", "in_columns"]


def carried(kernel: Kernel) -> dict[str, str]:
    """Name and dtype of every value that one loop defines and another uses, as arrays are to be declared."""
    return {f"{name}_c": dtype for name, dtype in _carried(kernel).items()}


def in_columns(statements: tuple[Statement, ...], kernel: Kernel) -> list[Statement | str]:
    """The statements of one loop with the loading and storing of carried values around them, as lines of text."""
    dtypes = _carried(kernel)
    own = {s.target for s in statements if isinstance(s, Defining | Recall | Scan)}
    wanted = dict.fromkeys(name for s in statements for name in used(s) if name in dtypes and name not in own)
    lines: list[Statement | str] = [f"const {C_TYPE[dtypes[name]]} {name} = {name}_c[lane];" for name in wanted]
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
