"""What a schedule produces: buffers, and steps in the order in which they run. Plain data, for every target.

Dimensions stay symbolic (`graphopt.dimensions`); axes are named; index maps are an offset and a stride per axis. A
template writes a program down, and decides nothing but the words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from graphopt.dimensions import DimLike, symbols
from graphopt.schedule.memory import MemoryPlan
from graphopt.schedule.steps import HostCall, Kernel, Settle, Step, leaves, made_by
from graphopt.types import TensorType

__all__ = ["Buffer", "Program"]


@dataclass(frozen=True, slots=True)
class Buffer:
    """Contiguous, row-major memory. `role` is "input", "output", "constant" or "temporary"."""

    name: str
    type: TensorType
    role: str
    value: Any = None


@dataclass(frozen=True)
class Program:
    """Buffers, sizes and steps.

    `sizes` are the names of dimensions in the order a call passes them: first those that the arguments have, then
    `counts`, which are 0 until a step of the program settles them. `memory` says where temporaries lie.
    """

    name: str
    buffers: dict[str, Buffer]
    sizes: tuple[str, ...]
    steps: tuple[Step, ...]
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    counts: tuple[str, ...] = ()
    memory: MemoryPlan = field(default_factory=MemoryPlan)

    def of_role(self, role: str) -> list[Buffer]:
        """The buffers of one role, in order."""
        return [buffer for buffer in self.buffers.values() if buffer.role == role]

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The steps that are loops, those within branches too."""
        return tuple(step for step in leaves(self.steps) if isinstance(step, Kernel))

    @property
    def host_calls(self) -> tuple[HostCall, ...]:
        """The steps that the host computes; generated text calls them by their numbers here."""
        return tuple(step for step in leaves(self.steps) if isinstance(step, HostCall))

    @property
    def settles(self) -> tuple[Settle, ...]:
        """The steps that settle sizes; generated text calls them by their numbers here."""
        return tuple(step for step in self.steps if isinstance(step, Settle))

    @cached_property
    def settled_by(self) -> dict[str, tuple[Buffer, ...]]:
        """The buffers that can be allocated after each step that settles a size, and not before; by its name."""
        known = set(self.sizes) - set(self.counts)
        waiting = [buffer for buffer in self.buffers.values() if not symbols(buffer.type.size) <= known]
        result = {}
        for step in self.settles:
            known |= symbols(step.count)
            result[step.name] = tuple(buffer for buffer in waiting if symbols(buffer.type.size) <= known)
            waiting = [buffer for buffer in waiting if not symbols(buffer.type.size) <= known]
        return result

    @property
    def late(self) -> tuple[Buffer, ...]:
        """All buffers that cannot be allocated before the program runs."""
        return tuple(buffer for buffers in self.settled_by.values() for buffer in buffers)

    def early(self, role: str) -> list[Buffer]:
        """The buffers of one role that can be."""
        late = set(self.late) if self.counts else set()
        return [buffer for buffer in self.of_role(role) if buffer not in late]

    def bytes(self, step: Step) -> DimLike:
        """Bytes a step must move if it reads every buffer once, unless it made what is in there, and writes it once."""
        total: DimLike = 0
        made = made_by(step)
        for name in (*(name for name in step.reads if name not in made), *step.writes):
            buffer = self.buffers[name]
            total = total + buffer.type.size * buffer.type.itemsize
        return total
