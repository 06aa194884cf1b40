"""Bits of error: how many of a result's bits are wrong, against exact arithmetic.

The measure is log2(1 + d), d being how many floats apart two numbers are: 0 for a correctly rounded result, 1 for its
neighbour, the width of the format for NaN where there is a number. It is Herbie's (P. Panchekha et al., "Automatically
improving accuracy for floating point expressions", PLDI 2015, section 4.1), and unlike a relative error it has a
meaning at zero, at infinity and among subnormals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.arithmetics import Exact, from_mpf
from graphopt.errors import InvalidArgument
from graphopt.function import Function
from graphopt.graph import Graph
from graphopt.graph.build import topological
from graphopt.interpret import interpret
from graphopt.lowering import optimize
from graphopt.rewrite import Pipeline
from graphopt.types import is_float
from graphopt.variable import Variable

__all__ = ["accuracy", "bits_of_error"]

DIGITS = 420  # 1 + the least float64 is told from 1

Array = NDArray[Any]
_UNSIGNED = {"float64": np.uint64, "float32": np.uint32}


def accuracy(program: Function | Variable, points: Iterable[Any], *, pipeline: str | Pipeline | None = None) -> float:
    """The mean bits of error of a program over points, against exact arithmetic on what was written.

    Parameters
    ----------
    program
        A compiled function, which is called; or an expression, which is interpreted in NumPy.
    points
        Each a mapping from the names of the inputs to values, or a tuple of values in the order of the inputs (for an
        expression: the order in which it meets them), or, with a single input, a value that is no tuple.
    pipeline
        For an expression: what rewrites it first; the truth is that of the expression as written.

    Returns
    -------
    float
        log2(1 + floats apart), averaged over all elements of all outputs at all points.

    Raises
    ------
    InvalidArgument
        If there are no points, a point does not fit the inputs, an output is not of floats, or a pipeline is given
        with a compiled function.
    UnsupportedExpression
        If an op has no exact meaning.
    """
    if isinstance(program, Function):
        if pipeline is not None:
            raise InvalidArgument("a compiled function has its pipeline already; give the expression, or no pipeline")
        written = program._written
    elif isinstance(program, Variable):
        inputs = [v for v in topological([program]) if v.op.name == "input"]
        written = Graph.from_outputs(inputs, {"output": program})
    else:
        raise InvalidArgument(f"accuracy is of a compiled function or an expression, found {program!r}")
    tried = written.copy()
    if pipeline is not None:
        optimize(tried, Pipeline.named(pipeline) if isinstance(pipeline, str) else pipeline)
    bits: list[Array] = []
    for point in points:
        arguments = _named(point, written)
        truth = interpret(written, arguments, Exact(DIGITS))
        found = _called(program, arguments) if isinstance(program, Function) else interpret(tried, arguments)
        bits += [bits_of_error(found[name], truth[name]).ravel() for name in truth]
    if not bits:
        raise InvalidArgument("accuracy is a mean over points, and there is none")
    return float(np.concatenate(bits).mean())


def bits_of_error(found: Any, truth: Any) -> Array:
    """log2(1 + floats apart), elementwise; the width of the format, in bits, where just one of the two is NaN.

    Parameters
    ----------
    found
        float32 or float64 numbers.
    truth
        As many floats, or mpmath numbers, which are rounded to the dtype of `found`.

    Raises
    ------
    InvalidArgument
        If `found` is not of floats.
    """
    values = np.asarray(found)
    dtype = str(values.dtype)
    if not is_float(dtype):
        raise InvalidArgument(f"bits of error are counted among floats, found {dtype}")
    true = from_mpf(np.asarray(truth), dtype).astype(dtype)
    width = 8 * values.dtype.itemsize
    lost = np.isnan(values) != np.isnan(true)
    distance = np.where(np.isnan(values) & np.isnan(true), 0.0, _distance(values, true))
    return np.where(lost, float(width), np.log2(1 + distance))


def _distance(a: Array, b: Array) -> Array:
    """How many floats apart, as float64; the two zeros are one float."""
    first, second = _rank(a), _rank(b)
    same_side = (a < 0) == (b < 0)
    apart = (np.maximum(first, second) - np.minimum(first, second)).astype(np.float64)
    return np.where(same_side, apart, first.astype(np.float64) + second.astype(np.float64))


def _rank(values: Array) -> Array:
    """How many floats lie between zero and the magnitude of a float."""
    unsigned = _UNSIGNED[str(values.dtype)]
    return np.abs(values).view(unsigned).astype(np.uint64)


def _called(function: Function, arguments: Mapping[str, Any]) -> dict[str, Any]:
    result = function(**arguments)
    if isinstance(result, Mapping):
        return dict(result)
    values = result if isinstance(result, list) else [result]
    return dict(zip(function.graph.results, values, strict=True))


def _named(point: Any, graph: Graph) -> dict[str, Any]:
    names = list(graph.inputs)
    if isinstance(point, Mapping):
        if set(point) != set(names):
            raise InvalidArgument(f"a point gives a value to each of {', '.join(names)}; found {', '.join(point)}")
        given = dict(point)
    else:
        values = point if isinstance(point, tuple) else (point,)
        if len(values) != len(names):
            listing = ", ".join(names)
            raise InvalidArgument(f"a point has {len(names)} values ({listing}), found {len(values)}")
        given = dict(zip(names, values, strict=True))
    return {name: np.asarray(value, graph.type(graph.inputs[name]).dtype) for name, value in given.items()}
