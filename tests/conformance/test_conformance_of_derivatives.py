"""The derivative of every public function agrees with finite differences of the function of NumPy it is held against.

A central difference of NumPy's own function along a random direction, its results weighted at random, against the same
projection of `go.grad`: one number, in which every element of every operand has a part. `go.jvp` along the direction
has to give that number, too, and to more digits.
"""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from conformance_table import ROWS
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.types import is_float

STEP = 1e-6
SIZES = (0, 1, 2, 2, 3, 3, 3, 4)
SMOOTH = [row for row in ROWS if row.smooth is not None and row.draw(Random(0)).types]
UNTESTED = {
    "ldexp": "its second operand is an integer; the first is multiplied",
    "choose": "its first operand is an integer; the others are chosen by where",
    "meshgrid": "broadcasts and no more",
    "riemann_zeta": "unknown with respect to the exponent",
    "zeta": "unknown with respect to the exponent",
    "times_power_of_two": "its second operand is a whole number",
    "frexp": "one of its results is an integer; frexp_mantissa is tested",
    "stop_gradient": "it has none on purpose",
    **dict.fromkeys(("zeros_like", "ones_like", "full_like", "empty_like"), "a constant"),
    **dict.fromkeys(("angle", "imag"), "piecewise constant"),
}
"""Functions with float results whose rows say that they have no derivative, or that it is not tested, and why."""


def in_float64(program):
    """The program with operands of float64."""
    return replace(program, types=tuple(("float64", shape) for _, shape in program.types))


def test_functions_without_a_derivative_have_no_float_results_or_are_these():
    flat = {row.name for row in ROWS if row.smooth is None and any(map(gives_floats, drawn(row)))}
    assert flat == UNTESTED.keys()


def drawn(row):
    programs = [row.draw(Random(seed)) for seed in range(5)]
    return [program for program in programs if program.types]


def gives_floats(program):
    """Whether a program of floats has float results."""
    for each in (in_float64(program), program):
        try:
            parts = each.ours(*each.variables())
        except go.GraphoptError:
            continue
        return any(is_float(part.dtype) for part in parts)
    return False


def spread_out(random, shape, interval, operand):
    """Values of an interval, no two equal and none a round number, in any order; other ones for each operand."""
    size = int(np.prod(shape))
    count = 4 * size + 8
    places = np.array(random.sample(range(count), size)) + (0.3819, 0.6180, 0.1459)[operand]
    low, high = interval
    return (low + (high - low) * places / count).reshape(shape)


def held(row, random):
    """Draw a program and a direction, and compare the three slopes: reverse mode, forward mode, differences."""
    sizes = {name: random.choice([size for size in SIZES if size >= row.least]) for name in "nmk"}
    for _ in range(4):  # of nothing there is little to see
        program = in_float64(row.draw(random)).at(sizes)
        if all(0 not in shape for _, shape in program.types):
            break
    arrays = [spread_out(random, shape, row.interval(k), k) for k, (_, shape) in enumerate(program.types)]
    inputs = program.variables()
    try:
        expected = program.numpys(*arrays)
    except (TypeError, ValueError):
        return
    smooth = [part.dtype == "float64" and np.isfinite(part).all() and np.all(part != row.kink) for part in expected]
    if not expected or not all(smooth):
        return
    rng = np.random.default_rng(random.getrandbits(32))
    weights = [rng.uniform(0.5, 1.5, part.shape) for part in expected]
    directions = [rng.uniform(-1, 1, array.shape) for array in arrays]

    parts = program.ours(*inputs)
    cost = sum(T.sum(part * weight) for part, weight in zip(parts, weights, strict=True))
    # Stabilized, a transposition may be gone before it is differentiated.
    options = {"disconnected_inputs": "ignore", "stabilize": random.random() < 0.5}
    values = {x.name: a for x, a in zip(inputs, arrays, strict=True)}
    found = interpret(Graph.from_outputs(inputs, go.grad(cost, inputs, **options)), values)
    projected = [g * d for g, d in zip(found.values(), directions, strict=True)]
    tangents = go.jvp(list(parts), inputs, directions, **options)
    pushed = interpret(Graph.from_outputs(inputs, tangents), values)
    forward = sum(np.sum(tangent * weight) for tangent, weight in zip(pushed.values(), weights, strict=True))

    def at(step):
        moved = [array + step * direction for array, direction in zip(arrays, directions, strict=True)]
        return sum(np.sum(part * weight) for part, weight in zip(program.numpys(*moved), weights, strict=True))

    below, here, above = at(-STEP), at(0.0), at(STEP)
    scale = 1 + sum(np.sum(np.abs(part)) for part in projected)
    noise = 64 * np.finfo("float64").eps * sum(np.sum(np.abs(part)) for part in expected) / STEP
    if abs((above - here) - (here - below)) > STEP * (1e-3 * scale + noise):
        return  # a kink in between
    slope, total = (above - below) / (2 * STEP), sum(np.sum(part) for part in projected)
    assert abs(forward - total) <= 1e-9 * scale, f"{program} at {arrays}: {total} in reverse, {forward} in forward mode"
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
