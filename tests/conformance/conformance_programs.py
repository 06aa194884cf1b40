"""A program to be held against NumPy: one function, the types of its operands, and what else it is given.

Families draw programs from a `random.Random`: Hypothesis's, which it can shrink, or one of a fixed seed. Sizes are
`Size("n")` until a call says how long n is, so that one compiled program serves many shapes; a row whose function needs
numbers gets them when the program is drawn.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter
from random import Random
from typing import Any

import numpy as np
from conformance_values import narrowed

import graphopt as go
import graphopt.tensor as T
from graphopt.types import DTYPES

SIZES = (0, 1, 2, 3, 5)


@dataclass(frozen=True)
class Size:
    """A length that the call decides."""

    name: str


N, M, K = Size("n"), Size("m"), Size("k")
SHAPES = ((), (N,), (N, M), (N, M, K), (1,), (N, 1), (1, M), (N, 1, K), (0,), (0, M))


@dataclass(frozen=True)
class Program:
    """One call of one function: arrays of these types first, then positional and keyword arguments."""

    row: Row
    types: tuple[tuple[str, tuple[Size | int, ...]], ...]
    arguments: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        shown = [f"{dtype}[{', '.join(getattr(s, 'name', str(s)) for s in shape)}]" for dtype, shape in self.types]
        shown += [repr(argument) for argument in self.arguments]
        return f"T.{self.row.name}({', '.join([*shown, *[f'{name}={value!r}' for name, value in self.keywords]])})"

    def at(self, sizes: dict[str, int]) -> Program:
        """The program with numbers for sizes."""
        types = tuple((dtype, _resolved(shape, sizes.__getitem__)) for dtype, shape in self.types)
        return replace(self, types=types, arguments=_resolved(self.arguments, sizes.__getitem__))

    def variables(self) -> list[go.Variable]:
        """A variable for each operand."""
        return [variable_of(f"x{k}", *type) for k, type in enumerate(self.types)]

    def ours(self, *operands: Any) -> list[Any]:
        """What graphopt makes of it, over variables."""
        arguments = _resolved(self.arguments, go.dim)
        function = self.row.ours or attrgetter(self.row.name)(T)
        return _parts(function(*self._together(operands), *arguments, **dict(self.keywords)))

    def numpys(self, *arrays: Any) -> list[np.ndarray]:
        """What NumPy makes of it; in float32 where NumPy would compute in half precision, which we do not have."""
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of means of nothing
            results = self._reference(arrays)
            if any(result.dtype == np.float16 for result in results):
                results = self._reference([narrowed(array) for array in arrays])
        return results

    def allowed(self, expected: list[np.ndarray], arrays: Any) -> list[Any]:
        """The magnitude, for each result, of which a unit in the last place is one: its own, or the row's `scale`."""
        if self.row.scale is None:
            return [np.abs(part) for part in expected]
        with np.errstate(all="ignore"):
            return [self.row.scale(self, part, *arrays) for part in expected]

    def _reference(self, arrays: Any) -> list[np.ndarray]:
        arguments = _resolved(self.arguments, None)
        results = self.row.reference(*self._together(arrays), *arguments, **dict(self.keywords))
        return [np.asarray(result) for result in _parts(results)]

    def _together(self, operands: Any) -> Any:
        return [list(operands)] if self.row.together else operands


def variable_of(name: str, dtype: str, shape: tuple[Size | int, ...]) -> go.Variable:
    """A variable of a type whose sizes may have names."""
    return go.variable(name, f"{dtype}[{', '.join(getattr(size, 'name', str(size)) for size in shape)}]")


Family = Callable[[Random], tuple[Any, ...]]


@dataclass(frozen=True)
class Row:
    """A public function, and what it is held against.

    Attributes
    ----------
    name, reference
        The function's name in `graphopt.tensor`, and the function of arrays that it must equal.
    family
        Draws what it is called with: `(types, arguments, keywords)`.
    ulps
        Units in the last place of the result (of `scale`, where one is given) that it may differ by. 0: the same bits,
        but for the sign of a zero where `zeros` is false.
    values
        Where operands are drawn from, a word of `conformance_values.DOMAINS` each; the last holds for the rest.
    together
        Whether it takes its operands as one list.
    ours
        How it is called, if it is not called as the reference is.
    scale
        `(program, result, *arrays) -> magnitude` for results that are small differences of large numbers.
    known
        Sizes must be numbers when the program is built.
    least
        The least length of an axis that it takes.
    smooth
        Where its derivative is tested: an interval for each operand, the last for the rest. None: it has none.
    kink
        A result at which it has no derivative.
    dtypes
        Dtypes its operands may have.
    """

    name: str
    reference: Callable[..., Any]
    family: Family
    ulps: float = 0
    values: str = "any"
    together: bool = False
    ours: Callable[..., Any] | None = None
    scale: Callable[..., Any] | None = None
    known: bool = False
    least: int = 0
    smooth: tuple[tuple[float, float], ...] | None = ((-4.0, 4.0),)
    kink: float | None = None
    zeros: bool = True
    dtypes: tuple[str, ...] = DTYPES

    def domain(self, operand: int) -> str:
        """Where an operand's values are drawn from."""
        words = self.values.split()
        return words[min(operand, len(words) - 1)]

    def interval(self, operand: int) -> tuple[float, float]:
        """Where an operand's values are drawn from when its derivative is tested."""
        assert self.smooth is not None
        return self.smooth[min(operand, len(self.smooth) - 1)]

    def draw(self, random: Random) -> Program:
        """A call of it."""
        types, arguments, keywords = self.family(random)
        types = tuple((dtype if dtype in self.dtypes else random.choice(self.dtypes), shape) for dtype, shape in types)
        program = Program(self, types, tuple(arguments), tuple(keywords.items()))
        if self.known:
            program = program.at({size: random.choice([s for s in SIZES if s >= self.least]) for size in "nmk"})
        return program


def _parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple | list) else [result]


def _resolved(value: Any, of: Callable[[str], Any] | None) -> Any:
    """With every size in it replaced, at any depth."""
    if isinstance(value, Size):
        assert of is not None, "NumPy needs numbers for sizes"
        return of(value.name)
    return type(value)(_resolved(item, of) for item in value) if isinstance(value, tuple | list) else value
