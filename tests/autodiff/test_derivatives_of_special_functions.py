"""Derivatives of special functions where formulas divide by nearly zero, and those that are not known."""

import numpy as np
import pytest
from gradient_support import check_gradient

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import NotDifferentiable
from graphopt.ops import TABLE
from graphopt.testing.domains import PARAMETERS


@pytest.mark.parametrize("function", [T.exprel, T.sinc, T.sici, T.ellipk, T.ellipe, T.j1, lambda x: T.jv(2, x)])
@pytest.mark.parametrize("at", [0.0, 1e-9, -1e-4, 0.3])
def test_derivatives_hold_where_their_formula_divides_by_what_is_nearly_zero(function, at):
    def first(x):
        made = function(x)
        return made[0] if isinstance(made, tuple) else made

    check_gradient(first, [np.array(at)], order=1)
    check_gradient(first, [np.array(at)], order=2)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_a_derivative_with_respect_to_a_parameter_is_refused_and_the_other_is_not(name):
    op, inputs = TABLE[name], [go.variable(k, "float64") for k in "abx"][: TABLE[name].arity]
    cost = op(*inputs)
    with pytest.raises(
        NotDifferentiable, match=rf"{name}: the derivative with respect to .*test_derivatives_of_special_functions.py"
    ):
        go.grad(cost, inputs[0])
    if op.arity > 1:
        assert go.grad(cost, inputs[-1]).dtype == "float64"
