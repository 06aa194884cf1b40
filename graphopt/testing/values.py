"""Values to run a rule's programs on: special ones, spread ones, and those that Hypothesis draws.

A value is special where formats end or functions are close to their poles. Spread values are moderate, have all the
digits that a format holds, and differ from element to element: equal elements hide a wrong axis, round ones a narrower
dtype, and a single huge one widens a bound that grows with it.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from graphopt.types import TensorType, is_float

__all__ = ["INTERVALS", "SPECIAL", "arrays", "chosen", "combinations", "moderate", "spread"]

_INF = float("inf")
SPECIAL: Mapping[str, tuple[float, ...]] = {
    "float64": (
        0.0, -0.0, 1.0, -1.0, 1e-9, -1e-9, 5e-324, -1e-310, 2e-16, -3e-8, 0.5, 0.7, -0.7, 3.0, -20.0, 27.0, 40.0,
        -745.0, 710.0, 1e16, -1e300, 1.7e308, _INF, -_INF, float("nan"),
    ),
    "float32": (
        0.0, -0.0, 1.0, -1.0, 1e-4, -1e-4, 1e-45, -1e-40, 1e-7, -1e-6, 0.5, 0.7, -0.7, 3.0, -15.0, 11.0, 20.0,
        -103.0, 89.0, 1e8, -1e30, 3.4e38, _INF, -_INF, float("nan"),
    ),
}  # fmt: skip
INTERVALS = ((0.2, 4.0), (-4.0, 4.0), (-0.9, 0.9), (1.1, 4.0), (-5.0, -0.1))
"""Where spread values are drawn; one interval at least lies within the domain of every op."""

_COMBINED = {1: 25, 2: 14, 3: 6}
"""How many special values are combined where there are so many inputs; 5 of them where there are more."""


def moderate(values: Sequence[float]) -> list[float]:
    """Those of some values that are neither tiny nor large."""
    return [value for value in values if 1e-6 < abs(value) < 50]


def chosen(type: TensorType, values: Sequence[float], chance: random.Random) -> Any:
    """An array of a type, each element one of some values; zeros or ones where the dtype is not of floats."""
    shape = _sizes(type)
    if not is_float(type.dtype):
        return np.full(shape, chance.choice((0, 1)), type.dtype)
    with np.errstate(over="ignore"):
        return np.array([chance.choice(values) for _ in range(math.prod(shape))], type.dtype).reshape(shape)


def spread(type: TensorType, interval: tuple[float, float], chance: random.Random, *, edges: bool = False) -> Any:
    """An array of a type whose elements lie in an interval and differ.

    Integers are small and may not all differ; with `edges`, some are the least and the greatest there are.
    """
    shape = _sizes(type)
    count = math.prod(shape)
    if type.dtype == "bool":
        return np.array([chance.random() < 0.5 for _ in range(count)], bool).reshape(shape)
    if not is_float(type.dtype):
        whole = list(range(-4, 9) if interval[0] < 0 and not type.dtype.startswith("u") else range(1, 9))
        if edges:
            whole += [int(np.iinfo(type.dtype).min), int(np.iinfo(type.dtype).max)] * 4
        return np.array([chance.choice(whole) for _ in range(count)], type.dtype).reshape(shape)
    return np.array([chance.uniform(*interval) for _ in range(count)], type.dtype).reshape(shape)


def combinations(types: Sequence[TensorType], values: Sequence[float], chance: random.Random) -> list[tuple[Any, ...]]:
    """Combinations of special values, one for each type: all of them; of fewer values where there are many types."""
    wanted = min(len(values), _COMBINED.get(len(types), 5))
    taken = values if wanted == len(values) else chance.sample(values, wanted)
    return list(itertools.product(*(taken if is_float(type.dtype) else _whole(type.dtype) for type in types)))


def _whole(dtype: str) -> tuple[int, ...]:
    return (0, 1) if dtype == "bool" or dtype.startswith("u") else (-2, 0, 1, 3)


def arrays(type: TensorType, tame: bool) -> Any:
    """A Hypothesis strategy for arrays of a type: any values, or moderate ones alone where `tame`."""
    shape = tuple(_sizes(type))
    if not is_float(type.dtype):
        return hnp.arrays(type.dtype, shape)
    width: Literal[32, 64] = 32 if type.dtype == "float32" else 64
    usual = st.integers(-2000, 2000).map(lambda n: n / 64)
    if tame:
        return hnp.arrays(type.dtype, shape, elements=usual)
    specials = [float(np.dtype(type.dtype).type(value)) for value in SPECIAL[type.dtype]]
    return hnp.arrays(type.dtype, shape, elements=usual | st.floats(width=width) | st.sampled_from(specials))


def _sizes(type: TensorType) -> list[int]:
    return [int(str(size)) for size in type.shape]
