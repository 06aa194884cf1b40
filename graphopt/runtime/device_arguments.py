"""From what a user passes to a function of a device target to arrays that it can read: where they lie, if it can.

| what                                              | what becomes of it                                       |
|---------------------------------------------------|----------------------------------------------------------|
| NumPy arrays, numbers, lists; the host's DLPack   | as for every target; copied to the device by the call    |
| device arrays of the same driver                  | read where they lie                                      |
| DLPack and CUDA arrays of the driver's own device | read where they lie, if row-major and aligned            |
| anything on another device                        | refused                                                  |

An array of another dtype that converts without loss is converted, on the host. One that is not row-major is refused
on a GPU, where copying it behind the user's back would cost more than the call; one that is, but is not aligned to
what kernels may read at once, is copied.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from graphopt.errors import GraphoptError, InvalidArgument, TypeMismatch
from graphopt.runtime import dlpack
from graphopt.runtime.arguments import as_array
from graphopt.runtime.device_array import DeviceArray, put
from graphopt.runtime.driver import FOREIGN, Buffer
from graphopt.runtime.shared_device import CPU, CUDA, Device
from graphopt.types import check_dtype

__all__ = ["as_argument"]

Array = Any
ALIGNED = 16  # bytes; the widest access of a thread
HOST = (CPU, 3, 11)  # kDLCPU, kDLCUDAHost, kDLROCMHost
GPU = (CUDA, 13)  # kDLCUDA, kDLCUDAManaged


def as_argument(name: str, value: Any, dtype: str, downcast: bool | None, device: Device) -> Array:
    """An array of a dtype: a `DeviceArray` if it can be read where it lies, or else a NumPy array.

    Raises
    ------
    TypeMismatch, InvalidArgument, MemoryError
        As `graphopt.runtime.arguments.as_array` does.
    InvalidArgument
        If it lies on another device, or is not row-major and would have to be copied there.
    """
    found = _lying_there(name, value, device)
    if found is None:
        is_array = hasattr(value, "__array__") or not hasattr(value, "__dlpack__")
        return as_array(name, value if is_array else np.from_dlpack(value), dtype, downcast)
    return found if found.dtype == dtype else as_array(name, found.numpy(), dtype, downcast)


def _lying_there(name: str, value: Any, device: Device) -> DeviceArray | None:
    """An argument that lies on the device; None if it is the host's."""
    if isinstance(value, DeviceArray):
        if value.device is not device:
            raise InvalidArgument(
                f"argument {name} lies on {value.device!r}, but the function runs on {device!r}; "
                f"give it as {name}.numpy()"
            )
        return value
    if isinstance(value, np.ndarray | np.generic):
        return None
    if hasattr(value, "__dlpack_device__") and hasattr(value, "__dlpack__"):
        kind, number = _told(name, value.__dlpack_device__)
        here = device.dlpack_device
        if here[0] == CPU and kind == CPU:
            return _aligned(_by_dlpack(name, value, device))
        if kind in HOST:
            return None
        if here[0] != CUDA or kind not in GPU or number != here[1]:
            raise _elsewhere(name, f"DLPack device ({kind}, {number})", device)
        return _aligned(_by_dlpack(name, value, device))
    if hasattr(value, "__cuda_array_interface__"):
        if device.dlpack_device[0] != CUDA:
            raise _elsewhere(name, "a GPU", device)
        return _aligned(_by_interface(name, value, device))
    return None


def _elsewhere(name: str, where: str, device: Device) -> InvalidArgument:
    return InvalidArgument(
        f"argument {name} lies on {where}, but the function runs on {device.name}, device {device.dlpack_device}; "
        f"copy it there, or give it as a NumPy array"
    )


def _by_dlpack(name: str, value: Any, device: Device) -> DeviceArray | None:
    """What a library hands over; None if it is the host's, and not row-major."""
    on_host = device.dlpack_device[0] == CPU
    stream = None if on_host else device.stream or 1  # 1: the default stream, which others wait for
    capsule = _told(name, partial(value.__dlpack__, stream=stream))
    try:
        result = dlpack.imported(capsule, device)
    except dlpack.Strided as error:
        if on_host:
            return None
        raise _refused(name, error) from None
    except TypeMismatch as error:
        raise TypeMismatch(f"argument {name} {error}, which has no meaning here") from None
    except InvalidArgument as error:
        raise InvalidArgument(f"argument {name}: {error}") from None
    _check_device(name, result)
    return result


def _told(name: str, ask: Callable[[], Any]) -> Any:
    """What another library answers; its refusal is ours."""
    try:
        return ask()
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise InvalidArgument(f"argument {name} cannot be had through DLPack: {error}") from error


def _by_interface(name: str, value: Any, device: Device) -> DeviceArray:
    """An array with `__cuda_array_interface__`, versions 0 to 3."""
    facts = value.__cuda_array_interface__
    dtype = np.dtype(facts["typestr"])
    try:
        check_dtype(dtype)
    except TypeMismatch:
        raise TypeMismatch(f"argument {name} has dtype {dtype}, which has no meaning here") from None
    if not dtype.isnative or facts.get("mask") is not None:
        raise TypeMismatch(f"argument {name} has {'a mask' if dtype.isnative else 'foreign byte order'}")
    shape, strides = tuple(map(int, facts["shape"])), facts.get("strides")
    row_major = [math.prod(shape[axis + 1 :]) * dtype.itemsize for axis in range(len(shape))]
    if strides is not None and 0 not in shape:
        apart = [(size, step, wanted) for size, step, wanted in zip(shape, strides, row_major, strict=True)]
        if any(size != 1 and step != wanted for size, step, wanted in apart):
            raise _refused(name, f"it is not row-major: its shape is {shape}, its strides are {tuple(strides)} bytes")
    stream = facts.get("stream")
    if stream is not None and stream != device.stream and hasattr(device, "wait_for"):
        device.wait_for(stream)
    buffer = Buffer(int(facts["data"][0] or 0), math.prod(shape) * dtype.itemsize, name, FOREIGN)
    result = DeviceArray(device, buffer, shape, dtype, keeper=value)
    _check_device(name, result)
    return result


def _refused(name: str, what: object) -> InvalidArgument:
    return InvalidArgument(
        f"argument {name}: {what}; give a copy that is, such as {name}.contiguous() of PyTorch or "
        f"cupy.ascontiguousarray({name})"
    )


def _check_device(name: str, array: DeviceArray) -> None:
    """Ask the driver whether it can read an address, if it can tell."""
    check = getattr(array.device, "check_device", None)
    if check is None or not array.size:
        return
    try:
        check(array.buffer.address)
    except GraphoptError as error:
        raise InvalidArgument(f"argument {name}: {error}") from error


def _aligned(array: DeviceArray | None) -> DeviceArray | None:
    if array is None or array.buffer.address % ALIGNED == 0:
        return array
    return put(array.device, array.numpy(), array.buffer.name)
