"""A GPU's driver library through PyCUDA. Importing this imports PyCUDA, which needs the driver's library.

PyCUDA keeps a stack of contexts of its own beside the driver's. It is left as it was found between calls, as it ends
the process if anything is on it at exit. What PyCUDA's errors do not say, the status, is found by the text they have
from the driver.
"""

from __future__ import annotations

import ctypes
import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy.typing as npt
import pycuda
import pycuda.driver as cuda

from graphopt.runtime.cuda_binding import LIBRARY, check_number
from graphopt.runtime.cuda_ctypes import DEVICE_OF_POINTER, error_text, load_library
from graphopt.runtime.cuda_faults import CudaError

__all__ = ["PycudaBinding"]

_STATUSES = range(1, 1000)  # of the type CUresult
UNKNOWN = 999  # of the type CUresult
_MESSAGE = re.compile(r"(\w+) failed: (.*)", re.DOTALL)


@functools.cache
def _statuses(library: ctypes.CDLL) -> dict[str, int]:
    """What the driver calls each status it has, the other way round."""
    texts = {status: error_text(library, status) for status in _STATUSES}
    return {text: status for status, text in reversed(texts.items()) if text}


class PycudaBinding:
    """A device through PyCUDA; see `Binding`.

    Parameters
    ----------
    device : int
        Which.
    library : str
        The driver's library, for what PyCUDA does not say.
    """

    def __init__(self, device: int = 0, library: str = LIBRARY) -> None:
        self._library = load_library(library)
        self.name = f"PyCUDA {pycuda.VERSION_TEXT}"
        self._allocations: dict[int, Any] = {}
        self._handles: dict[int, Any] = {}  # modules and events, by identity
        with self._guarded():
            self.version = int(cuda.get_driver_version())
            cuda.init()
            check_number(device, cuda.Device.count())
            self._device = cuda.Device(device)
            self.device_name, self.total_memory = self._device.name(), self._device.total_memory()
            self._context = self._device.retain_primary_context()
        _keep_for_ever(self._context)  # its destructor would detach it as if it were PyCUDA's own

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except cuda.Error as error:
            raise self._status(error) from None

    def _status(self, error: Exception) -> CudaError:
        """PyCUDA's error as ours."""
        said = _MESSAGE.match(str(error))
        function, text = said.groups() if said else ("the driver", str(error))
        known = _statuses(self._library)
        first = text.split(" - ")[0]  # a log may follow
        return CudaError(known.get(text, known.get(first, UNKNOWN)), function, first)

    def attribute(self, which: int) -> int:
        with self._guarded():
            return int(self._device.get_attribute(cuda.device_attribute.values[which]))

    def push(self) -> None:
        try:
            self._context.push()
        except cuda.Error as error:
            raise self._status(error) from None

    def pop(self) -> None:
        with suppress(cuda.Error):  # what an earlier call has done wrong, that call has said
            cuda.Context.pop()

    def load(self, image: bytes) -> Any:
        with self._guarded():
            return self._held(cuda.module_from_buffer(image))

    def function(self, module: Any, name: str) -> Any:
        with self._guarded():
            return module.get_function(name)

    def function_attribute(self, function: Any, which: int) -> int:
        with self._guarded():
            return int(function.get_attribute(cuda.function_attribute.values[which]))

    def allow_shared(self, function: Any, nbytes: int) -> None:
        with self._guarded():
            function.set_attribute(cuda.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, nbytes)

    def launch(
        self, function: Any, grid: tuple[int, int, int], block: tuple[int, int, int], shared_bytes: int, packed: bytes
    ) -> None:
        try:
            function._launch_kernel(grid, block, packed, shared_bytes, None)
        except cuda.Error as error:  # (a context manager takes a microsecond)
            raise self._status(error) from None

    def allocate(self, nbytes: int) -> int:
        with self._guarded():
            allocation = cuda.mem_alloc(nbytes)
        self._allocations[int(allocation)] = allocation
        return int(allocation)

    def free(self, address: int) -> None:
        with self._guarded():
            self._allocations.pop(address).free()

    def free_memory(self) -> int:
        with self._guarded():
            return int(cuda.mem_get_info()[0])

    def copy_in(self, address: int, array: npt.NDArray[Any]) -> None:
        with self._guarded():
            cuda.memcpy_htod(address, array)

    def copy_out(self, array: npt.NDArray[Any], address: int) -> None:
        with self._guarded():
            cuda.memcpy_dtoh(array, address)

    def synchronize(self) -> None:
        with self._guarded():
            cuda.Context.synchronize()

    def record(self) -> Any:
        with self._guarded():
            event = cuda.Event()
            event.record()
            return self._held(event)

    def seconds(self, earlier: Any, later: Any) -> float:
        with self._guarded():
            later.synchronize()
            return float(later.time_since(earlier)) / 1000

    def release(self, handle: Any) -> None:
        del self._handles[id(handle)]  # it goes with the caller's reference, while the context is current

    def _held(self, handle: Any) -> Any:
        self._handles[id(handle)] = handle
        return handle

    def device_of(self, address: int) -> int:
        number = ctypes.c_int(-1)
        status = self._library.cuPointerGetAttribute(ctypes.byref(number), DEVICE_OF_POINTER, address)
        if status != 0:
            raise CudaError(status, "cuPointerGetAttribute", error_text(self._library, status))
        return number.value

    def abandon(self) -> None:
        for thing in (*self._allocations.values(), *self._handles.values()):
            _keep_for_ever(thing)  # a destructor that meets a fault ends the process


def _keep_for_ever(thing: object) -> None:
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
