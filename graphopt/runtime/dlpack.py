"""DLPack: memory handed from one library to another without copying, in a capsule of Python's.

The structures are those of `dlpack.h`, version 0.8, which every library reads (`DLManagedTensor`); the rules for
capsules are those of the Python array API's section "Data interchange". A capsule's name says whose turn it is:
"dltensor" until somebody takes the memory, "used_dltensor" afterwards. The deleter is called once, by whoever had the
turn last.

Not for what is done with the memory.
"""

from __future__ import annotations

import ctypes
import math
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from graphopt import types
from graphopt.errors import InvalidArgument, TypeMismatch
from graphopt.runtime.driver import FOREIGN, Buffer

if TYPE_CHECKING:
    from graphopt.runtime.device_array import DeviceArray
    from graphopt.runtime.shared_device import Device

__all__ = ["Strided", "exported", "imported"]

FRESH, USED = b"dltensor", b"used_dltensor"
CODES = {"i": 0, "u": 1, "f": 2, "b": 6}  # DLDataTypeCode, by the kinds of NumPy's dtypes
NAMES = {0: "int", 1: "uint", 2: "float", 4: "bfloat", 5: "complex", 6: "bool"}
DTYPES = {(CODES[dtype.kind], 8 * dtype.itemsize): dtype for dtype in map(np.dtype, types.DTYPES)}


class _Tensor(ctypes.Structure):
    """`DLTensor`."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Managed(ctypes.Structure):
    """`DLManagedTensor`."""

    _fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p))


# Deleters are called by those who hold the interpreter's lock, or take it; and capsules are handled by their addresses,
# for the destructor gets one that is about to go and must not be referred to again.
_DELETER = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)


def _python(name: str, result: Any, *arguments: Any) -> Any:
    return ctypes.PYFUNCTYPE(result, *arguments)((name, ctypes.pythonapi))


_new = _python("PyCapsule_New", ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_is_valid = _python("PyCapsule_IsValid", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)
_pointer = _python("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
_set_name = _python("PyCapsule_SetName", ctypes.c_int, ctypes.py_object, ctypes.c_char_p)


# Out -----------------------------------------------------------------------------------------------------------------

_lent: dict[int, tuple[Any, ...]] = {}  # what lives for the sake of others, by the addresses of its structures


def _delete(address: int) -> None:
    _lent.pop(address, None)


def _destroy(capsule: int) -> None:
    if _is_valid(capsule, FRESH):  # nobody took the memory
        _delete(_pointer(capsule, FRESH))


_delete_entry, _destroy_entry = _DELETER(_delete), _DELETER(_destroy)


def exported(array: DeviceArray) -> Any:
    """A capsule of an array's memory, which lives until the capsule, or whoever took the memory from it, is done."""
    rank = array.ndim
    shape, strides = (ctypes.c_int64 * max(rank, 1))(*array.shape), (ctypes.c_int64 * max(rank, 1))()
    for axis in range(rank):
        strides[axis] = math.prod(array.shape[axis + 1 :])
    kind, number = array.device.dlpack_device
    tensor = _Tensor(
        array.buffer.address, kind, number, rank, CODES[array.dtype.kind], 8 * array.itemsize, 1,
        ctypes.cast(shape, ctypes.POINTER(ctypes.c_int64)), ctypes.cast(strides, ctypes.POINTER(ctypes.c_int64)), 0,
    )  # fmt: skip
    managed = _Managed(tensor, None, ctypes.cast(_delete_entry, ctypes.c_void_p))
    address = ctypes.addressof(managed)
    _lent[address] = (managed, shape, strides, array)
    try:
        return _new(address, FRESH, ctypes.cast(_destroy_entry, ctypes.c_void_p))
    except BaseException:
        _delete(address)
        raise


# In ------------------------------------------------------------------------------------------------------------------


class Strided(InvalidArgument):
    """Memory that is not row-major."""


def imported(capsule: Any, device: Device) -> DeviceArray:
    """The array that a capsule hands over, read where it lies; what lent it is told when nobody reads it any more.

    Raises
    ------
    TypeMismatch
        If it has a dtype that has no meaning here. (Of what has not been taken, the capsule looks after itself.)
    Strided
        If it is not row-major.
    InvalidArgument
        If the capsule has been used.
    """
    from graphopt.runtime.device_array import DeviceArray

    if not _is_valid(id(capsule), FRESH):
        raise InvalidArgument("what it gave is no DLPack capsule, or one that was used already")
    managed = _Managed.from_address(_pointer(id(capsule), FRESH))
    tensor = managed.tensor
    kind = (tensor.code, tensor.bits)
    if kind not in DTYPES or tensor.lanes != 1:
        raise TypeMismatch(
            f"has dtype {NAMES.get(tensor.code, f'of code {tensor.code}')}{tensor.bits} in DLPack's words"
        )
    dtype = DTYPES[kind]
    shape = tuple(tensor.shape[: tensor.ndim])
    steps = tuple(tensor.strides[: tensor.ndim]) if tensor.strides else None
    if steps is not None and not _is_row_major(shape, steps):
        raise Strided(f"it is not row-major: its shape is {shape}, its strides are {steps} elements")
    nbytes = math.prod(shape) * dtype.itemsize
    buffer = Buffer((tensor.data or 0) + tensor.byte_offset, nbytes, "of another library", FOREIGN)
    _set_name(capsule, USED)
    keeper = _Loan(managed)
    return DeviceArray(device, buffer, shape, dtype, keeper=keeper)


class _Loan:
    """Memory of another library: its deleter is called when this goes."""

    def __init__(self, managed: _Managed) -> None:
        if managed.deleter:
            weakref.finalize(self, _DELETER(managed.deleter), ctypes.addressof(managed)).atexit = False


def _is_row_major(shape: tuple[int, ...], steps: tuple[int, ...]) -> bool:
    if 0 in shape:
        return True
    sizes = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return all(size == 1 or step == wanted for size, step, wanted in zip(shape, steps, sizes, strict=True))
