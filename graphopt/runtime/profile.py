"""What a call takes: time step by step, memory, and how often the system was asked for some.

A function is measured by a text of its own, with clocks around the steps, so that its usual text has none. The memory
that it takes is counted in C, and stands beside what the plan says (`graphopt.schedule.memory`).
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from graphopt.codegen.c import c_source
from graphopt.dimensions import evaluate
from graphopt.notebook import Listing
from graphopt.options import Options
from graphopt.runtime.blas import find_blas
from graphopt.runtime.native import NativeProgram
from graphopt.schedule.program import Program
from graphopt.schedule.steps import Step, leaves

__all__ = ["Profile", "StepProfile", "profile"]

Array = Any
CALLS = 5
_turn = threading.Lock()  # counts belong to the loaded text, of which there is one in a process


@dataclass(frozen=True)
class StepProfile:
    """A step of a call: a kernel, a matrix product, or what the host did.

    Attributes
    ----------
    name, form
        As in `f.kernels`.
    runs
        1, or 0 for a step in a branch that was not taken.
    seconds
        The median over the calls that were measured; 0 for a step that did not run.
    bytes, flops
        What the step moves and computes at these sizes.
    """

    name: str
    form: str
    runs: int
    seconds: float
    bytes: int
    flops: int


@dataclass(frozen=True)
class Profile:
    """What a call of a function took.

    Attributes
    ----------
    steps
        The steps in the order of the text.
    peak_bytes
        Memory for temporaries that the call took, as counted in C.
    predicted_bytes
        The same as the program's plan has it. It leaves out what has a size that the call counts, and what a kernel
        needs for itself while it runs.
    allocations
        How often a call asks the system for memory besides that for results, once the function has been called before.
    """

    steps: Listing[StepProfile]
    peak_bytes: int
    predicted_bytes: int
    allocations: int

    @property
    def seconds(self) -> float:
        """The time of all steps."""
        return sum(step.seconds for step in self.steps)

    def __str__(self) -> str:
        lines = [f"{'step':<32} {'ms':>9} {'%':>5} {'GB/s':>7} {'GFLOP/s':>8}"]
        for step in self.steps:
            if not step.runs:
                lines.append(f"{step.name:<32} {'-':>9}")
                continue
            seconds = step.seconds or 1e-9  # a clock's tick
            rates = step.bytes / seconds / 1e9, step.flops / seconds / 1e9
            share = 100 * step.seconds / (self.seconds or 1)
            lines.append(f"{step.name:<32} {1e3 * seconds:9.4f} {share:5.1f} {rates[0]:7.2f} {rates[1]:8.2f}")
        lines.append(f"all: {1e3 * self.seconds:.4f} ms")
        lines.append(
            f"temporaries: {self.peak_bytes} bytes, predicted {self.predicted_bytes}; {self.allocations} allocations"
        )
        return "\n".join(lines)


def profile(program: Program, options: Options, run: Callable[[NativeProgram], Mapping[str, int]]) -> Profile:
    """Measure a program.

    Parameters
    ----------
    program, options
        What to measure, and how it is compiled.
    run
        Makes one call of the program it is given, and returns its sizes.
    """
    blas = find_blas()
    text = c_source(
        program,
        templates=options.templates,
        blas=blas.prefix if blas is not None else None,
        kept_bytes=options.kept_bytes,
        profiled=True,
    ).text
    runner = NativeProgram(program, options, text)
    steps = list(leaves(program.steps))
    times: list[list[int]] = [[] for _ in steps]
    with _turn:
        run(runner)  # memory comes, pages and caches fill
        _measured(runner, len(steps))
        for _ in range(CALLS):
            sizes = run(runner)
            nanoseconds, runs, (taken, made) = _measured(runner, len(steps))
            for found, each in zip(times, nanoseconds, strict=True):
                found.append(each)
    return Profile(
        Listing(
            StepProfile(
                step.name, getattr(step, "form", "product"), ran, median(found) / 1e9, *_work(program, step, sizes)
            )
            for step, found, ran in zip(steps, times, runs, strict=True)
        ),
        taken,
        program.memory.bytes(sizes),
        made,
    )


def _work(program: Program, step: Step, sizes: Mapping[str, int]) -> tuple[int, int]:
    return evaluate(program.bytes(step), sizes), evaluate(step.flops, sizes)


def _measured(runner: NativeProgram, steps: int) -> tuple[list[int], list[int], list[int]]:
    """Nanoseconds and runs of each step since the last time; bytes taken, and times the system was asked."""
    nanoseconds, runs, memory = (
        (ctypes.c_int64 * (steps + 1))(),
        (ctypes.c_int64 * (steps + 1))(),
        (ctypes.c_int64 * 2)(),
    )
    runner.library.handle.go_measured(nanoseconds, runs, memory)
    return list(nanoseconds)[:steps], list(runs)[:steps], list(memory)
