"""Derivatives of factors, solutions, inverses and determinants, first and second, against central differences."""

import numpy as np
import pytest
from gradient_support import check_gradient, plain_grad, run, variables_for

import graphopt.tensor as T
from graphopt.ops import decompositions as ops
from graphopt.tensor import decompositions as linalg

RNG = np.random.default_rng(3)
A = RNG.uniform(-1, 1, (3, 3)) + 4 * np.eye(3)
PAIR = RNG.uniform(-1, 1, (2, 2, 2)) + 3 * np.eye(2)
B = RNG.uniform(-1, 1, (3, 2))

OF_ONE = {
    "cholesky": linalg.cholesky, "upper": lambda a: linalg.cholesky(a, upper=True), "inv": linalg.inv,
    "det": linalg.det, "adjugate": ops.adjugate, "logabsdet": lambda a: linalg.slogdet(a).logabsdet,
    "sign times logarithm": lambda a: linalg.slogdet(a).sign * linalg.slogdet(a).logabsdet,
}  # fmt: skip
OF_TWO = {
    "solve": linalg.solve, "lower": lambda a, b: linalg.solve_triangular(a, b, lower=True),
    "upper": lambda a, b: linalg.solve_triangular(a, b),
    "unit": lambda a, b: linalg.solve_triangular(a, b, lower=True, unit_diagonal=True),
    "transposed": lambda a, b: linalg.solve_triangular(a, b, trans=1, unit_diagonal=True),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_ONE)
def test_functions_of_one_matrix(name):
    check_gradient(OF_ONE[name], [A])
    check_gradient(OF_ONE[name], [PAIR])
    check_gradient(OF_ONE[name], [PAIR[0]], order=2)


@pytest.mark.parametrize("name", OF_TWO)
def test_solutions(name):
    check_gradient(OF_TWO[name], [A, B])
    check_gradient(OF_TWO[name], [A, B[:, 0]])
    check_gradient(OF_TWO[name], [PAIR, B[:2]])  # batches broadcast
    check_gradient(OF_TWO[name], [PAIR[0], B[:2, 0]], order=2)


def test_a_composition_of_all_is_differentiated_twice():
    def function(a):
        definite = a @ T.transpose(a) + np.eye(2)
        factor = linalg.cholesky(definite)
        return linalg.cho_solve((factor, True), a) * linalg.slogdet(definite).logabsdet

    check_gradient(function, [PAIR[0]])
    check_gradient(function, [PAIR[0]], order=2)


@pytest.mark.parametrize("matrix", [[[1.0, 2.0], [2.0, 4.0]], [[0.0, 0.0], [0.0, 3.0]], [[0.0]]])
def test_the_derivative_of_a_determinant_is_the_cofactors_where_the_matrix_is_singular(matrix):
    check_gradient(linalg.det, [np.array(matrix)])


def test_the_derivative_of_a_refused_matrix_is_nan_and_not_a_number_that_looks_right():
    (x,) = inputs = variables_for([np.zeros((2, 2))])
    for function in (linalg.inv, linalg.cholesky, lambda a: linalg.slogdet(a).logabsdet):
        found = run(inputs, {"g": plain_grad(T.sum(function(x)), x)}, [np.zeros((2, 2))])["g"]
        assert np.isnan(np.tril(found)[np.tril_indices(2)]).all()
