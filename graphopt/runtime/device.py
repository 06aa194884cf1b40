"""Running a program's CUDA text through a driver: a GPU's, or the emulation's.

Every call allocates what it needs, copies in, launches, copies out and frees. What stays on the device between calls
is constants alone. A host call between two launches waits for the device, and takes its operands out and its result in.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import numpy as np

from graphopt.codegen.cuda import CudaSource, cuda_source
from graphopt.dimensions import DimLike, evaluate
from graphopt.options import Options
from graphopt.runtime.driver import Argument, Buffer, Dimensions, Driver
from graphopt.runtime.host import Settling, compute
from graphopt.runtime.multiplication import MultipliesMatrices
from graphopt.runtime.products import multiplications
from graphopt.schedule.device_product import Multiply, Routes
from graphopt.schedule.launch import Choice, Extents, Item, Launch, Scratch, sequence
from graphopt.schedule.program import Program
from graphopt.schedule.steps import HostCall, Settle
from graphopt.types import TensorType

__all__ = ["DeviceProgram"]

Array = Any


class DeviceProgram:
    """A program compiled for a device. `run(arrays, sizes)` computes its outputs.

    Parameters
    ----------
    program
        What to run, scheduled with `keep=False`.
    driver
        What compiles, holds memory and launches.
    options
        Template folders; the rest is for other targets.
    text
        CUDA text to run in place of the generated one. Its kernels have the generated names and parameters.

    Raises
    ------
    CompilationFailed
        If the compiler rejects the text.
    InvalidArgument
        If the text lacks a kernel.
    """

    def __init__(self, program: Program, driver: Driver, options: Options, text: str | None = None) -> None:
        self.program = program
        self.driver = driver
        source = cuda_source(program, templates=options.templates)
        self.source: CudaSource = source if text is None else replace(source, text=text)
        module = driver.compile(self.source.flat)
        self._kernels = {
            launch.name: module.kernel(launch.name) for launch in self.source.launches if isinstance(launch, Launch)
        }
        self._constants: dict[str, Buffer] = {}
        weakref.finalize(self, _free, driver, self._constants)
        for buffer in program.of_role("constant"):
            self._constants[buffer.name] = self._upload(buffer.name, np.asarray(buffer.value, order="C"))

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
        settle
            Is told what the program counts, and enters it into `sizes`.

        Raises
        ------
        DeviceFailed
            If memory runs out or a kernel does wrong; what the call had allocated is freed.
        Exception
            Whatever a host call or `settle` raises; freed likewise.
        """
        program = self.program
        held: dict[str, Buffer] = {}
        try:
            for name, buffer in program.inputs.items():
                held[buffer] = self._upload(buffer, arrays[name])
            for made in (*program.early("output"), *program.early("temporary")):
                held[made.name] = self._allocate(made.name, made.type.dtype, made.type.size, sizes)
            self._run(sequence(program.steps), held, sizes, settle)
            return self._download(held, sizes, into)
        finally:
            _free(self.driver, held)

    def _run(
        self,
        todo: Iterable[Item],
        held: dict[str, Buffer],
        sizes: dict[str, int],
        settle: Settling | None,
    ) -> None:
        for item in todo:
            if isinstance(item, Choice):
                taken = np.zeros((), np.bool_)
                self.driver.copy_out({**self._constants, **held}[item.condition], taken)
                self._run(item.then if taken else item.otherwise, held, sizes, settle)
            elif isinstance(item, Settle):
                assert settle is not None, f"{self.program.name} counts; whoever runs it has to be told"
                settle(item.node, self._counted(held[item.counter]))
                for made in self.program.settled_by[item.name]:
                    held[made.name] = self._allocate(made.name, made.type.dtype, made.type.size, sizes)
            elif isinstance(item, HostCall):
                self._call(item, {**self._constants, **held}, sizes)
            elif isinstance(item, Routes):
                self._run(item.taken(sizes, self._multiplies), held, sizes, settle)
            elif isinstance(item, Multiply):
                self._hold(item.scratch, held, sizes)
                self._multiply(item, {**self._constants, **held}, sizes)
            else:
                self._hold(item.scratch, held, sizes)
                self._launch(item, {**self._constants, **held}, sizes)

    @cached_property
    def _multiplies(self) -> frozenset[str]:
        """The dtypes of matrices that the driver multiplies itself, or another that it passes products on to."""
        return getattr(self.driver, "multiplies", frozenset())

    def _multiply(self, item: Multiply, buffers: Mapping[str, Buffer], sizes: Mapping[str, int]) -> None:
        driver = cast(MultipliesMatrices, self.driver)
        for todo in multiplications(item.step, buffers, sizes):
            driver.multiply(todo)

    def _hold(self, needed: Iterable[Scratch], held: dict[str, Buffer], sizes: Mapping[str, int]) -> None:
        for scratch in needed:
            if scratch.name not in held:
                held[scratch.name] = self._allocate(scratch.name, scratch.dtype, scratch.count, sizes)

    def _launch(self, launch: Launch, buffers: Mapping[str, Buffer], sizes: Mapping[str, int]) -> None:
        grid = _extents(launch.grid, sizes)
        if 0 in grid:
            return
        arguments: list[Argument] = [
            *(buffers[name] for name in launch.buffers),
            *(buffers[scratch.name] for scratch in launch.scratch),
            *(np.int64(sizes.get(name, 0)) for name in self.program.sizes),
        ]
        shared = evaluate(launch.shared, sizes)
        self.driver.launch(self._kernels[launch.name], grid, _extents(launch.block, sizes), shared, arguments)

    def _counted(self, counter: Buffer) -> int:
        """What a kernel has counted: the device is waited for."""
        count = np.empty((), np.int64)
        self.driver.synchronize()
        self.driver.copy_out(counter, count)
        return int(count)

    def _call(self, step: HostCall, buffers: Mapping[str, Buffer], sizes: Mapping[str, int]) -> None:
        self.driver.synchronize()
        operands = tuple(_empty(type, sizes) for type in step.types)
        for name, operand in zip(step.operands, operands, strict=True):
            self.driver.copy_out(buffers[name], operand)
        result = _empty(step.type, sizes)
        compute(step, operands, result, sizes)
        self.driver.copy_in(buffers[step.result], result)

    def _upload(self, name: str, array: Array) -> Buffer:
        buffer = self.driver.allocate(array.nbytes, name)
        try:
            self.driver.copy_in(buffer, array)
        except BaseException:
            self.driver.free(buffer)
            raise
        return buffer

    def _allocate(self, name: str, dtype: str, count: DimLike, sizes: Mapping[str, int]) -> Buffer:
        return self.driver.allocate(evaluate(count, sizes) * np.dtype(dtype).itemsize, name)

    def _download(
        self, held: Mapping[str, Buffer], sizes: Mapping[str, int], into: Mapping[str, Array] | None
    ) -> dict[str, Array]:
        results: dict[str, Array] = {}
        self.driver.synchronize()  # a fault shows here, before any array of the caller's is written
        for name, buffer in self.program.outputs.items():
            if into is not None and name in into:
                results[name] = into[name]
            else:
                results[name] = _empty(self.program.buffers[buffer].type, sizes)
            self.driver.copy_out(held[buffer], results[name])
        return results


def _empty(type: TensorType, sizes: Mapping[str, int]) -> Array:
    return np.empty([evaluate(size, sizes) for size in type.shape], type.dtype)


def _extents(extents: Extents, sizes: Mapping[str, int]) -> Dimensions:
    x, y, z = (evaluate(extent, sizes) for extent in extents)
    return x, y, z


def _free(driver: Driver, buffers: Mapping[str, Buffer]) -> None:
    for buffer in buffers.values():
        driver.free(buffer)
