"""Reductions over long loops in C: as many running results as hide the time that one addition takes.

A loop with a single accumulator waits for each addition before it begins the next, and a compiler may not reorder
additions by itself. So a long loop goes in blocks of neighbouring elements, each lane of a block with a running result
of its own, `<name>_lanes[lane]`; these are combined at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from graphopt.schedule.statements import Compute, Gather, Indexed, Keep, Recall, Reduce, Statement
from graphopt.schedule.steps import Stage

__all__ = ["CHEAP", "in_lanes", "lane_count", "mentions", "picks"]

CHEAP = 12
"""Operations an element from which the rest of a loop's body hides what an addition takes."""
BYTES = 256
"""Running results of one reduction: four vectors of the widest kind there is."""


def lane_count(stage: Stage) -> int:
    """Elements of a block; 0 if one running result is enough, because something else takes longer than adding."""
    reductions = stage.reductions
    if all(map(picks, reductions)) or any(isinstance(s, Gather) for s in stage.lane):
        return 0
    if sum(s.op.cost for s in stage.lane if isinstance(s, Compute | Reduce)) > CHEAP:
        return 0
    return max(32, BYTES // max(4, max(np.dtype(r.dtype).itemsize for r in reductions)))


def picks(reduction: Reduce) -> bool:
    """Whether it is the largest or the smallest of floats: one quick instruction, which loses NaN."""
    return reduction.op.name in ("max", "min") and reduction.dtype in ("float32", "float64")


def in_lanes(statements: tuple[Statement, ...]) -> list[Statement]:
    """The statements of a loop, with every reduction going to its lane."""
    return [replace(s, target=f"{s.target}_lanes[lane]") if isinstance(s, Reduce) else s for s in statements]


def mentions(statements: Iterable[Statement], axis: str, *, kept: bool = True) -> bool:
    """Whether statements use the position along an axis; compilers object to variables that nobody reads.

    `kept` says whether the places of what is kept count along this axis.
    """
    return any(
        (kept and isinstance(s, Keep | Recall)) or (isinstance(s, Indexed) and axis in dict(s.index.terms))
        for s in statements
    )
