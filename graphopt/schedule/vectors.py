"""Which elements of memory one access of a device's thread may take at once: 16 bytes at most.

Along the fastest axis an access must run through memory, and wherever the other axes are it must begin at a multiple of
its own size. What sizes and addresses decide is left as conditions for the call.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from graphopt.dimensions import DimLike
from graphopt.schedule.instance import Aligned, Condition, MultipleOf
from graphopt.schedule.statements import Load, Statement, Store
from graphopt.schedule.steps import Axis

__all__ = ["WIDEST", "Vectors", "is_wide", "vectors"]

WIDEST = 16
"""Bytes of an access."""
MOST = 4
"""Elements of an access."""
REGISTERS = 48
"""Registers of 4 bytes that the wide accesses of a body may take: what is stored at once waits for the last of it."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """Accesses of `lanes` elements along `axis`, and when they may be made. One lane: there are none."""

    axis: str
    lanes: int
    conditions: tuple[Condition, ...] = ()


def vectors(lane: Iterable[Statement], axes: tuple[Axis, ...], *, tails: bool) -> Vectors:
    """How wide the accesses of lane statements may be.

    Parameters
    ----------
    lane
        The statements of all stages.
    axes
        The axes that are counted through as one, the fastest last.
    tails
        Whether fewer elements than an access takes may be left at the end; only where there is one axis in all.
    """
    if not axes:
        return Vectors("", 1)
    axis = axes[-1]
    found = [s for s in lane if isinstance(s, Load | Store) and dict(s.index.terms).get(axis.name) == 1]
    sizes = {_itemsize(s) for s in found}
    lanes = min(MOST, WIDEST // max(sizes)) if sizes else 1
    found = [s for s in found if is_wide(s, axis.name, lanes)]
    if lanes < 2 or not found or sum(lanes * max(1, _itemsize(s) // 4) for s in found) > REGISTERS:
        return Vectors(axis.name, 1)
    conditions: dict[Condition, None] = {} if tails else {MultipleOf(axis.extent, lanes): None}
    for access in found:
        for multiple in _multiples(access, axis.name):
            conditions[MultipleOf(multiple, lanes)] = None
        conditions[Aligned(access.buffer, lanes * _itemsize(access))] = None
    return Vectors(axis.name, lanes, tuple(conditions))


def is_wide(statement: Statement, axis: str, lanes: int) -> bool:
    """Whether an access takes several elements at once where the conditions hold: there are sizes that allow it."""
    if not isinstance(statement, Load | Store) or dict(statement.index.terms).get(axis) != 1:
        return False
    return all(not isinstance(m, int) or m % lanes == 0 for m in _multiples(statement, axis))


def _multiples(access: Load | Store, axis: str) -> list[DimLike]:
    return [access.index.offset, *(stride for name, stride in access.index.terms if name != axis)]


def _itemsize(access: Load | Store) -> int:
    return np.dtype(access.dtype).itemsize
