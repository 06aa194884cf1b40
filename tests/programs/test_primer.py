"""The three listings of Theano's primer, with the imports replaced, held against NumPy written by hand."""

import numpy as np
import pytest

import graphopt.tensor as T
from graphopt import function, grad, shared

TARGETS = ("c", "numpy", "cuda-emulated")


@pytest.mark.parametrize("target", TARGETS)
def test_two_vectors_are_added(target):
    x, y = T.vector("x"), T.vector("y")
    add = function([x, y], x + y, target=target)
    np.testing.assert_array_equal(add([1.0, 2.0, 3.0], np.array([10.0, 20.0, 30.0])), [11, 22, 33])
    assert add(np.zeros(1000), np.ones(1000)).sum() == 1000


@pytest.mark.parametrize("target", TARGETS)
def test_the_gradient_of_a_sum_of_squares_is_twice_the_vector(target):
    x = T.vector("x")
    slopes = function([x], grad((x**2).sum(), x), target=target)
    values = np.random.default_rng(0).normal(size=7)
    np.testing.assert_array_equal(slopes(values), 2 * values)


@pytest.mark.parametrize("target", TARGETS)
def test_ten_steps_of_linear_regression_by_updates_are_those_of_numpy(target):
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=(50, 3))
    answers = inputs @ [1.0, -2.0, 0.5] + 3.0 + generator.normal(scale=0.1, size=50)
    start = generator.normal(size=3)

    x, y = T.matrix("x"), T.vector("y")
    w, b = shared(start, name="w"), shared(0.0, name="b")
    cost = T.mean((T.dot(x, w) + b - y) ** 2)
    gw, gb = grad(cost, [w, b])
    train = function([x, y], cost, updates=[(w, w - 0.1 * gw), (b, b - 0.1 * gb)], target=target)
    costs = [train(inputs, answers) for _ in range(10)]

    weights, bias, wanted = start, 0.0, []
    for _ in range(10):
        error = inputs @ weights + bias - answers
        wanted.append(np.mean(error**2))
        weights, bias = weights - 0.1 * 2 * inputs.T @ error / 50, bias - 0.1 * 2 * np.mean(error)
    np.testing.assert_allclose(costs, wanted, rtol=1e-12)
    np.testing.assert_allclose(w.get_value(), weights, rtol=1e-12)
    np.testing.assert_allclose(b.get_value(), bias, rtol=1e-12)
    assert np.all(np.diff(costs) < 0)
