"""One element of every row is read and written in the loops of the row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.graph import Graph
from graphopt.passes.choices import Choices
from graphopt.rewrite import Pipeline
from graphopt.testing import verify_pass

n, m = go.dim("n"), go.dim("m")
x = go.variable("x", "float64[n, m]")
c = go.variable("c", "int64[n]")


def cross_entropy(x, c):
    return -T.mean(T.take_along_axis(T.log_softmax(x, axis=1), c[:, None], axis=1))


def ops(outputs, pipeline="default"):
    """The names of the ops of a program after a pipeline."""
    graph = go.lower([x, c], outputs, pipeline=pipeline).graph
    return [graph.op(node).name for node in graph.order()]


def test_the_gradient_of_a_cross_entropy_is_one_kernel_of_rows_and_sums_over_them():
    cost = cross_entropy(x, c)
    f = go.function([x, c], [cost, go.grad(cost, x)])
    assert [kernel.form for kernel in f.kernels].count("rows") == 1
    assert not {"scatter"} & set(ops([cost, go.grad(cost, x)]))
    large = [b for b in f.program.buffers.values() if b.role == "temporary" and {n, m} <= set(b.type.shape)]
    assert not large


@given(st.integers(1, 7), st.integers(1, 9), st.integers(0, 10**6))
def test_values_and_gradients_are_those_of_the_unrewritten_program(rows, columns, seed):
    generator = np.random.default_rng(seed)
    values, classes = generator.normal(size=(rows, columns)), generator.integers(-columns, columns, rows)
    cost = cross_entropy(x, c)
    outputs = [cost, go.grad(cost, x)]
    after = go.function([x, c], outputs, target="numpy")(values, classes)
    before = go.function([x, c], outputs, target="numpy", pipeline="lower")(values, classes)
    for found, expected in zip(after, before, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)


def test_a_gather_of_something_large_and_computed_computes_the_few_elements():
    i = go.variable("i", "int64[k]")
    graph = Graph.from_outputs([x, i], [T.exp(x[:, 0] * 2)[i[:3]]])
    Pipeline([Choices()]).run(graph)
    assert [str(graph.type(node)) for node in graph.order() if graph.op(node).name == "exp"] == ["float64[n]"]


def test_what_is_scattered_several_times_to_a_row_is_left_alone():
    several = go.variable("several", "int64[n, 2]")
    cost = T.sum(T.square(T.take_along_axis(x, several, axis=1)))
    graph = go.lower([x, several], go.grad(cost, x)).graph
    assert "scatter" in [graph.op(node).name for node in graph.order()]


@pytest.mark.parametrize("columns", [1, 5])
def test_c_and_interpreter_agree_on_an_index_of_each_row(columns):
    generator = np.random.default_rng(columns)
    values, classes = generator.normal(size=(6, columns)), generator.integers(0, columns, 6)
    taken = T.take_along_axis(T.exp(x) * 2, c[:, None], axis=1)
    outputs = [taken, go.grad(T.sum(T.square(taken)), x)]
    for found, expected in zip(
        go.function([x, c], outputs)(values, classes),
        go.function([x, c], outputs, target="numpy", pipeline="lower")(values, classes),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_the_pass_holds_what_it_promises():
    verify_pass(Choices())
