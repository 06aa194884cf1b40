"""Rough interval arithmetic for generators: between which values the elements of an expression lie.

Images of elementwise ops are found by sampling, with a margin. That is no proof, and enough for generating programs
whose values stay where every op is tame.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from graphopt.ops import TABLE
from graphopt.testing.domains import SAFE, Interval

__all__ = ["LIMIT", "image", "permitted"]

LIMIT = 50.0
"""The largest size of any value in a generated program."""

_SAMPLES = {1: 65, 2: 17, 3: 9}


@lru_cache(maxsize=20_000)
def image(name: str, intervals: tuple[Interval, ...]) -> Interval:
    """Between which values an elementwise op's result lies, with a margin."""
    axes = [np.linspace(low, high, _SAMPLES[len(intervals)]) for low, high in intervals]
    with np.errstate(all="ignore"):
        numpy = TABLE[name].numpy
        assert numpy is not None
        values = np.asarray(numpy(*np.meshgrid(*axes)), dtype=float)
    low, high = float(np.min(values)), float(np.max(values))
    margin = 0.01 * (high - low)
    return low - margin, high + margin


def permitted(name: str, intervals: tuple[Interval, ...]) -> bool:
    """Whether an elementwise op may be applied there: inside its safe domain, to a result that is not large."""
    for (low, high), (least, most) in zip(intervals, SAFE.get(name, ()), strict=False):
        if low < least or high > most:
            return False
    low, high = image(name, intervals)
    return low >= -LIMIT and high <= LIMIT  # also false for NaN
