"""Variables: the immutable, typed symbolic values that expressions are built with.

A variable is an input, a constant, or an op applied to operands. It knows its type and where the user made it. Ops
applied to variables make variables (`Variable.build`); graphs are made from them (`graphopt.graph`).
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Container, Sequence
from fractions import Fraction
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from graphopt import integers
from graphopt.dimensions import Dim, DimLike
from graphopt.domain import Domain, canonical_domain
from graphopt.errors import GraphoptError, InvalidArgument, TypeMismatch
from graphopt.op import EMPTY, Attributes, Expression, Op
from graphopt.operators import Operators
from graphopt.ops.arithmetic import cast
from graphopt.ops.leaves import ArrayConstant, constant, dimension, input_
from graphopt.types import TensorType, agree, check_dtype, is_float, is_integer, refuse_mask

__all__ = ["Origin", "Variable", "as_variable", "caller", "described", "literal", "variable"]


class Origin(NamedTuple):
    """Where a value came from: a line of the user's file, or an expression of another system.

    What is not a line is anything that has a text; `str()` of it is taken when someone asks.
    """

    code: CodeType | object
    line: int = 0

    def __str__(self) -> str:
        return f"{self.code.co_filename}:{self.line}" if isinstance(self.code, CodeType) else str(self.code)

    def __reduce__(self) -> tuple[object, ...]:
        return (Origin, (str(self), 0))


_NOT_THE_USERS = (str(Path(__file__).parent) + os.sep, "<lambdifygenerated")
"""How the names of files begin that no user wrote: this package's, and the functions that SymPy's lambdify makes."""


def caller() -> Origin:
    """The innermost line that a user wrote. NumPy's dispatch has no lines of its own on the way."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_NOT_THE_USERS):
        frame = frame.f_back
    return Origin(frame.f_code, frame.f_lineno)


class Variable(Operators, Expression):
    """A symbolic value. Immutable; hashed by identity; `==` is elementwise.

    Attributes
    ----------
    type, dtype, shape, ndim
        Its tensor type and the parts of it.
    op, operands, attributes
        What it is: an op applied to other variables. Inputs and constants are ops without operands.
    name
        The user's name for it, or None.
    origin
        Where it was made, or None.
    nonempty
        Sizes that must be at least 1 for it to have a value as NumPy defines it. A graph makes guards of them.
    """

    __slots__ = ("__weakref__", "attributes", "name", "nonempty", "op", "operands", "origin", "type")
    precedence = 1

    def __init__(
        self,
        type: TensorType,
        op: Op,
        operands: tuple[Variable, ...] = (),
        attributes: Attributes = EMPTY,
        name: str | None = None,
        origin: Origin | None = None,
        nonempty: tuple[DimLike, ...] = (),
    ) -> None:
        self.type = type
        self.op = op
        self.operands = operands
        self.attributes = attributes
        self.name = name
        self.origin = origin
        self.nonempty = nonempty

    @property
    def dtype(self) -> str:
        return self.type.dtype

    @property
    def shape(self) -> tuple[DimLike, ...]:
        return self.type.shape

    @property
    def ndim(self) -> int:
        return len(self.type.shape)

    @property
    def size(self) -> DimLike:
        return self.type.size

    @property
    def result(self) -> Variable:
        """Itself: a variable is its own application, as derivative rules see it."""
        return self

    @classmethod
    def build(cls, op: Op, operands: tuple[Any, ...], attributes: Attributes) -> Variable:
        """Apply an op: operands are made variables, cast to the dtypes the op computes in, and the result typed.

        Raises
        ------
        TypeMismatch, ShapeMismatch
            If the op has no meaning for the operands' types; the message names op, operands and the user's line.
        """
        if op.arity is not None and len(operands) != op.arity:
            raise TypeMismatch(f"{op.name} takes {op.arity} operands, found {len(operands)}")
        origin = caller()
        try:
            variables = _coerce(op, operands)
            type = op.type_rule(tuple([v.type for v in variables]), attributes, agree)
        except GraphoptError as error:
            listing = ", ".join(described(operand) for operand in operands)
            raise _same(error, f"{op.name}({listing}): {error}; at {origin}") from None
        return Variable(type, op, variables, attributes, None, origin)

    def named(self, name: str) -> Variable:
        """The same value under a name, which generated code uses for its temporary."""
        return self.remade(name=name)

    def needing(self, nonempty: tuple[DimLike, ...]) -> Variable:
        """The same value, which only exists where these sizes are at least 1."""
        return self.remade(nonempty=nonempty)

    def remade(self, **changed: Any) -> Variable:
        """A variable like this one, with some of what it was made of changed."""
        made_of = {name: getattr(self, name) for name in Variable.__slots__ if name != "__weakref__"}
        return Variable(**{**made_of, **changed})

    def __repr__(self) -> str:
        return f"<{self.name or self.op.name}: {self.type}>"

    def __str__(self) -> str:
        from graphopt.graph.mathematics import expression_text

        return expression_text(self)

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, str]:
        from graphopt.graph.draw import bundle

        return bundle(self, f"{self}: {self.type}", include, exclude)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeMismatch("variables are compared by identity and do not pickle; pickle the compiled function")


def variable(
    name: str | None, type: str | TensorType, domain: Domain | None = None, *, origin: Origin | None = None
) -> Variable:
    """An input of the given type, such as `variable("x", "float32[n, 784]")`.

    Parameters
    ----------
    domain
        What its values are promised to be, so that passes may use it: bounds (lo, hi), or words such as "positive",
        "nonnegative", "negative", "nonpositive", "nonzero", "finite", or several, "finite positive". NaN is in none.

    Raises
    ------
    InvalidArgument
        If the name is no text, or the type or the domain cannot be read.
    TypeMismatch
        If the dtype is not supported.
    """
    if name is not None and (not isinstance(name, str) or not name):
        raise InvalidArgument(f"a variable's name is a non-empty text or None, found {name!r}")
    parsed = TensorType.parse(type) if isinstance(type, str) else type
    attributes = Attributes(dtype=parsed.dtype, shape=parsed.shape)
    if domain is not None:
        attributes = Attributes(attributes, domain=canonical_domain(domain))
    return Variable(parsed, input_, (), attributes, name, origin or caller())


def literal(value: Any, dtype: str, shape: tuple[DimLike, ...] = ()) -> Variable:
    """A scalar constant (broadcast to `shape`), rounded once and correctly to `dtype`.

    Raises
    ------
    InvalidArgument
        If an integer does not fit the dtype.
    """
    attributes = Attributes(value=_round(value, dtype), dtype=dtype, shape=shape)
    return Variable(TensorType(dtype, shape), constant, (), attributes)


def as_variable(value: Any, dtype: str | None = None) -> Variable:
    """A variable for a number, a dimension, an array or nested lists; variables pass through.

    Raises
    ------
    TypeMismatch
        If there is no such array: ragged lists, objects, text, complex numbers.
    """
    if isinstance(value, Variable):
        return value
    if isinstance(value, Dim):
        dtype = dtype or "int64"
        return Variable(TensorType(dtype), dimension, (), Attributes(value=value, dtype=dtype), None, caller())
    if isinstance(value, bool | int | float | Fraction) and not isinstance(value, np.generic):
        return literal(value, dtype or _DEFAULT[type(value)])
    if isinstance(value, Expression):
        raise TypeMismatch(f"{value!r} is a {type(value).__name__}; expected a variable, an array or a number")
    array = _array(value)
    dtype = dtype or check_dtype(array.dtype)
    if array.ndim == 0:
        return literal(array.item(), dtype)
    frozen = ArrayConstant(_fitting(array, dtype))
    attributes = Attributes(value=frozen, dtype=dtype, shape=array.shape)
    return Variable(TensorType(dtype, array.shape), constant, (), attributes)


def _fitting(array: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    """An array in a dtype; no integer is changed on the way. Each of its elements is written down, as a literal is."""
    converted: np.ndarray[Any, Any] = integers.convert(array, dtype)
    if is_integer(dtype) and (wrong := converted != array).any():
        _round(array[wrong][0].item(), dtype)  # says what does not fit
    return converted


_DEFAULT = {bool: "bool", int: "int64", float: "float64", Fraction: "float64"}


def _array(value: Any) -> np.ndarray[Any, Any]:
    refuse_mask(value, "a constant")
    try:
        array = np.asarray(value)
    except ValueError:
        raise TypeMismatch(f"expected a rectangular array, found ragged nested lists: {str(value)[:60]}") from None
    check_dtype(array.dtype)
    return array


def _coerce(op: Op, operands: Sequence[Any]) -> tuple[Variable, ...]:
    """Operands as variables in the dtypes the op computes in. Python numbers take part weakly, as in NumPy."""
    if op.operand_dtypes is None:
        return tuple([as_variable(operand) for operand in operands])
    kinds = tuple([operand.type.dtype if isinstance(operand, Variable) else _kind(operand) for operand in operands])
    wanted = op.operand_dtypes(kinds)
    return tuple(
        [
            operand if isinstance(operand, Variable) and operand.type.dtype == dtype else convert(operand, dtype)
            for operand, dtype in zip(operands, wanted, strict=True)
        ]
    )


def convert(operand: Any, dtype: str) -> Variable:
    """A variable of that dtype: constants and dimensions are converted, everything else is cast."""
    if not isinstance(operand, Variable):
        return as_variable(operand, dtype)
    if operand.op is dimension:
        return as_variable(operand.attributes["value"], dtype)
    if operand.op is constant and not isinstance(operand.attributes["value"], ArrayConstant):
        return literal(operand.attributes["value"], dtype, operand.shape)
    return cast(operand, dtype=dtype)  # type: ignore[no-any-return]


def _kind(operand: Any) -> Any:
    """What promotion sees: a dtype's name, or int / float for numbers that are weak."""
    if isinstance(operand, bool | np.generic):
        return check_dtype(np.asarray(operand).dtype)
    if isinstance(operand, int | Dim):
        return int
    if isinstance(operand, float | Fraction):
        return float
    if isinstance(operand, complex):
        raise TypeMismatch(f"complex number {operand} has no meaning here; write real and imaginary parts apart")
    return check_dtype(_array(operand).dtype)


def _round(value: Any, dtype: str) -> bool | int | float:
    """The Python number nearest to a number in a dtype."""
    if dtype == "bool":
        return bool(value)
    if is_integer(dtype):
        limits = np.iinfo(dtype)
        if not (math.isfinite(value) and int(value) == value and limits.min <= value <= limits.max):
            raise InvalidArgument(f"{value} does not fit {dtype}, which holds {limits.min} to {limits.max}")
        number = int(value)
        return number
    assert is_float(dtype)
    try:
        wide = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    if dtype == "float64" or not math.isfinite(wide):
        return wide
    return _round_to_float32(value, wide)


_FLOAT32 = np.finfo(np.float32)
_FLOAT32_OVERFLOWS = 2**128 - 2**103  # halfway between the largest float32 and the next power of two


def _round_to_float32(value: Any, wide: float) -> float:
    with np.errstate(over="ignore"):
        narrow = np.float32(wide)
    if not isinstance(value, Fraction | int) or abs(Fraction(value)) >= _FLOAT32_OVERFLOWS:
        return float(narrow)
    # Undo a double rounding: of the neighbours, pick the one that is exactly nearest.
    narrow = np.clip(narrow, _FLOAT32.min, _FLOAT32.max)
    with np.errstate(over="ignore", under="ignore"):
        candidates = [np.nextafter(narrow, np.float32(-np.inf)), narrow, np.nextafter(narrow, np.float32(np.inf))]
    finite = [c for c in candidates if np.isfinite(c)]
    return float(min(finite, key=lambda c: (abs(Fraction(float(c)) - value), c != narrow)))


def described(operand: Any) -> str:
    """An operand as messages name it: its name, or what computes it, and its type."""
    if isinstance(operand, Variable):
        return f"{operand.name or operand.op.name}: {operand.type}"
    return repr(operand)[:40]


def _same(error: GraphoptError, message: str) -> GraphoptError:
    return type(error)(message)
