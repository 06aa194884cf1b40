"""Which op is to blame for a wrong derivative: each is checked alone, at the values that it meets in the program."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
from graphopt.testing.jacobians import Comparison, Mismatch, Tolerance, compare
from graphopt.testing.oracles import Oracle
from graphopt.testing.strongest import strongest
from graphopt.testing.subjects import Derived, Expressed
from graphopt.types import TensorType, is_float
from graphopt.variable import variable

__all__ = ["Finding", "suspect"]

MOST = 300
"""How many ops are looked at."""

Array = Any


@dataclass(frozen=True)
class Finding:
    """A sentence about the first op whose own derivative is wrong, or None; and whether any op is at a kink."""

    blame: str | None
    kinks: bool


def suspect(graph: Graph, point: Mapping[str, Array], oracles: Mapping[str, Oracle], mode: str = "reverse") -> Finding:
    """Check each op of a graph alone, at the values it meets.

    The graph as written is looked at first, then as the stabilizing rewrites leave it, for that is what was
    differentiated.
    """
    stabilized, kinks = graph.copy(), False
    Pipeline.named("stabilized").run(stabilized)
    for program in (graph, stabilized):
        for op, operands, attributes, where in itertools.islice(_met(program, point), MOST):
            seen = _alone(op, operands, attributes, oracles, mode)
            if seen is not None and seen.mismatch is not None:
                place = f" (at {where})" if where else ""
                return Finding(f"{op.name}{place}: {_sentence(op, seen.mismatch, mode)}", kinks)
            kinks |= seen is not None and seen.kinks > 0
    return Finding(None, kinks)


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


def _alone(
    op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any], oracles: Mapping[str, Oracle], mode: str
) -> Comparison | None:
    """An op's derivative at some operands against the strongest oracle; None where it has none, or none applies."""
    if op.pullback is None or not any(is_float(str(x.dtype)) for x in operands):
        return None
    inputs = [variable(f"operand{k}", TensorType(str(x.dtype), x.shape)) for k, x in enumerate(operands)]
    try:
        result = op(*inputs, **attributes)
        if not is_float(result.dtype):
            return None
        alone = Expressed(tuple(inputs), {"result": result})
        claim = Derived(alone, stabilize=False, mode=mode)
        point = dict(zip(alone.names, operands, strict=True))
        oracle = strongest(oracles.values(), alone, point)
        return compare(alone, claim, claim, oracle, point, Tolerance(), np.random.default_rng(0))
    except (GraphoptError, ArithmeticError, ValueError):  # what happened in the program is reported in any case
        return None


def _sentence(op: Op, wrong: Mismatch, mode: str) -> str:
    rule = "pushforward" if mode == "forward" and op.pushforward is not None else "pullback"
    return (
        f"its {rule} gives {wrong.found:.15g} for ∂result{list(wrong.output_index)}/∂{wrong.input}"
        f"{list(wrong.input_index)}, which is {wrong.expected:.15g}"
    )
