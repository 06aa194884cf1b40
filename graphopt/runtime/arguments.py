"""From what a user passes to arrays that kernels take: named, of the right dtype and rank, contiguous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphopt.errors import InvalidArgument, MissingInput, TypeMismatch
from graphopt.integers import convert
from graphopt.runtime.memory import memory
from graphopt.types import check_dtype, is_float, is_integer, refuse_mask

__all__ = ["as_array", "bind", "contiguous"]

Array = Any


def bind(
    names: Sequence[str], positional: Sequence[Any], by_name: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments by the inputs' names; `defaults` stand for those that are left out.

    Raises
    ------
    InvalidArgument
        If there are too many, one is given twice, or a name is unknown.
    MissingInput
        If one is missing.
    """
    if len(positional) > len(names):
        raise InvalidArgument(f"expected at most {len(names)} arguments ({', '.join(names)}), found {len(positional)}")
    bound = dict(zip(names, positional, strict=False))
    for name, value in by_name.items():
        if name not in names:
            raise InvalidArgument(f"there is no argument {name!r}; the arguments are {', '.join(names) or 'none'}")
        if name in bound:
            raise InvalidArgument(f"argument {name} is given twice")
        bound[name] = value
    bound = {name: bound.get(name, defaults.get(name)) for name in names if name in bound or name in defaults}
    if missing := [name for name in names if name not in bound]:
        raise MissingInput(f"missing argument{'s' * (len(missing) > 1)} {', '.join(missing)}")
    return bound


def as_array(name: str, value: Any, dtype: str, downcast: bool | None = None) -> Array:
    """An array of a dtype. Arrays must convert without loss; Python numbers and lists of them are converted.

    Whatever has `__array__` is an array; subclasses of NumPy's are taken as plain arrays, but masked ones refused.
    `downcast` says otherwise: True converts arrays with loss as well, False refuses numbers that would lose something.

    Raises
    ------
    TypeMismatch
        For ragged lists, complex numbers, text, masked arrays, and dtypes that would lose something.
    InvalidArgument
        If a Python integer does not fit the dtype.
    MemoryError
        If the array has to be converted, and the result would not fit into memory.
    """
    refuse_mask(value, f"argument {name}")
    untyped = not (hasattr(value, "dtype") or hasattr(value, "__array__"))
    try:
        array = np.asarray(value)
    except ValueError:
        raise TypeMismatch(f"argument {name} is a ragged list, expected a rectangular array of {dtype}") from None
    if array.dtype == dtype:
        return array
    if untyped:
        array = _numbers(name, array, dtype, checked=downcast is not True)
    try:
        found = check_dtype(array.dtype)
    except TypeMismatch:
        what = f"has dtype {array.dtype}" if array.dtype != object or array.ndim else f"is {value!r:.60}"
        raise TypeMismatch(f"argument {name} {what}, expected {dtype}") from None
    _check_room(name, array, np.dtype(dtype).itemsize)
    converted = convert(array, dtype)
    lossless = np.can_cast(found, dtype, "safe") or (untyped and is_integer(found) and is_integer(dtype))
    if not lossless and untyped:
        exact = np.array_equal(converted, array, equal_nan=is_float(found))
        lossless = exact if downcast is False else is_float(dtype)
    if not lossless and not downcast:
        raise TypeMismatch(
            f"argument {name} has dtype {found}, expected {dtype}; convert it with .astype({dtype!r}) if that is meant"
        )
    return converted


def _numbers(name: str, array: Array, dtype: str, checked: bool) -> Array:
    """What NumPy made of Python's numbers, which has to fit the dtype: integers of any size, or no numbers at all."""
    if array.size == 0:
        return array.astype(dtype)
    if array.dtype == object and all(type(number) is int for number in array.flat):
        if is_float(dtype):
            return np.array([_as_float(name, number, dtype) for number in array.flat]).reshape(array.shape)
    elif array.dtype.kind not in "iu":
        return array
    if is_integer(dtype) and checked:
        limits = np.iinfo(dtype)
        for number in (array.min(), array.max()):
            if not limits.min <= number <= limits.max:
                raise InvalidArgument(
                    f"argument {name}: {number} does not fit {dtype}, which holds {limits.min} to {limits.max}"
                )
    return array


def _as_float(name: str, number: int, dtype: str) -> float:
    try:
        return float(number)
    except OverflowError:
        raise InvalidArgument(
            f"argument {name}: an integer of {len(str(number))} digits does not fit {dtype}"
        ) from None


def contiguous(array: Array, name: str = "of a call") -> Array:
    """Row-major, aligned, in native byte order: the array itself if it is so already.

    Raises
    ------
    MemoryError
        If a copy would not fit into memory, as of a small array that is broadcast to a large shape.
    """
    flags = array.flags
    if flags.c_contiguous and flags.aligned and array.dtype.isnative:
        return array
    _check_room(name, array, array.itemsize)
    return np.require(array, array.dtype.newbyteorder("="), ["C", "A"])


def _check_room(name: str, array: Array, itemsize: int) -> None:
    if array.size * itemsize > memory():
        raise MemoryError(
            f"argument {name} of shape {array.shape} has to be copied into {array.size * itemsize:.3g} bytes, of "
            f"{memory():.3g} that there are; give it contiguous and of the right dtype, or in parts"
        )
