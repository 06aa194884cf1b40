"""NumPy as written: the function that a user would write down for a graph, to be timed against compiled ones.

The graph is turned once into a list of calls of NumPy's functions; a call of the function goes through that list and
does nothing else. Three things that CPython and NumPy do for an expression in a program are done here too, since
leaving them out would flatter the competition: an intermediate result is freed after its last use; an operator
overwrites a large operand that nothing else needs (NumPy's "temporary elision"); and `x**2`, `x**0.5` and `x**-1` are
`square`, `sqrt` and `reciprocal`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from graphopt.dimensions import evaluate
from graphopt.errors import UnsupportedExpression
from graphopt.graph import Graph
from graphopt.interpret import resolve
from graphopt.ops.leaves import ArrayConstant, input_

__all__ = ["as_written"]

ELIDED_FROM = 256 * 1024  # bytes; NumPy overwrites no smaller temporaries
_LEFT = ("subtract", "divide", "floor_divide", "left_shift", "right_shift", "negative", "invert")
_EITHER = ("add", "multiply", "bitwise_and", "bitwise_or", "bitwise_xor")
_POWERS: Mapping[float, Callable[..., Any]] = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal, 1: np.positive}


class _Call(NamedTuple):
    function: Callable[..., Any]
    result: int
    operands: tuple[int, ...]
    keywords: dict[str, Any]
    out: int | None
    freed: tuple[int, ...]


def as_written(graph: Graph, sizes: Mapping[str, int]) -> Callable[..., Any]:
    """A function of a graph's inputs, in their order, that computes its first output with NumPy, node by node.

    Parameters
    ----------
    graph
        A graph that no pipeline has touched.
    sizes
        The size of every named dimension.

    Raises
    ------
    UnsupportedExpression
        If an op has no NumPy meaning.
    """
    calls, constants = _plan(graph, sizes)
    places = list(graph.inputs.values())
    (output,) = list(graph.outputs.values())[:1]
    owned = bool(calls) and not _is_view_of_input(graph, output)

    def run(*arrays: Any) -> Any:
        values: dict[int, Any] = {**constants, **dict(zip(places, arrays, strict=True))}
        with np.errstate(all="ignore"):
            for function, result, operands, keywords, out, freed in calls:
                given = [values[operand] for operand in operands]
                values[result] = (
                    function(*given, **keywords) if out is None else function(*given, **keywords, out=values[out])
                )
                del given
                for node in freed:
                    del values[node]
        return values[output] if owned else np.array(values[output])

    return run


def _plan(graph: Graph, sizes: Mapping[str, int]) -> tuple[list[_Call], dict[int, Any]]:
    if counting := graph.settlers():
        raise UnsupportedExpression(f"{', '.join(counting)} is counted while a program runs: no list of calls is fixed")
    order = graph.order()
    last_use = {operand: node for node in order for operand in graph.operands(node)}
    temporaries: set[int] = set()
    calls: list[_Call] = []
    constants: dict[int, Any] = {}
    for node in order:
        op = graph.op(node)
        if op is input_:
            continue
        attributes = resolve(graph.attributes(node), sizes)
        if "leaf" in op.traits:
            constants[node] = _constant(attributes, graph.type(node).dtype)
            continue
        if op.numpy is None:
            raise UnsupportedExpression(f"op {op.name} has no NumPy meaning")
        function, operands = op.numpy, graph.operands(node)
        exponent = constants.get(operands[1]) if op.name == "power" else None
        if isinstance(exponent, np.floating) and float(exponent) in _POWERS:
            function, operands = _POWERS[float(exponent)], operands[:1]
        freed = tuple(v for v in dict.fromkeys(graph.operands(node)) if last_use[v] == node and v in temporaries)
        calls.append(_Call(function, node, operands, attributes, _elided(graph, node, freed, sizes), freed))
        temporaries.add(node)
    return calls, constants


def _constant(attributes: Mapping[str, Any], dtype: str) -> Any:
    value, shape = attributes["value"], attributes.get("shape", ())
    if isinstance(value, ArrayConstant):
        return value.array
    return np.full(shape, value, dtype) if shape else np.dtype(dtype).type(value)


def _elided(graph: Graph, node: int, freed: tuple[int, ...], sizes: Mapping[str, int]) -> int | None:
    """The operand that NumPy's own operator would write its result into."""
    name, operands = graph.op(node).name, graph.operands(node)
    candidates = operands if name in _EITHER else operands[:1] if name in _LEFT else ()
    type = graph.type(node)
    elements = evaluate(type.size, sizes)
    for operand in candidates:
        owned = "view" not in graph.op(operand).traits
        if operand in freed and owned and graph.type(operand) == type and graph.uses(operand) == 1:
            return operand if elements * type.itemsize >= ELIDED_FROM else None
    return None


def _is_view_of_input(graph: Graph, node: int) -> bool:
    """Whether a value lies in memory that is not its own: a caller might write into it."""
    while "view" in graph.op(node).traits:
        node = graph.operands(node)[0]
    return graph.op(node).arity == 0
