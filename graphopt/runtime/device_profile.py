"""What a call takes on a device: launch by launch, what crosses between host and device, and memory.

Times are the driver's, between events around each launch; a driver whose times say nothing about a GPU gives none.
The first call of a program is counted for memory, the following ones for everything else: they find the arena of the
first, and compute new values of shared variables into memory that is there, as every later call of a function does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from graphopt.dimensions import DimLike, evaluate
from graphopt.notebook import Listing
from graphopt.runtime.device import DeviceProgram
from graphopt.runtime.device_array import DeviceArray
from graphopt.runtime.driver import Buffer, Event
from graphopt.runtime.residence import Residence
from graphopt.schedule.launch import Launch
from graphopt.schedule.steps import HostCall, made_by

__all__ = ["DeviceProfile", "LaunchProfile", "Watched", "profile"]

Array = Any
CALLS = 5


@dataclass(frozen=True)
class LaunchProfile:
    """A launch of a call, or what the host computed between two.

    Attributes
    ----------
    name, form
        Of the kernel: see `graphopt.schedule.launch.Launch`; the form of what the host computes is "host".
    runs
        1, or 0 where there was nothing to launch or a branch was not taken.
    seconds
        The median over the calls that were measured, by the driver's events; None where these say nothing about a GPU.
    bytes, flops
        What it moves and computes at these sizes. Of the two launches of a full reduction, the first does the latter.
    """

    name: str
    form: str
    runs: int
    seconds: float | None
    bytes: int
    flops: int


@dataclass(frozen=True)
class DeviceProfile:
    """What a call of a function took on a device.

    Attributes
    ----------
    steps
        The launches, in order.
    launches
        How many there were.
    copies_in, copies_out
        Copies from host to device and back.
    bytes_in, bytes_out
        What they moved.
    allocations
        How often a call asks the device for memory, once the function has been called before.
    peak_bytes
        Memory that a call takes besides arguments and results on the device, as counted where it was asked for.
    predicted_bytes
        The same as planned: rooms of the program's plan, scratch, what is copied in and out. It leaves out what has a
        size that the call counts.
    """

    steps: Listing[LaunchProfile]
    launches: int
    copies_in: int
    bytes_in: int
    copies_out: int
    bytes_out: int
    allocations: int
    peak_bytes: int
    predicted_bytes: int

    @property
    def seconds(self) -> float | None:
        """The time of all launches; None where there are no times."""
        times = [step.seconds for step in self.steps if step.seconds is not None]
        return sum(times) if len(times) == len(self.steps) else None

    def __str__(self) -> str:
        lines = [f"{'launch':<32} {'form':<9} {'ms':>9} {'GB/s':>8} {'GFLOP/s':>9} {'bytes':>12} {'flops':>12}"]
        for step in self.steps:
            times = f"{'-':>9} {'':>8} {'':>9}"
            if step.runs and step.seconds is not None:
                seconds = step.seconds or 1e-9
                times = f"{1e3 * seconds:9.4f} {step.bytes / seconds / 1e9:8.1f} {step.flops / seconds / 1e9:9.1f}"
            lines.append(f"{step.name:<32} {step.form:<9} {times} {step.bytes:12} {step.flops:12}")
        if self.seconds is not None:
            lines.append(f"all: {1e3 * self.seconds:.4f} ms")
        lines.append(
            f"in: {self.bytes_in} bytes, {self.copies_in} copies; out: {self.bytes_out} bytes, "
            f"{self.copies_out} copies; {self.launches} launches"
        )
        lines.append(
            f"memory: {self.peak_bytes} bytes, predicted {self.predicted_bytes}; {self.allocations} allocations"
        )
        return "\n".join(lines)


class Watched(DeviceProgram):
    """A program whose launches are marked by events; `marks` are those of the latest call, by names."""

    def __init__(self, *arguments: Any, **by_name: Any) -> None:
        super().__init__(*arguments, **by_name)
        self.marks: dict[str, tuple[Event, Event]] = {}
        self.planned_bytes = 0

    def run(self, *arguments: Any, **by_name: Any) -> dict[str, Array]:
        self.marks = {}
        results = super().run(*arguments, **by_name)
        self.planned_bytes = self._arenas.planned_bytes
        return results

    def _launch(self, launch: Launch, buffers: Mapping[str, Buffer], sizes: Mapping[str, int]) -> bool:
        begin = self.driver.record()
        launched = super()._launch(launch, buffers, sizes)
        if launched:
            self.marks[launch.name] = (begin, self.driver.record())
        return launched

    def _call(self, step: HostCall, call: Residence) -> None:
        begin = self.driver.record()
        super()._call(step, call)
        self.marks[step.name] = (begin, self.driver.record())


def profile(
    program: Watched, run: Callable[[Mapping[str, Array]], tuple[dict[str, Array], dict[str, int]]]
) -> DeviceProfile:
    """Measure a program.

    Parameters
    ----------
    program
        What to measure, not called before.
    run
        Makes a call of the program, given the results of an earlier one, whose memory it may use where a function's
        calls would; returns results and sizes.
    """
    with program.driver.counted() as first:
        results, sizes = run({})
        staying = sum(array.nbytes for array in results.values() if isinstance(array, DeviceArray))
    times: dict[str, list[float]] = {}
    for _ in range(CALLS):
        with program.driver.counted() as tally:
            run(results)
        for name, (begin, end) in program.marks.items():
            times.setdefault(name, []).append(end.seconds_since(begin))
    told = program.driver.times_mean_something
    steps = [item for item in program.source.launches if isinstance(item, Launch | HostCall)]
    return DeviceProfile(
        Listing(
            LaunchProfile(
                item.name,
                item.form if isinstance(item, Launch) else "host",
                int(item.name in times),
                (median(times[item.name]) if item.name in times else 0.0) if told else None,
                evaluate(_moved(program, item), sizes),
                evaluate(_computed(item), sizes),
            )
            for item in steps
        ),
        tally.launches,
        tally.copies_in,
        tally.bytes_in,
        tally.copies_out,
        tally.bytes_out,
        tally.allocations,
        first.peak_bytes - staying,
        program.planned_bytes,
    )


def _moved(program: Watched, item: Launch | HostCall) -> DimLike:
    """Bytes that are read and written once; of a full reduction, what passes between its launches is added to each."""
    if not isinstance(item, Launch) or not item.scratch:
        return program.program.bytes(item.step if isinstance(item, Launch) else item)
    total: DimLike = 0
    made = made_by(item.step)
    for name in (*(name for name in item.reads if name not in made), *item.writes):
        type = program.program.buffers[name].type
        total = total + type.size * type.itemsize
    for scratch in item.scratch:
        total = total + scratch.count * np.dtype(scratch.dtype).itemsize
    return total


def _computed(item: Launch | HostCall) -> DimLike:
    if not isinstance(item, Launch):
        return item.flops
    return 0 if item.form.endswith("join") else item.step.flops
