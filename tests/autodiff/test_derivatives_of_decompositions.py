"""Derivatives of factors, inverses and determinants of matrices that are singular, or have no factor."""

import numpy as np
import pytest
from gradient_support import check_gradient, plain_grad, run, variables_for

import graphopt.tensor as T
from graphopt.tensor import decompositions as linalg


@pytest.mark.parametrize("matrix", [[[1.0, 2.0], [2.0, 4.0]], [[0.0, 0.0], [0.0, 3.0]], [[0.0]]])
def test_the_derivative_of_a_determinant_is_the_cofactors_where_the_matrix_is_singular(matrix):
    check_gradient(linalg.det, [np.array(matrix)])


def test_the_derivative_of_a_refused_matrix_is_nan_and_not_a_number_that_looks_right():
    (x,) = inputs = variables_for([np.zeros((2, 2))])
    for function in (linalg.inv, linalg.cholesky, lambda a: linalg.slogdet(a).logabsdet):
        found = run(inputs, {"g": plain_grad(T.sum(function(x)), x)}, [np.zeros((2, 2))])["g"]
        assert np.isnan(np.tril(found)[np.tril_indices(2)]).all()
