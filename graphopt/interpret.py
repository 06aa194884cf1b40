"""The reference interpreter: runs a graph node by node, in any arithmetic (`graphopt.arithmetics`).

It is the oracle that every transformation and every target is held against, so it is plain rather than fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphopt.arithmetics import Arithmetic, Native
from graphopt.dimensions import Dim, evaluate, symbols
from graphopt.errors import InvalidArgument, MissingInput, ShapeMismatch
from graphopt.graph import mismatch
from graphopt.graph.body import Body, captures_of
from graphopt.graph.counts import COUNTING, known_guards, settle
from graphopt.graph.graph import Graph
from graphopt.op import Attributes, Op
from graphopt.ops.control import cond
from graphopt.ops.leaves import input_
from graphopt.types import TensorType

__all__ = ["BodyCall", "Evaluate", "bind_dimensions", "interpret", "resolve", "value_of", "walk"]

Evaluate = Callable[[int, tuple[Any, ...], Mapping[str, Any]], Any]
Array = Any  # a NumPy array; of dtype object where it holds mpmath numbers


def bind_dimensions(graph: Graph, arrays: Mapping[str, Array]) -> dict[str, int]:
    """The size of every named dimension, read off the arrays; guards and all other sizes are checked.

    Raises
    ------
    ShapeMismatch
        Naming the arguments and axes whose sizes do not fit, and what needs them to.
    InvalidArgument
        If a size is a formula in a name that no argument has for an axis.
    """
    sizes: dict[str, int] = {}
    source: dict[str, tuple[int, str]] = {}
    for name, node in graph.inputs.items():
        expected, found = graph.type(node), arrays[name].shape
        if len(found) != expected.ndim:
            raise ShapeMismatch(f"argument {name} has rank {len(found)} (shape {found}); expected {expected}")
        for axis, (size, actual) in enumerate(zip(expected.shape, found, strict=True)):
            symbol = size.symbol if isinstance(size, Dim) else None
            if symbol is not None and symbol not in sizes:
                sizes[symbol], source[symbol] = actual, (axis, name)
    for name, node in graph.inputs.items():
        for axis, (size, actual) in enumerate(zip(graph.type(node).shape, arrays[name].shape, strict=True)):
            if isinstance(size, Dim) and size.symbol is None and not symbols(size) <= sizes.keys():
                raise InvalidArgument(mismatch.unknown_size(name, axis, size, sizes))
            if (wanted := evaluate(size, sizes)) != actual:
                raise ShapeMismatch(mismatch.of_argument(graph, name, arrays[name].shape, axis, wanted, source))
    for a, b in known_guards(graph):
        if evaluate(a, sizes) != evaluate(b, sizes):
            raise ShapeMismatch(mismatch.of_guard(graph, (a, b), sizes, source))
    return sizes


def resolve(attributes: Attributes, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Attributes with every dimension as an integer, and bodies as functions of arrays."""

    def value(item: Any) -> Any:
        if isinstance(item, Dim):
            return evaluate(item, sizes)
        if isinstance(item, Body):
            return BodyCall(item, sizes)
        return tuple(value(part) for part in item) if isinstance(item, tuple) else item

    return {key: value(item) for key, item in attributes.items()}


def interpret(
    graph: Graph,
    arguments: Mapping[str, Any],
    arithmetic: Arithmetic | None = None,
    on_node: Callable[[int, Array], None] | None = None,
) -> dict[str, Array]:
    """Run a graph.

    Parameters
    ----------
    graph
        What to run.
    arguments
        An array for each input, by name.
    arithmetic
        `Native()` unless another is given.
    on_node
        Called with each node and its value, in order of evaluation.

    Returns
    -------
    dict
        An array for each output, by name, as the arithmetic holds numbers.

    Raises
    ------
    MissingInput
        If an argument is missing.
    ShapeMismatch
        If an argument's shape does not fit the graph.
    """
    chosen = arithmetic or Native()

    def evaluate(node: int, operands: tuple[Array, ...], attributes: Mapping[str, Any]) -> Array:
        value = value_of(graph.op(node), graph.type(node), operands, attributes, chosen)
        if on_node is not None:
            on_node(node, value)
        return value

    return walk(graph, arguments, evaluate)


def value_of(
    op: Op, type: TensorType, operands: tuple[Array, ...], attributes: Mapping[str, Any], arithmetic: Arithmetic
) -> Array:
    """The value of one node. The operand of an input is its argument."""
    if op is input_:
        return arithmetic.enter(operands[0], type)
    if op is cond:
        condition, *captures = operands
        return attributes["then" if condition else "otherwise"](*captures, arithmetic=arithmetic)
    if "leaf" not in op.traits:
        return arithmetic.apply(op, operands, attributes, type)
    assert op.numpy is not None, f"the leaf {op.name} has a value"
    return arithmetic.enter(op.numpy(**attributes), type)


def walk(
    graph: Graph,
    arguments: Mapping[str, Any],
    evaluate: Evaluate,
) -> dict[str, Array]:
    """Visit what the outputs of a graph need, operands first; values go when nobody needs them.

    Parameters
    ----------
    graph, arguments
        What to run, and an array for each input, by name.
    evaluate
        `(node, operands, attributes) -> value`, the attributes' sizes being integers; the operand of an input is its
        argument. See `value_of`.

    Returns
    -------
    dict
        The value of each output, by name.

    Raises
    ------
    MissingInput
        If an argument is missing.
    ShapeMismatch
        If an argument's shape does not fit the graph.
    """
    if missing := [name for name in graph.inputs if name not in arguments]:
        raise MissingInput(f"no value for input {', '.join(missing)}")
    arrays = {name: np.asarray(arguments[name]) for name in graph.inputs}
    sizes = bind_dimensions(graph, arrays)
    values = _visited(graph, {node: arrays[name] for name, node in graph.inputs.items()}, sizes, evaluate)
    return {name: values[node] for name, node in graph.outputs.items()}


def _visited(graph: Graph, given: Mapping[int, Array], sizes: dict[str, int], evaluate: Evaluate) -> dict[int, Array]:
    values: dict[int, Array] = {}
    order = graph.order()
    last_use = {operand: node for node in order for operand in graph.operands(node)}
    held = set(graph.outputs.values())
    for node in order:
        operands = tuple([values[operand] for operand in graph.operands(node)])
        if node in given:
            operands = (given[node],)
        if COUNTING in graph.op(node).traits:
            values[node] = evaluate(node, operands, {})
            settle(graph, node, len(values[node]), sizes)
        else:
            values[node] = evaluate(node, operands, resolve(graph.attributes(node), sizes))
        for operand in set(graph.operands(node)):
            if last_use[operand] == node and operand not in held:
                del values[operand]
    return values


class BodyCall:
    """A body as a function of arrays: its sizes are known."""

    def __init__(self, body: Body, sizes: Mapping[str, int]) -> None:
        self.body = body
        self.sizes = sizes

    def __call__(self, *captures: Array, arithmetic: Arithmetic | None = None) -> Array:
        graph, chosen = self.body.graph, arithmetic or Native()

        def evaluate(node: int, operands: tuple[Array, ...], attributes: Mapping[str, Any]) -> Array:
            return value_of(graph.op(node), graph.type(node), operands, attributes, chosen)

        return self.walk(captures, evaluate)

    def walk(self, captures: Sequence[Array], evaluate: Evaluate) -> Array:
        """Visit what the result needs, operands first, as the function `walk` does."""
        return _visited(self.body.graph, captures_of(self.body, captures), dict(self.sizes), evaluate)[self.body.output]
