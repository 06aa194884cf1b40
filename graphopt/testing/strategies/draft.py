"""A program while it is drawn: the values there are so far, and the choice among them.

All choices are numbers 0 … n - 1 that shrink to 0, so the first of a list is the simplest: the most recent value, the
number 0, no step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from graphopt.dimensions import DimLike
from graphopt.ops import logic
from graphopt.ops.arithmetic import cast
from graphopt.ops.leaves import iota
from graphopt.testing.domains import Interval
from graphopt.testing.strategies.intervals import DOMAIN, LIMIT, inside
from graphopt.testing.strategies.sizes import Shape, fit
from graphopt.types import TensorType, is_float
from graphopt.variable import Variable, literal, variable

__all__ = ["Application", "Draft", "Value", "range_of", "recast"]

Choice = TypeVar("Choice")
NAMES = "xyzuvwpqrst"
"""What inputs are called, in order."""
_QUARTERS = 8


@dataclass(frozen=True, slots=True)
class Value:
    """A variable of a drawn program.

    Attributes
    ----------
    variable
        What it is.
    interval
        Between which values its elements lie.
    steady
        Whether no rounding has touched it, so that every correct evaluation gives the same bits. Only such values are
        operands of what jumps: comparisons, floor, casts to integers, positions of sorted elements.
    """

    variable: Variable
    interval: Interval
    steady: bool = False

    @property
    def dtype(self) -> str:
        return self.variable.type.dtype

    @property
    def shape(self) -> Shape:
        return self.variable.type.shape

    @property
    def is_float(self) -> bool:
        return is_float(self.variable.type.dtype)

    @property
    def bound(self) -> float:
        """The largest size of an element."""
        return max(-self.interval[0], self.interval[1])

    def moved(self, variable: Variable) -> Value:
        """The same elements, or some of them, elsewhere."""
        return Value(variable, self.interval, self.steady)


@dataclass
class Draft:
    """The values of a program under construction, the oldest first.

    Attributes
    ----------
    below
        Draws one of 0 … n - 1.
    max_inputs
        How many inputs there may be. Ops that need operands where there are none, such as a logarithm, take a new
        input that is declared to lie there while there may be more, and a constant otherwise.
    empty
        Whether sizes may be 0 when the program runs.
    """

    below: Callable[[int], int]
    max_inputs: int
    empty: bool = False
    values: list[Value] = field(default_factory=list)
    inputs: int = 0

    def choose(self, choices: Sequence[Choice]) -> Choice:
        """One of a list, the first being the simplest."""
        return choices[self.below(len(choices))]

    def recent(self, candidates: Sequence[Choice]) -> Choice:
        """One of a list whose last is the most recent; that one in six of seven cases, so that programs grow deep."""
        count = len(candidates)
        return candidates[-1 - max(0, self.below(7 * count) - 6 * count)] if count > 1 else candidates[0]

    def operand(self, fits: Callable[[Value], bool]) -> Value | None:
        """One of the values that fit; None if there is none."""
        candidates = [value for value in self.values if fits(value)]
        return self.recent(candidates) if candidates else None

    def like(self, value: Value) -> Value:
        """A value of the same type, maybe the same one."""
        type = value.variable.type
        candidates = [other for other in self.values if other.variable.type == type]
        return self.choose(candidates) if candidates else value

    def number(self, within: Interval = (-LIMIT, LIMIT)) -> float:
        """A quarter of a small whole number, the nearest one inside an interval, or else a bound of it."""
        drawn = self.below(2 * _QUARTERS + 1)
        number = (drawn + 1) // 2 * (-1) ** drawn / 4
        return float(min(max(number, within[0]), within[1]))

    def input(self, type: TensorType, declared: Interval | None = None) -> Value:
        """A new input; `declared` to have values within bounds, if they are given."""
        made = Value(variable(NAMES[self.inputs], type, declared), declared or range_of(type.dtype), True)
        self.inputs += 1
        self.values.insert(self.inputs - 1, made)
        return made

    def leaf(self, interval: Interval, dtype: str, shape: Shape = ()) -> Value:
        """A new input that is declared to lie in an interval, or a constant there if there may be no more inputs.

        Integers are the positions along an axis instead, if those lie in the interval.
        """
        if is_float(dtype):
            if self.inputs < min(self.max_inputs, len(NAMES)):
                return self.input(TensorType(dtype, shape), interval)
        elif dtype != "bool" and inside((0.0, 2.0), interval):
            return Value(recast(iota(size=3), dtype), (0.0, 2.0), True)
        return self.constant(interval, dtype)

    def constant(self, interval: Interval, dtype: str) -> Value:
        """A number in an interval."""
        if is_float(dtype):
            number = self.number(interval)
            return Value(literal(number, dtype), (number, number), True)
        least = 0 if dtype == "bool" or dtype.startswith("u") else -LIMIT
        whole = round(self.number((math.ceil(max(interval[0], least)), math.floor(interval[1]))))
        whole = min(whole, 1) if dtype == "bool" else whole
        return Value(literal(whole, dtype), (float(whole), float(whole)), True)

    def condition(self, shape: Shape = ()) -> Value:
        """Truth values that broadcast to a shape: those there are, a comparison with a number, or a constant."""
        wanted = [v for v in self.values if v.dtype == "bool" and fit(v.shape, shape) == shape]
        if wanted:
            return self.recent(wanted)
        steady = [v for v in self.values if v.steady and v.dtype != "bool" and fit(v.shape, shape) == shape]
        if not steady:
            return Value(literal(True, "bool"), (0.0, 1.0), True)
        x = self.recent(steady)
        number = self.number(x.interval)
        return Value(logic.greater(x.variable, number if x.is_float else int(number)), (0.0, 1.0), True)

    def sizes(self) -> list[DimLike]:
        """The sizes that the values have, the most recent first."""
        return list(dict.fromkeys(size for value in reversed(self.values) for size in value.shape))


Application = Callable[[Draft], Value | None]
"""Applies an op to values of a draft; None if there are none that it has a meaning for."""


def range_of(dtype: str) -> Interval:
    """Between which values inputs of a dtype lie that are not declared to lie elsewhere."""
    if is_float(dtype):
        return DOMAIN
    return (0.0, 1.0) if dtype == "bool" else (0.0, 4.0) if dtype.startswith("u") else (-4.0, 4.0)


def recast(x: Variable, dtype: str) -> Variable:
    """A variable in a dtype."""
    return x if x.dtype == dtype else cast(x, dtype=dtype)
