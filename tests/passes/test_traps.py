"""Mistakes that other graph optimizers made, each with the program that showed it."""

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.rewrite import Pipeline

PIPELINES = ("default", "fast")
X = go.variable("x", "float64[n, m]")
v, w = T.vectors("v w")


def run(inputs, expression, arguments, pipeline="default"):
    graph = Graph.from_outputs(inputs, expression)
    Pipeline.named(pipeline).run(graph, verify=True)
    with np.errstate(all="ignore"):
        return next(iter(interpret(graph, arguments).values()))


def elementwise_elements(pipeline, expression, sizes):
    """How many elements the elementwise ops of an optimized graph compute altogether."""
    graph = Graph.from_outputs([X, v, w], expression)
    Pipeline.parse(pipeline).run(graph)
    total = 0
    for node in graph.order():
        if "elementwise" in graph.op(node).traits:
            total += int(np.prod([sizes.get(str(size), size) for size in graph.type(node).shape]))
    return total


def test_gathering_constants_does_not_compute_on_more_elements():
    expression = (X * 2.0) * T.expand_dims(v * 3.0, 0)
    sizes = {"n": 100, "m": 10, "v_0": 10, "w_0": 10}
    before = elementwise_elements("canonicalize", expression, sizes)
    assert elementwise_elements("fix{algebra,canonicalize}", expression, sizes) <= before


@pytest.mark.parametrize("pipeline", ["canonicalize,cse", "fix{algebra,canonicalize,cse}"])
def test_a_small_operand_is_combined_before_it_is_broadcast(pipeline):
    expression = X + (T.expand_dims(v, 0) + T.expand_dims(w, 0))
    graph = Graph.from_outputs([X, v, w], expression)
    Pipeline.parse(pipeline).run(graph, verify=True)
    ranks = [graph.type(node).ndim for node in graph.order() if graph.op(node).name == "add"]
    assert sorted(ranks) == [1, 2]


@pytest.mark.parametrize("minus", [lambda x: -x, lambda x: -1 * x, lambda x: x * -1.0, lambda x: x / -1])
def test_minus_x_is_seen_however_it_is_written(minus, rewriting):
    assert rewriting.ops([v], 1 / (1 + T.exp(minus(v)))) == ["sigmoid"]
    assert rewriting.ops([v], T.log(1 + minus(v))) == ["negative", "log1p"]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_two_infinitely_improbable_events_have_no_nan(pipeline):
    minus_infinity = np.array([-np.inf, -np.inf, 0.0])
    pair = {"v": minus_infinity, "w": np.array([-np.inf, 0.0, 0.0])}
    found = run([v, w], T.log(T.exp(v) + T.exp(w)), pair, pipeline)
    np.testing.assert_array_equal(found[:2], [-np.inf, 0.0])
    rows = {"x": np.full((1, 2), -np.inf)}
    np.testing.assert_array_equal(run([X], T.log(T.sum(T.exp(X), axis=1)), rows, pipeline), [-np.inf])


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_an_integer_literal_keeps_the_precision_of_what_it_meets(pipeline):
    k = go.variable("k", "int64[n]")
    found = run([k], T.log(k / 2), {"k": np.array([3])}, pipeline)
    assert found.dtype == np.float64 and abs(found[0] - np.log(1.5)) < 1e-16
    narrow = go.variable("k", "float32[n]")
    found = run([narrow], T.log(narrow / 2), {"k": np.array([3], np.float32)}, pipeline)
    assert found.dtype == np.float32 and found[0] == np.log(np.float32(1.5))


@pytest.mark.parametrize("number", [800.0, -800.0, 1e-18])
def test_constants_are_stabilized_before_they_are_folded(number):
    x = T.constant(number)
    unused = {"v": np.zeros(1)}
    found = run([v], T.log(1 + T.exp(x)) + 0 * v, unused)
    assert found == pytest.approx(np.logaddexp(0, number), rel=1e-15)
    if abs(number) < 1:
        assert run([v], T.log(1 + x) + 0 * v, unused) == pytest.approx(number, rel=1e-15)


SEEN_THROUGH = {
    "transpose": (lambda x: T.log(T.transpose(T.exp(x) / T.sum(T.exp(x), axis=1, keepdims=True))), "log_softmax"),
    "reshape of the result": (lambda x: T.log(T.softmax(x, axis=1).reshape((-1,))), "log_softmax"),
    "reshape of a sum": (lambda x: T.log(T.sum(T.exp(x), axis=0).reshape((-1, 2))), "logsumexp"),
    "new axis": (lambda x: T.log(T.expand_dims(T.softmax(x, axis=1), 1)), "log_softmax"),
    "dropped axis": (lambda x: T.log(T.squeeze(T.softmax(T.expand_dims(x, 0), axis=2), 0)), "log_softmax"),
    "reshape of the operand": (lambda x: T.log(T.softmax(x.reshape((-1, 2, 2)), axis=2)), "log_softmax"),
}


@pytest.mark.parametrize("name", SEEN_THROUGH)
def test_a_view_does_not_hide_a_formula(name, rewriting):
    build, op = SEEN_THROUGH[name]
    x = go.variable("x", "float64[3, 4]")
    ops = rewriting.ops([x], build(x))
    assert op in ops and "log" not in ops and "exp" not in ops


GRADIENTS = {
    "log of softmax": lambda x: T.sum(T.log(T.exp(x) / T.sum(T.exp(x))) * 2),
    "log of sigmoid": lambda x: T.sum(T.log(1 / (1 + T.exp(-x)))),
    "softplus": lambda x: T.sum(T.log(1 + T.exp(x))),
    "log of sum": lambda x: T.log(T.sum(T.exp(x))),
    "log of erfc": lambda x: T.sum(T.log(T.erfc(x))),
    "root of square": lambda x: T.sum(T.sqrt(T.square(x))),
    "norm": lambda x: T.sqrt(T.sum(T.square(x * 1e200))),
    "log of cosh": lambda x: T.sum(T.log(T.cosh(x))),
    "root of a sum": lambda x: T.sum(T.sqrt(x * x + 1) - 1),
    "hypotenuse and leg": lambda x: T.sum(T.sqrt(x * x + T.square(1 + x * 1e-9)) + x),
    "x minus sine": lambda x: T.sum(x - T.sin(x)),
    "slope of tanh": lambda x: T.sum(1 - T.tanh(x) ** 2),
    "beta function": lambda x: T.sum(T.gamma(x * x) * T.gamma(T.abs(x)) / T.gamma(x * x + T.abs(x))),
    "log of product": lambda x: T.log(T.prod(T.square(x))),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_what_is_stable_forward_has_a_gradient(name):
    slope = go.grad(GRADIENTS[name](v), v)
    found = run([v], slope, {"v": np.array([-1000.0, -1.0, 1.0, 40.0, 1000.0])})
    assert np.isfinite(found).all()


WHOLE = {
    "log of e^x + e^-x": (T.log(T.exp(v) + T.exp(-v)), "logaddexp"),
    "log of e^x - e^-x": (T.log(T.exp(v) - T.exp(-v)), "log1mexp"),
    "tanh of exponentials": ((T.exp(v) - T.exp(-v)) / (T.exp(v) + T.exp(-v)), "tanh"),
    "log of 1 - x^2": (T.log(1 - v * v), "log1p"),
    "inverse hyperbolic sine": (T.log(v + T.sqrt(1 + v * v)), "arcsinh"),
    "inverse hyperbolic cosine": (T.log(v + T.sqrt(v * v - 1)), "arccosh"),
    "compound interest": ((1 + v) ** w - 1, "expm1"),
    "1 - cos over sin": ((1 - T.cos(v)) / T.sin(v), "tan"),
    "1 - root of 1 - x^2": (1 - T.sqrt(1 - v * v), "divide"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_part_that_is_stabilized_does_not_hide_the_whole(name, rewriting):
    expression, op = WHOLE[name]
    assert op in rewriting.ops([v, w], expression)


def test_the_sigmoid_of_a_logit_is_seen_before_the_logit(rewriting):
    assert "log" not in rewriting.ops([v], T.sigmoid(T.log(v / (1 - v))))


def test_compound_interest_is_right_for_a_tiny_rate():
    rate, years = np.array([1e-18, 1e-9, 0.5]), np.array([3.0, 100.0, 2.0])
    found = run([v, w], (1 + v) ** w - 1, {"v": rate, "w": years})
    np.testing.assert_allclose(found, np.expm1(years * np.log1p(rate)), rtol=1e-15)


def test_a_tanh_that_its_derivative_needs_is_not_computed_again(rewriting):
    y = T.tanh(v)
    assert rewriting.ops([v], (1 - y) * (1 + y) + y).count("tanh") == 1
    assert "tanh" not in rewriting.ops([v], 0.5 * v * (1 + T.tanh(v)))


MASKED = {
    "square root": (lambda x: T.where(x > 0, T.sqrt(x), 0), lambda x: np.where(x > 0, 0.5 / np.sqrt(np.abs(x)), 0)),
    "logarithm": (lambda x: T.where(x > 0, T.log(x), 0), lambda x: np.where(x > 0, 1 / np.where(x, x, 1), 0)),
    "reciprocal": (lambda x: T.where(T.eq(x, 0), 0, 1 / x), lambda x: np.where(x == 0, 0, -1 / np.where(x, x, 1) ** 2)),
}


@pytest.mark.parametrize("name", MASKED)
def test_the_branch_that_is_not_taken_gives_no_nan_to_the_gradient(name):
    build, expected = MASKED[name]
    points = np.array([-2.0, 0.0, 0.25, 4.0])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(run([v], go.grad(T.sum(build(v)), v), {"v": points}), expected(points), rtol=1e-14)


@pytest.mark.parametrize("dtype, bound", [("float64", 1e-15), ("float32", 1e-6)])
def test_log_erfc_is_right_where_erfc_underflows(dtype, bound):
    from scipy import special

    x = go.variable("x", f"{dtype}[n]")
    points = np.array([-5.0, 0.5, 8.9, 9.1, 10.5, 25.9, 26.1, 27.0, 30.0, 1e3, 1e15], dtype)
    wide = points.astype(np.float64)
    expected = np.log(special.erfcx(np.abs(wide))) - wide**2
    expected[0] = np.log(special.erfc(-5.0))
    np.testing.assert_allclose(run([x], T.log(T.erfc(x)), {"x": points}), expected, rtol=bound)
    slopes = run([x], go.grad(T.sum(T.log(T.erfc(x))), x), {"x": points[:-1]})
    exact = -2 / np.sqrt(np.pi) / special.erfcx(wide[:-1])
    np.testing.assert_allclose(slopes, exact, rtol=400 * bound)
