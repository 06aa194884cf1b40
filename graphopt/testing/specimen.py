"""A specimen: a small program around one op, and points to look at its derivative at.

Specimens are data, a catalogue of what the derivatives of ops have to get right: `graphopt.testing.specimens`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphopt.types import TensorType
from graphopt.variable import Variable, variable

__all__ = ["Convention", "Operand", "Specimen", "dominant", "fixed", "reflected", "squared", "within"]

Array = Any
Shape = tuple[int, ...]
Draw = Callable[[np.random.Generator, Shape, int], Array]
"""Values of a shape for the operand at a position."""

CELLS = 64
_SHIFTS = (0.3819, 0.6180, 0.1459, 0.8541)


@dataclass(frozen=True)
class Operand:
    """What a program is given: a shape, values, and a dtype; None for the dtype that the specimen is looked at in."""

    shape: Shape
    draw: Draw
    dtype: str | None = None


@dataclass(frozen=True)
class Convention:
    """What the derivative is where there is none, or where its formula would divide by zero.

    Attributes
    ----------
    at
        The operands' values.
    slopes
        The derivative of the sum of the result's elements with respect to each of `wrt`.
    """

    at: tuple[Any, ...]
    slopes: tuple[Any, ...]


@dataclass(frozen=True)
class Specimen:
    """A small program around one op.

    Attributes
    ----------
    op
        The op's name.
    name
        What is particular about this one, unique among the specimens of an op.
    function
        The program: from variables for the operands to a variable.
    operands
        Their shapes and values.
    wrt
        The positions of the operands with respect to which the program has a derivative.
    conventions
        Points where the derivative is what is agreed upon, and no oracle knows it.
    generic
        Whether the derivative exists at drawn points. If not, conventions alone say what it is.
    orders
        Up to which order derivatives are numbers at drawn points: 2, or 1 where the second has no formula there.
    """

    op: str
    name: str
    function: Callable[..., Variable]
    operands: tuple[Operand, ...]
    wrt: tuple[int, ...]
    conventions: tuple[Convention, ...] = ()
    generic: bool = True
    orders: int = 2

    def build(self, dtype: str = "float64") -> tuple[list[Variable], Variable]:
        """The program in a dtype: its inputs, which are called x0, x1, …, and its output."""
        inputs = [
            variable(f"x{k}", TensorType(operand.dtype or dtype, operand.shape))
            for k, operand in enumerate(self.operands)
        ]
        return inputs, self.function(*inputs)

    def point(self, rng: np.random.Generator, dtype: str = "float64") -> dict[str, Array]:
        """Values for the inputs: well conditioned, and away from kinks and ties."""
        return self._named([operand.draw(rng, operand.shape, k) for k, operand in enumerate(self.operands)], dtype)

    def ties(self, rng: np.random.Generator, dtype: str = "float64") -> dict[str, Array] | None:
        """A point at which a convention holds; None if the specimen has none."""
        if not self.conventions:
            return None
        return self._named(self.conventions[rng.integers(len(self.conventions))].at, dtype)

    def _named(self, values: Any, dtype: str) -> dict[str, Array]:
        typed = zip(values, self.operands, strict=True)
        return {f"x{k}": np.asarray(value, operand.dtype or dtype) for k, (value, operand) in enumerate(typed)}

    def __str__(self) -> str:
        return f"{self.op}: {self.name}"


def within(low: float, high: float) -> Draw:
    """Generic values of an interval: no two are close, none is a round number, and each operand has other ones.

    They lie near the middle of the cells of a grid, away from its lines, where integers and halves are.
    """

    def draw(rng: np.random.Generator, shape: Shape, position: int) -> Array:
        cells = rng.permutation(CELLS)[: int(np.prod(shape))] + rng.uniform(-0.1, 0.1, int(np.prod(shape)))
        return (low + (high - low) * (cells + _SHIFTS[position % len(_SHIFTS)]) / CELLS).reshape(shape)

    return draw


def fixed(*values: Any) -> Draw:
    """Values that are always the same; NaN stands for a generic one."""

    def draw(rng: np.random.Generator, shape: Shape, position: int) -> Array:
        given = np.array(values).reshape(shape)
        return np.where(np.isnan(given), within(-2, 2)(rng, shape, position), given)

    return draw


def dominant(rng: np.random.Generator, shape: Shape, position: int) -> Array:
    """Matrices whose diagonal outweighs the rest: none of them, and no triangle of one, is near a singular matrix."""
    drawn: Array = rng.uniform(-1, 1, shape) + shape[-1] * np.eye(shape[-1])
    return drawn


def reflected(rng: np.random.Generator, shape: Shape, position: int) -> Array:
    """The same with the sign of the first row changed, and so that of the determinant."""
    drawn = dominant(rng, shape, position)
    drawn[..., 0, :] *= -1
    return drawn


def squared(function: Callable[..., Variable]) -> Callable[..., Variable]:
    """The square of what a function gives, so that the cotangent varies: with it, mistakes at second order show."""

    def program(*operands: Variable) -> Variable:
        y = function(*operands)
        result: Variable = y * y
        return result

    return program
