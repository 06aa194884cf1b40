"""Derivatives of ops against SymPy's, at kinks, and where operands broadcast to nothing or are cast."""

import mpmath
import numpy as np
import pytest
import sympy
from gradient_support import arrays_in, check_gradient, plain_grad, run, values_in, variables_for
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import graphopt.tensor as T
from graphopt.ops import TABLE
from graphopt.ops import shape as shape_ops
from graphopt.testing.domains import domain
from graphopt.variable import variable


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=2, max_dims=2), st.data())
@settings(max_examples=20, deadline=None)
@pytest.mark.parametrize("name", ["add", "multiply", "divide", "maximum"])
def test_broadcasting_is_undone(name, shapes, data):
    op = TABLE[name]
    arrays = [
        data.draw(arrays_in(i, k, shape))
        for k, (i, shape) in enumerate(zip(domain(name, 2), shapes.input_shapes, strict=True))
    ]
    check_gradient(op, arrays)


def test_a_cast_to_a_wider_float_passes_the_cotangent_and_one_to_an_integer_does_not():
    x, array = variable("x0", "float32[2]"), np.array([1.5, -2.5], "float32")
    wide = plain_grad(T.sum(T.cast(x, "float64") ** 2), x)
    whole = plain_grad(T.sum(T.cast(T.cast(x, "int64"), "float32") * x), x)
    assert wide.dtype == whole.dtype == "float32"
    found = run([x], {"wide": wide, "whole": whole}, [array])
    np.testing.assert_array_equal(found["wide"], [3.0, -5.0])
    np.testing.assert_array_equal(found["whole"], [1.0, -2.0])


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, 0.5, -2.5])
def test_a_constant_exponent_has_a_plain_derivative(exponent):
    x = T.vector("x")
    assert "where" not in str(plain_grad(T.sum(x**exponent), x, disconnected_inputs="ignore"))


# --- against SymPy -----------------------------------------------------------------------------------------------

SYMPY = {
    "exp": sympy.exp, "log": sympy.log, "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "arcsin": sympy.asin,
    "arccos": sympy.acos, "arctan": sympy.atan, "arctan2": sympy.atan2, "sinh": sympy.sinh, "cosh": sympy.cosh,
    "tanh": sympy.tanh, "arcsinh": sympy.asinh, "arccosh": sympy.acosh, "arctanh": sympy.atanh, "erf": sympy.erf,
    "erfc": sympy.erfc, "gamma": sympy.gamma, "lgamma": sympy.loggamma, "digamma": sympy.digamma, "sqrt": sympy.sqrt,
    "add": lambda a, b: a + b, "multiply": lambda a, b: a * b, "divide": lambda a, b: a / b,
    "power": lambda a, b: a**b, "subtract": lambda a, b: a - b, "hypot": lambda a, b: sympy.sqrt(a**2 + b**2),
    "logaddexp": lambda a, b: sympy.log(sympy.exp(a) + sympy.exp(b)), "exp2": lambda x: 2**x,
    "log1p": lambda x: sympy.log(1 + x), "expm1": lambda x: sympy.exp(x) - 1,
    "softplus": lambda x: sympy.log(1 + sympy.exp(x)),
    "sigmoid": lambda x: 1 / (1 + sympy.exp(-x)), "log1mexp": lambda x: sympy.log(1 - sympy.exp(x)),
    "xlogy": lambda a, b: a * sympy.log(b), "fma": lambda a, b, c: a * b + c,
    "cbrt": lambda x: x ** sympy.Rational(1, 3),
    "log2": lambda x: sympy.log(x, 2), "log10": lambda x: sympy.log(x, 10), "square": lambda x: x**2,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SYMPY))
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_an_elementwise_derivative_is_sympys(name, data):
    op = TABLE[name]
    values = [data.draw(values_in(i, k)) for k, i in enumerate(domain(name, op.arity))]
    symbols = sympy.symbols(f"a:{op.arity}")
    inputs = variables_for([np.asarray(v) for v in values])
    gradients = plain_grad(op(*inputs), inputs)
    found = run(inputs, {f"g{k}": g for k, g in enumerate(gradients)}, [np.asarray(v) for v in values])
    for k, symbol in enumerate(symbols):
        slope = sympy.lambdify(symbols, sympy.diff(SYMPY[name](*symbols), symbol), "mpmath")
        with mpmath.workdps(30):
            expected = float(slope(*map(mpmath.mpf, values)))
        np.testing.assert_allclose(found[f"g{k}"], expected, rtol=1e-10, atol=1e-12)


# --- at kinks -----------------------------------------------------------------------------------------------------


def gradient_value(function, *arrays):
    inputs = variables_for([np.asarray(a, float) for a in arrays])
    gradients = plain_grad(T.sum(function(*inputs)), inputs, disconnected_inputs="ignore")
    return list(
        run(inputs, {f"g{k}": g for k, g in enumerate(gradients)}, [np.asarray(a, float) for a in arrays]).values()
    )


@pytest.mark.parametrize(
    ("row", "expected"), [([2.0, 3.0, 4.0], [12, 8, 6]), ([0.0, 3.0, 4.0], [12, 0, 0]), ([0.0, 0.0, 4.0], [0, 0, 0])]
)
def test_the_derivative_of_a_product_is_finite_where_elements_are_zero(row, expected):
    np.testing.assert_array_equal(gradient_value(T.prod, row)[0], expected)


@pytest.mark.parametrize(
    ("function", "at", "expected"),
    [
        (T.absolute, 0.0, 0.0),
        (T.relu, 0.0, 0.0),
        (T.sign, 0.3, 0.0),
        (T.floor, 0.3, 0.0),
        (lambda x: x**0, 0.0, 0.0),
        (lambda x: x**1, 0.0, 1.0),
        (lambda x: x**2, 0.0, 0.0),
        (lambda x: T.power(0.0, x), 2.0, 0.0),
        (lambda x: T.xlogy(x * 0, x), 0.0, 0.0),
        (lambda x: T.where(x > 0, T.log(x), 0 * x), -1.0, 0.0),
    ],
)
def test_derivatives_at_kinks_are_the_documented_ones(function, at, expected):
    assert gradient_value(function, at)[0] == expected


def test_an_infinite_cotangent_of_a_pick_leaves_the_other_elements_at_zero():
    np.testing.assert_array_equal(
        gradient_value(lambda x: T.sqrt(shape_ops.pick(x, index=0)), [0.0, 1.0])[0], [np.inf, 0]
    )
