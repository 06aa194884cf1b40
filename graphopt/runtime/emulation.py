"""A driver that runs CUDA C on the CPU: for tests, and for reading along without a GPU.

The same text that nvcc compiles is compiled as C++ with the headers of ``templates/cuda/emulation``, which run each
CUDA thread on a fibre of its own. What a GPU would let pass, or answer with a wrong result now and then, is made
visible: another order of the threads for each seed, poisoned shared memory and buffers, buffers between guard pages,
barriers that some threads miss.

Not for speed, and not for anything about a GPU's.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
import weakref
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from graphopt.errors import DeviceFailed, InvalidArgument
from graphopt.runtime.cache import Cache
from graphopt.runtime.driver import FOREIGN, Argument, Buffer, Dimensions, Kernel, check_copy, check_launch
from graphopt.runtime.emulator import (
    FAILED,
    IN_DYNAMIC_SHARED,
    IN_STACK_GUARD,
    NO_MEMORY,
    SUCCEEDED,
    TOO_LONG,
    EmulatedKernel,
    EmulatedModule,
    Report,
    Request,
    compile_kernels,
    load_emulator,
)
from graphopt.runtime.memory import memory
from graphopt.runtime.multiplication import Multiplication, Operand, check_multiplication
from graphopt.runtime.sourceline import source_line

__all__ = ["EmulatedDriver", "EmulatedEvent", "EmulatedKernel", "EmulatedModule"]

ALIGNMENT = 16  # bytes; the widest access of a thread
POISONS = (0xFF, 0x7F, 0xFE)  # as floats: NaN, huge, hugely negative; a seed chooses one, as each has its blind spot
QUARANTINE = 64  # freed buffers whose addresses stay unusable, so that a late access is noticed


@dataclass(frozen=True)
class EmulatedEvent:
    """A moment on the host's clock."""

    seconds: float

    def seconds_since(self, earlier: EmulatedEvent) -> float:
        """Seconds of emulation since an earlier event, which say nothing about a GPU."""
        return self.seconds - earlier.seconds


# The driver ----------------------------------------------------------------------------------------------------------

_one_launch = threading.Lock()  # signal handlers belong to the process


def _renew_after_fork() -> None:
    global _one_launch  # held by another thread of the parent, it would never be released here
    _one_launch = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)


class EmulatedDriver:
    """Runs CUDA C on the CPU, one thread at a time.

    Parameters
    ----------
    seed : int
        0: blocks, and threads between two barriers, run in the order of their numbers. Any other number: in an order
        that is random but the same for the same seed. The seed also chooses what fresh memory is filled with.
    guard : {"end", "start"}
        Which end of each buffer lies against a page that may not be touched: an access beyond it stops the launch. (As
        buffers are aligned to 16 bytes, up to 15 bytes may lie between the end and that page.) What is written beyond
        the other end, up to a page's edge, is noticed after the launch; what is read there has a telling value.
    time_limit : float
        Seconds of processor time after which a launch is ended.
    use_ucontext : bool
        Switch between threads through the C library, as on processors other than x86-64.
    separates : bool
        Have programs take a buffer for each of their arrays, so that one that is left is noticed. Otherwise they take
        one for all, as on a GPU.
    multiplies : collection of str
        The dtypes of matrices that NumPy multiplies, as a library would on a GPU. Kernels do the others.
    cache : Cache, optional
        Where compiled texts are kept.

    Raises
    ------
    TargetUnavailable
        There is no C++ compiler.

    Notes
    -----
    A kernel that faults, waits for what cannot come, or exceeds the time limit is reported as `DeviceFailed`; the
    driver and its buffers stay usable, the buffers' contents are then whatever had been written. Launches in several
    Python threads take turns.
    """

    name = "cuda-emulated"
    times_mean_something = False
    multiprocessors = 2  # so that blocks have several portions to do
    shared_memory = 163 * 1024  # bytes; what a block can have on a device of compute capability 8.0
    dlpack_device = (1, 0)  # kDLCPU: its memory is the host's

    def __init__(
        self,
        seed: int = 0,
        guard: Literal["end", "start"] = "end",
        *,
        time_limit: float = 60.0,
        use_ucontext: bool = False,
        separates: bool = True,
        multiplies: Collection[str] = ("float32", "float64"),
        cache: Cache | None = None,
    ) -> None:
        if guard not in ("end", "start"):
            raise InvalidArgument(f"guard is 'end' or 'start', not {guard!r}.")
        if seed < 0:
            raise InvalidArgument(f"A seed is not negative: {seed}.")
        self.seed = seed
        self.guard = guard
        self.time_limit = time_limit
        self.separates = separates
        self.multiplies = frozenset(multiplies)
        self._cache = cache
        self._emulator = load_emulator(("-DGRAPHOPT_USE_UCONTEXT",) if use_ucontext else (), cache)
        self._live: dict[int, Buffer] = {}
        self._freed: list[Buffer] = []
        weakref.finalize(self, _destroy, self._emulator, self._live, self._freed)

    def __repr__(self) -> str:
        return f"EmulatedDriver(seed={self.seed}, guard={self.guard!r})"

    @property
    def poison(self) -> int:
        """The byte that fresh buffers and shared memory are filled with."""
        return POISONS[self.seed % len(POISONS)]

    def compile(self, source: str) -> EmulatedModule:
        """Compile a text of CUDA C. Its kernels are what it declares as ``extern "C" __global__ void name(…)``.

        Raises
        ------
        CompilationFailed
            The compiler rejects it. Its messages honour ``#line`` directives.
        """
        return compile_kernels(source, self._cache)

    def allocate(self, nbytes: int, name: str = "") -> Buffer:
        """A poisoned buffer, aligned to 16 bytes, between guard pages.

        Raises
        ------
        DeviceFailed
            There is not enough memory.
        InvalidArgument
            ``nbytes`` is negative.
        """
        if nbytes < 0:
            raise InvalidArgument(f"Buffer {name!r} cannot have {nbytes} bytes.")
        handle = None
        if nbytes <= memory():  # the system may promise more than there is, and poison is written at once
            handle = self._emulator.graphopt_memory_create(nbytes, ALIGNMENT, self.guard == "start", self.poison)
        if not handle:
            raise DeviceFailed(f"There is no memory for buffer {name!r} of {nbytes} bytes.")
        address = self._emulator.graphopt_memory_data(handle)
        buffer = Buffer(address, nbytes, name or f"buffer{len(self._live)}", handle)
        self._live[address] = buffer
        return buffer

    def free(self, buffer: Buffer) -> None:
        """Give a buffer back; kernels that still use it are stopped.

        Raises
        ------
        InvalidArgument
            It was freed before, or is not this driver's.
        """
        if self._live.get(buffer.address) is not buffer:
            raise InvalidArgument(f"Buffer {buffer.name!r} is not in use here; it was freed, or is another driver's.")
        del self._live[buffer.address]
        self._emulator.graphopt_memory_retire(buffer.handle)
        self._freed.append(buffer)
        while len(self._freed) > QUARANTINE:
            self._emulator.graphopt_memory_destroy(self._freed.pop(0).handle)

    def copy_in(self, buffer: Buffer, array: npt.NDArray[Any]) -> None:
        """Copy a contiguous array to the start of a buffer."""
        check_copy(buffer, array, writable=False)
        self._check_live(buffer)
        ctypes.memmove(buffer.address, array.ctypes.data, array.nbytes)

    def copy_out(self, buffer: Buffer, array: npt.NDArray[Any]) -> None:
        """Fill a contiguous array from the start of a buffer."""
        check_copy(buffer, array, writable=True)
        self._check_live(buffer)
        ctypes.memmove(array.ctypes.data, buffer.address, array.nbytes)

    def launch(
        self, kernel: Kernel, grid: Dimensions, block: Dimensions, shared_bytes: int, arguments: Sequence[Argument]
    ) -> None:
        """Run a kernel to its end.

        Raises
        ------
        DeviceFailed
            The kernel left its memory, missed a barrier, did not end, or stopped itself.
        InvalidArgument
            The launch's shape is impossible, or the arguments are not what the kernel takes.
        """
        if not isinstance(kernel, EmulatedKernel):
            raise InvalidArgument(f"Kernel {kernel.name!r} was not compiled by this kind of driver.")
        check_launch(kernel.name, grid, block, shared_bytes)
        values = _pack(kernel, arguments)
        pointers = (ctypes.c_void_p * max(len(values), 1))(*(value.ctypes.data for value in values))
        request = Request(
            kernel=kernel.address,
            parameters=pointers,
            grid=grid,
            block=block,
            shared_bytes=shared_bytes,
            seed=self.seed,
            seconds=self.time_limit,
            poison=self.poison,
        )
        report = Report()
        with _one_launch:
            anchor = kernel.module.handle.graphopt_attach(self._emulator.graphopt_machine())
            self._emulator.graphopt_launch(ctypes.byref(request), anchor, ctypes.byref(report))
        stray = self._stray_writes()
        if report.outcome != SUCCEEDED:
            raise DeviceFailed(self._explain(kernel, report))
        if stray:
            raise DeviceFailed(
                f"Kernel {kernel.name!r} wrote {', and '.join(stray)}. (Noticed after the launch, so that neither the "
                f"thread nor the line is known.)"
            )

    def multiply(self, todo: Multiplication) -> None:
        """Multiply matrices by NumPy.

        Raises
        ------
        DeviceFailed
            The product would read or write outside its buffers.
        InvalidArgument
            It is none of those in `multiplies`, its sizes contradict each other, or a buffer is not in use.
        """
        check_multiplication(todo, self.multiplies)
        for operand in (todo.left, todo.right, todo.result):
            self._check_live(operand.buffer)
        left = _stack(todo, todo.left, (todo.rows, todo.depth))
        right = _stack(todo, todo.right, (todo.depth, todo.columns))
        np.matmul(left, right, out=_stack(todo, todo.result, (todo.rows, todo.columns)))

    def synchronize(self) -> None:
        """Nothing to wait for: a launch returns when it is finished."""

    def record(self) -> EmulatedEvent:
        """This moment."""
        return EmulatedEvent(time.perf_counter())

    def _check_live(self, buffer: Buffer) -> None:
        if buffer.handle is FOREIGN:  # the host's memory, lent by another library
            return
        for live in self._live.values():
            if live.address <= buffer.address and buffer.address + buffer.nbytes <= live.address + live.nbytes:
                return
        raise InvalidArgument(f"Buffer {buffer.name!r} is not in use here; it was freed, or is another driver's.")

    def _stray_writes(self) -> list[str]:
        """Where something was written between buffers and guard pages since this was last asked."""
        offset = ctypes.c_int64()
        stray = []
        for buffer in self._live.values():
            if self._emulator.graphopt_memory_stray_write(buffer.handle, ctypes.byref(offset)):
                stray.append(_place(buffer, buffer.address + offset.value))
        return stray

    def _explain(self, kernel: EmulatedKernel, report: Report) -> str:
        message = report.message.decode("utf-8", errors="replace")
        block, thread = tuple(report.block), tuple(report.thread)
        if report.outcome == NO_MEMORY:
            return f"Kernel {kernel.name!r}: there is no memory for its threads or its shared memory."
        if report.outcome == FAILED:
            return f"Kernel {kernel.name!r}, block {block}: {message}"
        line = source_line(report.module.decode(errors="replace"), report.code_offset, kernel.module.source)
        who = f"Kernel {kernel.name!r}, block {block}, thread {thread}{f', at {line}' if line else ''}"
        if report.outcome == TOO_LONG:
            return f"{who}: not finished after {self.time_limit:g} s of processor time; an endless loop?"
        if report.signal == signal.SIGFPE:
            return f"{who}: integer division by zero, which CUDA C leaves undefined."
        if report.signal == signal.SIGILL:
            return f"{who}: an index outside a fixed-size array, or an address that is not aligned to its type."
        access = {0: "read", 1: "wrote"}.get(report.is_write, "accessed memory")
        return f"{who}: {access} {self._whereabouts(report)}."

    def _whereabouts(self, report: Report) -> str:
        address = int(report.address)
        if report.where == IN_DYNAMIC_SHARED:
            return "outside its dynamic shared memory"
        if report.where == IN_STACK_GUARD:
            return "below its stack; its local arrays are too large"
        for state, buffers in (("", self._live.values()), ("freed ", self._freed)):
            for buffer in buffers:
                if self._emulator.graphopt_memory_owns(buffer.handle, address):
                    return f"in the freed buffer {buffer.name!r}" if state else _place(buffer, address)
        near = min(self._live.values(), key=lambda buffer: abs(buffer.address - address), default=None)
        if near is None or address < 4096:
            return f"at address {address:#x}, where there is nothing"
        return f"at address {address:#x}, where there is nothing; the nearest is {_place(near, address)}"


def _pack(kernel: EmulatedKernel, arguments: Sequence[Argument]) -> list[npt.NDArray[Any]]:
    """The arguments as arrays of one element each, checked against the kernel's parameters."""
    if len(arguments) != len(kernel.parameters):
        raise InvalidArgument(
            f"Kernel {kernel.name!r} takes {len(kernel.parameters)} arguments, and was given {len(arguments)}."
        )
    values = []
    for position, (argument, (kind, size)) in enumerate(zip(arguments, kernel.parameters, strict=True)):
        if isinstance(argument, Buffer):
            given, value = "p", np.array([argument.address], np.uintp)
        elif isinstance(argument, np.generic):
            value = np.array([argument])
            given = "f" if value.dtype.kind == "f" else "i" if value.dtype.kind in "iub" else "s"
        else:
            given, value = "?", np.array([])
        if given != kind or value.nbytes != size:
            words = {"p": "a buffer", "f": f"a float{8 * size}", "i": f"an integer of {8 * size} bits"}
            wanted = words.get(kind, f"a structure of {size} bytes")
            found = "a buffer" if given == "p" else getattr(argument, "dtype", type(argument).__name__)
            raise InvalidArgument(
                f"Kernel {kernel.name!r} takes {wanted} as argument {position}, not {found}. Give numbers as NumPy "
                f"scalars of the right dtype."
            )
        values.append(value)
    return values


def _stack(todo: Multiplication, operand: Operand, shape: tuple[int, int]) -> npt.NDArray[Any]:
    """The matrices of an operand as an array of shape [batch, *shape] over its buffer."""
    dtype = np.dtype(todo.dtype)
    if 0 in (todo.batch, *shape):
        return np.empty((todo.batch, *shape), dtype)
    strides = (1, operand.leading) if operand.transposed else (operand.leading, 1)
    memory: Any = (ctypes.c_char * operand.buffer.nbytes).from_address(operand.buffer.address)
    return np.ndarray(
        (todo.batch, *shape),
        dtype,
        memory,
        operand.offset * dtype.itemsize,
        tuple(stride * dtype.itemsize for stride in (operand.stride, *strides)),
    )


def _place(buffer: Buffer, address: int) -> str:
    """Where an address lies with respect to a buffer."""
    size = f"buffer {buffer.name!r} ({buffer.nbytes} bytes)"
    if address < buffer.address:
        return f"{buffer.address - address} bytes before the start of {size}"
    beyond = address - buffer.address - buffer.nbytes
    if beyond < 0:
        return f"at byte {address - buffer.address} of {size}"
    return f"{beyond} bytes past the end of {size}" if beyond else f"just past the end of {size}"


def _destroy(emulator: ctypes.CDLL, live: dict[int, Buffer], freed: list[Buffer]) -> None:
    for buffer in (*live.values(), *freed):
        emulator.graphopt_memory_destroy(buffer.handle)
