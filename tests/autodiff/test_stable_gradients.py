"""A formula that would overflow has a gradient that does not: in every spelling, since `grad` stabilizes first."""

import numpy as np
import pytest
from gradient_support import central_difference, variables_for

import graphopt.tensor as T
from graphopt.autodiff import grad
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.variable import variable

SPELLINGS = {
    "keepdims": lambda x: T.log(T.exp(x) / T.sum(T.exp(x), axis=1, keepdims=True)),
    "reshaped sum": lambda x: T.log(T.exp(x) / T.reshape(T.sum(T.exp(x), axis=1), (x.shape[0], 1))),
    "times reciprocal": lambda x: T.log(T.exp(x) * (1 / T.sum(T.exp(x), axis=1, keepdims=True))),
    "difference of logarithms": lambda x: T.log(T.exp(x)) - T.log(T.sum(T.exp(x), axis=1, keepdims=True)),
    "log of softmax": lambda x: T.log(T.softmax(x, axis=1)),
    "shared exponential": lambda x: (lambda e: T.log(e / T.sum(e, axis=1, keepdims=True)))(T.exp(x)),
}
ROWS = {
    "narrow": np.array([[0.5, -1.0, 0.25], [1.0, 2.0, 3.0]]),
    "wide": np.array([[1000.0, -1000.0, 0.0], [-1000.0, 999.0, 1000.0]]),
}


def gradient_of(function, array, weights):
    x = variable("x", f"{array.dtype.name}[n, m]")
    cost = T.sum(function(x) * weights.astype(array.dtype))
    graph = Graph.from_outputs([x], grad(cost, x))
    return interpret(graph, {"x": array})["output"]


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_gradient_of_a_naive_log_softmax_is_finite_and_right(spelling, rows, dtype):
    array = ROWS[rows].astype(dtype)
    weights = np.array([[1.0, 0.5, 0.25], [0.125, 2.0, 0.75]])
    expected = weights - softmax(array.astype("float64")) * weights.sum(axis=1, keepdims=True)
    found = gradient_of(SPELLINGS[spelling], array, weights)
    np.testing.assert_allclose(found, expected, rtol=0, atol=64 * np.finfo(dtype).eps)


def test_without_stabilizing_the_same_gradient_is_not_finite():
    x = T.matrix("x")
    cost = T.sum(SPELLINGS["keepdims"](x))
    graph = Graph.from_outputs([x], grad(cost, x, stabilize=False))
    assert not np.all(np.isfinite(interpret(graph, {"x": ROWS["wide"]})["output"]))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: T.log(1 + T.exp(x)), lambda x: 1 / (1 + np.exp(-x))),
        (lambda x: T.log(T.sum(T.exp(x))), lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum()),
        (lambda x: 1 / (1 + T.exp(-x)), lambda x: np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))) ** 2),
    ],
)
def test_gradients_of_overflowing_formulas_are_finite(function, expected):
    x, at = T.vector("x"), np.array([-800.0, -1.0, 0.0, 2.0, 800.0])
    graph = Graph.from_outputs([x], grad(T.sum(function(x)), x))
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(interpret(graph, {"x": at})["output"], expected(at), rtol=1e-14, atol=1e-300)


def test_stabilizing_changes_no_gradient_where_nothing_overflows():
    array = np.array([0.3, -0.7, 1.1])
    (x,) = inputs = variables_for([array])
    cost = T.sum(T.log(T.exp(x) / T.sum(T.exp(x))) * np.array([1.0, 2.0, 3.0]))
    graph = Graph.from_outputs(inputs, grad(cost, x))
    (found,) = interpret(graph, {"x0": array}).values()
    np.testing.assert_allclose(found, central_difference(inputs, cost, [array], 0), rtol=1e-13, atol=1e-14)
