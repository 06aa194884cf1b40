"""Running sums, products and recurrences: NumPy's values in every target, and derivatives that divide by nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import graphopt as go
import graphopt.tensor as T
from graphopt.graph import Graph
from graphopt.interpret import interpret

TARGETS = ["numpy", "c", "cuda-emulated"]


@pytest.mark.parametrize("target", TARGETS)
def test_they_are_numpys_along_every_axis_and_for_every_length(target):
    x, k = go.variable("x", "float64[n, m, 2]"), go.variable("k", "int8[n, m]")
    results = [T.cumsum(x), T.cumprod(k, 0), T.cumsum(k > 0, axis=-1), T.cumsum(k, dtype="float32")]
    for axis in (0, 1, 2):
        results += [T.cumsum(x, axis), T.cumprod(x, axis=axis), np.cumsum(x.T, axis=axis)]
    function = go.function([x, k], results, target=target)
    rng = np.random.default_rng(1)
    for shape in ((3, 4, 2), (1, 1, 2), (0, 3, 2), (2, 0, 2), (130, 70, 2)):
        a, b = rng.normal(size=shape), rng.integers(-128, 128, shape[:2]).astype("int8")
        expected = [np.cumsum(a), np.cumprod(b, 0), np.cumsum(b > 0, axis=-1), np.cumsum(b, dtype="float32")]
        for axis in (0, 1, 2):
            expected += [np.cumsum(a, axis), np.cumprod(a, axis=axis), np.cumsum(a.T, axis=axis)]
        for one, other in zip(function(a, b), expected, strict=True):
            np.testing.assert_array_equal(one, other, strict=True)


@given(hnp.arrays("float32", hnp.array_shapes(min_dims=1, max_dims=3, min_side=0), elements=st.floats(width=32)))
def test_every_sum_is_rounded_as_numpy_rounds_it_and_signs_of_zeros_stay(array):
    x = go.variable("x", go.TensorType("float32", array.shape))
    with np.errstate(all="ignore"):
        found = interpret(Graph.from_outputs([x], T.cumsum(x, 0)), {"x": array})["output"]
        expected = np.cumsum(array, 0)
    np.testing.assert_array_equal(found, expected, strict=True)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


@pytest.mark.parametrize("target", TARGETS)
def test_a_recurrence_is_its_loop(target):
    a, b = go.variable("a", "float64[m]"), go.variable("b", "float64[n, m]")
    function = go.function([a, b], [T.recurrence(a, b), T.recurrence(a, b, axis=0)], target=target)
    rng = np.random.default_rng(2)
    factors, terms = rng.normal(size=4), rng.normal(size=(3, 4))
    terms[1, 0] = terms[0, 2] = np.inf
    for axis, found in zip((1, 0), function(factors, terms), strict=True):
        state, expected = 0.0, []
        steps = (np.moveaxis(array, axis, 0) for array in (np.broadcast_to(factors, (3, 4)), terms))
        for f, t in zip(*steps, strict=True):
            state = f * state + t
            expected.append(state)
        np.testing.assert_array_equal(np.moveaxis(found, axis, 0), expected)


@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_derivatives_hold_with_zeros_among_the_factors(length, target):
    x, y = go.variable("x", "float64[n, 3]"), go.variable("y", "float64[n, 3]")
    cost = T.sum(T.sin(T.cumprod(x, 0))) + T.sum(T.cos(T.cumsum(x * y, 0))) + T.sum(T.recurrence(x, y, 0) ** 2)
    first = go.grad(cost, [x, y])
    second = go.grad(T.sum(T.sin(first[0])), x)
    rng = np.random.default_rng(length)
    point = [rng.integers(-2, 3, (length, 3)) / 2.0, rng.normal(size=(length, 3))]
    found = go.function([x, y], [*first, second], target=target)(*point)
    for value, of, position in ((found[0], cost, 0), (found[1], cost, 1), (found[2], T.sum(T.sin(first[0])), 0)):
        at = go.function([x, y], of, target="numpy")
        slope = np.zeros((length, 3))
        for k in np.ndindex(slope.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [array.copy() for array in point]
                moved[position][k] += step
                ends.append(at(*moved))
            slope[k] = (ends[0] - ends[1]) / 2e-6
        np.testing.assert_allclose(value, slope, rtol=1e-6, atol=1e-7)


def test_rows_run_side_by_side_and_columns_run_along_memory():
    x = T.matrix("x")
    assert [k.form for k in go.function([x], T.cumsum(x, 1)).kernels] == ["ordered"]
    assert [k.form for k in go.function([x], T.cumsum(x, 0)).kernels] == ["columns"]
