"""What the kernels of a CUDA program take on a GPU, as far as compilers and arithmetic can tell without one.

Registers, spills and static shared memory are the assembler's report; threads and dynamic shared memory are the
launch's; occupancy follows from them (`graphopt.runtime.occupancy`).

Not for time: nothing here says how fast a kernel is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from graphopt.codegen.cuda import cuda_source
from graphopt.dimensions import DimLike, evaluate, product, symbols
from graphopt.errors import CompilationFailed, TargetUnavailable
from graphopt.runtime.nvcc import CompiledCuda, compile_cubin
from graphopt.runtime.occupancy import LIMITS, occupancy
from graphopt.schedule.instance import SHARED_EVERYWHERE, Instance, choose
from graphopt.schedule.launch import Launch
from graphopt.schedule.program import Program

__all__ = ["ARCHITECTURE", "KernelResources", "Resources", "resources"]

ARCHITECTURE = "sm_90"

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class KernelResources:
    """What one kernel of a call takes. A number is None where it is not known.

    Attributes
    ----------
    name, form
        The kernel's name in the text, and its form in the schedule: "map", "rows", "parts", …
    blocks, threads
        Blocks of the launch, and threads of a block; 0 blocks are not launched.
    registers
        Of a thread.
    spilled
        Bytes that a thread stores to and loads from local memory for want of registers.
    shared
        Bytes of shared memory of a block, static and dynamic.
    occupancy
        Resident warps over the most that a multiprocessor holds.
    bytes, flops
        What its step moves and computes; they stand at the first kernel of a step that has several.
    """

    name: str
    form: str
    blocks: int | None
    threads: int | None
    registers: int | None
    spilled: int | None
    shared: int | None
    occupancy: float | None
    bytes: int | None
    flops: int | None


@dataclass(frozen=True)
class Resources:
    """What a call of a CUDA program takes.

    Attributes
    ----------
    architecture
        What it was compiled for.
    kernels
        In order of launching, those of all branches.
    missing
        Why registers, spills, shared memory and occupancy are not known; empty if they are.
    """

    architecture: str
    kernels: tuple[KernelResources, ...]
    missing: str = ""

    @property
    def registers(self) -> int | None:
        """The most registers that a thread of any kernel has."""
        return max(_all(kernel.registers for kernel in self.kernels), default=None)

    @property
    def spilled(self) -> int | None:
        """Bytes spilled by a thread of each kernel, together."""
        return sum(_all(kernel.spilled for kernel in self.kernels)) if self.registers is not None else None

    @property
    def shared(self) -> int | None:
        """The most bytes of shared memory that a block of any kernel has."""
        return max(_all(kernel.shared for kernel in self.kernels), default=None)

    @property
    def occupancy(self) -> float | None:
        """The lowest occupancy of any kernel."""
        return min(_all(kernel.occupancy for kernel in self.kernels), default=None)


def resources(
    program: Program,
    sizes: Mapping[str, int],
    *,
    templates: Sequence[str | Path] = (),
    text: str | None = None,
    architecture: str = ARCHITECTURE,
) -> Resources:
    """Compile a program's CUDA text, or find it in the cache, and say what its kernels take at some sizes.

    Parameters
    ----------
    program
        Scheduled with `keep=False`.
    sizes
        Those of the dimensions that are known; what depends on others is not known.
    templates
        Folders laid over the package's templates.
    text
        What stands in the place of the generated text.
    architecture
        What to compile for.

    Notes
    -----
    Where nvcc is missing or rejects the text, `missing` says so, and what needs no compiler is there all the same.
    """
    source = cuda_source(program, templates=templates)
    if text is not None:
        source = replace(source, text=text)
    compiled, missing = _compiled(source.flat, architecture)
    kernels = []
    counted: set[str] = set()
    for launch in source.launches:
        if not isinstance(launch, Launch):
            continue
        step = launch.step
        work: tuple[DimLike, DimLike] | None = None
        if step.name not in counted:
            counted.add(step.name)
            work = program.bytes(step), step.flops
        kernels.append(_kernel(launch, work, compiled, sizes, architecture))
    return Resources(architecture, tuple(kernels), missing)


def _compiled(text: str, architecture: str) -> tuple[CompiledCuda | None, str]:
    try:
        return compile_cubin(text, architecture), ""
    except (TargetUnavailable, CompilationFailed) as error:
        return None, " ".join(str(error).split())


def _kernel(
    launch: Launch,
    work: tuple[DimLike, DimLike] | None,
    compiled: CompiledCuda | None,
    sizes: Mapping[str, int],
    architecture: str,
) -> KernelResources:
    instance = _instance(launch, sizes, architecture)
    threads, dynamic = _known(product(instance.block), sizes), _known(instance.shared, sizes)
    registers = spilled = shared = share = None
    if compiled is not None and instance.name in compiled.registers:
        registers, spilled = compiled.registers[instance.name], compiled.spills[instance.name]
        shared = None if dynamic is None else compiled.shared[instance.name] + dynamic
        if shared is not None and threads and architecture in LIMITS:
            share = occupancy(registers, shared, threads, architecture)
    moved, computed = (None, None) if work is None else (_known(each, sizes) for each in work)
    return KernelResources(
        instance.name, launch.form, _known(product(instance.grid), sizes), threads, registers, spilled, shared, share,
        moved, computed,
    )  # fmt: skip


def _instance(launch: Launch, sizes: Mapping[str, int], architecture: str) -> Instance:
    """What a call of these sizes takes if all buffers are aligned; the last, which serves all, if it cannot be told."""
    known = {name for instance in launch.instances for condition in instance.conditions
             for name in symbols(getattr(condition, "value", 0))} <= sizes.keys()  # fmt: skip
    if not known:
        return launch.instances[-1]
    limits = LIMITS.get(architecture.rstrip("af"))
    shared = SHARED_EVERYWHERE if limits is None else limits.shared_of_block
    return choose(launch.instances, sizes, dict.fromkeys(launch.buffers, 0), shared)


def _known(value: DimLike, sizes: Mapping[str, int]) -> int | None:
    return evaluate(value, sizes) if symbols(value) <= sizes.keys() else None


def _all(values: Iterable[Number | None]) -> list[Number]:
    """The values; none of them if one is not known."""
    found = list(values)
    known = [value for value in found if value is not None]
    return known if len(known) == len(found) else []
