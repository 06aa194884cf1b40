"""Symbols that stand for values, derivatives that are taken through the graph, and assignments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as s
from sympy.codegen.ast import Assignment, CodeBlock

from graphopt.dimensions import dim
from graphopt.frontend.builder import Value
from graphopt.frontend.describe import describe, unsupported
from graphopt.frontend.form import Form, Reader, nothing
from graphopt.frontend.sums import index_values
from graphopt.variable import Variable

__all__ = ["FORMS", "assignments"]


def _symbol(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    """A symbol: bound to a value, an index, the name of a dimension, or an input."""
    if node in reader.bound:
        return reader.bound[node]
    for position, axis in enumerate(reader.axes):
        if axis.index == node:
            return index_values(reader, position)
    if not node.is_commutative:
        raise unsupported(node, "a symbol that does not commute is no number; use a MatrixSymbol")
    leaves = reader.leaves
    if leaves.is_size(node):
        return dim(node.name)
    return leaves.variable_for(node)


def _index(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    for position, axis in enumerate(reader.axes):
        if axis.index == node:
            return index_values(reader, position)
    raise unsupported(node, "this index is not summed over; put a Sum around it")


def _substitution_parts(reader: Reader, node: Any) -> Sequence[Any]:
    return node.args[2]  # type: ignore[no-any-return]


def _substitution(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    """Subs(f, x, a): f with x standing for a."""
    return reader.binding(tuple(node.args[1]), values).read(node.args[0])


def _derivative_parts(reader: Reader, node: Any) -> Sequence[Any]:
    return () if reader.leaves.accepts(node) else (node.args[0], *(count[0] for count in node.args[1:]))


def _derivative(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    """A listed input, or the derivative of what has a value, taken through the graph."""
    if reader.leaves.accepts(node):
        return reader.leaves.variable_for(node)
    try:
        from graphopt.autodiff import grad
    except ImportError:
        raise unsupported(node, "list it among the inputs, or call .doit() first") from None
    result = reader.builder.variable(values[0])
    for (symbol, count), wanted in zip(node.args[1:], values[1:], strict=True):
        if reader.axes or not isinstance(wanted, Variable) or wanted.operands:
            raise unsupported(node, f"a derivative by {describe(symbol)} is not known here; call .doit() first")
        if result.ndim:
            raise unsupported(node, f"only scalars are differentiated, found {result.type}; call .doit() first")
        for _ in range(int(count)):
            result = grad(result, wanted, disconnected_inputs="ignore")
    return result


def assignments(reader: Reader, block: Any) -> dict[str, Value]:
    """The values of a `CodeBlock`'s assignments, by the name assigned to, each seeing those before it.

    Raises
    ------
    UnsupportedExpression
        For statements other than assignments to symbols, and for a symbol that was read or assigned before.
    """
    results: dict[str, Value] = {}
    for statement in block.args if isinstance(block, CodeBlock) else (block,):
        if not isinstance(statement, Assignment) or not isinstance(statement.lhs, s.Symbol):
            raise unsupported(statement, "expected an assignment to a symbol")
        if statement.lhs in reader.bound or statement.lhs in reader.leaves.variables:
            raise unsupported(statement, f"{statement.lhs} has a value already; assign it once, before its use")
        results[statement.lhs.name] = reader.bound[statement.lhs] = reader.read(statement.rhs)
    return results


FORMS: dict[type, Form] = {
    s.Symbol: Form(nothing, _symbol),
    s.Idx: Form(nothing, _index),
    s.Subs: Form(_substitution_parts, _substitution),
    s.Derivative: Form(_derivative_parts, _derivative),
}
