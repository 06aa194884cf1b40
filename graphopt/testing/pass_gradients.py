"""Whether a pass keeps derivatives: that of the rewritten program against that of the program as written.

Both are differentiated as they stand, unstabilized, for claims cover derivatives. Over the reals they must agree, which
is looked at in exact arithmetic at one point whose values all differ; and where the derivative as written is finite in
NumPy's arithmetic, so must the other be. As in `graphopt.testing.gradients`, kinks are left out and counted, and values
that differ over the reals by rounded constants loosen what is demanded of derivatives.

Where a program has derivatives that are not those of its formula, `stop_gradient` and `with_derivative`, expanding
composite ops is meant to forget them: such programs are differentiated as they are before the pass that does it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import mpmath
import numpy as np

from graphopt.arithmetics import Arithmetic, Exact, Native
from graphopt.autodiff import vjp
from graphopt.domain import bounds
from graphopt.errors import GraphoptError, NotDifferentiable, UnsupportedExpression
from graphopt.graph import Graph
from graphopt.graph.body import bodies
from graphopt.graph.export import to_variables
from graphopt.interpret import interpret
from graphopt.ops.control import stop_gradient, with_derivative
from graphopt.testing.gradients import DIGITS, ROUNDED_CONSTANTS, SAME_GRADIENT, SAME_VALUE, STEP
from graphopt.testing.pass_cases import Case, Values, Violation
from graphopt.testing.pass_report import PassReport
from graphopt.testing.values import spread
from graphopt.types import TensorType, is_float
from graphopt.variable import variable

__all__ = ["EFFORT", "keeps_gradients"]

OWN_DERIVATIVES = frozenset({stop_gradient, with_derivative})
"""Ops whose derivative is not that of what they compute, which nothing can tell once they are expanded."""
EFFORT = 20_000
"""How many elements at most are computed in exact arithmetic for one program, which takes a second."""
INTERVALS = ((-2.0, 2.0), (0.2, 2.0))
"""Where points are drawn: the second if the program is not defined at the first."""

Array = Any


def keeps_gradients(case: Case, report: PassReport) -> None:
    """The derivatives of all float outputs, weighted, with respect to all float inputs."""
    counts = report.gradients
    outputs = [name for name, node in case.graph.results.items() if is_float(case.graph.type(node).dtype)]
    if not outputs or not any(is_float(case.graph.type(node).dtype) for node in case.graph.inputs.values()):
        counts.undifferentiable += 1
        return
    try:
        before = _Derivative(case.graph, outputs)
    except NotDifferentiable:
        counts.undifferentiable += 1
        return
    rewritten = case.unlowered if _has_own_derivatives(case.graph) else case.rewritten
    try:
        after = _Derivative(rewritten.graph, outputs)
    except NotDifferentiable as error:
        raise Violation(f"the rewritten program has no derivative, and the program as written has: {error}") from error
    point = _point(case, before)
    if point is None or not all(np.size(array) for array in point.arrays.values()):
        counts.undefined += 1
        return
    chance = np.random.default_rng(case.seed)
    weights = {
        name: chance.uniform(0.5, 1.5, value.shape).astype(value.dtype)
        for name, value in before.values(point.arrays, Native()).items()
    }
    _stays_finite(point, weights, before, after, report)
    if len(before.graph) * sum(np.size(array) for array in point.arrays.values()) <= EFFORT:
        _is_the_same(point, weights, before, after, report)


def _has_own_derivatives(graph: Graph) -> bool:
    return any(
        graph.op(node) in OWN_DERIVATIVES
        or any(_has_own_derivatives(body.graph) for body in bodies(graph.attributes(node)).values())
        for node in graph
    )


class _Derivative:
    """A program, and as another one the derivative of its weighted outputs with respect to each float input."""

    def __init__(self, program: Graph, outputs: Sequence[str]) -> None:
        self.program, self.outputs = program, list(outputs)
        inputs = {name: program.variables[node] for name, node in program.inputs.items()}
        wanted = {name: v for name, v in inputs.items() if is_float(v.dtype)}
        exported = to_variables(program, [program.outputs[name] for name in outputs])
        weights = [variable(f"weight_{name}", v.type) for name, v in zip(outputs, exported, strict=True)]
        found = vjp(exported, list(wanted.values()), weights, disconnected_inputs="ignore", stabilize=False)
        self.graph = Graph.from_outputs([*inputs.values(), *weights], dict(zip(wanted, found, strict=True)))

    def values(self, arrays: Mapping[str, Array], arithmetic: Arithmetic) -> dict[str, Array]:
        """What the program gives."""
        found = interpret(self.program, arrays, arithmetic)
        return {name: np.asarray(found[name]) for name in self.outputs}

    def at(self, arrays: Mapping[str, Array], weights: Mapping[str, Array], arithmetic: Arithmetic) -> dict[str, Array]:
        """The derivative, by the input's name."""
        given = [*arrays.values(), *(weights[name] for name in self.outputs)]
        found = interpret(self.graph, dict(zip(self.graph.inputs, given, strict=True)), arithmetic)
        return {name: np.asarray(found[name]) for name in self.graph.results}


def _point(case: Case, written: _Derivative) -> Values | None:
    """Values that all differ, of the shapes that were drawn; those that were given, if some were."""
    first = case.values[0]
    chance = random.Random(f"point {case.seed}")
    for interval in INTERVALS:
        drawn = {name: _spread(case.graph, name, array, interval, chance) for name, array in first.arrays.items()}
        point = first if first.kind == "given" else Values(drawn, "gradients")
        try:
            values = written.values(point.arrays, Native())
        except GraphoptError:
            return None
        if all(np.isfinite(value).all() for value in values.values()):
            return point
    return None


def _spread(graph: Graph, name: str, array: Array, interval: tuple[float, float], chance: random.Random) -> Array:
    node = graph.inputs[name]
    dtype = graph.type(node).dtype
    if not is_float(dtype):
        return array
    domain = graph.attributes(node).get("domain")
    if domain is not None:
        low, high, _ = bounds(domain, dtype)
        interval = (max(low, min(interval[0], high - 4)), min(high, max(interval[1], low + 4)))
    return spread(TensorType(dtype, np.shape(array)), interval, chance)


def _stays_finite(
    point: Values, weights: Mapping[str, Array], before: _Derivative, after: _Derivative, report: PassReport
) -> None:
    first, second = (derivative.at(point.arrays, weights, Native()) for derivative in (before, after))
    for name, expected in first.items():
        report.gradients.finite += expected.size
        lost = np.isfinite(expected) & ~np.isfinite(second[name])
        if lost.any():
            index = tuple(int(k) for k in np.argwhere(lost)[0])
            raise _violation(name, index, expected[index], second[name][index], point)


def _is_the_same(
    point: Values, weights: Mapping[str, Array], before: _Derivative, after: _Derivative, report: PassReport
) -> None:
    counts, arithmetic = report.gradients, Exact(DIGITS)
    try:
        tolerance = _tolerance(point, before, after, arithmetic)
        if tolerance is None:
            counts.undefined += 1
            return
        first, second = (derivative.at(point.arrays, weights, arithmetic) for derivative in (before, after))
    except (UnsupportedExpression, OverflowError):  # an op without an exact meaning, or beyond what mpmath can hold
        counts.undefined += 1
        return
    with mpmath.workdps(DIGITS):
        sizes = [abs(value) for values in first.values() for value in values.reshape(-1)]
        if not all(mpmath.isfinite(size) for size in sizes):
            counts.undefined += 1
            return
        allowed = tolerance * max([mpmath.mpf(1), *sizes])
        for name, values in first.items():
            for index in np.ndindex(values.shape):
                expected, found = values[index], second[name][index]
                if mpmath.isfinite(found) and abs(found - expected) <= allowed:
                    counts.compared += 1
                elif _is_kink(point, weights, before, name, index):
                    counts.kinks += 1
                else:
                    wanted, given = (mpmath.nstr(value, 17) for value in (expected, found))
                    raise _violation(name, index, wanted, given, point)


def _tolerance(point: Values, written: _Derivative, rewritten: _Derivative, arithmetic: Exact) -> float | None:
    """How far derivatives may differ, going by how far values do; None where values are not comparable."""
    before, after = (derivative.values(point.arrays, arithmetic) for derivative in (written, rewritten))
    distance = 0.0
    with mpmath.workdps(DIGITS):
        for name, expected in before.items():
            for a, b in zip(expected.reshape(-1), after[name].reshape(-1), strict=True):
                if not (mpmath.isfinite(a) and mpmath.isfinite(b)):
                    return None
                distance = max(distance, float(abs(a - b) / max(abs(a), abs(b), 1)))
    if distance <= SAME_VALUE:
        return SAME_GRADIENT
    unit = max(float(np.finfo(dtype).eps) for dtype in _float_dtypes(written.program, rewritten.program))
    return 64 * ROUNDED_CONSTANTS * unit if distance <= ROUNDED_CONSTANTS * unit else None


def _float_dtypes(*graphs: Graph) -> set[str]:
    return {dtype for graph in graphs for dtype in (graph.type(node).dtype for node in graph) if is_float(dtype)}


def _is_kink(
    point: Values, weights: Mapping[str, Array], written: _Derivative, name: str, index: tuple[int, ...]
) -> bool:
    """Whether the one-sided difference quotients of the program as written differ."""
    left, right = (_quotient(point, weights, written, name, index, sign) for sign in (-1, 1))
    close = mpmath.isfinite(left) and mpmath.isfinite(right) and abs(left - right) <= 1e-12 * max(1, abs(left))
    return not close


def _quotient(
    point: Values, weights: Mapping[str, Array], written: _Derivative, name: str, index: tuple[int, ...], sign: int
) -> Any:
    moved = np.array(np.frompyfunc(lambda value: mpmath.mpf(float(value)), 1, 1)(point.arrays[name]), dtype=object)
    moved[index] += sign * STEP
    low, high = (
        mpmath.fsum(
            mpmath.mpf(float(weight)) * value
            for output, values in written.values(arrays, Exact(DIGITS)).items()
            for weight, value in zip(np.ravel(weights[output]), values.reshape(-1), strict=True)
        )
        for arrays in (point.arrays, {**point.arrays, name: moved})
    )
    return sign * (high - low) / STEP


def _violation(name: str, index: tuple[int, ...], expected: Any, found: Any, point: Values) -> Violation:
    return Violation(
        f"the derivative of the outputs with respect to {name}{list(index)} is {found}, but {expected} as written",
        output=f"derivative by {name}", index=index, expected=expected, found=found,
        values=replace(point, kind="gradients"),
    )  # fmt: skip
