"""A driver as functions and threads share it: one at a time, memory given back at safe moments, all traffic counted.

Drivers need not stand two threads at once, nor a call from within a call. Python frees an array whenever the last
reference goes: in any thread, and, through the collector, in the middle of anything. So memory that nobody needs any
more is noted, and given back as soon as nobody is inside the driver.

Not for what lies where; that is for `arena.py` and `residence.py`.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from graphopt.errors import DeviceFailed
from graphopt.runtime.driver import Argument, Buffer, Dimensions, Driver, Event, Kernel, Module
from graphopt.runtime.multiplication import Multiplication, MultipliesMatrices

__all__ = ["CPU", "CUDA", "Device", "Tally", "device_of"]

CPU, CUDA = 1, 2
"""Kinds of memory, as DLPack numbers them (`DLDeviceType`)."""


@dataclass
class Tally:
    """What a thread asked of a device.

    Attributes
    ----------
    copies_in, copies_out
        Copies between host and device.
    bytes_in, bytes_out
        What they moved.
    launches
        Kernels that were launched.
    allocations
        How often memory was asked for.
    live_bytes, peak_bytes
        Memory that was asked for and not given back, now and at most.
    """

    copies_in: int = 0
    bytes_in: int = 0
    copies_out: int = 0
    bytes_out: int = 0
    launches: int = 0
    allocations: int = 0
    live_bytes: int = 0
    peak_bytes: int = 0

    def took(self, nbytes: int) -> None:
        """Count memory that was taken; negative if it was given back."""
        self.live_bytes += nbytes
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)


_devices: WeakValueDictionary[int, Device] = WeakValueDictionary()  # by the identity of their drivers, which they hold
_making = threading.Lock()


def _renew_after_fork() -> None:
    global _making  # a lock held by another thread of the parent would never be released here
    _making = threading.Lock()
    for device in list(_devices.values()):
        device._inside = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)


def device_of(driver: Driver | Device) -> Device:
    """The device of a driver: one for each driver, so that arrays can be told to lie on the same one."""
    if isinstance(driver, Device):
        return driver
    with _making:
        device = _devices.get(id(driver))
        if device is None:
            device = _devices[id(driver)] = Device(driver)
        return device


class Device:
    """A driver with turns, deferred freeing and tallies; a `Driver` itself. Made by `device_of`.

    What else a driver offers is passed through.
    """

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self._inside = threading.Lock()  # held by who is inside the driver
        self._dead: deque[Buffer] = deque()
        self._tallies = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.driver, name)

    def __repr__(self) -> str:
        return f"<device {self.driver!r}>"

    @property
    def name(self) -> str:
        """The driver's."""
        return self.driver.name

    @property
    def times_mean_something(self) -> bool:
        """The driver's."""
        return self.driver.times_mean_something

    @property
    def dlpack_device(self) -> tuple[int, int]:
        """Kind and number of the device as DLPack has them; a driver that does not say is CUDA's first device."""
        kind, number = getattr(self.driver, "dlpack_device", (CUDA, 0))
        return int(kind), int(number)

    @property
    def separates(self) -> bool:
        """Whether the driver notices what leaves a buffer, so that arrays are better not parts of one."""
        return bool(getattr(self.driver, "separates", False))

    @property
    def stream(self) -> int | None:
        """The driver's CUDA stream as the exchange protocols number it; None if it does not say."""
        stream = getattr(self.driver, "stream", None)
        return stream if isinstance(stream, int) and stream > 0 else None

    # --- counting ------------------------------------------------------------------------------------------------
    @contextmanager
    def counted(self) -> Iterator[Tally]:
        """Count what this thread asks of the device meanwhile."""
        tally = Tally()
        active = self._active()
        active.append(tally)
        try:
            yield tally
        finally:
            active.remove(tally)

    def _active(self) -> list[Tally]:
        if not hasattr(self._tallies, "active"):
            self._tallies.active = []
        found: list[Tally] = self._tallies.active
        return found

    # --- memory --------------------------------------------------------------------------------------------------
    def allocate(self, nbytes: int, name: str = "") -> Buffer:
        """As the driver's, once what nobody needs any more has been given back."""
        self._collect()
        with self._inside:
            buffer = self.driver.allocate(nbytes, name)
        for tally in self._active():
            tally.allocations += 1
            tally.took(buffer.nbytes)
        return buffer

    def free(self, buffer: Buffer) -> None:
        """As the driver's."""
        with self._inside:
            self.driver.free(buffer)
        for tally in self._active():
            tally.took(-buffer.nbytes)
        self._collect()

    def release(self, buffer: Buffer) -> None:
        """Give memory back now, or as soon as nobody is inside the driver: to be called from anywhere."""
        self._dead.append(buffer)
        self._collect()

    def _collect(self) -> None:
        while self._dead and self._inside.acquire(blocking=False):
            try:
                while self._dead:
                    buffer = self._dead.popleft()
                    with suppress(DeviceFailed):  # of a device that is lost, memory is lost as well
                        self.driver.free(buffer)
                    for tally in self._active():
                        tally.took(-buffer.nbytes)
            finally:
                self._inside.release()

    # --- what is counted -----------------------------------------------------------------------------------------
    def copy_in(self, buffer: Buffer, array: npt.NDArray[Any]) -> None:
        """As the driver's."""
        with self._inside:
            self.driver.copy_in(buffer, array)
        for tally in self._active():
            tally.copies_in += 1
            tally.bytes_in += array.nbytes
        self._collect()

    def copy_out(self, buffer: Buffer, array: npt.NDArray[Any]) -> None:
        """As the driver's."""
        with self._inside:
            self.driver.copy_out(buffer, array)
        for tally in self._active():
            tally.copies_out += 1
            tally.bytes_out += array.nbytes
        self._collect()

    def launch(
        self, kernel: Kernel, grid: Dimensions, block: Dimensions, shared_bytes: int, arguments: Sequence[Argument]
    ) -> None:
        """As the driver's."""
        with self._inside:
            self.driver.launch(kernel, grid, block, shared_bytes, arguments)
        for tally in self._active():
            tally.launches += 1
        self._collect()

    def multiply(self, todo: Multiplication) -> None:
        """As the driver's, if it has a library for that (`graphopt.runtime.multiplication`)."""
        with self._inside:
            cast(MultipliesMatrices, self.driver).multiply(todo)
        for tally in self._active():
            tally.launches += 1
        self._collect()

    # --- what is not ---------------------------------------------------------------------------------------------
    def compile(self, source: str) -> Module:
        """As the driver's; compilers take no turns."""
        return self.driver.compile(source)

    def synchronize(self) -> None:
        """As the driver's."""
        with self._inside:
            self.driver.synchronize()
        self._collect()

    def record(self) -> Event:
        """As the driver's."""
        with self._inside:
            return self.driver.record()

    # --- arrays --------------------------------------------------------------------------------------------------
    def uploaded(self, array: npt.NDArray[Any], name: str = "") -> Buffer:
        """New memory with a copy of an array."""
        array = np.asarray(array, order="C")
        buffer = self.allocate(array.nbytes, name)
        try:
            self.copy_in(buffer, array)
        except BaseException:
            self.free(buffer)
            raise
        return buffer
