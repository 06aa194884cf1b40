"""Device memory that is kept for the next call: asking the device for it, and giving it back, waits for all kernels.

Blocks have sizes of few classes, so that programs whose sizes vary find blocks that fit. What is freed is kept, and may
be taken at once by what comes later in the same stream. It goes back to the device when the device runs out, or when
more is kept than is allowed.

Not for a program's own plan of what may share memory, and not thread-local: all users of a device share one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from graphopt.runtime.cuda_faults import OUT_OF_MEMORY, CudaError

__all__ = ["DeviceMemory", "size_class"]

SMALLEST = 512  # bytes
LARGEST_STEP = 2 * 2**20  # bytes; what a device hands out at once


def size_class(nbytes: int) -> int:
    """The size of the block that holds so many bytes: at most an eighth more, and at most 2 MiB more.

    Sizes below 512 bytes are one class; so an empty buffer has an address of its own as well.
    """
    eighth = 1 << max(nbytes - 1, 1).bit_length() - 4 if nbytes > SMALLEST else SMALLEST
    step = min(max(eighth, SMALLEST), LARGEST_STEP)
    return max(-(-nbytes // step), 1) * step


class DeviceMemory:
    """Blocks of a device's memory, by class.

    Parameters
    ----------
    allocate, free
        How the device gives and takes memory; `CudaError` if it does not.
    limit : int
        How many bytes may be kept that nobody uses.

    Attributes
    ----------
    used, kept : int
        Bytes that are in use, and that wait for it.
    """

    def __init__(self, allocate: Callable[[int], int], free: Callable[[int], None], limit: int) -> None:
        self._allocate = allocate
        self._free = free
        self._limit = limit
        self._sizes: dict[int, int] = {}  # of the blocks in use, by address
        self._waiting: OrderedDict[int, int] = OrderedDict()  # the sizes of those kept, by address, the oldest first
        self._by_size: dict[int, list[int]] = {}  # their addresses
        self.used = self.kept = 0
        self._lock = threading.RLock()  # what a garbage collection frees may be freed in the middle of a call here

    def take(self, nbytes: int) -> int:
        """The address of a block of that many bytes or more.

        Raises
        ------
        CudaError
            There is none, and the device has none after all that was kept went back to it.
        """
        size = size_class(nbytes)
        with self._lock:
            fitting = self._by_size.get(size)
            if fitting:
                address = fitting.pop()  # the one used last, which may still lie in the device's cache
                del self._waiting[address]
                self.kept -= size
            else:
                address = self._fresh(size)
            self._sizes[address] = size
            self.used += size
            return address

    def give(self, address: int) -> None:
        """Keep a block for whoever needs the next. KeyError if it is not in use."""
        with self._lock:
            size = self._sizes.pop(address)
            self.used -= size
            self._waiting[address] = size
            self._by_size.setdefault(size, []).append(address)
            self.kept += size
            self._shrink(self._limit)

    def release(self) -> None:
        """Give everything back to the device that nobody uses."""
        with self._lock:
            self._shrink(0)

    def close(self) -> None:
        """Give everything back, also what is in use."""
        with self._lock:
            for address in list(self._sizes):
                self.give(address)
            self._shrink(0)

    def _fresh(self, size: int) -> int:
        try:
            return self._allocate(size)
        except CudaError as error:
            if error.status != OUT_OF_MEMORY or not self.kept:
                raise
        self._shrink(0)
        return self._allocate(size)

    def _shrink(self, limit: int) -> None:
        while self.kept > limit and self._waiting:
            address, size = self._waiting.popitem(last=False)
            self._by_size[size].remove(address)
            self.kept -= size
            self._free(address)
