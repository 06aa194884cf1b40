"""Gradients of what is used in parts: right for all overlaps, and without an array of zeros for each part."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.analysis.cost import graph_cost
from graphopt.autodiff import grad
from graphopt.graph import Graph
from graphopt.interpret import interpret

SHAPES = ((7,), (3, 4), (2, 3, 2))


@st.composite
def keys(draw, shape):
    """What stands in x[…]: slices of any step, integers, arrays of integers for the first axis."""
    if draw(st.integers(0, 4)) == 0:
        return (np.array(draw(st.lists(st.integers(0, shape[0] - 1), min_size=1, max_size=3))),)
    key = []
    for size in shape:
        if draw(st.booleans()):
            key.append(draw(st.integers(-size, size - 1)))
        else:
            step = draw(st.sampled_from((1, 1, 1, 2, -1)))
            ends = st.integers(0, size) | st.none()
            key.append(slice(draw(ends), draw(ends), step))
    return tuple(key)


@settings(max_examples=40)
@given(data=st.data(), named=st.booleans(), stabilize=st.booleans())
def test_a_weighted_sum_of_parts_has_the_weights_as_its_gradient(data, named, stabilize):
    shape = data.draw(st.sampled_from(SHAPES))
    chosen = data.draw(st.lists(keys(shape), min_size=1, max_size=8))
    dense = data.draw(st.booleans())
    axes = ", ".join("abc"[k] if named and k != 1 else str(size) for k, size in enumerate(shape))
    x = go.variable("x", f"float64[{axes}]")
    expected = np.full(shape, 5.0 if dense else 0.0)
    cost = T.sum(x * 5.0) if dense else 0.0
    for number, key in enumerate(chosen):
        weights = 1.0 + number + np.arange(np.zeros(shape)[key].size).reshape(np.zeros(shape)[key].shape)
        np.add.at(expected, key, weights)
        cost = cost + (T.sum(x[key] * (1.0 + number + 0 * weights)) + T.sum(x[key] * (weights - 1.0 - number)))
    graph = Graph.from_outputs([x], grad(cost, x, stabilize=stabilize))
    graph.verify()
    np.testing.assert_allclose(interpret(graph, {"x": np.ones(shape)})["output"], expected)


def sizes(outputs, x):
    """Nodes and bytes of a program."""
    graph = Graph.from_outputs([x], outputs)
    return np.array([len(graph), graph_cost(graph).bytes])


USES = {
    "elements": lambda x, n: [x[k] * x[k + 1] for k in range(n)],
    "elements of a matrix": lambda x, n: [T.sin(T.reshape(x, (2, -1))[k % 2, k // 2]) for k in range(n)],
    "rows": lambda x, n: [T.sum(T.reshape(x, (-1, 2))[k] ** 2) for k in range(n // 2)],
    "windows": lambda x, n: [T.prod(x[k : k + 3]) for k in range(n)],
    "counted from the end": lambda x, n: [x[-k - 1] ** 2 for k in range(n)],
    "the diagonal, one by one": lambda x, n: [T.exp(T.outer(x[:n], x[:n])[k, k]) for k in range(n)],
    "positions": lambda x, n: [T.sum(x[np.array([k, 2, 2 * k])] ** 2) for k in range(n // 2)],
    "with steps": lambda x, n: [T.sum(x[k : k + 4 : 3] ** 2) for k in range(n - 2)],
    "with itself whole": lambda x, n: [x[k] ** 2 for k in range(n)] + [T.sum(x**3)],
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_the_gradient_of_many_parts_of_one_vector_grows_as_they_do(use):
    ratios = []
    for n in (12, 36):
        x = go.variable("x", f"float64[{2 * n}]")
        terms = use(x, n)
        cost = sum(terms[1:], terms[0])
        ratios.append(sizes(grad(cost, x), x) / sizes(cost, x))
    assert (ratios[1] <= 1.2 * ratios[0] + 0.5).all()


def test_elements_used_one_by_one_are_one_vector_in_one_kernel():
    x = go.variable("x", "float64[9]")
    cost = T.sin(x[0]) * x[1] + x[3] * x[4] + x[8] ** 2
    lowered = go.lower([x], grad(cost, x))
    assert len(lowered.kernels) == 1
    assert not any(lowered.graph.op(node).name in ("put", "concatenate") for node in lowered.graph.order())


def test_neighbours_of_a_named_length_are_joined_where_one_ends_and_the_other_begins():
    x, n = go.variable("x", "float64[4*n]"), go.dim("n")
    parts = [x[k * n : (k + 1) * n] for k in range(4)]
    gradient = grad(T.sum(parts[0] * parts[1]) + T.sum(T.tanh(parts[2]) * parts[3]), x)
    graph = Graph.from_outputs([x], gradient)
    assert [graph.op(node).name for node in graph.order()].count("put") <= 1


def test_parts_of_an_array_whose_size_is_a_number_by_another_name_have_third_derivatives():
    x, y, w = go.variable("x", "float64[n]"), go.variable("y", "float64[3]"), go.variable("w", "float64[n]")
    cost = x[0] ** 2 * x[1] ** 2 * x[2] ** 2 + T.sum(x * y)  # n is 3
    once = go.grad(cost, x)
    twice = go.grad(T.sum(once * w), x)
    thrice = go.grad(T.sum(twice * w), x)
    given = (np.ones(3), np.array([1.0, 0.0, 0.0]))
    found = go.function([x, w], thrice, target="numpy")(*given)
    np.testing.assert_allclose(found, [0.0, 4.0, 4.0])  # the gradient of 2 y² z²
