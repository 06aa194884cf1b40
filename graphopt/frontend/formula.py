"""Formulas in NumPy's manner as variables: `log(exp(x) / sum(exp(x), axis=1, keepdims=True))`.

A formula is data, and is never evaluated as Python. It is read by this package's own parser
(`graphopt.frontend.formula_syntax`); what may be called is a fixed list (`graphopt.frontend.formula_functions`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from graphopt.dimensions import Dim
from graphopt.errors import GraphoptError, InvalidArgument, TypeMismatch, UnsupportedExpression
from graphopt.frontend.formula_functions import ATTRIBUTES, CONSTANTS, DTYPE_NAMES, FUNCTIONS, METHODS, Callee
from graphopt.frontend.formula_syntax import Part, parse
from graphopt.frontend.formula_text import Text, Token
from graphopt.ops import arithmetic, logic
from graphopt.tensor.indexing import getitem
from graphopt.tensor.products import matmul
from graphopt.types import TensorType
from graphopt.variable import Origin, Variable, as_variable, caller, variable

__all__ = ["parse_formula"]

WIDEST = 64  # bits of an integer
SHOWN = 72  # characters of a part of the formula that the origin of a variable shows
_OPERATORS: Mapping[str, Callable[..., Any]] = {
    "+": arithmetic.add, "-": arithmetic.subtract, "*": arithmetic.multiply, "/": arithmetic.divide,
    "//": arithmetic.floor_divide, "%": arithmetic.remainder, "**": arithmetic.power, "@": matmul,
    "==": logic.equal, "!=": logic.not_equal, "<": logic.less, "<=": logic.less_equal, ">": logic.greater,
    ">=": logic.greater_equal, "&": logic.bitwise_and, "|": logic.bitwise_or, "^": logic.bitwise_xor,
    "<<": logic.left_shift, ">>": logic.right_shift,
}  # fmt: skip
# Numbers among themselves are Python's, so that they stay weak: 2 * 3 * x has the dtype of x.
_OF_NUMBERS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "**": operator.pow, "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge, "&": operator.and_, "|": operator.or_, "^": operator.xor,
}  # fmt: skip
_OF_DIMENSIONS = ("+", "-", "*", "//")
_UNARY: Mapping[str, Callable[[Any], Any]] = {"-": arithmetic.negative, "+": lambda x: x, "~": logic.invert}


def parse_formula(text: str, types: Mapping[str, str | TensorType]) -> tuple[list[Variable], Variable]:
    """The variables of a formula.

    Parameters
    ----------
    text
        One expression; before it, separated by `;`, there may be assignments whose names it uses:
        `s = exp(x); s / s.sum(axis=1, keepdims=True)`.
    types
        The type of every name that the formula takes from outside, such as `{"x": "float32[n, 784]"}`.

    Returns
    -------
    inputs
        The names taken from outside, in the order in which they appear first.
    output
        What the formula computes.

    Raises
    ------
    InvalidArgument
        If the text breaks the grammar, a name has no type, or a type no name.
    UnsupportedExpression
        If the formula contains what has no meaning here: an unknown function, a complex number, a lambda.
    TypeMismatch, ShapeMismatch
        If a function has no meaning for its arguments. Every message shows the formula with a caret under the place.
    """
    source = Text(text)
    known = {name: TensorType.parse(type) if isinstance(type, str) else type for name, type in types.items()}
    reader = _Reader(source, known)
    part = parse(source, reader)
    output = reader.output(part)
    reader.check_used()
    return list(reader.inputs.values()), output


class _Reader:
    """What the parts of a formula mean."""

    def __init__(self, text: Text, types: Mapping[str, TensorType]) -> None:
        self.text = text
        self.types = types
        self.inputs: dict[str, Variable] = {}
        self.assigned: dict[str, Any] = {}
        self.unused: dict[str, Token] = {}
        self._placed: set[Variable] = set()  # variables whose origin is a part of the formula already

    # --- names and numbers ---------------------------------------------------------------------------------------
    def declares(self, name: str) -> bool:
        return name in self.types or name in self.assigned

    def name(self, token: Token) -> Any:
        name = token.text
        if name in self.assigned:
            self.unused.pop(name, None)
            return self.assigned[name]
        if name in self.types:
            if name not in self.inputs:
                self.inputs[name] = variable(name, self.types[name], origin=Origin(name))
                self._placed.add(self.inputs[name])
            return self.inputs[name]
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name in DTYPE_NAMES:
            return name
        if name in FUNCTIONS:
            self.text.fail(f"{name} is a function; call it, or give an input of that name a type", token.start)
        near = _near(name, [*self.types, *self.assigned, *CONSTANTS])
        self.text.fail(
            f"unknown name {name!r}{near}; give every input a type (command line: --shape {name}=…)", token.start
        )

    def number(self, token: Token) -> int | float:
        if token.text.isdigit():
            digits = token.text.lstrip("0") or "0"
            if len(digits) > 20 or int(digits).bit_length() > WIDEST:
                self.text.fail(f"integer {digits[:20]}… does not fit {WIDEST} bits; write it as a float", token.start)
            return int(digits)
        return float(token.text)

    # --- operators -----------------------------------------------------------------------------------------------
    def unary(self, mark: Token, operand: Part) -> Any:
        value = self.operand(mark, operand)
        if isinstance(value, int | float) and mark.text != "~":
            return -value if mark.text == "-" else +value
        if isinstance(value, bool):
            return not value
        return self.build(mark, (mark.start, operand.end), lambda: _UNARY[mark.text](as_variable(value)))

    def binary(self, mark: Token, left: Part, right: Part) -> Any:
        a, b = self.operand(mark, left), self.operand(mark, right)
        if not isinstance(a, Variable) and not isinstance(b, Variable):
            if mark.text in _OF_NUMBERS and not isinstance(a, Dim) and not isinstance(b, Dim):
                return self.of_numbers(mark, a, b)
            if mark.text in _OF_DIMENSIONS and isinstance(a, Dim | int) and isinstance(b, Dim | int):
                return self.build(mark, (left.start, right.end), lambda: _OF_NUMBERS[mark.text](a, b))
        return self.build(mark, (left.start, right.end), lambda: _OPERATORS[mark.text](a, b))

    def operand(self, mark: Token, part: Part) -> Any:
        if isinstance(part.value, Variable | Dim | int | float):
            return part.value
        self.text.fail(f"{mark.text} takes arrays and numbers, found {_kind(part.value)}", mark.start, TypeMismatch)

    def of_numbers(self, mark: Token, a: Any, b: Any) -> Any:
        if mark.text == "**" and _is_vast(a, b):
            self.text.fail(f"{a}**{b} does not fit {WIDEST} bits; write a float, such as {a}.0", mark.start)
        try:
            result = _OF_NUMBERS[mark.text](a, b)
        except ZeroDivisionError:
            self.text.fail("division of a number by zero; write inf or nan if that is meant", mark.start)
        except OverflowError:
            self.text.fail("the number is too large for a float", mark.start)
        except TypeError:
            self.text.fail(f"{mark.text} has no meaning for {a!r} and {b!r}", mark.start, TypeMismatch)
        if isinstance(result, complex):
            self.text.fail("the result is complex, which has no meaning here", mark.start, UnsupportedExpression)
        if isinstance(result, int) and result.bit_length() > WIDEST:
            self.text.fail(f"the integer does not fit {WIDEST} bits; write a float", mark.start)
        return result

    # --- functions, methods and attributes -----------------------------------------------------------------------
    def call(self, function: Token, arguments: Sequence[Part], by_name: dict[str, Part], end: int) -> Any:
        callee = FUNCTIONS.get(function.text)
        if callee is None:
            what = "an input and cannot be called" if self.declares(function.text) else "no function of formulas"
            near = _near(function.text, FUNCTIONS)
            self.text.fail(f"{function.text!r} is {what}{near}", function.start, UnsupportedExpression)
        return self.apply(callee, function, (function.start, end), arguments, by_name)

    def method(self, owner: Part, name: Token, arguments: Sequence[Part], by_name: dict[str, Part], end: int) -> Any:
        callee = METHODS.get(name.text)
        if callee is None:
            near = f"; it is an attribute: write .{name.text}" if name.text in ATTRIBUTES else _near(name.text, METHODS)
            self.text.fail(f"arrays have no method {name.text!r} here{near}", name.start, UnsupportedExpression)
        self.array(owner, name)
        return self.apply(callee, name, (owner.start, end), (owner, *arguments), by_name)

    def attribute(self, owner: Part, name: Token) -> Any:
        if name.text not in ATTRIBUTES:
            near = "; it is a method: call it" if name.text in METHODS else _near(name.text, ATTRIBUTES)
            self.text.fail(f"arrays have no attribute {name.text!r} here{near}", name.start, UnsupportedExpression)
        array = self.array(owner, name)
        return self.build(name, (owner.start, name.end), lambda: ATTRIBUTES[name.text](array))

    def array(self, owner: Part, name: Token) -> Variable:
        if not isinstance(owner.value, Variable):
            self.text.fail(f"only arrays have .{name.text}, found {_kind(owner.value)}", name.start, TypeMismatch)
        return owner.value

    def item(self, owner: Part, index: Part) -> Any:
        if isinstance(owner.value, Variable):
            place = Token("mark", "[", owner.end)
            array = owner.value
            return self.build(place, (owner.start, index.end + 1), lambda: getitem(array, index.value))
        if not isinstance(owner.value, tuple):
            what = "only arrays, shapes and other tuples have elements that formulas can name"
            self.text.fail(f"{what}, found {_kind(owner.value)}", owner.end, UnsupportedExpression)
        position = index.value
        if not isinstance(position, int) or not -len(owner.value) <= position < len(owner.value):
            shown = _kind(position) if not isinstance(position, int) else position
            self.text.fail(f"a tuple of {len(owner.value)} has no element {shown}", index.start)
        return owner.value[position]

    def apply(
        self,
        callee: Callee,
        place: Token,
        extent: tuple[int, int],
        arguments: Sequence[Part],
        by_name: Mapping[str, Part],
    ) -> Any:
        values = tuple(part.value for part in arguments)
        named = {name: part.value for name, part in by_name.items()}
        return self.build(place, extent, lambda: callee.apply(values, named))

    def build(self, place: Token, extent: tuple[int, int], make: Callable[[], Any]) -> Any:
        """What `make` returns, made from a part of the formula; errors point at `place`."""
        try:
            return self.placed(make(), Origin(_shortened(self.text.text[slice(*extent)])))
        except GraphoptError as error:
            message = str(error).removesuffix(f"; at {caller()}")
            raise type(error)(self.text.message(message, place.start)) from None

    def placed(self, value: Any, origin: Origin) -> Any:
        """Fresh variables with the part of the formula they come from as their origin."""
        if isinstance(value, tuple):
            return tuple(self.placed(item, origin) for item in value)
        if not isinstance(value, Variable):
            return value
        made: dict[Variable, Variable] = {}
        stack = [value]
        while stack:
            current = stack[-1]
            fresh = [v for v in current.operands if v not in made and v not in self._placed]
            if current in made or current in self._placed or not fresh:
                stack.pop()
                if current not in made and current not in self._placed:
                    operands = tuple([made.get(v, v) for v in current.operands])
                    moved = current.remade(operands=operands, origin=origin)
                    made[current] = moved
            else:
                stack.extend(fresh)
        self._placed.update(made.values())
        return made.get(value, value)

    # --- the program ---------------------------------------------------------------------------------------------
    def assign(self, name: Token, part: Part) -> None:
        if name.text in self.types or name.text in self.assigned:
            self.text.fail(f"{name.text} has a meaning already; choose another name", name.start)
        value = part.value
        if isinstance(value, Variable) and value.name is None:
            value = value.named(name.text)
            self._placed.add(value)
        self.assigned[name.text] = value
        self.unused[name.text] = name

    def output(self, part: Part) -> Variable:
        if isinstance(part.value, Variable):
            return part.value
        if isinstance(part.value, Dim | int | float):
            return as_variable(part.value)
        self.text.fail(f"a formula computes an array, found {_kind(part.value)}", part.start)

    def check_used(self) -> None:
        """Every assignment and every type must have been of use: what is not is a slip of the pen."""
        for name, token in self.unused.items():
            self.text.fail(f"{name} is computed but never used", token.start)
        if idle := [name for name in self.types if name not in self.inputs]:
            listing = ", ".join(idle)
            raise InvalidArgument(f"{listing} has a type but does not occur in the formula: {self.text.text[:100]}")


def _is_vast(base: Any, exponent: Any) -> bool:
    """Whether an integer power is not worth computing: 9**9**9 has 370 million digits."""
    both = isinstance(base, int) and isinstance(exponent, int)
    return both and exponent > 0 and base.bit_length() * exponent > 4 * WIDEST


def _shortened(part: str) -> str:
    return part if len(part) <= SHOWN else f"{part[: SHOWN // 2]}…{part[-SHOWN // 2 :]}"


def _near(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    near = get_close_matches(name, known, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _kind(value: Any) -> str:
    if isinstance(value, Variable):
        return str(value.type)
    return f"a tuple of {len(value)}" if isinstance(value, tuple) else repr(value)[:40]
