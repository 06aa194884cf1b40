"""Facts of leaves: declared domains of inputs, values of constants, sizes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from graphopt.analysis.facts import Facts, anything
from graphopt.analysis.transfer_step import Step, Transfer
from graphopt.dimensions import Dim
from graphopt.domain import bounds
from graphopt.ops.leaves import ArrayConstant
from graphopt.types import is_float

__all__ = ["LEAVES"]

INF = math.inf


def _input(step: Step) -> Facts:
    domain = step.attributes.get("domain")
    if domain is None:
        return anything(step.type.dtype)
    if is_float(step.type.dtype):
        low, high, zero = bounds(domain, step.type.dtype)
        return Facts(low, high, False, zero)
    low, high, zero = bounds(domain, "float64")
    whole = anything(step.type.dtype)
    low, high = max(whole.lo, math.ceil(low)) if low > -INF else whole.lo, high
    return Facts(low, min(whole.hi, math.floor(high)) if high < INF else whole.hi, False, zero)


def _constant(step: Step) -> Facts:
    value = step.attributes["value"]
    if isinstance(value, ArrayConstant):
        return _array(value.array)
    if isinstance(value, float) and math.isnan(value):
        return anything(step.type.dtype)
    whole = math.isinf(value) or value == math.floor(value)
    return Facts(value, value, False, value == 0, math.copysign(1, value) < 0, whole)


def _array(array: np.ndarray[Any, Any]) -> Facts:
    if array.dtype.kind != "f":
        values = array if array.size else np.zeros(1, array.dtype)
        return Facts(int(values.min()), int(values.max()), False, bool((values == 0).any()), False, True)
    nan = bool(np.isnan(array).any())
    values = array[~np.isnan(array)].astype(np.float64)
    if not values.size:
        return Facts()
    negative_zero = bool(((values == 0) & np.signbit(values)).any())
    whole = bool((np.isinf(values) | (np.floor(values) == values)).all())
    return Facts(float(values.min()), float(values.max()), nan, bool((values == 0).any()), negative_zero, whole)


def _dimension(step: Step) -> Facts:
    value = step.attributes["value"]
    if not isinstance(value, Dim):
        return Facts(value, value, False, value == 0, False, True)
    if value.symbol is None:
        return replace(anything(step.type.dtype), nan=False)
    return Facts(0, anything(step.type.dtype).hi, False, True, False, True)


def _iota(step: Step) -> Facts:
    size = step.attributes["size"]
    last = max(0, size - 1) if isinstance(size, int) else anything("int64").hi
    return Facts(0, last, False, True, False, True)


LEAVES: dict[str, Transfer] = {
    "input": _input, "constant": _constant, "dimension": _dimension, "iota": _iota,
}  # fmt: skip
"""Op name to what it is known to be."""
