"""Patterns, diagonals, repetition and the places of extrema: NumPy's values in every target."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument, ShapeMismatch, UnsupportedExpression
from graphopt.graph import Graph
from graphopt.interpret import interpret

TARGETS = ("numpy", "c", "cuda-emulated")
A = np.random.default_rng(0).normal(size=(4, 5)).round(1)
V = np.array([2.0, -1.0, 0.0])
x, v = go.variable("x", "float64[4, 5]"), go.variable("v", "float64[3]")


def programs(x, v, on):
    return [
        on.arange(5), on.arange(2.0, 4.0, 0.5), on.linspace(0, 1, 7), on.eye(3), on.eye(3, 4, k=1), on.identity(2),
        on.tri(3, 4, -1), on.tril(x), on.triu(x, 1), on.diag(x), on.diag(x, 2), on.diag(x, -3), on.diag(x, 7),
        on.diag(v), on.diag(v, 1), on.diag(v, -2), on.trace(x), on.trace(x, offset=1), on.repeat(x, 2, axis=1),
        on.repeat(v, 3), on.repeat(x, 0, axis=0), on.tile(v, 2), on.tile(x, (2, 1, 2)), on.kron(x, x[:2, :2]),
        on.kron(v, v), on.argmax(x), on.argmax(x, axis=0), on.argmin(x, axis=1, keepdims=True),
        on.argmax(x, keepdims=True), on.count_nonzero(v), on.count_nonzero(x > 0, axis=0),
        x + on.arange(5), on.eye(4) @ x,
    ]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_values_dtypes_and_shapes_are_numpys(target):
    results = go.function([x, v], programs(x, v, T), target=target)(A, V)
    for result, wanted in zip(results, programs(A, V, np), strict=True):
        assert result.dtype == np.asarray(wanted).dtype and result.shape == np.shape(wanted)
        np.testing.assert_allclose(result, wanted, rtol=1e-12, atol=1e-12)


@settings(max_examples=40)
@given(
    hnp.arrays("float64", hnp.array_shapes(min_dims=1, max_dims=3, max_side=4),
               elements=st.sampled_from([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan])),
    st.data(),
)  # fmt: skip
def test_the_first_extremum_or_the_first_nan_is_found(array, data):
    axis = data.draw(st.none() | st.integers(-array.ndim, array.ndim - 1))
    y = go.variable("y", f"float64[{', '.join(map(str, array.shape))}]")
    graph = Graph.from_outputs([y], [T.argmax(y, axis), T.argmin(y, axis)])
    found = list(interpret(graph, {"y": array}).values())
    np.testing.assert_array_equal(found[0], np.argmax(array, axis))
    np.testing.assert_array_equal(found[1], np.argmin(array, axis))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [(lambda: T.arange(T.lscalar("n")), UnsupportedExpression, "known while"),
     (lambda: T.argmax(T.zeros((0, 3)), axis=0), ShapeMismatch, "no elements"),
     (lambda: T.diag(T.zeros((2, 2, 2))), ShapeMismatch, "vector or a matrix"),
     (lambda: T.tril(v), ShapeMismatch, "takes a matrix"), (lambda: T.repeat(v, -1), InvalidArgument, "at least 0"),
     (lambda: T.tile(v, (-1,)), InvalidArgument, "at least 0"), (lambda: T.kron(x, v), ShapeMismatch, "one rank")],
)  # fmt: skip
def test_what_cannot_be_made_gets_one_clear_error(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_numpys_names_reach_them():
    np.testing.assert_array_equal(go.function([x], np.argmax(np.tril(x), axis=1))(A), np.argmax(np.tril(A), axis=1))
