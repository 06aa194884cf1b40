"""A formula that would overflow has a gradient that does not: in every spelling, since `grad` stabilizes first."""

import numpy as np
import pytest
from gradient_support import central_difference, variables_for

import graphopt as go
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


LABELS = np.array([2, 0, 3])
PARTS = {
    "an element": lambda rows: rows[1, 2],
    "a row": lambda rows: rows[1],
    "a column": lambda rows: rows[:, 1],
    "a column of the transpose": lambda rows: rows.T[3, 1],
    "a block, reversed": lambda rows: rows[::-1, 1:3],
    "chosen rows": lambda rows: rows[LABELS % 3],
    "labels": lambda rows: rows[np.arange(3), LABELS],
}
PARTIAL = {
    "of the logarithm": lambda x, part: part(SPELLINGS["keepdims"](x)),
    "of the logarithm, its exponential shared": lambda x, part: part(SPELLINGS["shared exponential"](x)),
    "of the shares, then the logarithm": lambda x, part: T.log(part(T.exp(x) / T.sum(T.exp(x), axis=1, keepdims=True))),
    "of softmax, then the logarithm": lambda x, part: T.log(part(T.softmax(x, axis=1))),
}
STEEP = np.array([[1e4, 0.0, -1e4, 9999.5], [-1e4, 1e4, 9998.0, 0.0], [2.0, 3.0, 1.0, -1e4]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("partial", PARTIAL)
def test_parts_of_a_naive_log_softmax_have_its_values_and_both_derivatives(partial, dtype):
    x, direction = variable("x", f"{dtype}[3, 4]"), np.array([[1.0, -2.0, 0.5, 3.0]] * 3)
    costs = [T.sum(PARTIAL[partial](x, part)) for part in PARTS.values()]
    slopes = [grad(cost, x) for cost in costs]
    bends = [grad(T.sum(slope * direction.astype(dtype)), x) for slope in slopes]
    found = go.function([x], [*costs, *slopes, *bends], target="numpy")(STEEP.astype(dtype))
    shares, eps = softmax(STEEP), np.finfo(dtype).eps
    logarithms = STEEP - STEEP.max(axis=1, keepdims=True)
    logarithms = logarithms - np.log(np.exp(logarithms).sum(axis=1, keepdims=True))
    for number, part in enumerate(PARTS.values()):
        cost, slope, bend = found[number :: len(PARTS)]
        weights = np.bincount(part(np.arange(12).reshape(3, 4)).reshape(-1), minlength=12).reshape(3, 4)
        total = weights.sum(axis=1, keepdims=True)
        bent = total * shares * ((shares * direction).sum(axis=1, keepdims=True) - direction)
        np.testing.assert_allclose(cost, part(logarithms).sum(), rtol=64 * eps, atol=1e4 * 64 * eps)
        np.testing.assert_allclose(slope, weights - shares * total, rtol=0, atol=64 * eps)
        np.testing.assert_allclose(bend, bent, rtol=0, atol=256 * eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_of_naive_shares_are_right_and_have_finite_derivatives(dtype):
    x = variable("x", f"{dtype}[3, 4]")
    shared = T.exp(x)
    for e in (lambda: T.exp(x), lambda: shared):
        chosen = [T.sum(part(e() / T.sum(e(), axis=1, keepdims=True))) for part in PARTS.values()]
        slopes = [grad(part, x) for part in chosen]
        found = go.function([x], [*chosen, *slopes], target="numpy")(STEEP.astype(dtype))
        expected = [part(softmax(STEEP)).sum() for part in PARTS.values()]
        np.testing.assert_allclose(found[: len(PARTS)], expected, rtol=1e4 * 8 * np.finfo(dtype).eps, atol=1e-300)
        assert all(np.isfinite(slope).all() for slope in found[len(PARTS) :])


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
        (lambda x: T.log(T.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)), lambda x: -x),
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
