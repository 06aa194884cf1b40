"""Arrays for drawn programs: their elements, special values among them, and how they lie in memory.

An array is made from one drawn number, so that drawing is fast and shrinking goes from all digits to quarters, and from
quarters to zeros.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphopt.domain import Domain, outside
from graphopt.testing.domains import Interval
from graphopt.testing.values import SPECIAL
from graphopt.types import is_float

__all__ = ["LAYOUTS", "elements", "laid_out", "with_special"]

Array = np.ndarray[Any, Any]
COARSE, ALL = 256, 1024
"""Numbers below the first make arrays of quarters, with many ties; the others up to the second, of all digits."""


def elements(number: int, dtype: str, shape: tuple[int, ...], interval: Interval) -> Array:
    """An array made from a number: 0 makes all elements the one nearest 0."""
    return np.asarray(_elements(number, dtype, shape, interval), dtype)  # NumPy's functions make scalars of rank 0


def _elements(number: int, dtype: str, shape: tuple[int, ...], interval: Interval) -> Any:
    if dtype == "bool":
        return np.random.default_rng(number).random(shape) < 0.5 if number else np.zeros(shape, bool)
    low, high = interval
    if not number:
        return np.full(shape, min(max(0.0, low), high))
    chance = np.random.default_rng(number)
    if not is_float(dtype):
        return chance.integers(math.ceil(low), math.floor(high), shape, endpoint=True)
    first, last = math.ceil(low * 4), math.floor(high * 4)
    if number < COARSE and last - first > 3:
        return chance.integers(first, last, shape, endpoint=True) / 4
    return _rounded_inwards(np.asarray(chance.uniform(low, high, shape)), dtype, interval)


def _rounded_inwards(array: Array, dtype: str, interval: Interval) -> Any:
    """In a dtype, and still inside the interval: rounding to float32 may go past a bound."""
    ends = [np.dtype(dtype).type(end) for end in interval]
    if float(ends[0]) < interval[0]:
        ends[0] = np.nextafter(ends[0], ends[0].dtype.type(np.inf))
    if float(ends[1]) > interval[1]:
        ends[1] = np.nextafter(ends[1], -ends[1].dtype.type(np.inf))
    return np.clip(array.astype(dtype), *ends)


def with_special(array: Array, below: Callable[[int], int], declared: Domain | None) -> Array:
    """Up to three elements replaced by special ones: those of them that lie in a declared domain."""
    dtype = array.dtype.name
    pool = np.array(SPECIAL[dtype] if is_float(dtype) else _ends(array.dtype), dtype)
    if declared is not None:
        pool = pool[~outside(pool, declared)]
    if array.size and pool.size:
        for _ in range(below(4)):
            array.flat[below(array.size)] = pool[below(len(pool))]
    return array


def _ends(dtype: np.dtype[Any]) -> list[int]:
    limits = np.iinfo(dtype)
    return [0, 1, int(limits.max), int(limits.min)]


def _every(step: int, rank: int) -> tuple[Any, ...]:
    return (..., *[slice(None, None, step)] * rank)


def _strided(array: Array) -> Array:
    """Every second element of a larger array along each axis."""
    room = np.zeros(tuple(2 * size for size in array.shape), array.dtype)
    view: Array = room[_every(2, array.ndim)]
    view[...] = array
    return view


def _read_only(array: Array) -> Array:
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "contiguous": lambda array: array,
    "fortran": lambda array: np.asarray(array, order="F"),
    "strided": _strided,
    "reversed": lambda array: array[_every(-1, array.ndim)].copy()[_every(-1, array.ndim)],
    "read-only": _read_only,
}
"""How an array may lie in memory: row by row, column by column, with gaps, backwards, or not to be written to."""


def laid_out(array: Array, layout: str) -> Array:
    """The same elements, in another layout."""
    return LAYOUTS[layout](array)
