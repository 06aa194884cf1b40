"""Sums, products and powers: what SymPy's normal form hides is recovered.

SymPy writes a - b as a + (-1)·b, a/b as a·b⁻¹ and √x as x^(1/2). Here differences, quotients, roots and small powers
come back. Every step is one that keeps or improves the rounded result: signs move exactly, p/q · x becomes p·x/q
(so that x/3 is one correctly rounded division), integer powers up to 8 are products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import reduce
from typing import Any

from sympy import Add, Mul, Number, Pow, Rational, S

from graphopt.dimensions import Dim
from graphopt.frontend.builder import Value
from graphopt.frontend.form import Form, Reader
from graphopt.frontend.literals import Weak, is_negative, number_value
from graphopt.ops import arithmetic as a
from graphopt.ops import elementary as e
from graphopt.types import is_integer
from graphopt.variable import Variable

__all__ = ["FORMS", "fold", "power_by_number"]

Apply = Callable[..., Value]

LARGEST_PRODUCT = 8  # integer powers up to this one are written as products
EXACT = {"float32": 2**24, "float64": 2**53}  # integers up to these have no rounding error


def fold(apply: Apply, op: Any, values: Sequence[Value]) -> Value:
    """op(…op(op(v₀, v₁), v₂)…, vₙ): from left to right, as it is written."""
    return reduce(lambda left, right: apply(op, left, right), values)


# --- products ------------------------------------------------------------------------------------------------------


def _is_reciprocal(factor: Any) -> bool:
    return type(factor) is Pow and isinstance(factor.exp, Number) and is_negative(factor.exp)


def _coefficient(node: Any) -> Any:
    """The number in front of a product, or None."""
    return node.args[0] if isinstance(node.args[0], Number) else None


def _factors(node: Any) -> Sequence[Any]:
    return node.args[1:] if isinstance(node.args[0], Number) else node.args  # type: ignore[no-any-return]


def _product_parts(reader: Reader, node: Any) -> list[Any]:
    return [factor.base if _is_reciprocal(factor) else factor for factor in _factors(node)]


def _product(reader: Reader, node: Any, values: Iterator[Value], magnitude: bool = False) -> Value:
    """The value of a product (or of its negative, for `magnitude`), as a quotient where it has reciprocals."""
    apply = reader.apply
    above: list[Value] = []
    below: list[Value] = []
    for factor in _factors(node):
        value = next(values)
        if _is_reciprocal(factor):
            below.append(power_by_number(apply, value, -number_value(factor.exp)))
        else:
            above.append(value)
    coefficient = _coefficient(node)
    negated = False
    if coefficient is not None:
        number: Weak = number_value(coefficient)
        number = -number if magnitude else number
        limit = EXACT.get(reader.builder.dtype, 2**53)
        if not isinstance(coefficient, Rational) or max(abs(coefficient.p), coefficient.q) > limit:
            above.insert(0, number)
        else:
            over, under = Fraction(number).as_integer_ratio()
            negated = over == -1
            above[:0] = [over] if abs(over) != 1 else []
            below[:0] = [under] if under != 1 else []
    if not above:
        above, negated = [-1 if negated else 1], False
    result = fold(apply, a.multiply, above)
    if below:
        result = apply(a.divide, result, fold(apply, a.multiply, below))
    return apply(a.negative, result) if negated else result


# --- sums ----------------------------------------------------------------------------------------------------------


def _is_negated(term: Any) -> bool:
    return type(term) is Mul and isinstance(term.args[0], Number) and is_negative(term.args[0])


def _sum_parts(reader: Reader, node: Any) -> list[Any]:
    parts: list[Any] = []
    for term in node.args:
        if _is_negated(term):
            parts.extend(_product_parts(reader, term))
        elif not isinstance(term, Number):
            parts.append(term)
    return parts


def _sum(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    """Terms from left to right. A leading minus is carried along, as −a + b = b − a and −a − b = −(a + b) exactly."""
    apply, waiting = reader.apply, iter(values)
    total: Value | None = None
    negative = False
    for term in node.args:
        minus = False
        if _is_negated(term):
            value, minus = _product(reader, term, waiting, magnitude=True), True
        elif isinstance(term, Number):
            minus = is_negative(term)
            value = -number_value(term) if minus else number_value(term)
        else:
            value = next(waiting)
        if total is None:
            total, negative = value, minus
        elif minus == negative:
            total = apply(a.add, total, value)
        else:
            total, negative = apply(a.subtract, *((value, total) if negative else (total, value))), False
    assert total is not None
    return apply(a.negative, total) if negative else total


# --- powers --------------------------------------------------------------------------------------------------------


def power_by_number(apply: Apply, base: Value, exponent: Weak) -> Value:
    """A power with a known exponent: products, roots and quotients where they are at least as accurate as `power`."""
    if isinstance(exponent, float):
        return apply(a.power, base, exponent)
    over, under = Fraction(exponent).as_integer_ratio()
    small = 0 < abs(over) <= LARGEST_PRODUCT and under <= 2
    if over < 0 and (small or (isinstance(base, Variable) and is_integer(base.dtype))):
        return apply(a.divide, 1, power_by_number(apply, base, -exponent))
    if not small:
        return apply(a.power, base, over if under == 1 else exponent)
    if under == 1:
        return _whole_power(apply, base, over)
    root = apply(a.sqrt, base)
    return root if over == 1 else apply(a.multiply, _whole_power(apply, base, over // 2), root)


def _whole_power(apply: Apply, base: Value, exponent: int) -> Value:
    """By repeated squaring: x⁵ = (x²)²·x."""
    if exponent == 1:
        return base
    root = apply(a.square, _whole_power(apply, base, exponent // 2))
    return apply(a.multiply, root, base) if exponent % 2 else root


def _power_parts(reader: Reader, node: Any) -> tuple[Any, ...]:
    if isinstance(node.exp, Number):
        return (node.base,)
    return (node.exp,) if node.base is S.Exp1 else node.args


def _power(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    if isinstance(node.exp, Number):
        return power_by_number(reader.apply, values[0], number_value(node.exp))
    return exponential(reader, *values) if node.base is S.Exp1 else general_power(reader, *values)


def exponential(reader: Reader, exponent: Value) -> Value:
    """e to a power."""
    return reader.apply(e.exp, exponent)


def general_power(reader: Reader, base: Value, exponent: Value) -> Value:
    """A power whose exponent is not a known number."""
    if not isinstance(base, Variable | Dim) and base == 2:
        return reader.apply(e.exp2, exponent)
    if isinstance(exponent, Variable) and is_integer(exponent.dtype):
        # An integer power of an integer is no integer if the exponent is negative.
        exact = isinstance(base, int | Dim) or (isinstance(base, Variable) and is_integer(base.dtype))
        exponent = reader.builder.cast(exponent, "float64") if exact else exponent
    if isinstance(exponent, int | Fraction | float):
        return power_by_number(reader.apply, base, exponent)
    return reader.apply(a.power, base, exponent)


FORMS = {
    Add: Form(_sum_parts, _sum),
    Mul: Form(_product_parts, lambda reader, node, values: _product(reader, node, iter(values))),
    Pow: Form(_power_parts, _power),
}
