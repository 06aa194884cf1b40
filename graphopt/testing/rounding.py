"""How far rounding may move a result: the program is run again with every operation slightly off.

This is Monte Carlo arithmetic (D. S. Parker, 1997; before, J. Vignes's CESTAC): where a sum cancels or a value lies
near a pole, the runs spread as far as the result is uncertain, so a tolerance need not be guessed for all programs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphopt.arithmetics import Arithmetic, Native
from graphopt.op import Op
from graphopt.testing.complex_step import Wide
from graphopt.types import TensorType, is_float

__all__ = ["Perturbed", "PerturbedWide", "spread"]

Array = Any
RUNS = 6
UNITS = 4.0
"""By how many units of rounding operations are off: by one, many results would round back to what they were."""

_ROUNDS_NOT = frozenset((
    "negative", "absolute", "maximum", "minimum", "fmax", "fmin", "max", "min", "where", "if_else", "check", "barrier",
    "put", "concatenate", "stack", "gather", "scatter", "sort", "sign", "floor", "ceil", "trunc", "rint", "copysign",
    "stop_gradient", "times_power_of_two", "frexp_mantissa",
))  # fmt: skip
"""Ops whose results are operands, or exact; no values that are equal become unequal by them."""


_OF_WHOLE_NUMBERS = frozenset(("add", "subtract", "multiply", "square"))
"""Ops whose results are exact where operands are whole numbers: positions, which are cut off if they are off."""


def _whole(operands: tuple[Array, ...], result: Array) -> Array:
    whole = np.abs(result) * np.finfo(result.dtype).eps < 1
    for x in operands:
        whole = whole & (x == np.rint(x))
    return whole


class Perturbed(Native):
    """NumPy, every rounding operation off by a few units; what adds or combines many terms, also in each term."""

    def __init__(self, chance: np.random.Generator) -> None:
        self._chance = chance

    def apply(self, op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any], type: TensorType) -> Array:
        if not is_float(type.dtype) or "view" in op.traits or op.name in _ROUNDS_NOT:
            return super().apply(op, operands, attributes, type)
        if op.name == "cast":
            result = super().apply(op, operands, attributes, type)
            narrower = operands[0].dtype.kind == "f" and operands[0].dtype.itemsize > result.dtype.itemsize
            return self._off(result) if narrower else result
        if "elementwise" not in op.traits:
            operands = tuple(self._off(x) if x.dtype.kind == "f" else x for x in operands)
        result = super().apply(op, operands, attributes, type)
        off = self._off(result)
        return np.where(_whole(operands, result), result, off) if op.name in _OF_WHOLE_NUMBERS else off

    def _off(self, x: Array) -> Array:
        off = self._chance.uniform(-UNITS, UNITS, x.shape) * np.finfo(x.dtype).eps
        with np.errstate(all="ignore"):
            return np.asarray((x * (1 + off)).astype(x.dtype))


class PerturbedWide(Perturbed, Wide):
    """The same in float64, whatever the program's own float dtypes."""


def spread(
    run: Callable[[Arithmetic], Array], chance: np.random.Generator, arithmetic: type[Perturbed] = Perturbed
) -> Array:
    """How far apart the results of a few perturbed runs are, elementwise; infinite where they are not numbers."""
    runs = np.array([run(arithmetic(chance)) for _ in range(RUNS)], float)
    with np.errstate(invalid="ignore"):
        apart = runs.max(axis=0) - runs.min(axis=0)
    return np.where(np.isnan(apart), np.inf, apart)
