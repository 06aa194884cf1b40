"""Derivatives of special functions, first and second, against central differences in 50 digits."""

import numpy as np
import pytest
from gradient_support import check_gradient, values_in
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import NotDifferentiable
from graphopt.ops import TABLE
from graphopt.testing.domains import PARAMETERS, WHOLE, domain

NAMES = sorted({name for name, op in TABLE.items() if {"host", "elementwise"} <= op.traits} | PARAMETERS.keys())


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", sorted(set(NAMES) - {"riemann_zeta"}))
@given(data=st.data())
@settings(max_examples=2, deadline=None)
def test_a_derivative_of_a_special_function_is_right(name, order, data):
    op = TABLE[name]
    arrays = [np.array(data.draw(values_in(interval, k))) for k, interval in enumerate(domain(name, op.arity))]
    if name in WHOLE:
        arrays[0] = np.rint(arrays[0])
    check_gradient(op, arrays, wrt=range(PARAMETERS.get(name, 0), op.arity), order=order)


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
