"""Relations, logic and choices between cases. Where no case of a `Piecewise` applies, its value is NaN."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import sympy as s
from sympy.core.relational import Equality, GreaterThan, LessThan, StrictGreaterThan, StrictLessThan, Unequality
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanFalse, BooleanTrue
from sympy.sets.contains import Contains

from graphopt.frontend.arithmetic import fold
from graphopt.frontend.builder import Value
from graphopt.frontend.describe import unsupported
from graphopt.frontend.form import Form, Reader, arguments, nothing, of_op
from graphopt.op import Op
from graphopt.ops import logic as l
from graphopt.variable import Variable, literal

__all__ = ["FORMS", "truth_parts"]


CONNECTIVES = (s.And, s.Or, s.Xor, s.Nand, s.Nor, s.Not, s.Implies, s.Equivalent, s.ITE)


def truth_parts(node: Any) -> Sequence[Any]:
    """The arguments of a node that stand where a truth value is expected."""
    if isinstance(node, CONNECTIVES):
        return node.args  # type: ignore[no-any-return]
    return node.args[1:] if isinstance(node, ExprCondPair) else ()


def _connective(op: Op, negate: bool = False) -> Form:
    def build(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
        if not values:
            return literal(op is not l.logical_or, "bool")
        result = fold(reader.apply, op, [reader.builder.truth(value) for value in values])
        return reader.apply(l.logical_not, result) if negate else result

    return Form(arguments, build)


def _not(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    return reader.apply(l.logical_not, reader.builder.truth(values[0]))


def _implies(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    premise, conclusion = (reader.builder.truth(value) for value in values)
    return reader.apply(l.logical_or, reader.apply(l.logical_not, premise), conclusion)


def _equivalent(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    first, *others = (reader.builder.truth(value) for value in values)
    return fold(reader.apply, l.logical_and, [reader.apply(l.equal, first, other) for other in others])


def _choice(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    condition, yes, no = (reader.builder.truth(value) for value in values)
    return reader.apply(l.where, condition, yes, no)


def _piecewise_parts(reader: Reader, node: Any) -> Sequence[Any]:
    return [part for pair in node.args for part in pair.args]


def _piecewise(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    """From the last case to the first, so that the first condition that holds decides."""
    cases = list(zip(values[::2], values[1::2], strict=True))
    kinds = {value.dtype == "bool" for value, _ in cases if isinstance(value, Variable)}
    if kinds == {True} and any(not isinstance(value, Variable) for value, _ in cases):
        raise unsupported(node, "some cases are truth values and others numbers")
    result: Value = math.nan
    for position, (value, condition) in enumerate(reversed(cases)):
        last = position == 0 and node.args[-1].args[1] is s.true
        result = value if last else reader.apply(l.where, reader.builder.truth(condition), value, result)
    return result


def _contains_parts(reader: Reader, node: Any) -> Sequence[Any]:
    element, container = node.args
    if isinstance(container, s.Interval):
        return (element, *container.args[:2])
    return (element, *container.args) if isinstance(container, s.FiniteSet) else ()


def _contains(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    container, apply = node.args[1], reader.apply
    if isinstance(container, s.FiniteSet):
        return fold(apply, l.logical_or, [apply(l.equal, values[0], member) for member in values[1:]])
    if not isinstance(container, s.Interval):
        raise unsupported(node, "only intervals and finite sets can be asked for membership; write it with relations")
    x, low, high = values
    above = apply(l.greater if container.left_open else l.greater_equal, x, low)
    below = apply(l.less if container.right_open else l.less_equal, x, high)
    return apply(l.logical_and, above, below)


FORMS: dict[type, Form] = {
    BooleanTrue: Form(nothing, lambda reader, node, values: literal(True, "bool")),
    BooleanFalse: Form(nothing, lambda reader, node, values: literal(False, "bool")),
    Equality: of_op(l.equal),
    Unequality: of_op(l.not_equal),
    StrictLessThan: of_op(l.less),
    LessThan: of_op(l.less_equal),
    StrictGreaterThan: of_op(l.greater),
    GreaterThan: of_op(l.greater_equal),
    s.And: _connective(l.logical_and),
    s.Or: _connective(l.logical_or),
    s.Xor: _connective(l.logical_xor),
    s.Nand: _connective(l.logical_and, negate=True),
    s.Nor: _connective(l.logical_or, negate=True),
    s.Not: Form(arguments, _not),
    s.Implies: Form(arguments, _implies),
    s.Equivalent: Form(arguments, _equivalent),
    s.ITE: Form(arguments, _choice),
    s.Piecewise: Form(_piecewise_parts, _piecewise),
    Contains: Form(_contains_parts, _contains),
}
