"""What a command is about: a formula, the types of its inputs as options give them, and arguments to try it on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dimensions import Dim
from graphopt.errors import GraphoptError, InvalidArgument
from graphopt.frontend.formula import parse_formula
from graphopt.types import TensorType, check_dtype, is_float, is_integer
from graphopt.variable import Variable

__all__ = ["Problem", "read_problem", "read_types"]

INTEGERS = 10.0  # standard deviation of integers unless a scale is given
EXACT = 2**53  # integers up to here are float64 numbers

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_SIZES = re.compile(r"(?:[0-9]+|[A-Za-wyz_][A-Za-wyz0-9_]*)(?:x(?:[0-9]+|[A-Za-wyz_][A-Za-wyz0-9_]*))*")


@dataclass(frozen=True)
class Problem:
    """A formula with the types of its inputs.

    Attributes
    ----------
    formula
        The text.
    types
        The inputs' types by name, in the order in which the formula names them first.
    inputs, output
        The formula's variables.
    """

    formula: str
    types: dict[str, TensorType]
    inputs: list[Variable]
    output: Variable

    def retyped(self, types: dict[str, TensorType]) -> Problem:
        """The same formula over other types."""
        inputs, output = parse_formula(self.formula, types)
        return Problem(self.formula, {str(v.name): v.type for v in inputs}, inputs, output)

    def arguments(self, scale: float, seed: int) -> tuple[NDArray[Any], ...]:
        """An array for each input: normally distributed with standard deviation `scale`; for integers, rounded.

        Raises
        ------
        InvalidArgument
            If a size is not known.
        """
        if not (scale >= 0 and np.isfinite(scale)):
            raise InvalidArgument(f"the scale of the inputs is a finite number of at least 0, found {scale}")
        generator = np.random.default_rng(seed)
        return tuple(_draw(generator, name, type, scale) for name, type in self.types.items())


def read_problem(formula: str, shapes: Sequence[str], types: Sequence[str], dtype: str) -> Problem:
    """The problem that the options of a command describe.

    Parameters
    ----------
    formula
        See `graphopt.frontend.formula.parse_formula`.
    shapes
        Such as `x=4096x1000`, `x=nx1000`, `x=[n, 1000]`, `a=scalar`.
    types
        Such as `x=float32[n, 1000]`.
    dtype
        The dtype of inputs whose shape alone is given.

    Raises
    ------
    GraphoptError
        If an option or the formula cannot be read.
    """
    declared = read_types(shapes, types, dtype)
    inputs, output = parse_formula(formula, declared)
    return Problem(formula, {str(v.name): v.type for v in inputs}, inputs, output)


def read_types(shapes: Sequence[str], types: Sequence[str], dtype: str) -> dict[str, TensorType]:
    """The types that the options `--shape` and `--type` give, by name.

    Raises
    ------
    InvalidArgument, TypeMismatch
        If one cannot be read, or a name is given twice.
    """
    check_dtype(dtype)
    found: dict[str, TensorType] = {}
    for option, texts in (("--shape", shapes), ("--type", types)):
        for text in texts:
            name, equals, value = (part.strip() for part in text.partition("="))
            if not equals or not re.fullmatch(_NAME, name, re.ASCII):
                example = "x=4096x1000" if option == "--shape" else "'x=float32[n, 1000]'"
                raise InvalidArgument(f"{option} is written as {option} {example}, found {text!r}")
            if name in found:
                raise InvalidArgument(f"{name} is given a shape or type twice")
            try:
                found[name] = TensorType.parse(_type_text(value, dtype) if option == "--shape" else value)
            except GraphoptError as error:
                raise type(error)(f"{option} {text}: {error}") from None
    return found


def _type_text(shape: str, dtype: str) -> str:
    if shape == "scalar":
        return dtype
    if shape.startswith("["):
        return f"{dtype}{shape}"
    if not _SIZES.fullmatch(shape):
        raise InvalidArgument(
            "a shape is written as 4096x1000, nx1000, scalar, or in brackets: '[n, 1000]' (as names with an x need)"
        )
    return f"{dtype}[{', '.join(shape.split('x'))}]"


def _draw(generator: np.random.Generator, name: str, type: TensorType, scale: float) -> NDArray[Any]:
    if unknown := [size for size in type.shape if isinstance(size, Dim)]:
        raise InvalidArgument(
            f"{name}: {type} has no size for {unknown[0]}; give integers, such as --shape {name}=4096x1000"
        )
    shape = tuple(int(size) for size in type.shape if isinstance(size, int))
    if type.dtype == "bool":
        return np.asarray(generator.random(shape) < 0.5)
    if type.dtype == "float32":
        return np.asarray(generator.standard_normal(shape, dtype=np.float32) * np.float32(scale))
    values = np.asarray(generator.standard_normal(shape))
    if is_float(type.dtype):
        return np.asarray(values * scale)
    assert is_integer(type.dtype)
    least, most = max(np.iinfo(type.dtype).min, -EXACT), min(np.iinfo(type.dtype).max, EXACT)
    whole = np.rint(values * (INTEGERS if scale == 1 else scale))
    return np.asarray(np.clip(whole, least, most).astype(type.dtype))
