"""The passes that do the same with less: before and after, and nothing computed twice or undone."""

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.rewrite import Pipeline, available_passes
from graphopt.rewrite.pipeline import NAMED

X = go.variable("x", "float64[n, m]")
Y = go.variable("y", "float64[m, k]")
F = go.variable("f", "float64[3, 4]")
v, w = T.vectors("v w")
i = T.ivector("i")
c = go.variable("c", "bool[v_0]")
INPUTS = [X, Y, F, v, w, i, c]

ALGEBRA = {
    "constants added": ((v + 1.0) + 2.0, ["add"]),
    "constants subtracted": ((v - 1.0) - 2.0, ["subtract"]),
    "constants cancel": ((v - 1.0) + 3.0 - 2.0, ["add"]),
    "constants minus": (1.0 - (v + 2.0), ["subtract"]),
    "constants multiplied": ((v * 2.0) * 3.0 / 4.0, ["multiply"]),
    "constants divided": (6.0 / (v * 3.0), ["divide"]),
    "integers stay": ((i + 1) + 2, ["add", "add"]),
    "infinite constants stay": ((v + np.inf) + 1.0, ["add", "add"]),
    "overflowing constants stay": ((v * 1e300) * 1e300, ["multiply", "multiply"]),
    "fifth power": (v**5, ["square", "square", "multiply"]),
    "sixteenth power": (v**16, ["square"] * 4),
    "high power stays": (v**17, ["power"]),
    "broken power stays": (v**2.5, ["power"]),
    "sine of minus": (T.sin(-v) + v, ["sin", "subtract"]),
    "cosine of minus": (T.cos(-v), ["cos"]),
    "constant factor": (T.sum(F * 2.0, axis=0), ["sum", "multiply"]),
    "scalar factor": (T.sum(F * T.sum(v), axis=0), ["sum", "sum", "multiply"]),
    "scalar factor of what may be empty": (T.sum(X * T.sum(v), axis=0), ["sum", "multiply", "sum"]),
    "matrix product": (T.sum(T.expand_dims(X, 2) * T.expand_dims(Y, 0), axis=1), ["matmul"]),
    "matrix product, swapped": (T.sum(T.expand_dims(Y, 0) * T.expand_dims(X, 2), axis=1), ["matmul"]),
    "matrix product of a transpose": (
        T.sum(T.expand_dims(X, 1) * T.expand_dims(X, 2), axis=0), ["transpose", "matmul"]
    ),
    "times ones": (T.matmul(F, T.ones((4, 2))), ["sum", "expand_dims", "broadcast_to"]),
}  # fmt: skip


@pytest.mark.parametrize("name", ALGEBRA)
def test_algebra_does_the_same_with_less(name, rewriting):
    expression, ops = ALGEBRA[name]
    found = rewriting.ops(INPUTS, expression, "canonicalize,cse,fix{algebra,cse,canonicalize;max=9}")
    assert sorted(found) == sorted(ops)


@pytest.mark.parametrize("first", [0, 1, 2])
@pytest.mark.parametrize("second", [0, 1, 2])
@pytest.mark.parametrize("summed", [0, 1, 2])
def test_a_sum_of_broadcast_products_is_a_matrix_product_whatever_the_axes(first, second, summed):
    x, y = go.variable("x", "float64[2, 2]"), go.variable("y", "float64[2, 2]")
    expression = T.sum(T.expand_dims(x, first) * T.expand_dims(y, second), axis=summed)
    graph = Graph.from_outputs([x, y], expression)
    arguments = {"x": np.arange(4.0).reshape(2, 2), "y": np.array([[5.0, 7.0], [11.0, 13.0]])}
    expected = interpret(graph, arguments)["output"]
    Pipeline.parse("canonicalize,cse,fix{algebra,cse,canonicalize;max=9}").run(graph, verify=True)
    assert any(graph.op(n).name == "matmul" for n in graph) == (len({first, second, summed}) == 3)
    np.testing.assert_array_equal(interpret(graph, arguments)["output"], expected)


def test_a_factor_stretched_along_the_summed_axis_makes_no_matrix_product():
    x, y = go.variable("x", "float64[2, 1]"), go.variable("y", "float64[3, 2]")
    graph = Graph.from_outputs([x, y], T.sum(T.expand_dims(x, 2) * T.expand_dims(y, 0), axis=1))
    Pipeline.parse("canonicalize,cse,fix{algebra,cse,canonicalize;max=9}").run(graph, verify=True)
    assert all(graph.op(n).name != "matmul" for n in graph)


CANONICAL = {
    "decided": (T.where(T.constant(True), v, w), []),
    "negated condition": (T.where(T.logical_not(c), v, w), ["where"]),
    "same condition twice": (T.where(c, T.where(c, v, w), w), ["where"]),
    "an integer is not less than itself": (i < i, []),
    "a float may be unequal to itself": (T.eq(v, v), ["equal"]),
    "not less, integers": (T.logical_not(i < 3), ["greater_equal"]),
    "not less, floats": (T.logical_not(v < 3), ["less", "logical_not"]),
    "not equal, floats": (T.logical_not(T.eq(v, w)), ["not_equal"]),
    "sum of minus": (T.sum(-v), ["sum", "negative"]),
    "maximum of minus": (T.max(-F, axis=0), ["min", "negative"]),
    "any of not": (T.any(T.logical_not(c)), ["all", "logical_not"]),
    "sum of a broadcast": (T.sum(T.broadcast_to(T.expand_dims(v, 0), (5, v.shape[0])), axis=0), ["multiply"]),
    "sum of ones": (T.sum(T.ones_like(X)), []),
    "maximum of a broadcast": (T.max(T.broadcast_to(T.sum(v), (3, 4))), ["sum"]),
    "transposed product": (T.transpose(T.matmul(Y.T, X.T)), ["matmul"]),
}


@pytest.mark.parametrize("name", CANONICAL)
def test_the_canonical_form_of_selections_reductions_and_products(name, rewriting):
    expression, ops = CANONICAL[name]
    assert rewriting.ops(INPUTS, expression, "canonicalize") == ops


CANCELLED = {
    "factor": ((v * w) / w, []),
    "divisor": ((v / w) * w, []),
    "common factor": (v * w + v * 3.0, ["add", "multiply"]),
    "term": ((v + w) - w, []),
    "itself": ((v - v) + (w / w), []),
    "logarithms": (T.log(v) + T.log(w), ["multiply", "log"]),
}


@pytest.mark.parametrize("name", CANCELLED)
def test_cancelling_holds_over_the_reals(name, rewriting):
    expression, ops = CANCELLED[name]
    assert sorted(rewriting.ops([v, w], expression, "canonicalize,cse,fix{cancel,cse,canonicalize}")) == sorted(ops)


def test_no_named_pipeline_reorders_or_cancels_unasked():
    assert {"algebra", "cancel"} <= set(available_passes())
    assert not any("algebra" in text or "cancel" in text for text in NAMED.values())


def test_a_matrix_stretched_along_the_summed_axis_is_no_factor_of_a_matrix_product(rewriting):
    left, right = go.variable("l", "float64[2, 2]"), go.variable("r", "float64[1, 3]")
    total = T.sum(T.expand_dims(left, 2) * T.expand_dims(right, 0), axis=1)
    assert "matmul" not in rewriting.ops([left, right], total, "canonicalize,algebra")
