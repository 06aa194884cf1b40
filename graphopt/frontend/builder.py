"""Making variables in bulk: equal applications become one variable, and numbers stay exact until they meet a dtype.

A *value* is a variable, or a number that has no dtype yet: `int`, `Fraction`, an infinite or NaN `float`, or a
dimension. Numbers take part weakly, as Python's do; where an op meets nothing but numbers, they get the builder's own
dtype.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from graphopt.dimensions import Dim
from graphopt.errors import GraphoptError
from graphopt.op import EMPTY, Attributes, Op
from graphopt.ops import arithmetic, logic
from graphopt.ops.leaves import ArrayConstant, constant, dimension
from graphopt.types import agree, is_float
from graphopt.variable import Origin, Variable, as_variable, literal

__all__ = ["Builder", "Value"]

Value = Variable | Dim | int | Fraction | float


class Builder:
    """Applies ops to values.

    Attributes
    ----------
    dtype
        The dtype of numbers that meet no variable.
    origin
        The origin of what is made next.
    """

    def __init__(self) -> None:
        self.dtype = "float64"
        self.origin: Origin | None = None
        self._made: dict[tuple[Any, ...], Variable] = {}

    def apply(self, op: Op, *operands: Value, **attributes: Any) -> Variable:
        """The variable for an op applied to values: made once, then found again.

        Raises
        ------
        TypeMismatch, ShapeMismatch
            If the op has no meaning for them; the message names the expression they come from.
        """
        more = Attributes(attributes) if attributes else EMPTY
        # The types are part of the key because 2 and Fraction(2) are equal but promote differently.
        key = (op, operands, tuple([type(operand) for operand in operands]), more)
        found = self._made.get(key)
        if found is not None:
            return found
        try:
            variables = self._coerce(op, operands)
            result_type = op.type_rule(tuple([v.type for v in variables]), more, agree)
        except GraphoptError as error:
            listing = ", ".join(str(v.type) if isinstance(v, Variable) else str(v) for v in operands)
            raise type(error)(f"{op.name}({listing}): {error}; in {self.origin}") from None
        made = Variable(result_type, op, variables, more, None, self.origin)
        self._made[key] = made
        return made

    def variable(self, value: Value) -> Variable:
        """A value as a variable: numbers get the builder's dtype."""
        return value if isinstance(value, Variable) else self._literal(value, self._own_dtype(value))

    def truth(self, value: Value) -> Variable:
        """A value as a bool: numbers are true unless zero."""
        found = self.variable(value)
        return found if found.dtype == "bool" else self.apply(logic.not_equal, found, 0)

    def cast(self, value: Value, dtype: str) -> Variable:
        """A value in a dtype: numbers are rounded to it once, variables cast if they have another."""
        if not isinstance(value, Variable):
            return self._literal(value, dtype)
        if value.dtype == dtype:
            return value
        if value.op is constant and not isinstance(value.attributes["value"], ArrayConstant):
            return literal(value.attributes["value"], dtype, value.shape)
        return self.apply(arithmetic.cast, value, dtype=dtype)

    def _coerce(self, op: Op, operands: tuple[Value, ...]) -> tuple[Variable, ...]:
        if not any(isinstance(v, Variable) and v.type.dtype != "bool" for v in operands):
            # Two weak numbers would promote to int64 or float64, whatever they meet later.
            operands = tuple([v if isinstance(v, Variable) else self._literal(v, self._own_dtype(v)) for v in operands])
        if op.operand_dtypes is None:
            return tuple([self.variable(operand) for operand in operands])
        kinds = tuple([v.type.dtype if isinstance(v, Variable) else int if isinstance(v, int | Dim) else float
                       for v in operands])  # fmt: skip
        wanted = op.operand_dtypes(kinds)
        return tuple(
            [
                v if isinstance(v, Variable) and v.type.dtype == dtype else self.cast(v, dtype)
                for v, dtype in zip(operands, wanted, strict=True)
            ]
        )

    def _own_dtype(self, number: Value) -> str:
        return "float64" if not is_float(self.dtype) and isinstance(number, Fraction | float) else self.dtype

    def _literal(self, value: Value, dtype: str) -> Variable:
        assert not isinstance(value, Variable)
        key = (value, type(value), dtype)
        found = self._made.get(key)
        if found is None:
            op = dimension if isinstance(value, Dim) else constant
            made = as_variable(value, dtype)
            found = Variable(made.type, op, (), made.attributes, None, self.origin)
            self._made[key] = found
        return found
