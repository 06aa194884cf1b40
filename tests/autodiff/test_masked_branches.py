"""Branches that are not taken, and rows that are padding, leave the gradient of everything else as it is."""

import mpmath
import numpy as np

import graphopt as go
import graphopt.tensor as T
from graphopt.arithmetics import Exact
from graphopt.graph import Graph
from graphopt.interpret import interpret


def gradients(cost, variables, *arrays):
    return go.function(variables, go.grad(cost, variables), target="numpy", on_unused_input="ignore")(*arrays)


def test_a_row_of_zeros_is_not_normalized_and_spoils_no_other_row():
    x = go.variable("x", "float64[n, 3]")
    length = T.sqrt(T.sum(x * x, axis=1))[:, None]
    weights = np.arange(1.0, 10).reshape(3, 3)
    cost = T.sum(T.where(length > 0, x / length, x) * weights)
    array = np.array([[3.0, 0, 4.0], [0, 0, 0], [1.0, 2.0, 2.0]])
    (found,) = gradients(cost, [x], array)
    unit = array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1)
    along = np.sum(unit * weights, axis=1, keepdims=True)
    expected = (weights - unit * along) / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1)
    np.testing.assert_allclose(found, np.where(array.any(axis=1, keepdims=True), expected, weights), rtol=1e-13)


def test_a_point_that_is_padding_is_projected_nowhere():
    x, present = go.variable("x", "float64[n, 3]"), go.variable("present", "bool[n]")
    plane = x[:, :2] / x[:, 2:3]
    radius = T.sum(plane * plane, axis=1)[:, None]
    cost = T.sum(T.where(present[:, None], plane * (1 + 0.1 * radius), 0))
    array = np.array([[0.5, -0.2, 2.0], [0, 0, 0], [1.0, 0.3, 4.0]])
    function = go.function([x, present], go.grad(cost, x), target="numpy")
    found = function(array, np.array([True, False, True]))
    alone = function(array[::2], np.array([True, True]))
    np.testing.assert_allclose(found, np.stack([alone[0], np.zeros(3), alone[1]]), rtol=1e-14)


def test_attention_that_may_look_nowhere_has_the_gradient_of_the_rows_that_look_somewhere():
    s, v = go.variable("s", "float64[n, m]"), go.variable("v", "float64[m, k]")
    allowed, rows = go.variable("allowed", "bool[n, m]"), go.variable("rows", "bool[n, 1]")
    mixed = T.softmax(T.where(allowed, s, -np.inf), axis=1) @ v
    function = go.function([s, v, allowed, rows], go.grad(T.sum(T.where(rows, mixed, 0) ** 2), [s, v]), target="numpy")
    generator = np.random.default_rng(21)
    scores, values = generator.normal(size=(3, 4)), generator.normal(size=(4, 2))
    may = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [0, 1, 1, 0]], bool)
    some = may.any(axis=1, keepdims=True)
    of_scores, of_values = function(scores, values, may, some)
    without, of_values_without = function(scores[::2], values, may[::2], some[::2])
    np.testing.assert_allclose(of_scores, np.insert(without, 1, 0, axis=0), rtol=1e-13)
    np.testing.assert_allclose(of_values, of_values_without, rtol=1e-13)


def test_the_shares_of_a_row_of_minus_infinity_are_no_numbers_exactly_either():
    x = go.variable("x", "float64[2, 2]")
    graph = Graph.from_outputs([x], {"shares": T.softmax(x, axis=1)})
    found = interpret(graph, {"x": np.array([[-np.inf, -np.inf], [0.0, -np.inf]])}, Exact(50))["shares"]
    assert all(mpmath.isnan(value) for value in found[0])
    assert list(found[1]) == [1, 0]
