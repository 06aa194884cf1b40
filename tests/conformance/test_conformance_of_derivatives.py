"""The derivative of every public function agrees with finite differences of the function of NumPy it is held against.

A central difference of NumPy's own function along a random direction, its results weighted at random, against the same
projection of `go.grad`: one number, in which every element of every operand has a part.
"""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from conformance_programs import SIZES
from conformance_rows import ROWS
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.types import TensorType

STEP = 1e-6
UNTESTED = {
    "trigamma": "its derivative is no op",
    "ldexp": "its second operand is an integer; the first is multiplied",
    "zeros_like": "a constant",
    "ones_like": "a constant",
}
"""Functions with float results whose rows say that they have no derivative, or that it is not tested, and why."""
SMOOTH = [row for row in ROWS if row.smooth is not None and row.draw(Random(0)).types]


def test_functions_without_a_derivative_have_no_float_results_or_are_these():
    flat = {row.name for row in ROWS if row.smooth is None}
    floats = {name for name in flat if all(d[0] == "f" for d in _result_dtypes(name))}
    assert floats == UNTESTED.keys()


def _result_dtypes(name):
    x = go.variable("x", "float64[3]")
    for operands in ((x,), (x, x), (T.cast(x, "int64"),) * 2, (T.cast(x, "int64"),)):
        try:
            result = getattr(T, name)(*operands)
        except (go.GraphoptError, TypeError):
            continue
        return [part.dtype for part in (result if isinstance(result, tuple) else (result,))]
    raise AssertionError(f"T.{name} takes none of these operands")


def spread_out(random, shape, interval, operand):
    """Values of an interval, no two equal and none a round number, in any order; other ones for each operand."""
    size = int(np.prod(shape))
    count = 4 * size + 8
    places = np.array(random.sample(range(count), size)) + (0.3819, 0.6180, 0.1459)[operand]
    low, high = interval
    return (low + (high - low) * places / count).reshape(shape)


def held(row, random):
    """Draw a program and a direction, and compare the two slopes."""
    program = row.draw(random)
    program = replace(program, types=tuple(("float64", shape) for _, shape in program.types))
    program = program.at({name: random.choice([s for s in SIZES[:-1] if s >= row.least]) for name in "nmk"})
    arrays = [spread_out(random, shape, row.interval(k), k) for k, (_, shape) in enumerate(program.types)]
    inputs = [go.variable(f"x{k}", TensorType("float64", a.shape)) for k, a in enumerate(arrays)]
    try:
        expected = program.numpys(*arrays)
    except (TypeError, ValueError):
        return
    if any(part.dtype != "float64" or np.any(part == row.kink) or not np.isfinite(part).all() for part in expected):
        return
    rng = np.random.default_rng(random.getrandbits(32))
    weights = [rng.uniform(0.5, 1.5, part.shape) for part in expected]
    directions = [rng.uniform(-1, 1, array.shape) for array in arrays]

    cost = sum(T.sum(part * weight) for part, weight in zip(program.ours(*inputs), weights, strict=True))
    slopes = go.grad(cost, inputs, disconnected_inputs="ignore")
    found = interpret(Graph.from_outputs(inputs, slopes), {x.name: a for x, a in zip(inputs, arrays, strict=True)})
    projected = [g * d for g, d in zip(found.values(), directions, strict=True)]

    def at(step):
        moved = [array + step * direction for array, direction in zip(arrays, directions, strict=True)]
        return sum(np.sum(part * weight) for part, weight in zip(program.numpys(*moved), weights, strict=True))

    below, here, above = at(-STEP), at(0.0), at(STEP)
    scale = 1 + sum(np.sum(np.abs(part)) for part in projected)
    noise = 64 * np.finfo("float64").eps * sum(np.sum(np.abs(part)) for part in expected) / STEP
    if abs((above - here) - (here - below)) > STEP * (1e-3 * scale + noise):
        return  # a kink in between
    slope, total = (above - below) / (2 * STEP), sum(np.sum(part) for part in projected)
    assert abs(slope - total) <= 1e-5 * scale + noise, f"{program} at {arrays}: {total}, by differences {slope}"


@pytest.mark.parametrize("row", SMOOTH, ids=lambda row: row.name)
@settings(max_examples=6)
@given(st.randoms(use_true_random=False))
def test_a_derivative_agrees_with_finite_differences(row, random):
    held(row, random)


@pytest.mark.long
@pytest.mark.parametrize("row", SMOOTH, ids=lambda row: row.name)
@settings(max_examples=200)
@given(st.randoms(use_true_random=False))
def test_a_derivative_agrees_with_finite_differences_at_length(row, random):
    held(row, random)
