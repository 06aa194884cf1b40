"""A GPU's driver library through ctypes: all that is needed where PyCUDA is not installed."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_size_t, c_uint, c_uint64, c_void_p
from typing import Any

import numpy.typing as npt

from graphopt.runtime.cuda_binding import LIBRARY, check_number
from graphopt.runtime.cuda_faults import CudaError

__all__ = ["CtypesBinding", "Event", "error_text", "load_library"]

DYNAMIC_SHARED = 8  # of the type CUfunction_attribute
DEVICE_OF_POINTER = 9  # of the type CUpointer_attribute

_ADDRESS = c_uint64
PARAMETERS: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (POINTER(c_int),),
    "cuGetErrorString": (c_int, POINTER(c_char_p)),
    "cuDeviceGetCount": (POINTER(c_int),),
    "cuDeviceGet": (POINTER(c_int), c_int),
    "cuDeviceGetName": (c_char_p, c_int, c_int),
    "cuDeviceTotalMem_v2": (POINTER(c_size_t), c_int),
    "cuDeviceGetAttribute": (POINTER(c_int), c_int, c_int),
    "cuDevicePrimaryCtxRetain": (POINTER(c_void_p), c_int),
    "cuCtxPushCurrent_v2": (c_void_p,),
    "cuCtxPopCurrent_v2": (POINTER(c_void_p),),
    "cuCtxSynchronize": (),
    "cuModuleLoadData": (POINTER(c_void_p), c_char_p),
    "cuModuleUnload": (c_void_p,),
    "cuModuleGetFunction": (POINTER(c_void_p), c_void_p, c_char_p),
    "cuFuncGetAttribute": (POINTER(c_int), c_int, c_void_p),
    "cuFuncSetAttribute": (c_void_p, c_int, c_int),
    "cuLaunchKernel": (c_void_p, *(c_uint,) * 7, c_void_p, c_void_p, c_void_p),
    "cuMemAlloc_v2": (POINTER(_ADDRESS), c_size_t),
    "cuMemFree_v2": (_ADDRESS,),
    "cuMemGetInfo_v2": (POINTER(c_size_t), POINTER(c_size_t)),
    "cuMemcpyHtoD_v2": (_ADDRESS, c_void_p, c_size_t),
    "cuMemcpyDtoH_v2": (c_void_p, _ADDRESS, c_size_t),
    "cuEventCreate": (POINTER(c_void_p), c_uint),
    "cuEventRecord": (c_void_p, c_void_p),
    "cuEventSynchronize": (c_void_p,),
    "cuEventElapsedTime": (POINTER(c_float), c_void_p, c_void_p),
    "cuEventDestroy_v2": (c_void_p,),
    "cuPointerGetAttribute": (c_void_p, c_int, _ADDRESS),
}


def load_library(name: str = LIBRARY) -> ctypes.CDLL:
    """The driver's library, its functions declared; OSError if it is not there."""
    library = ctypes.CDLL(name)
    try:
        for function, parameters in PARAMETERS.items():
            getattr(library, function).argtypes = parameters
    except AttributeError as error:
        raise OSError(f"it is no CUDA driver, or one from before CUDA 11: {error}") from None
    return library


def error_text(library: ctypes.CDLL, status: int) -> str:
    """What the driver calls a status; empty if it knows none such."""
    text = c_char_p()
    library.cuGetErrorString(status, byref(text))
    return (text.value or b"").decode(errors="replace")


class _Packed(ctypes.Structure):
    """The last parameter of cuLaunchKernel: a list of what follows, and what it is."""

    _fields_ = (
        ("key_of_data", c_void_p),  # CU_LAUNCH_PARAM_BUFFER_POINTER
        ("data", c_char_p),
        ("key_of_size", c_void_p),  # CU_LAUNCH_PARAM_BUFFER_SIZE
        ("size", c_void_p),
        ("end", c_void_p),  # CU_LAUNCH_PARAM_END
    )


class Event(c_void_p):
    """An event's handle, which is not a module's."""


class CtypesBinding:
    """A device through ctypes; see `Binding`.

    Parameters
    ----------
    device : int
        Which.
    library : str
        The driver's library.
    """

    def __init__(self, device: int = 0, library: str = LIBRARY) -> None:
        self._library = load_library(library)
        self.name = f"{library} through ctypes"
        version, count = c_int(), c_int()
        self._call("cuDriverGetVersion", byref(version))
        self.version = version.value
        self._call("cuInit", 0)
        self._call("cuDeviceGetCount", byref(count))
        check_number(device, count.value)
        self._device, name, memory = c_int(), ctypes.create_string_buffer(256), c_size_t()
        self._call("cuDeviceGet", byref(self._device), device)
        self._call("cuDeviceGetName", name, len(name), self._device)
        self._call("cuDeviceTotalMem_v2", byref(memory), self._device)
        self.device_name, self.total_memory = name.value.decode(errors="replace"), memory.value
        self._context = c_void_p()
        self._call("cuDevicePrimaryCtxRetain", byref(self._context), self._device)

    def _call(self, function: str, *arguments: Any) -> None:
        status = getattr(self._library, function)(*arguments)
        if status != 0:
            raise CudaError(status, function, error_text(self._library, status))

    def attribute(self, which: int) -> int:
        value = c_int()
        self._call("cuDeviceGetAttribute", byref(value), which, self._device)
        return value.value

    def push(self) -> None:
        self._call("cuCtxPushCurrent_v2", self._context)

    def pop(self) -> None:
        self._library.cuCtxPopCurrent_v2(byref(c_void_p()))  # what an earlier call has done wrong, that call has said

    def load(self, image: bytes) -> c_void_p:
        module = c_void_p()
        self._call("cuModuleLoadData", byref(module), image)
        return module

    def function(self, module: c_void_p, name: str) -> c_void_p:
        function = c_void_p()
        self._call("cuModuleGetFunction", byref(function), module, name.encode())
        return function

    def function_attribute(self, function: c_void_p, which: int) -> int:
        value = c_int()
        self._call("cuFuncGetAttribute", byref(value), which, function)
        return value.value

    def allow_shared(self, function: c_void_p, nbytes: int) -> None:
        self._call("cuFuncSetAttribute", function, DYNAMIC_SHARED, nbytes)

    def launch(
        self,
        function: c_void_p,
        grid: tuple[int, int, int],
        block: tuple[int, int, int],
        shared_bytes: int,
        packed: bytes,
    ) -> None:
        size = c_size_t(len(packed))
        arguments = _Packed(1, packed, 2, ctypes.addressof(size), 0)
        self._call("cuLaunchKernel", function, *grid, *block, shared_bytes, None, None, byref(arguments))

    def allocate(self, nbytes: int) -> int:
        address = _ADDRESS()
        self._call("cuMemAlloc_v2", byref(address), nbytes)
        return address.value

    def free(self, address: int) -> None:
        self._call("cuMemFree_v2", address)

    def free_memory(self) -> int:
        free, total = c_size_t(), c_size_t()
        self._call("cuMemGetInfo_v2", byref(free), byref(total))
        return free.value

    def copy_in(self, address: int, array: npt.NDArray[Any]) -> None:
        self._call("cuMemcpyHtoD_v2", address, array.ctypes.data, array.nbytes)

    def copy_out(self, array: npt.NDArray[Any], address: int) -> None:
        self._call("cuMemcpyDtoH_v2", array.ctypes.data, address, array.nbytes)

    def synchronize(self) -> None:
        self._call("cuCtxSynchronize")

    def record(self) -> Event:
        event = Event()
        self._call("cuEventCreate", byref(event), 0)
        self._call("cuEventRecord", event, None)
        return event

    def seconds(self, earlier: Event, later: Event) -> float:
        milliseconds = c_float()
        self._call("cuEventSynchronize", later)
        self._call("cuEventElapsedTime", byref(milliseconds), earlier, later)
        return milliseconds.value / 1000

    def release(self, handle: c_void_p) -> None:
        self._call("cuEventDestroy_v2" if isinstance(handle, Event) else "cuModuleUnload", handle)

    def device_of(self, address: int) -> int:
        number = c_int(-1)
        self._call("cuPointerGetAttribute", byref(number), DEVICE_OF_POINTER, address)
        return number.value

    def abandon(self) -> None:
        pass  # handles are numbers: nothing happens to the device when they go
