"""The gradient clause of claims: what a rule puts in place of a pattern has the pattern's derivative.

Two things are held against each other for a program before and after a firing, both differentiated as they stand
(without stabilization): the derivatives over the reals, in exact arithmetic, at points where the program is smooth;
and, in NumPy's arithmetic, whether the derivative afterwards is finite where the one before was. A stable value with
a NaN for a gradient is the classic defect.

Where the exact derivatives differ, one-sided difference quotients decide whether the point is a kink, which is left
out and counted.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from graphopt.arithmetics import Exact, Native
from graphopt.autodiff import vjp
from graphopt.errors import NotDifferentiable, VerificationFailed
from graphopt.graph import Graph
from graphopt.graph.export import to_variables
from graphopt.interpret import interpret
from graphopt.rewrite import RealOnly, Reassociates, Rule
from graphopt.testing.instances import expand
from graphopt.testing.values import INTERVALS
from graphopt.types import is_float
from graphopt.variable import variable

__all__ = ["GradientCounts", "GradientPair", "check_finite_gradients", "check_smooth_gradients", "gradient_pair"]

DIGITS = 80
STEP = mpmath.mpf(10) ** -28
SAME_VALUE, SAME_GRADIENT = 1e-25, 1e-20
ROUNDED_CONSTANTS = 64.0
"""Units of rounding that values may differ by over the reals where a replacement holds a rounded constant."""
PLAIN = 1e-3
"""The difference of values over the reals, relative to them or to 1, that no rounded constant explains."""
MODERATE = (0.0, -0.0, 0.25, -0.25, 1.0, -1.0, 2.0, -3.0)
EXTREME = (*MODERATE, 1e-4, -1e-4, 20.0, -20.0, 40.0, 103.0, -103.0, 745.0, -745.0, 1e4, -1e4)

Arguments = Mapping[str, Any]


@dataclass
class GradientCounts:
    """What the gradient clause saw.

    Attributes
    ----------
    compared
        Elements of derivatives that were compared in exact arithmetic.
    finite
        Elements whose finiteness was compared in rounded arithmetic.
    kinks
        Points left out because one-sided derivatives differ there.
    undefined
        Points left out because a derivative or the values do not exist there.
    undifferentiable
        Programs without a derivative: no float among inputs or output, or an op that has none.
    """

    compared: int = 0
    finite: int = 0
    kinks: int = 0
    undefined: int = 0
    undifferentiable: int = 0


@dataclass(frozen=True)
class GradientPair:
    """The derivatives of a program before and after a firing, by the input's name, and the program itself.

    The graphs take the program's inputs and one more, called `cotangent`: the weights of the output's elements.
    """

    program: Graph
    replaced: Graph
    before: Graph
    after: Graph
    cotangent: str


def gradient_pair(before: Graph, after: Graph) -> GradientPair | None:
    """Differentiate a program before and after a firing; None if either has no derivative.

    Parameters
    ----------
    before, after
        With the same inputs. The first output is differentiated. Composite ops must not have been expanded yet.
    """
    types = [before.type(node) for node in before.inputs.values()]
    output = before.type(next(iter(before.outputs.values())))
    if not is_float(output.dtype) or not any(is_float(type.dtype) for type in types):
        return None
    try:
        derivatives = [_derivative(graph) for graph in (before, after)]
    except NotDifferentiable:
        return None
    programs = [before.copy(), after.copy()]
    for graph in (*programs, *derivatives):
        expand(graph)
    program, replaced, first, second = (*programs, *derivatives)
    return GradientPair(program, replaced, first, second, cotangent=list(derivatives[0].inputs)[-1])


def _derivative(graph: Graph) -> Graph:
    """The derivative of a graph's first output, weighted, with respect to all its float inputs."""
    inputs = {name: graph.variables[node] for name, node in graph.inputs.items()}
    wanted = {name: v for name, v in inputs.items() if is_float(v.dtype)}
    (output,) = to_variables(graph, [next(iter(graph.outputs.values()))])
    cotangent = variable("cotangent", output.type)
    found = vjp([output], list(wanted.values()), [cotangent], disconnected_inputs="ignore", stabilize=False)
    return Graph.from_outputs([*inputs.values(), cotangent], dict(zip(wanted, found, strict=True)))


def check_smooth_gradients(
    rule: Rule, pairs: Sequence[GradientPair], chance: random.Random, counts: GradientCounts, wanted: int = 1
) -> None:
    """Compare derivatives over the reals at `wanted` drawn points of each program.

    Raises
    ------
    VerificationFailed
        With the program, the point, both derivatives and the difference quotient.
    """
    for pair in pairs:
        done = 0
        for interval in chance.sample(INTERVALS, len(INTERVALS)):
            point = {name: _drawn(pair.before, node, interval, chance) for name, node in pair.before.inputs.items()}
            if not point[pair.cotangent].size:
                break  # a sum over nothing of what may be infinite
            done += _compare(rule, pair, point, counts)
            if done == wanted:
                break


def _drawn(graph: Graph, node: int, interval: tuple[float, float], chance: random.Random) -> Any:
    type = graph.type(node)
    shape = tuple(int(str(size)) for size in type.shape)
    count = int(np.prod(shape))
    if type.dtype == "bool":
        return np.array([chance.random() < 0.5 for _ in range(count)], bool).reshape(shape)
    if not is_float(type.dtype):
        return np.array([chance.randint(1, 3) for _ in range(count)], type.dtype).reshape(shape)
    low, high = (round(bound * 4096) for bound in interval)
    return np.array([chance.randint(low, high) / 4096 for _ in range(count)], type.dtype).reshape(shape)


def _compare(rule: Rule, pair: GradientPair, point: Arguments, counts: GradientCounts) -> bool:
    """Whether the point was one to compare at."""
    tolerance = _tolerance(rule, pair, point)
    if tolerance is None:
        counts.undefined += 1
        return False
    before, after = (_run(graph, point, Exact(DIGITS)) for graph in (pair.before, pair.after))
    if not all(mpmath.isfinite(value) for values in before.values() for value in values.reshape(-1)):
        counts.undefined += 1
        return False
    with mpmath.workdps(DIGITS):
        scale = max((abs(value) for values in before.values() for value in values.reshape(-1)), default=mpmath.mpf(0))
        for name, values in before.items():
            for index in np.ndindex(values.shape):
                expected, found = values[index], after[name][index]
                allowed = tolerance * max(abs(expected), min(scale, mpmath.mpf(1)) * tolerance)
                if mpmath.isfinite(found) and abs(found - expected) <= allowed + 1e-10 * tolerance:
                    counts.compared += 1
                    continue
                left, right = (_quotient(pair, point, name, index, sign) for sign in (-1, 1))
                if not _close(left, right):
                    counts.kinks += 1
                    return False
                raise VerificationFailed(
                    f"rule {rule.name} does not keep the derivative its claim {rule.claim} implies: with respect to "
                    f"{name}{list(index)} it is {mpmath.nstr(expected, 20)} before and {mpmath.nstr(found, 20)} after;"
                    f" the difference quotient of the program is {mpmath.nstr(right, 20)}\n{_reproduction(pair, point)}"
                )
    return True


def _tolerance(rule: Rule, pair: GradientPair, point: Arguments) -> float | None:
    """How far derivatives may differ, going by how far the values do; None where the values are not comparable.

    Every claim implies equal values over the reals but for rounded constants, so values that are plainly different are
    a failure of their own.
    """
    inputs = {name: point[name] for name in pair.program.inputs}
    before, after = (_first(_run(graph, inputs, Exact(DIGITS))) for graph in (pair.program, pair.replaced))
    distance = 0.0
    with mpmath.workdps(DIGITS):
        for expected, found in zip(before.reshape(-1), after.reshape(-1), strict=True):
            if not (mpmath.isfinite(expected) and mpmath.isfinite(found)):
                return None
            size = max(abs(expected), abs(found))
            distance = max(distance, float(abs(expected - found) / size) if size else 0.0)
            if abs(expected - found) > PLAIN * max(size, 1):
                raise VerificationFailed(
                    f"rule {rule.name} does not keep the value its claim {rule.claim} implies over the reals: it is "
                    f"{mpmath.nstr(expected, 20)} before and {mpmath.nstr(found, 20)} after\n"
                    f"{_reproduction(pair, point)}"
                )
    if distance <= SAME_VALUE:
        return SAME_GRADIENT
    dtypes = {graph.type(node).dtype for graph in (pair.program, pair.replaced) for node in graph}
    unit = float(max(np.finfo(dtype).eps for dtype in dtypes if is_float(dtype)))
    return 64 * ROUNDED_CONSTANTS * unit if distance <= ROUNDED_CONSTANTS * unit else None


def _quotient(pair: GradientPair, point: Arguments, name: str, index: tuple[int, ...], sign: int) -> Any:
    """The one-sided difference quotient of the weighted output with respect to one element of an input."""
    inputs = {key: point[key] for key in pair.program.inputs}
    moved = np.frompyfunc(lambda value: mpmath.mpf(float(value)), 1, 1)(np.asarray(point[name]))
    moved = np.array(moved, dtype=object)
    moved[index] += sign * STEP
    weights = np.asarray(point[pair.cotangent], float)
    with mpmath.workdps(DIGITS):
        low, high = (
            _weighted(weights, _first(_run(pair.program, arguments, Exact(DIGITS))))
            for arguments in (inputs, {**inputs, name: moved})
        )
        return sign * (high - low) / STEP


def _weighted(weights: Any, values: Any) -> Any:
    pairs = zip(weights.reshape(-1), values.reshape(-1), strict=True)
    return mpmath.fsum(mpmath.mpf(float(weight)) * value for weight, value in pairs)


def _close(a: Any, b: Any) -> bool:
    return bool(mpmath.isfinite(a) and mpmath.isfinite(b) and abs(a - b) <= 1e-12 * max(1, abs(a), abs(b)))


def check_finite_gradients(
    rule: Rule, pairs: Sequence[GradientPair], chance: random.Random, counts: GradientCounts, points: int = 4
) -> None:
    """Look for derivatives that were finite in rounded arithmetic and no longer are, at edges and far out.

    Rules that promise no more than another order are tried on moderate values only, and those that promise equality
    over the reals alone not at 0, where the domains of roots, logarithms and quotients end.

    Raises
    ------
    VerificationFailed
        With the program, the point and both derivatives.
    """
    values: Sequence[float] = MODERATE if isinstance(rule.claim, RealOnly | Reassociates) else EXTREME
    if isinstance(rule.claim, RealOnly):
        values = tuple(value for value in values if value)
    for pair in pairs:
        for _ in range(points):
            point = {name: _special(pair.before, node, values, chance) for name, node in pair.before.inputs.items()}
            point[pair.cotangent] = np.ones_like(point[pair.cotangent])
            if not point[pair.cotangent].size:
                break  # 0/0 at a zero among operands of a result that has no elements is nobody's loss
            before, after = (_run(graph, point, Native()) for graph in (pair.before, pair.after))
            for name, expected in before.items():
                counts.finite += expected.size
                lost = np.isfinite(expected) & ~np.isfinite(after[name])
                if lost.any() and _is_known(pair, point, name, lost):
                    index = tuple(int(k) for k in np.argwhere(lost)[0])
                    raise VerificationFailed(
                        f"rule {rule.name} loses a derivative: with respect to {name}{list(index)} it is "
                        f"{expected[index]!r} before and {after[name][index]!r} after\n{_reproduction(pair, point)}"
                    )


def _special(graph: Graph, node: int, values: Sequence[float], chance: random.Random) -> Any:
    type = graph.type(node)
    if not is_float(type.dtype):
        return _drawn(graph, node, (0.0, 1.0), chance)
    shape = tuple(int(str(size)) for size in type.shape)
    return np.array([chance.choice(values) for _ in range(int(np.prod(shape)))], type.dtype).reshape(shape)


def _is_known(pair: GradientPair, point: Arguments, name: str, lost: Any) -> bool:
    """Whether the true derivatives are numbers of the dtype where they were lost, and the program has values there."""
    inputs = {key: point[key] for key in pair.program.inputs}
    value = _first(_run(pair.program, inputs, Native()))
    truth = _run(pair.before, point, Exact(DIGITS))[name][lost]
    largest = float(np.finfo(pair.before.type(pair.before.outputs[name]).dtype).max)
    return bool(np.isfinite(value).all()) and all(mpmath.isfinite(t) and abs(t) < largest for t in truth)


def _run(graph: Graph, arguments: Arguments, arithmetic: Any) -> dict[str, Any]:
    with np.errstate(all="ignore"):
        return {name: np.asarray(value) for name, value in interpret(graph, arguments, arithmetic).items()}


def _first(results: Mapping[str, Any]) -> Any:
    return next(iter(results.values()))


def _reproduction(pair: GradientPair, point: Arguments) -> str:
    values = {name: np.asarray(value).tolist() for name, value in point.items()}
    return f"values: {values}\nprogram:\n{pair.program}\nprogram after:\n{pair.replaced}"
