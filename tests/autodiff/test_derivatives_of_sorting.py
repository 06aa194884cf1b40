"""Derivatives of sorted elements, medians and quantiles, first and second, against central differences."""

import numpy as np
import pytest
from gradient_support import check_gradient, plain_grad, run, variables_for

import graphopt.tensor as T

ARRAY = np.array([[0.3, -1.1, 2.2], [1.7, 0.9, -0.4]])
FUNCTIONS = {
    "sort": T.sort, "sort along the first axis": lambda x: T.sort(x, 0), "sort all": lambda x: T.sort(x, None),
    "median": lambda x: T.median(x, 1), "median of all": T.median,
    "quantile": lambda x: T.quantile(x, [0.2, 0.9], axis=0), "percentile": lambda x: T.percentile(x, 35.0),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_derivative_is_right(name):
    check_gradient(FUNCTIONS[name], [ARRAY])
    check_gradient(lambda x: FUNCTIONS[name](T.sin(x) * x), [ARRAY], order=2)


def test_the_share_of_a_quantile_has_a_derivative_too():
    check_gradient(lambda x, q: T.quantile(x, q), [ARRAY[0], np.array(0.3)])


def test_positions_have_none():
    check_gradient(lambda x: x * T.argsort(x) + T.searchsorted(T.sort(x), x), [ARRAY[0]])


def test_equal_elements_take_the_cotangents_in_their_order():
    (x,) = inputs = variables_for([np.zeros(4)])
    gradient = plain_grad(T.sum(T.sort(x) * np.array([1.0, 2.0, 3.0, 4.0])), x)
    found = run(inputs, {"g": gradient}, [np.array([5.0, 1.0, 5.0, 1.0])])
    np.testing.assert_array_equal(found["g"], [3, 1, 4, 2])
