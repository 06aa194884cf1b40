"""What the CUDA driver needs of a GPU's driver library, and who brings it: PyCUDA where installed, or ctypes alone.

Both speak to ``libcuda.so.1`` and use the device's primary context, which other frameworks use as well. They are thin:
one call here is one call there, and a status other than 0 is a `CudaError`.

Not for deciding anything: memory, launches and messages are `cuda_driver.py`'s.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Protocol

import numpy.typing as npt

from graphopt.errors import InvalidArgument, TargetUnavailable
from graphopt.runtime.cuda_faults import OPENING, CudaError, unavailable, version_text

__all__ = ["LIBRARY", "Binding", "check_binding", "open_binding"]

LIBRARY = "libcuda.so.1"
OLDEST = 11020  # the driver's version: primary contexts as they are since CUDA 11, and NVRTC that makes machine code

CAPABILITY_MAJOR, CAPABILITY_MINOR, MULTIPROCESSORS = 75, 76, 16  # of the type CUdevice_attribute


class Binding(Protocol):
    """One device of a GPU's driver library, opened. Handles are nobody else's business.

    What acts on the device does so in the legacy default stream, between `push` and `pop`.

    Attributes
    ----------
    name : str
        What messages call it.
    version : int
        The CUDA version that the driver is for: 12040 is 12.4.
    device_name : str
        What the device is.
    total_memory : int
        The device's memory in bytes.

    Raises
    ------
    CudaError
        From every call.
    """

    name: str
    version: int
    device_name: str
    total_memory: int

    def attribute(self, which: int) -> int:
        """A number of the device, by its place in ``CUdevice_attribute``."""
        ...

    def push(self) -> None:
        """Make the device's primary context this thread's current one."""
        ...

    def pop(self) -> None:
        """Make current what was current before."""
        ...

    def load(self, image: bytes) -> Any:
        """A module from machine code, or from PTX."""
        ...

    def function(self, module: Any, name: str) -> Any:
        """A kernel of a module."""
        ...

    def function_attribute(self, function: Any, which: int) -> int:
        """A number of a kernel, by its place in ``CUfunction_attribute``."""
        ...

    def allow_shared(self, function: Any, nbytes: int) -> None:
        """Let a kernel have so much dynamic shared memory."""
        ...

    def launch(
        self, function: Any, grid: tuple[int, int, int], block: tuple[int, int, int], shared_bytes: int, packed: bytes
    ) -> None:
        """Start a kernel; `packed` are its arguments, each at its natural alignment."""
        ...

    def allocate(self, nbytes: int) -> int:
        """The address of so much memory."""
        ...

    def free(self, address: int) -> None:
        """Give memory back."""
        ...

    def free_memory(self) -> int:
        """Bytes that the device has left."""
        ...

    def copy_in(self, address: int, array: npt.NDArray[Any]) -> None:
        """Copy a contiguous array to the device."""
        ...

    def copy_out(self, array: npt.NDArray[Any], address: int) -> None:
        """Fill a contiguous array from the device."""
        ...

    def synchronize(self) -> None:
        """Wait until everything is finished."""
        ...

    def record(self) -> Any:
        """An event that marks this moment."""
        ...

    def seconds(self, earlier: Any, later: Any) -> float:
        """Seconds between two events; waits for the later one."""
        ...

    def release(self, handle: Any) -> None:
        """Let a module or an event go, of which the caller holds no other reference."""
        ...

    def device_of(self, address: int) -> int:
        """The number of the device that an address belongs to."""
        ...

    def abandon(self) -> None:
        """Never touch the device again, not even to clean up: it would fail, and some would say so."""
        ...


def open_binding(device: int = 0) -> Binding:
    """PyCUDA where it is installed, else ctypes, on a device that works.

    Raises
    ------
    TargetUnavailable
        There is no driver, no such device, or one that cannot be used.
    """
    from graphopt.runtime.cuda_ctypes import CtypesBinding

    looked = []
    try:
        with warnings.catch_warnings(action="ignore"):  # it warns, besides, that it cannot be imported
            from graphopt.runtime.cuda_pycuda import PycudaBinding
    except ImportError as error:  # not installed; or without a driver, or built for a newer one: the other says which
        looked.append(f"PyCUDA: {error} (nothing but {LIBRARY} is needed in its place)")
        kind: Callable[[int, str], Binding] = CtypesBinding
    else:
        looked.append("PyCUDA: installed")
        kind = PycudaBinding
    try:
        binding = kind(device, LIBRARY)
    except OSError as error:
        raise unavailable("there is no GPU driver here", [*looked, f"the driver's library: {error}"]) from None
    except CudaError as error:
        reason = OPENING.get(error.status, f"{error}")
        raise unavailable(reason, [*looked, f"the driver's library: {LIBRARY}", f"device {device}: {error}"]) from None
    check_binding(binding)
    return binding


def check_binding(binding: Binding) -> None:
    """Refuse a driver that is too old.

    Raises
    ------
    TargetUnavailable
        It is.
    """
    if binding.version < OLDEST:
        raise unavailable(
            f"the driver is too old: it is for CUDA {version_text(binding.version)}, and {version_text(OLDEST)} is the "
            f"oldest that serves",
            [f"the driver's library: {LIBRARY}", f"the device: {binding.device_name}"],
        )


def check_number(device: int, count: int) -> None:
    """Refuse a device that is not there.

    Raises
    ------
    InvalidArgument
        A device's number is not negative.
    TargetUnavailable
        There are fewer devices.
    """
    if device < 0:
        raise InvalidArgument(f"Devices are numbered from 0, found device={device}.")
    if device >= count:
        raise TargetUnavailable(
            f"There is no device {device}: this process sees {count} GPU{'s' if count != 1 else ''}, numbered from 0 "
            f"(the environment variable CUDA_VISIBLE_DEVICES chooses which)."
        )
