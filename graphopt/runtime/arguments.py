"""From what a user passes to arrays that kernels take: named, of the right dtype and rank, contiguous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphopt.errors import InvalidArgument, MissingInput, TypeMismatch
from graphopt.types import check_dtype, is_float

__all__ = ["as_array", "bind"]

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

    `downcast` says otherwise: True converts arrays with loss as well, False refuses numbers that would lose something.

    Raises
    ------
    TypeMismatch
        For ragged lists, complex numbers, text, and dtypes that would lose something.
    """
    untyped = not hasattr(value, "dtype")
    try:
        array = np.asarray(value)
    except ValueError:
        raise TypeMismatch(f"argument {name} is a ragged list, expected a rectangular array of {dtype}") from None
    if array.dtype == dtype:
        return array
    try:
        found = check_dtype(array.dtype)
    except TypeMismatch:
        raise TypeMismatch(f"argument {name} has dtype {array.dtype}, expected {dtype}") from None
    kinds = "bool", "uint", "int", "float"
    rank = [next(k for k, kind in enumerate(kinds) if d.startswith(kind)) for d in (found, dtype)]
    with np.errstate(all="ignore"):
        converted = array.astype(dtype)
    lossless = np.can_cast(found, dtype, "safe")
    if downcast is False:
        lossless = lossless or (untyped and np.array_equal(converted, array, equal_nan=is_float(found)))
    elif untyped:
        lossless = lossless or rank[0] <= rank[1]
    if not lossless and not downcast:
        raise TypeMismatch(
            f"argument {name} has dtype {found}, expected {dtype}; convert it with .astype({dtype!r}) if that is meant"
        )
    return converted


def contiguous(array: Array) -> Array:
    """Row-major, aligned, in native byte order: the array itself if it is so already."""
    flags = array.flags
    if flags.c_contiguous and flags.aligned and array.dtype.isnative:
        return array
    return np.require(array, array.dtype.newbyteorder("="), ["C", "A"])
