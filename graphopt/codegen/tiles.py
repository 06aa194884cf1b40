"""Kernels in C whose accesses run along two axes: blocks of both, with what runs across brought round in a small array.

Such an element is `<buffer>_<number>_tile[…][…]`: filled, or emptied, in the order of its memory, and used in that of
everything else. A "map" has tiles where its accesses disagree (`tiles`); rows too short to be done along themselves
have them for whatever lies row by row (`staged`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from graphopt.codegen.environment import C_TYPE, value_text
from graphopt.schedule.kernels import runs_across
from graphopt.schedule.statements import Load, Statement, Store
from graphopt.schedule.steps import Kernel

__all__ = ["Tile", "from_stages", "staged", "straight", "tiles"]


@dataclass(frozen=True)
class Tile:
    """The array of one access that runs across, or of all at one place.

    Attributes
    ----------
    name
        What the array is called.
    access
        The first access.
    is_read, is_written
        Whether it is filled before the loops, and emptied after them: both where a result is written over an operand.
    """

    name: str
    access: Load | Store
    is_read: bool
    is_written: bool


def tiles(kernel: Kernel) -> list[Tile]:
    """The accesses of a tiled kernel that run across, each with its array."""
    inner, statements = kernel.inner[-1].name, kernel.stages[0].lane
    crossing = [s for s in statements if isinstance(s, Load | Store) and runs_across(s.index, kernel.tile, inner)]
    return [
        Tile(f"{access.buffer}_{k}_tile", access, isinstance(access, Load), isinstance(access, Store))
        for k, access in enumerate(crossing)
    ]


def straight(statements: tuple[Statement, ...], kernel: Kernel) -> list[Statement]:
    """The statements without those that a tile stands for."""
    crossing = [tile.access for tile in tiles(kernel)]
    return [s for s in statements if s not in crossing]


def staged(kernel: Kernel) -> list[Tile]:
    """The tiles of short rows that are done side by side: one for every place, whichever stages touch it."""
    if len(kernel.inner) != 1:
        return []
    along, across = kernel.inner[0].name, kernel.outer[-1].name
    found: dict[tuple[str, object], list[Load | Store]] = {}
    for stage in kernel.stages:
        for s in stage.lane:
            if isinstance(s, Load | Store) and runs_across(s.index, along, across):
                found.setdefault((s.buffer, s.index), []).append(s)
    return [
        Tile(
            f"{first.buffer}_{k}_tile",
            first,
            isinstance(first, Load),
            any(isinstance(s, Store) for s in (first, *later)),
        )
        for k, (first, *later) in enumerate(found.values())
    ]


def from_stages(lines: Iterable[Statement | str], kernel: Kernel) -> list[Statement | str]:
    """The lines of a loop over lanes, with tiles in the place of what they stand for."""
    names = {(tile.access.buffer, tile.access.index): tile.name for tile in staged(kernel)}
    result: list[Statement | str] = []
    for s in lines:
        if isinstance(s, Load | Store) and (s.buffer, s.index) in names:
            place = f"{names[s.buffer, s.index]}[{kernel.inner[0].name}][lane]"
            if isinstance(s, Load):
                result.append(f"const {C_TYPE[s.dtype]} {s.target} = {place};")
            else:
                result.append(f"{place} = {value_text(s.value)};")
        else:
            result.append(s)
    return result
