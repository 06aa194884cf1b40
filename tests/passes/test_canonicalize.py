"""The canonical form: before and after, as text."""

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.ops import shape as ops
from graphopt.rewrite import Pipeline

X = go.variable("x", "float64[n, m]")
v, w = T.vectors("v w")
s = T.scalar("s")
I = go.variable("i", "int32[n]")
UNIT = go.variable("u", "float64[1, n, 1]")

ARITHMETIC = {
    "double negation": (T.negative(-v), []),
    "times minus one": (v * -1, ["negative"]),
    "minus one times": (-1 * v, ["negative"]),
    "plus negative": (v + (-w), ["subtract"]),
    "negative plus": ((-v) + w, ["subtract"]),
    "minus negative": (v - (-w), ["add"]),
    "negative times": ((-v) * w, ["multiply", "negative"]),
    "both negative": ((-v) * (-w), ["multiply"]),
    "negative over": ((-v) / w, ["divide", "negative"]),
    "over negative": (v / (-w), ["divide", "negative"]),
    "times one": (v * 1, []),
    "one times": (1 * v, []),
    "over one": (v / 1, []),
    "to the one": (v**1, []),
    "plus -0": (v + (-0.0), []),
    "minus 0": (v - 0.0, []),
    "plus 0 stays": (v + 0.0, ["add"]),
    "minus -0 stays": (v - (-0.0), ["subtract"]),
    "integer plus 0": (I + 0, []),
    "times reciprocal": (v * (1 / w), ["divide"]),
    "times power -1": (v * w**-1, ["divide"]),
    "times itself": (v * v, ["square"]),
    "square": (v**2, ["square"]),
    "integer square": (I**2, ["square"]),
    "cube": (v**3, ["square", "multiply"]),
    "fourth power": (v**4, ["square", "square"]),
    "power -2": (v**-2, ["divide", "square"]),
    "half power stays": (v**0.5, ["power"]),
    "plus negative constant": (v + (-3), ["subtract"]),
    "x - x stays": (v - v, ["subtract"]),
    "0 - x stays": (0.0 - v, ["subtract"]),
    "-(x - y) stays": (-(v - w), ["subtract", "negative"]),
    "absolute of negative": (T.abs(-v), ["absolute"]),
    "same branches": (T.where(v > w, v, v), []),
    "maximum of one": (T.maximum(v, v), []),
}  # fmt: skip


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_has_one_form(name, rewriting):
    expression, expected = ARITHMETIC[name]
    assert rewriting.ops([v, w, I], expression, "canonicalize") == expected


VIEWS = {
    "transpose twice": (X.T.T, []),
    "three transposes": (X.T.T.T, ["transpose"]),
    "reshape twice": (X.reshape((-1,)).reshape(X.shape), []),
    "reshape inserts an axis": (v.reshape((-1, 1)), ["expand_dims"]),
    "reshape drops axes": (UNIT.reshape((-1,)), ["squeeze"]),
    "reshape moves an axis of length 1": (v.reshape((1, -1)).reshape((-1, 1)), ["expand_dims"]),
    "transpose of a row": (T.expand_dims(v, 0).T, ["expand_dims"]),
    "expand twice": (T.expand_dims(T.expand_dims(v, 0), 2), ["expand_dims"]),
    "squeeze of expand": (T.squeeze(T.expand_dims(v, 0), 0), []),
    "expand of squeeze": (T.expand_dims(T.squeeze(UNIT, 0), 0), []),
    "broadcast to the same": (T.broadcast_to(X, X.shape), []),
    "exp of transpose": (T.exp(X.T), ["exp", "transpose"]),
    "sum of two transposes": (X.T + T.exp(X.T), ["exp", "add", "transpose"]),
    "exp of broadcast": (T.exp(T.broadcast_to(s, (4,))), ["exp", "broadcast_to"]),
    "reshape of exp": (T.exp(X).reshape((-1,)), ["reshape", "exp"]),
    "cast there and back": (I.astype("float64").astype("int32"), []),
    "cast through a narrow type stays": (v.astype("float32").astype("float64"), ["cast", "cast"]),
    "one-element operand": (X + T.expand_dims(s, (0, 1)), ["add"]),
}  # fmt: skip


@pytest.mark.parametrize("name", VIEWS)
def test_chains_of_views_have_one_form(name, rewriting):
    expression, expected = VIEWS[name]
    assert rewriting.ops([X, v, s, I, UNIT], expression, "canonicalize") == expected


REDUCTIONS = {
    "sum of sum": (T.sum(T.sum(X, axis=1), axis=0), ["sum"]),
    "sum of kept sum": (T.sum(T.sum(X, axis=1, keepdims=True), axis=0, keepdims=True), ["sum", "expand_dims"]),
    "max of max": (T.max(T.max(X, axis=0)), ["max"]),
    "sum of transpose": (T.sum(X.T, axis=0), ["sum"]),
    "sum of reshape": (T.sum(X.reshape((-1,))), ["sum"]),
    "sum over one": (T.sum(UNIT, axis=(0, 2)), ["squeeze"]),
    "sum over one and more": (T.sum(UNIT), ["squeeze", "sum"]),
    "sum of expanded": (T.sum(T.expand_dims(X, 1), axis=(0, 1)), ["sum"]),
    "softmax of transpose": (T.softmax(X.T, axis=0), ["softmax", "transpose"]),
}  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_have_one_form(name, rewriting):
    expression, expected = REDUCTIONS[name]
    assert rewriting.ops([X, UNIT], expression, "canonicalize") == expected


def test_operands_get_the_rank_of_the_result(rewriting):
    after = rewriting.parsed(
        """
        %0 = input("x"): float64[n, m]
        %1 = input("v"): float64[m]
        %2 = add(%1, %0): float64[n, m]
        output "y" = %2
        """,
        "canonicalize",
    )
    assert after == (
        '%0 = input("x"): float64[n, m]\n'
        '%1 = input("v"): float64[m]\n'
        "%2 = expand_dims(%1, axis=(0,)): float64[1, m]\n"
        "%3 = add(%2, %0): float64[n, m]\n"
        'output "y" = %3\n'
    )


def test_a_broadcast_constant_is_a_scalar_where_it_meets_an_op(rewriting):
    after = rewriting.parsed(
        """
        %0 = input("x"): float32[m]
        %1 = constant(value=2.0): float32[n, m]
        %2 = multiply(%1, %0): float32[n, m]
        output "y" = %2
        """,
        "canonicalize",
    )
    assert after == (
        '%0 = input("x"): float32[m]\n'
        "%1 = constant(value=2.0): float32\n"
        "%2 = multiply(%0, %1): float32[m]\n"
        "%3 = expand_dims(%2, axis=(0,)): float32[1, m]\n"
        "%4 = broadcast_to(%3, shape=(n, m)): float32[n, m]\n"
        'output "y" = %4\n'
    )


def test_the_gradient_of_a_sum_is_not_broadcast_before_it_is_used(rewriting):
    g = T.broadcast_to(T.expand_dims(T.sum(X, axis=1), 1), X.shape)
    assert rewriting.ops([X], g * T.exp(X), "canonicalize") == ["sum", "expand_dims", "exp", "multiply"]


def test_held_values_are_not_seen_through(rewriting):
    from graphopt.ops.leaves import barrier

    assert rewriting.ops([v], -barrier(-v), "canonicalize") == ["negative", "barrier", "negative"]


def test_the_canonical_form_of_a_canonical_form_is_itself():
    for table in (ARITHMETIC, VIEWS, REDUCTIONS):
        for name, (expression, _) in table.items():
            graph = Graph.from_outputs([X, v, w, s, I, UNIT], expression)
            Pipeline.parse("canonicalize").run(graph)
            assert len(Pipeline.parse("canonicalize").run(graph)) == 0, name


@pytest.mark.parametrize("axes", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
@pytest.mark.parametrize("inserted", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)])
def test_views_in_any_order_keep_the_values(axes, inserted):
    rank = 3 - len(inserted)
    x = go.variable("x", f"float64[{', '.join('abc'[:rank])}]")
    y = go.variable("y", "float64[c, d]")
    moved = ops.transpose(ops.expand_dims(x, axis=inserted), axes=axes)
    results = [moved, T.exp(moved), T.sum(moved, axis=1), T.squeeze(moved), moved + moved, T.sum(moved) + T.sum(y)]
    graph = Graph.from_outputs([x, y], results)
    arguments = {"x": np.random.default_rng(1).normal(size=(2, 3)[:rank]), "y": np.ones((4, 5))}
    expected = interpret(graph, arguments)
    Pipeline.parse("canonicalize,cse").run(graph, verify=True)
    for name, value in interpret(graph, arguments).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-14)
