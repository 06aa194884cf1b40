"""Which op is to blame for a wrong derivative: each is checked alone, at the values that it meets in the program."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphopt.arithmetics import Native
from graphopt.errors import GraphoptError, NotDifferentiable
from graphopt.graph import Graph
from graphopt.graph.body import BRANCHES, Body
from graphopt.interpret import bind_dimensions, interpret, resolve
from graphopt.op import Op
from graphopt.ops.control import cond
from graphopt.rewrite import Pipeline
from graphopt.testing.jacobians import Mismatch, Tolerance, compare
from graphopt.testing.kinks import Choice, is_kinked, stray
from graphopt.testing.oracles import Oracle
from graphopt.testing.strongest import strongest
from graphopt.testing.subjects import Derived, Expressed, Point
from graphopt.types import TensorType, is_float
from graphopt.variable import Variable, variable

__all__ = ["Finding", "suspect"]

MOST = 300
"""How many ops are looked at."""

_STEPS = frozenset({"less", "less_equal", "greater", "greater_equal"})
"""Ops whose result changes where their operands are equal; what they choose between may have a kink there."""

_ON_PURPOSE = frozenset({"stop_gradient", "with_derivative"})

Array = Any


@dataclass(frozen=True)
class Finding:
    """A sentence about the first op whose own derivative is wrong, or None; and whether any op is at a kink."""

    blame: str | None
    kinks: bool


def suspect(
    graph: Graph, point: Mapping[str, Array], oracles: Mapping[str, Oracle], mode: str = "reverse", among: str = "all"
) -> Finding:
    """Check each op of a graph alone, at the values it meets; at a kink, whether its derivative is one of those there.

    The graph as written is looked at first, then as the stabilizing rewrites leave it, for that is what was
    differentiated. Where nothing else is known to be wrong, `among="own"`, those whose derivative is another on purpose
    are left out.
    """
    stabilized, kinks = graph.copy(), False
    Pipeline.named("stabilized").run(stabilized)
    for program in (graph, stabilized):
        for op, operands, attributes, where in itertools.islice(_met(program, point), MOST):
            if among == "own" and op.name in _ON_PURPOSE:
                continue
            seen = _alone(op, operands, attributes, oracles, mode)
            if isinstance(seen, str):
                return Finding(f"{op.name}{f' (at {where})' if where else ''}: {seen}", kinks)
            kinks |= seen
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
) -> str | bool:
    """What is wrong with an op's derivative at some operands; if nothing is, or can be said, whether it has a kink."""
    if op.name in _STEPS:
        return bool(np.any(operands[0] == operands[1]))
    if op.pullback is None:
        return False
    inputs = [variable(f"operand{k}", TensorType(str(x.dtype), x.shape)) for k, x in enumerate(operands)]
    try:
        result = op(*inputs, **attributes)
        alone = _moving(inputs, result, mode)
        return alone is not None and _judged(op, alone, oracles, dict(zip(alone.subject.names, operands, strict=True)))
    except (GraphoptError, ArithmeticError, ValueError):  # what happened in the program is reported in any case
        return False


def _moving(inputs: list[Variable], result: Variable, mode: str) -> Derived | None:
    """The derivative of a result by all operands of floats; or by the first that it has one by."""
    floats = tuple(k for k, v in enumerate(inputs) if is_float(v.dtype))
    if not floats or not is_float(result.dtype):
        return None
    for chosen in (floats, *((k,) for k in floats)):
        try:
            return Derived(Expressed(tuple(inputs), {"result": result}, chosen), stabilize=False, mode=mode)
        except NotDifferentiable:
            continue
    return None


def _judged(op: Op, claim: Derived, oracles: Mapping[str, Oracle], point: Point) -> str | bool:
    oracle = strongest(oracles.values(), claim.subject, point)
    seen = compare(claim.subject, claim, claim, oracle, point, Tolerance(), np.random.default_rng(0))
    if seen.mismatch is None and not seen.kinks:
        return False
    wrong = seen.mismatch
    if wrong is not None and not is_kinked(claim.subject, oracles, point, wrong):
        return _sentence(op, wrong, claim.mode)
    choice, known = stray(claim, oracles, point)
    if wrong is not None and wrong.output_index not in known:  # where it jumps along another operand
        return _sentence(op, wrong, claim.mode)
    return True if choice is None else _outside(choice)


def _sentence(op: Op, wrong: Mismatch, mode: str) -> str:
    rule = "pushforward" if mode == "forward" and op.pushforward is not None else "pullback"
    return (
        f"its {rule} gives {wrong.found:.15g} for ∂result{list(wrong.output_index)}/∂{wrong.input}"
        f"{list(wrong.input_index)}, which is {wrong.expected:.15g}"
    )


def _outside(wrong: Choice) -> str:
    found, nearest = (", ".join(f"{one:.6g}" for one in row) for row in (wrong.found, wrong.nearest))
    return (
        f"its derivative of result{list(wrong.output_index)}, at a kink, is ({found}), which is none of those there "
        f"are; the nearest is ({nearest})"
    )
