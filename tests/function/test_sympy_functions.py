"""SymPy expressions compiled, differentiated and compared with SymPy itself."""

import numpy as np
import pytest
import sympy as s

import graphopt as go
from graphopt.errors import DisconnectedInput

x, y = s.symbols("x y")


def test_a_gradient_of_a_sympy_expression_compiles_over_the_same_symbols():
    expression = s.exp(x * y) + s.sin(x) / y
    f = go.function([x, y], [expression, *go.grad(expression, [x, y])])
    a, b = np.array([0.5, 1.5]), np.array([2.0, -1.0])
    value, dx, dy = f(a, b)
    for result, exact in [(value, expression), (dx, expression.diff(x)), (dy, expression.diff(y))]:
        np.testing.assert_allclose(result, s.lambdify([x, y], exact)(a, b), rtol=1e-13)


def test_two_separate_gradients_share_the_functions_inputs():
    f = go.function([x], [go.grad(x**2, x), go.grad(s.sin(x), x)])
    np.testing.assert_allclose(f(0.5), [1.0, np.cos(0.5)])


def test_gradients_of_sympy_expressions_are_differentiated_again_by_the_same_symbols():
    expression = s.log(1 + s.exp(x)) * y**2
    dx, dy = go.grad(expression, x), go.grad(expression, y)
    exact = [expression.diff(v) for v in (x, y)]
    f = go.function([x, y], [go.grad(dx, x), go.grad(dx * dy, x), *go.grad(dx + dy, [x, y]), go.hessian(dx, x)])
    wanted = [
        exact[0].diff(x),
        (exact[0] * exact[1]).diff(x),
        *(sum(exact).diff(v) for v in (x, y)),
        exact[0].diff(x, 2),
    ]
    np.testing.assert_allclose(f(1.0, 2.0), [float(one.subs({x: 1, y: 2})) for one in wanted], rtol=1e-13)


def test_a_symbol_that_a_gradient_does_not_contain_is_said_to_be_disconnected():
    with pytest.raises(DisconnectedInput, match="does not depend on <y: float64>"):
        go.grad(go.grad(x**2, x), y)


def test_a_sum_over_indexed_arrays_takes_arrays():
    i, n = s.Idx("i"), s.Symbol("n", integer=True)
    a, b = s.IndexedBase("a"), s.IndexedBase("b")
    f = go.function([a, b], s.Sum(a[i] * b[i], (i, 0, n - 1)))
    np.testing.assert_allclose(f(np.arange(4.0), np.arange(4.0)), 14.0)


def test_matrix_expressions_take_matrices():
    A, B = s.MatrixSymbol("A", 2, 3), s.MatrixSymbol("B", 3, 2)
    left, right = np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(3, 2)
    np.testing.assert_allclose(
        go.function([A, B], 2 * A * B + (A * B).T)(left, right), 2 * left @ right + (left @ right).T
    )


@pytest.mark.parametrize(
    ("expression", "error", "complaint"),
    [
        (s.Function("mystery")(x), go.UnsupportedExpression, "mystery"),
        (x + s.I, go.UnsupportedExpression, "I"),
        (s.zoo * x, go.UnsupportedExpression, "zoo"),
        (x + y, go.MissingInput, "y"),
        (s.Integral(s.exp(-(x**2)), x), go.UnsupportedExpression, "Integral"),
    ],
)
def test_what_has_no_meaning_is_named(expression, error, complaint):
    with pytest.raises(error, match=complaint):
        go.function([x], expression)


@pytest.mark.parametrize("name", ["I", "double", "a b", 'x"; system("true")', "lambda", "π", "x_{0}^2"])
def test_symbols_may_have_any_name(name):
    symbol = s.Symbol(name)
    np.testing.assert_allclose(go.function([symbol], symbol**2 + 1)(3.0), 10.0)


def test_an_expression_without_inputs_is_a_constant_function():
    assert go.function([], s.pi + 1)() == np.pi + 1
