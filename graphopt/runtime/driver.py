"""The interface between generated CUDA C and whatever runs it: a GPU's driver, or the emulation on the CPU.

A driver compiles text, moves memory and launches kernels, in one stream and in the order of the calls. It is small
enough that a third party can bring another one. What every driver must check before a launch is here as well.

Not for deciding what to launch, and not for any particular device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from graphopt.errors import InvalidArgument

__all__ = ["FOREIGN", "Argument", "Buffer", "Dimensions", "Driver", "Event", "Kernel", "Module", "check_copy",
           "check_launch"]  # fmt: skip

Dimensions = tuple[int, int, int]

MAX_THREADS = 1024  # in a block
MAX_BLOCK: Dimensions = (1024, 1024, 64)
MAX_GRID: Dimensions = (2**31 - 1, 65535, 65535)
MAX_SHARED = 227 * 1024  # bytes of shared memory in a block (compute capability 9.0)

FOREIGN = "of another library"
"""The `handle` of a buffer whose memory no driver has allocated: it is read, and never freed."""


@dataclass(frozen=True, eq=False)
class Buffer:
    """Memory on a device.

    Attributes
    ----------
    address : int
        Its device address.
    nbytes : int
        Its size.
    name : str
        What messages call it.
    handle : object
        What the driver needs to manage it; nobody else's business.
    """

    address: int
    nbytes: int
    name: str = ""
    handle: Any = field(default=None, repr=False)

    def part(self, start: int, nbytes: int) -> Buffer:
        """The ``nbytes`` bytes from ``start`` on, as a buffer that belongs to this one and is not freed by itself.

        Raises
        ------
        InvalidArgument
            They do not lie within this buffer.
        """
        if start < 0 or nbytes < 0 or start + nbytes > self.nbytes:
            raise InvalidArgument(f"Bytes {start} to {start + nbytes} are not in buffer {self.name!r} ({self.nbytes}).")
        return Buffer(self.address + start, nbytes, self.name, self.handle)


#: What a kernel takes: a buffer for a pointer, a NumPy scalar (whose dtype is the C type) for a number.
Argument = Buffer | np.generic


@runtime_checkable
class Kernel(Protocol):
    """A ``__global__`` function of a compiled module."""

    @property
    def name(self) -> str: ...


@runtime_checkable
class Module(Protocol):
    """A compiled source text."""

    def kernel(self, name: str) -> Kernel:
        """The kernel of that name; InvalidArgument if there is none."""
        ...


@runtime_checkable
class Event(Protocol):
    """A moment in the driver's stream."""

    def seconds_since(self, earlier: Any) -> float:
        """Seconds on the device from an earlier event of the same driver to this one; waits for both."""
        ...


@runtime_checkable
class Driver(Protocol):
    """What runs CUDA C.

    A driver may also multiply matrices itself: `graphopt.runtime.multiplication.MultipliesMatrices`.

    All calls act on one stream: they take effect in order, and may return before they are finished, except
    `copy_out`, `synchronize` and `Event.seconds_since`.

    Attributes
    ----------
    name : str
        ``"cuda"``, ``"cuda-emulated"``, …
    times_mean_something : bool
        Whether the time between events says anything about a GPU.
    multiprocessors : int
        How many the device has: how much of a kernel's work is under way at a time.
    """

    name: str
    times_mean_something: bool
    multiprocessors: int

    # What a driver may have besides, and who looks for it does without:
    #   dlpack_device: tuple[int, int]   kind and number of the device for DLPack; (2, 0), CUDA's first, if missing
    #   stream: int                      its CUDA stream as the exchange protocols number it (1: the legacy default one)
    #   check_device(address)            raises InvalidArgument if that is no memory of this device
    #   wait_for(stream)                 what is launched from now on runs after what that stream has been given
    #   shared_memory: int               bytes of shared memory that a block can have; 48 KiB, as everywhere, if missing
    #   separates: bool                  whether programs should have a buffer for each array rather than one for all

    def compile(self, source: str) -> Module:
        """Compile CUDA C whose kernels are declared ``extern "C" __global__``; CompilationFailed if it is rejected."""
        ...

    def allocate(self, nbytes: int, name: str = "") -> Buffer:
        """Memory aligned to 16 bytes or more, with unspecified contents; DeviceFailed if there is not enough."""
        ...

    def free(self, buffer: Buffer) -> None:
        """Give memory back. No kernel that uses it may be launched afterwards."""
        ...

    def copy_in(self, buffer: Buffer, array: npt.NDArray[Any]) -> None:
        """Copy a contiguous array to the start of a buffer."""
        ...

    def copy_out(self, buffer: Buffer, array: npt.NDArray[Any]) -> None:
        """Fill a contiguous array from the start of a buffer, after all earlier calls are finished."""
        ...

    def launch(
        self, kernel: Kernel, grid: Dimensions, block: Dimensions, shared_bytes: int, arguments: Sequence[Argument]
    ) -> None:
        """Run a kernel on grid × block threads; DeviceFailed, here or at the next wait, if it does wrong."""
        ...

    def synchronize(self) -> None:
        """Wait until everything is finished."""
        ...

    def record(self) -> Event:
        """Mark this moment in the stream."""
        ...


def check_launch(kernel: str, grid: Dimensions, block: Dimensions, shared_bytes: int) -> None:
    """Hold the shape of a launch against the limits of CUDA devices.

    Raises
    ------
    InvalidArgument
        A dimension is not positive or too large, a block has more than 1024 threads, or it wants more shared memory
        than a multiprocessor has.
    """
    for what, dimensions, limits in (("grid", grid, MAX_GRID), ("block", block, MAX_BLOCK)):
        if len(dimensions) != 3:
            raise InvalidArgument(f"Kernel {kernel!r}: the {what} has three dimensions, not {len(dimensions)}.")
        if 0 in dimensions:
            raise InvalidArgument(
                f"Kernel {kernel!r}: the {what} {dimensions} is empty, which no device accepts. Skip the launch where "
                f"there is nothing to do."
            )
        if any(not 0 < size <= limit for size, limit in zip(dimensions, limits, strict=True)):
            raise InvalidArgument(f"Kernel {kernel!r}: the {what} {dimensions} exceeds the limits {limits}.")
    threads = block[0] * block[1] * block[2]
    if threads > MAX_THREADS:
        raise InvalidArgument(f"Kernel {kernel!r}: a block has at most {MAX_THREADS} threads, not {threads} {block}.")
    if not 0 <= shared_bytes <= MAX_SHARED:
        raise InvalidArgument(
            f"Kernel {kernel!r}: {shared_bytes} bytes of shared memory for a block; the limit is {MAX_SHARED}."
        )


def check_copy(buffer: Buffer, array: npt.NDArray[Any], *, writable: bool) -> None:
    """See to it that an array and a buffer can be copied to one another byte by byte.

    Raises
    ------
    InvalidArgument
        The array is not contiguous, larger than the buffer, or (``writable``) read-only.
    """
    if not array.flags.c_contiguous:
        raise InvalidArgument(f"Buffer {buffer.name!r}: only C-contiguous arrays are copied; use np.ascontiguousarray.")
    if array.nbytes > buffer.nbytes:
        raise InvalidArgument(f"Buffer {buffer.name!r} has {buffer.nbytes} bytes, the array {array.nbytes}.")
    if writable and not array.flags.writeable:
        raise InvalidArgument(f"Buffer {buffer.name!r} cannot be copied into an array that is read-only.")
