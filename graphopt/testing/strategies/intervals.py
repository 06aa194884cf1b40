"""Rough interval arithmetic for drawn programs: between which values the elements of an expression lie.

Images of elementwise ops are found by sampling, with a margin. That is no proof, and enough for making programs
whose values stay where every op is tame.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from graphopt.errors import TypeMismatch
from graphopt.op import EMPTY, Op
from graphopt.testing.domains import DOMAINS, SAFE, WHOLE, Interval
from graphopt.types import TensorType, agree, is_float

__all__ = ["DOMAIN", "LIMIT", "domain_of", "image", "inside", "loop", "permitted", "safe"]

DOMAIN: Interval = (-2.0, 2.0)
"""Between which values the elements of inputs lie, unless they are declared to lie elsewhere."""
LIMIT = 50.0
"""The largest size of any value in a drawn program."""

_SAMPLES = {1: 65, 2: 17, 3: 9}
_ANY: Interval = (-LIMIT, LIMIT)
_BITS: dict[str, tuple[Interval, ...]] = {
    "left_shift": (_ANY, (0.0, 4.0)), "right_shift": (_ANY, (0.0, 4.0)), "times_power_of_two": (_ANY, (-3.0, 3.0)),
}  # fmt: skip
"""Where ops on bits are applied."""


def safe(op: Op, position: int) -> Interval:
    """Where an operand of an elementwise op may lie."""
    intervals = SAFE.get(op.name) or _BITS.get(op.name, ())
    low, high = intervals[position] if position < len(intervals) else _ANY
    return max(low, -LIMIT), min(high, LIMIT)


def domain_of(op: Op, position: int) -> Interval:
    """A narrower interval, with room on both sides, where an input that an op needs is declared to lie."""
    intervals = DOMAINS.get(op.name) or _BITS.get(op.name, ())
    return intervals[position] if position < len(intervals) else DOMAIN


def inside(inner: Interval, outer: Interval) -> bool:
    """Whether an interval lies within another."""
    return inner[0] >= outer[0] and inner[1] <= outer[1]


@lru_cache(maxsize=10_000)
def loop(op: Op, kinds: tuple[Any, ...]) -> tuple[tuple[str, ...], str] | None:
    """The dtypes that an elementwise op's operands are cast to, and that of its result; None if it has no meaning.

    Operands are given by dtype, or by `int` and `float` for Python's numbers.
    """
    try:
        dtypes = op.operand_dtypes(kinds) if op.operand_dtypes else kinds
        return dtypes, op.type_rule(tuple([TensorType(dtype) for dtype in dtypes]), EMPTY, agree).dtype
    except TypeMismatch:
        return None


@lru_cache(maxsize=20_000)
def image(op: Op, intervals: tuple[Interval, ...], dtypes: tuple[str, ...]) -> Interval:
    """Between which values an elementwise op's result lies, with a margin; NaN if it is not defined everywhere."""
    samples = [_sampled(*interval, dtype, len(intervals)) for interval, dtype in zip(intervals, dtypes, strict=True)]
    assert op.numpy is not None
    with np.errstate(all="ignore"):
        try:
            found = np.asarray(op.numpy(*np.meshgrid(*samples, sparse=len(samples) > 1)))
        except (ValueError, ArithmeticError):  # NumPy refuses negative powers of integers
            return np.nan, np.nan
        low, high = float(np.min(found)), float(np.max(found))
    margin = 0.01 * (high - low) if is_float(found.dtype.name) else 0.0
    return low - margin, high + margin


def _sampled(low: float, high: float, dtype: str, operands: int) -> Any:
    points = np.linspace(low, high, _SAMPLES.get(operands, 5))
    return points.astype(dtype) if is_float(dtype) else np.unique(np.rint(points)).astype(dtype)


def permitted(op: Op, intervals: tuple[Interval, ...], dtypes: tuple[str, ...]) -> bool:
    """Whether an elementwise op may be applied there: inside its safe domain, to a result that is not large."""
    if not all(inside(interval, safe(op, position)) for position, interval in enumerate(intervals)):
        return False
    if op.name in WHOLE and intervals[0][0] != intervals[0][1]:
        return False
    low, high = image(op, intervals, dtypes)
    return low >= -LIMIT and high <= LIMIT  # also false for NaN
