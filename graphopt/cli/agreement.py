"""What a formula's values are in truth, and how far a result is from it.

Two references serve a comparison. For every element there is the formula in float64, made stable by the default
pipeline and interpreted; NumPy's own result would not do, since a formula may overflow as it is written. For a sample
of rows there is the formula as it is written in exact arithmetic, which no pass has touched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from graphopt.arithmetics import Exact, from_mpf
from graphopt.cli.problem import Problem
from graphopt.dimensions import evaluate
from graphopt.errors import GraphoptError, RewriteFailed
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.rewrite.pipeline import Pipeline
from graphopt.types import TensorType, is_float

__all__ = ["Agreement", "Truth", "find_truth", "measure", "wide_reference"]

DIGITS = 50
BUDGET = 50_000  # operations in exact arithmetic, some ten microseconds each
SEPARABLE = 1e-9  # a sample of rows must give what all rows gave, relative to the largest value

Array = NDArray[Any]


@dataclass(frozen=True)
class Truth:
    """Values to hold results against.

    Attributes
    ----------
    rows
        Which rows of the output they are; None for all of it.
    values
        mpmath numbers, or float64 ones.
    source
        What they come from, in words.
    """

    rows: NDArray[np.int64] | None
    values: Array
    source: str


@dataclass(frozen=True)
class Agreement:
    """How far a result is from the truth.

    Attributes
    ----------
    units
        The largest error, in units of rounding of the result's dtype at the largest value; None where no element of
        the truth can be represented. For integers and bools, 0.
    wrong
        Elements that are NaN or infinite where the truth is not, or the other way; of integers, those that differ.
    elements
        Elements looked at.
    """

    units: float | None
    wrong: int
    elements: int


def wide_reference(problem: Problem, arguments: Sequence[Array]) -> Array:
    """The formula over float64, stabilized and interpreted."""
    wide = problem.retyped({name: _widened(type) for name, type in problem.types.items()})
    graph = Graph.from_outputs(wide.inputs, {"output": wide.output})
    with contextlib.suppress(RewriteFailed):  # the graph is as it was written then
        Pipeline.named("default").run(graph)
    return np.asarray(interpret(graph, dict(zip(wide.types, arguments, strict=True)))["output"])


def find_truth(problem: Problem, arguments: Sequence[Array], reference: Array) -> Truth:
    """Exact values: of everything if that is little work, else of evenly spaced rows, if rows do not depend on others.

    Parameters
    ----------
    problem, arguments
        The formula and what it is tried on.
    reference
        Its values in float64, which serve where exact ones are out of reach.
    """
    fallback = Truth(None, reference, "the stabilized formula in float64")
    try:
        work = _work(problem)
        if work <= BUDGET:
            return Truth(None, _exact(problem, arguments), f"exact arithmetic ({DIGITS} digits)")
        total = reference.shape[0] if reference.ndim else 0
        count = total * BUDGET // work
        if not count:
            return fallback
        rows = np.linspace(0, total - 1, count).astype(np.int64)
        sampled = [argument[rows] if argument.shape[:1] == (total,) else argument for argument in arguments]
        small = problem.retyped(
            {
                name: TensorType(type.dtype, argument.shape)
                for (name, type), argument in zip(problem.types.items(), sampled, strict=True)
            }
        )
        if not _same(wide_reference(small, sampled), reference[rows]):
            return fallback
        return Truth(rows, _exact(small, sampled), f"exact arithmetic ({DIGITS} digits) on {count} of {total} rows")
    except GraphoptError:  # an op without an exact meaning, or a size that the formula itself names
        return fallback


def measure(result: Array, truth: Truth) -> Agreement:
    """Hold a result against the truth."""
    found = np.asarray(result)
    if truth.rows is not None:
        found = found[truth.rows]
    if not is_float(str(found.dtype)):
        return Agreement(0.0, int(np.sum(found != truth.values)), found.size)
    with np.errstate(over="ignore"):
        representable = from_mpf(truth.values, str(found.dtype)).astype(found.dtype)
    finite = np.isfinite(representable)
    special = ~finite & ((found == representable) | (np.isnan(found) & np.isnan(representable)))
    wrong = int(np.sum(~(finite & np.isfinite(found)) & ~special))
    both = finite & np.isfinite(found)
    if not both.any():
        return Agreement(None, wrong, found.size)
    with mpmath.workdps(DIGITS):
        distances = [abs(mpmath.mpf(float(f)) - t) for f, t in zip(found[both], truth.values[both], strict=True)]
        scale = max(abs(mpmath.mpf(t)) for t in truth.values[finite]) or mpmath.mpf(1)
        units = float(max(distances) / (scale * float(np.finfo(found.dtype).eps)))
    return Agreement(units, wrong, found.size)


def _widened(type: TensorType) -> TensorType:
    return type.with_dtype("float64") if is_float(type.dtype) else type


def _exact(problem: Problem, arguments: Sequence[Array]) -> Array:
    graph = Graph.from_outputs(problem.inputs, {"output": problem.output})
    return np.asarray(interpret(graph, dict(zip(problem.types, arguments, strict=True)), Exact(DIGITS))["output"])


def _work(problem: Problem) -> int:
    """Scalar operations of the formula as written, all sizes being integers, or counts of at most so many."""
    graph = Graph.from_outputs(problem.inputs, {"output": problem.output})
    most: dict[str, int] = {}
    for name, node in graph.settlers().items():
        most[name] = evaluate(graph.type(graph.operands(node)[0]).size, most)
    total = 0
    for node in graph.order():
        op = graph.op(node)
        if op.traits & {"leaf", "view"}:
            continue
        size = evaluate(graph.type(node).size, most)
        operands = [graph.type(operand) for operand in graph.operands(node)]
        if "contraction" in op.traits:
            size *= evaluate(operands[0].shape[-1], most)
        total += max([size, *(evaluate(type.size, most) for type in operands)])
    return max(total, 1)


def _same(sample: Array, rows: Array) -> bool:
    if sample.shape != rows.shape:
        return False
    if not is_float(str(rows.dtype)):
        return bool(np.array_equal(sample, rows))
    finite = np.isfinite(rows)
    if not np.array_equal(finite, np.isfinite(sample)):
        return False
    scale = float(np.max(np.abs(rows[finite]), initial=0.0))
    return bool(np.all(np.abs(sample[finite] - rows[finite]) <= SEPARABLE * scale))
