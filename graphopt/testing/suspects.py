"""Which op is to blame for a wrong derivative: each is checked alone, at the values that it meets in the program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from graphopt.arithmetics import Native
from graphopt.errors import GraphoptError
from graphopt.graph import Graph
from graphopt.graph.body import BRANCHES, Body
from graphopt.interpret import bind_dimensions, interpret, resolve
from graphopt.op import Op
from graphopt.ops.control import cond
from graphopt.rewrite import Pipeline
from graphopt.testing.jacobians import Tolerance, compare
from graphopt.testing.oracles import Oracle
from graphopt.testing.subjects import Derived, Expressed
from graphopt.types import TensorType, is_float
from graphopt.variable import variable

__all__ = ["suspect"]

MOST = 300
"""How many ops are looked at."""

Array = Any


def suspect(graph: Graph, point: Mapping[str, Array], oracles: Mapping[str, Oracle]) -> str | None:
    """A sentence about the first op of a graph whose own derivative is wrong at the values it meets; None if none is.

    The graph as written is looked at first, then as the stabilizing rewrites leave it, for that is what was
    differentiated.
    """
    stabilized = graph.copy()
    Pipeline.named("stabilized").run(stabilized)
    for program in (graph, stabilized):
        for _, (op, operands, attributes, where) in zip(range(MOST), _met(program, point), strict=False):
            if blame := _blame(op, operands, attributes, oracles):
                place = f" (at {where})" if where else ""
                return f"{op.name}{place}: {blame}"
    return None


_Met = tuple[Op, tuple[Array, ...], Mapping[str, Any], str]


def _met(graph: Graph, point: Mapping[str, Array]) -> Iterator[_Met]:
    """Every application of a graph with the values of its operands; of a conditional, those of the branch taken."""
    values: dict[int, Array] = {}
    arrays = {name: np.asarray(point[name]) for name in graph.inputs}
    interpret(graph, arrays, Native(), on_node=values.__setitem__)
    sizes = bind_dimensions(graph, arrays)
    for node, _ in list(values.items()):
        op, operands = graph.op(node), tuple(values[operand] for operand in graph.operands(node))
        if op is cond:
            condition, *captures = operands
            body = graph.attributes(node)[BRANCHES[0] if condition else BRANCHES[1]]
            yield from _met(body.graph, dict(zip(body.graph.inputs, captures, strict=True)))
            continue
        try:
            attributes = resolve(graph.attributes(node), sizes)
        except KeyError:  # a size that the run itself counted
            continue
        if "leaf" not in op.traits and not any(isinstance(value, Body) for value in attributes.values()):
            yield op, operands, attributes, ", ".join(map(str, graph.origins(node)))


def _blame(
    op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any], oracles: Mapping[str, Oracle]
) -> str | None:
    if op.pullback is None or not any(is_float(str(x.dtype)) for x in operands):
        return None
    chance = np.random.default_rng(0)
    inputs = [variable(f"operand{k}", TensorType(str(x.dtype), x.shape)) for k, x in enumerate(operands)]
    try:
        result = op(*inputs, **attributes)
        if not is_float(result.dtype):
            return None
        alone = Expressed(tuple(inputs), {"result": result})
        claim = Derived(alone, stabilize=False)
        point = dict(zip(alone.names, operands, strict=True))
        for oracle in oracles.values():
            try:
                wrong = compare(alone, claim, claim, oracle, point, Tolerance(), chance).mismatch
                break
            except GraphoptError:
                continue
    except GraphoptError:
        return None
    if wrong is None:
        return None
    return (
        f"its pullback gives {wrong.found:.15g} for ∂result{list(wrong.output_index)}/∂{wrong.input}"
        f"{list(wrong.input_index)}, which is {wrong.expected:.15g}"
    )
