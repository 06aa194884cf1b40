"""Every op's derivative, first and second, against central differences in 50 digits and against SymPy."""

import itertools

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
from graphopt.testing.domains import PARAMETERS, domain
from graphopt.types import is_float
from graphopt.variable import variable

# Differentiable elementwise ops of floats; `where`, `cast` and special functions have tests of their own.
ELEMENTWISE = sorted(
    name for name, op in TABLE.items()
    if "elementwise" in op.traits and op.pullback is not None and op.exact is not None
    and name not in ("cast", "barrier", "where") and "host" not in op.traits and name not in PARAMETERS
    and is_float(op.type_rule(tuple([T.scalar().type] * op.arity), {}, None).dtype)
)  # fmt: skip
WIDE = (-4.0, 4.0)


def test_the_ops_without_a_derivative_are_these():
    assert [name for name, op in TABLE.items() if op.pullback is None and "leaf" not in op.traits] == [
        "nonzero",
        "searchsorted",
    ]  # positions have none


@pytest.mark.parametrize("name", ELEMENTWISE)
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_an_elementwise_derivative_is_right(name, data):
    op = TABLE[name]
    arrays = [np.array(data.draw(values_in(i, k))) for k, i in enumerate(domain(name, op.arity))]
    check_gradient(op, arrays)


@pytest.mark.parametrize("name", ELEMENTWISE)
@given(data=st.data())
@settings(max_examples=4, deadline=None)
def test_an_elementwise_second_derivative_is_right(name, data):
    op = TABLE[name]
    arrays = [np.array(data.draw(values_in(i, k))) for k, i in enumerate(domain(name, op.arity))]
    check_gradient(op, arrays, order=2)


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


@given(st.data())
@settings(max_examples=15, deadline=None)
def test_where_passes_the_cotangent_to_the_chosen_side(data):
    arrays = [data.draw(arrays_in(WIDE, k, (3,))) for k in range(2)]
    check_gradient(lambda a, b: T.where(a > b, T.sin(a), a * b), arrays)


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
    check_gradient(lambda x: x**exponent, [np.array([0.7, 1.9])], order=1)
    check_gradient(lambda x: x**exponent, [np.array([0.7, 1.9])], order=2)
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


# --- reductions, shapes, products, composites --------------------------------------------------------------------

SHAPE = (2, 1, 2)
AXES = [axes for count in range(4) for axes in itertools.combinations(range(3), count)]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean", "logsumexp"])
def test_a_reduction_is_differentiated_over_any_axes(name, axis):
    array = np.linspace(-1.7, 2.3, 4).reshape(SHAPE)
    check_gradient(lambda x: getattr(T, name)(x, axis), [array])
    check_gradient(lambda x: getattr(T, name)(x, axis, keepdims=True), [array])


@pytest.mark.parametrize("axis", [axes for axes in AXES if axes])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "var", "std"])
def test_a_composite_is_differentiated_over_any_axes(name, axis):
    if name == "std" and axis == (1,):
        return  # one element has no deviation: a kink
    check_gradient(lambda x: getattr(T, name)(x, axis), [np.linspace(-1.7, 2.3, 4).reshape(SHAPE)])


@pytest.mark.parametrize("name", ["prod", "max", "logsumexp", "softmax", "log_softmax", "var"])
@pytest.mark.parametrize("axis", [0, (0, 1)])
def test_a_second_derivative_of_a_reduction_is_right(name, axis):
    array = np.array([[0.3, -1.1], [1.7, 0.9]])
    check_gradient(lambda x: getattr(T, name)(T.sin(x), axis), [array], order=2)


def gradient_value(function, *arrays):
    inputs = variables_for([np.asarray(a, float) for a in arrays])
    gradients = plain_grad(T.sum(function(*inputs)), inputs, disconnected_inputs="ignore")
    return list(
        run(inputs, {f"g{k}": g for k, g in enumerate(gradients)}, [np.asarray(a, float) for a in arrays]).values()
    )


def test_ties_of_max_and_min_share_the_cotangent_evenly():
    np.testing.assert_array_equal(gradient_value(T.max, [3.0, 1.0, 3.0])[0], [0.5, 0, 0.5])
    np.testing.assert_array_equal(gradient_value(T.min, [1.0, 1.0, 1.0, 2.0])[0], np.array([1, 1, 1, 0]) / 3)
    np.testing.assert_array_equal(gradient_value(T.maximum, [2.0], [2.0]), [[0.5], [0.5]])
    np.testing.assert_array_equal(gradient_value(T.minimum, [2.0], [2.0]), [[0.5], [0.5]])


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


@pytest.mark.parametrize(
    "function",
    [
        lambda x: T.transpose(x, (2, 0, 1)),
        lambda x: x.reshape((3, 2)),
        lambda x: T.ravel(x),
        lambda x: T.expand_dims(x, (0, 2)),
        lambda x: T.squeeze(x, 1),
        lambda x: T.broadcast_to(x, (2, 2, 4, 3)),
        lambda x: T.broadcast_to(T.sum(x), (2, 3)),
        lambda x: shape_ops.pick(x, index=1),
        lambda x: shape_ops.stack(x, T.sin(x), x * x, T.sum(x), shape=(2, 2)),
    ],
)
def test_ops_that_move_elements_are_differentiated(function):
    array = np.linspace(-1.7, 2.3, 6).reshape(2, 1, 3)
    check_gradient(function, [array])
    check_gradient(lambda x: T.exp(function(T.sin(x))), [array], order=2)


def test_an_infinite_cotangent_of_a_pick_leaves_the_other_elements_at_zero():
    np.testing.assert_array_equal(
        gradient_value(lambda x: T.sqrt(shape_ops.pick(x, index=0)), [0.0, 1.0])[0], [np.inf, 0]
    )


@pytest.mark.parametrize(
    "shapes",
    [
        ((2, 3), (3, 2)),
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((2, 2, 3), (3, 1)),
        ((2, 1, 1, 2), (3, 2, 1)),
        ((1, 0), (0, 1)),
    ],
)
def test_matmul_is_differentiated_batches_broadcasting(shapes):
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(-1, 1, shape) for shape in shapes]
    check_gradient(T.matmul, arrays)
    check_gradient(T.matmul, arrays, order=2)
