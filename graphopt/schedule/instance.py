"""The functions that a device's text has for one launch, and which of them a call takes. Plain data.

One body of text, a template of C++, serves several sizes and alignments: elements that a thread reads at once, elements
of a row that it holds. Each choice of them is an instance, with conditions under which it may be taken; the first whose
conditions hold is, on a device that has the shared memory for it. The last one has none, and needs little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from graphopt.dimensions import DimLike, evaluate, symbols

__all__ = ["SHARED_EVERYWHERE", "Aligned", "AtMost", "Condition", "Extents", "Instance", "MultipleOf", "choose",
           "possible"]  # fmt: skip

SHARED_EVERYWHERE = 48 * 1024
"""Bytes of shared memory that a block can have on every device."""

Extents = tuple[DimLike, DimLike, DimLike]


@dataclass(frozen=True, slots=True)
class AtMost:
    """value ≤ limit"""

    value: DimLike
    limit: int

    def holds(self, sizes: Mapping[str, int], addresses: Mapping[str, int]) -> bool:
        return evaluate(self.value, sizes) <= self.limit


@dataclass(frozen=True, slots=True)
class MultipleOf:
    """`factor` divides the value."""

    value: DimLike
    factor: int

    def holds(self, sizes: Mapping[str, int], addresses: Mapping[str, int]) -> bool:
        return evaluate(self.value, sizes) % self.factor == 0


@dataclass(frozen=True, slots=True)
class Aligned:
    """A buffer begins at a multiple of so many bytes."""

    buffer: str
    bytes: int

    def holds(self, sizes: Mapping[str, int], addresses: Mapping[str, int]) -> bool:
        return addresses[self.buffer] % self.bytes == 0


Condition = AtMost | MultipleOf | Aligned


@dataclass(frozen=True, slots=True)
class Instance:
    """One function of the text, and how it is launched.

    Attributes
    ----------
    name
        The function's name.
    body
        The form of text that it is made from.
    constants
        What the text's parameters are, in order: types and numbers.
    grid, block
        Blocks and threads in x, y and z. A grid that comes out as 0 says: nothing to launch.
    threads
        The most threads that a block can have.
    shared
        Bytes of dynamic shared memory of a block.
    fixed
        Bytes of shared memory that its text declares, where that matters beside the others.
    conditions
        When it may be taken.
    is_resident
        Whether blocks go on from one portion of the work to the next, so that more of them than the device can hold at
        a time are of no use. What is computed does not depend on their number.
    """

    name: str
    body: str
    constants: tuple[str | int, ...]
    grid: Extents
    block: Extents
    threads: int
    shared: DimLike = 0
    conditions: tuple[Condition, ...] = ()
    is_resident: bool = False
    fixed: int = 0


def choose(
    instances: tuple[Instance, ...],
    sizes: Mapping[str, int],
    addresses: Mapping[str, int],
    shared: int = SHARED_EVERYWHERE,
) -> Instance:
    """The first instance whose conditions hold for these sizes and buffers, where a block has `shared` bytes."""
    return next(
        instance
        for instance in instances
        if all(condition.holds(sizes, addresses) for condition in instance.conditions)
        and evaluate(instance.shared, sizes) + instance.fixed <= max(shared, SHARED_EVERYWHERE)
    )


def possible(instances: tuple[Instance, ...]) -> tuple[Instance, ...]:
    """Those that some call can take on some device, with the conditions that a call must look at.

    Sizes may be known already.
    """
    result = []
    for instance in instances:
        known = [c for c in instance.conditions if not isinstance(c, Aligned) and not symbols(c.value)]
        if all(condition.holds({}, {}) for condition in known):
            left = tuple(c for c in instance.conditions if c not in known)
            result.append(instance if left == instance.conditions else replace(instance, conditions=left))
            if not left and isinstance(instance.shared, int) and instance.shared + instance.fixed <= SHARED_EVERYWHERE:
                break
    return tuple(result)
