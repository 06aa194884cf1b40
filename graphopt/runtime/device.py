"""Running a program's CUDA text through a driver: a GPU's, or the emulation's.

What lies where is for `graphopt.runtime.residence`; here it is compiled, launched and, between two launches, handed to
the host, which waits for the device, and takes operands out and a result in.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, NamedTuple, cast

import numpy as np

from graphopt.codegen.cuda import CudaSource, cuda_source
from graphopt.dimensions import evaluate
from graphopt.options import Options
from graphopt.runtime.arena import Arenas
from graphopt.runtime.device_array import DeviceArray
from graphopt.runtime.driver import Argument, Buffer, Dimensions, Driver
from graphopt.runtime.driver import Kernel as DeviceKernel
from graphopt.runtime.host import Settling, compute
from graphopt.runtime.multiplication import MultipliesMatrices
from graphopt.runtime.products import multiplications
from graphopt.runtime.residence import Residence, shape_of
from graphopt.runtime.shared_device import Device, device_of
from graphopt.schedule.device_product import Multiply, Routes
from graphopt.schedule.instance import SHARED_EVERYWHERE, choose
from graphopt.schedule.launch import Choice, Extents, Item, Launch, Scratch, sequence, taken
from graphopt.schedule.program import Program
from graphopt.schedule.steps import HostCall, Settle
from graphopt.schedule.vectors import WIDEST

__all__ = ["DeviceProgram"]

Array = Any
RESIDENT = 2048  # threads that a multiprocessor has at a time
MOST_SHAPES = 4096  # of launches that are remembered


class _Shape(NamedTuple):
    """What a launch comes to at some sizes and alignments: which of its functions, and how."""

    kernel: DeviceKernel
    grid: Dimensions
    block: Dimensions
    shared: int
    numbers: tuple[np.int64, ...]


class DeviceProgram:
    """A program compiled for a device. `run(arrays, sizes)` computes its outputs.

    Parameters
    ----------
    program
        What to run, scheduled with `keep=False`.
    driver
        What compiles, holds memory and launches.
    options
        Template folders, and how much memory may be kept; the rest is for other targets.
    text
        CUDA text to run in place of the generated one. Its kernels have the generated names and parameters.
    stay
        The names of outputs that are returned as arrays on the device.

    Raises
    ------
    CompilationFailed
        If the compiler rejects the text.
    InvalidArgument
        If the text lacks a kernel.
    DeviceFailed
        If there is no memory for its constants.
    """

    def __init__(
        self,
        program: Program,
        driver: Driver | Device,
        options: Options,
        text: str | None = None,
        stay: Collection[str] = (),
    ) -> None:
        self.program = program
        self.driver = device_of(driver)
        source = cuda_source(program, templates=options.templates)
        self.source: CudaSource = source if text is None else replace(source, text=text)
        module = self.driver.compile(self.source.flat)
        self._shapes: dict[tuple[object, ...], _Shape] = {}
        self._sequence = sequence(program.steps)
        launched = [launch for launch in self.source.launches if isinstance(launch, Launch)]
        self._kernels = {i.name: module.kernel(i.name) for launch in launched for i in launch.instances}
        self._read = frozenset([*(name for launch in launched for name in launch.reads), *_conditions(self._sequence)])
        self._stay = frozenset(stay)
        self._arenas = Arenas(self.driver, options.kept_bytes)
        self._values = {buffer.name: np.asarray(buffer.value, order="C") for buffer in program.of_role("constant")}
        self._constants: dict[str, Buffer] = {}
        weakref.finalize(self, _release, self.driver, self._arenas, self._constants).atexit = False
        for name, value in self._values.items():
            if name in self._read:
                self._constants[name] = self.driver.uploaded(value, name)

    def run(
        self,
        arrays: Mapping[str, Array],
        sizes: dict[str, int],
        into: Mapping[str, Array] | None = None,
        settle: Settling | None = None,
    ) -> dict[str, Array]:
        """The outputs, by name, for contiguous arrays of the inputs' dtypes and known sizes.

        Parameters
        ----------
        arrays
            Arrays of the host's, or arrays on this device.
        into
            The same, for outputs.
        settle
            Is told what the program counts, and enters it into `sizes`.

        Raises
        ------
        DeviceFailed
            If memory runs out or a kernel does wrong; what the call had allocated is freed, its arena too.
        Exception
            Whatever a host call or `settle` raises; freed likewise.
        """
        given = into or {}
        call = Residence(
            self.driver, self.program, self._read, partial(self._scratch, sizes), self._stay, sizes,
            {**self._constants}, {**self._values},
        )  # fmt: skip
        arena = self._arenas.take()
        try:
            call.begin(arrays, given, arena)
            self._run(self._sequence, call, settle)
            results = call.outputs(given)
            if any(isinstance(array, DeviceArray) and array.is_foreign for array in arrays.values()):
                self.driver.synchronize()  # who owns it does not know of our stream
        except BaseException:
            call.failed(given)
            arena.release()
            raise
        finally:
            call.end()
        self._arenas.put(arena)
        return results

    def _run(self, todo: Iterable[Item], call: Residence, settle: Settling | None) -> None:
        for item in todo:
            if isinstance(item, Choice):
                taken = np.zeros((), np.bool_)
                self.driver.copy_out(call.held[item.condition], taken)
                self._run(item.then if taken else item.otherwise, call, settle)
            elif isinstance(item, Settle):
                assert settle is not None, f"{self.program.name} counts; whoever runs it has to be told"
                settle(item.node, self._counted(call.held[item.counter]))
                call.settled(item)
            elif isinstance(item, HostCall):
                self._call(item, call)
            elif isinstance(item, Routes):
                self._run(item.taken(call.sizes, self._multiplies), call, settle)
            elif isinstance(item, Multiply):
                call.reached(item.scratch)
                self._multiply(item, call.held, call.sizes)
            else:
                call.reached(item.scratch)
                self._launch(item, call.held, call.sizes)

    def _launch(self, launch: Launch, buffers: Mapping[str, Buffer], sizes: Mapping[str, int]) -> bool:
        """Launch it, unless there is nothing to do; whether it was."""
        given = [buffers[name] for name in (*launch.buffers, *(scratch.name for scratch in launch.scratch))]
        numbers = tuple([sizes.get(name, 0) for name in self.program.sizes])
        key = (launch.name, numbers, tuple([buffer.address % WIDEST for buffer in given]))
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) == MOST_SHAPES:
                self._shapes.clear()
            shape = self._shapes[key] = self._shape(launch, given, sizes, numbers)
        if 0 in shape.grid:
            return False
        arguments: list[Argument] = [*given, *shape.numbers]
        self.driver.launch(shape.kernel, shape.grid, shape.block, shape.shared, arguments)
        return True

    def _shape(
        self, launch: Launch, given: Sequence[Buffer], sizes: Mapping[str, int], numbers: tuple[int, ...]
    ) -> _Shape:
        names = (*launch.buffers, *(scratch.name for scratch in launch.scratch))
        addresses = {name: buffer.address for name, buffer in zip(names, given, strict=True)}
        shared_memory = getattr(self.driver, "shared_memory", SHARED_EVERYWHERE)
        instance = choose(launch.instances, sizes, addresses, shared_memory)
        grid, block = _extents(instance.grid, sizes), _extents(instance.block, sizes)
        if instance.is_resident:
            grid = (min(grid[0], self.driver.multiprocessors * (RESIDENT // instance.threads)), *grid[1:])
        shared = evaluate(instance.shared, sizes)
        return _Shape(self._kernels[instance.name], grid, block, shared, tuple(map(np.int64, numbers)))

    def _scratch(self, sizes: Mapping[str, int]) -> Iterable[Scratch]:
        """What a call's launches pass to each other, as far as its sizes are known."""
        launched = taken(self._sequence, sizes, self._multiplies)
        return dict.fromkeys(scratch for launch in launched for scratch in launch.scratch)

    @cached_property
    def _multiplies(self) -> frozenset[str]:
        """The dtypes of matrices that the driver multiplies itself, or another that it passes products on to."""
        return getattr(self.driver, "multiplies", frozenset())

    def _multiply(self, item: Multiply, buffers: Mapping[str, Buffer], sizes: Mapping[str, int]) -> None:
        driver = cast(MultipliesMatrices, self.driver)
        for todo in multiplications(item.step, buffers, sizes):
            driver.multiply(todo)

    def _counted(self, counter: Buffer) -> int:
        """What a kernel has counted: the device is waited for."""
        count = np.empty((), np.int64)
        self.driver.synchronize()
        self.driver.copy_out(counter, count)
        return int(count)

    def _call(self, step: HostCall, call: Residence) -> None:
        self.driver.synchronize()
        operands = tuple(call.fetched(name, type) for name, type in zip(step.operands, step.types, strict=True))
        result = np.empty(shape_of(step.type, call.sizes), step.type.dtype)
        compute(step, operands, result, call.sizes)
        self.driver.copy_in(call.held[step.result], result)


def _conditions(todo: Iterable[Item]) -> Iterator[str]:
    for item in todo:
        if isinstance(item, Choice):
            yield item.condition
            yield from _conditions((*item.then, *item.otherwise))


def _extents(extents: Extents, sizes: Mapping[str, int]) -> Dimensions:
    x, y, z = (evaluate(extent, sizes) for extent in extents)
    return x, y, z


def _release(device: Device, arenas: Arenas, constants: Mapping[str, Buffer]) -> None:
    arenas.release()
    for buffer in constants.values():
        device.release(buffer)
