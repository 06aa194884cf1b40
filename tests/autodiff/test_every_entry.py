"""What may be asked of `grad` may be asked of all six: intermediate, shared, repeated variables, constants, itself."""

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import DisconnectedInput, InvalidArgument, ShapeMismatch, TypeMismatch
from graphopt.graph import Graph
from graphopt.interpret import interpret

X, V, Y = (go.variable(name, "float64[3]") for name in "xvy")
I = go.variable("i", "int64[3]")
AT = {"x": np.array([0.3, -1.0, 2.0]), "v": np.array([1.0, 2.0, -1.0]), "y": np.ones(3), "i": np.arange(3)}
W = go.shared(AT["x"].copy(), name="w")

ENTRIES = {
    "grad": lambda y, x, **options: go.grad(T.sum(y), x, **options),
    "vjp": lambda y, x, **options: go.vjp(y, x, V, **options),
    "jvp": lambda y, x, **options: go.jvp(y, x, V, **options),
    "jacobian": lambda y, x, **options: go.jacobian(y, x, **options),
    "hessian": lambda y, x, **options: go.hessian(T.sum(y), x, **options),
    "hvp": lambda y, x, **options: go.hvp(T.sum(y), x, V, **options),
}
"""Each applied to an array of which a slope is asked."""


def diagonal(name, first, second):
    """What an entry gives for an elementwise function with these derivatives."""
    v = AT["v"]
    given = {"grad": first, "vjp": first * v, "jvp": first * v, "jacobian": np.diag(first)}
    return (given | {"hessian": np.diag(second), "hvp": second * v})[name]


def value(result):
    inputs = [X, V, Y, I]
    graph = Graph.from_outputs([*inputs, W], {"result": result})
    return interpret(graph, AT | {"w": AT["x"]})["result"]


@pytest.mark.parametrize("name", ENTRIES)
def test_variables_of_all_kinds_can_be_asked_for(name):
    hidden, constant = T.sin(X), T.constant(AT["x"])
    entry, x, s = ENTRIES[name], AT["x"], np.sin(AT["x"])
    np.testing.assert_allclose(value(entry(hidden**3, hidden)), diagonal(name, 3 * s**2, 6 * s))
    np.testing.assert_allclose(value(entry(W**3, W)), diagonal(name, 3 * x**2, 6 * x))
    np.testing.assert_allclose(value(entry(constant**3, constant)), diagonal(name, 3 * x**2, 6 * x))
    np.testing.assert_allclose(value(entry(hidden, hidden)), diagonal(name, np.ones(3), np.zeros(3)))
    stopped = entry(T.stop_gradient(hidden) * X**2, X)
    np.testing.assert_allclose(value(stopped), diagonal(name, 2 * x * s, 2 * s))


@pytest.mark.parametrize("name", ["grad", "vjp", "jacobian", "hessian"])
def test_a_variable_that_is_named_twice_is_answered_twice(name):
    found = ENTRIES[name](T.exp(X), [X, X])
    flat = [each for row in found for each in (row if isinstance(row, list) else [row])]
    alone = ENTRIES[name](T.exp(X), X)
    assert len(flat) == (4 if name == "hessian" else 2)
    for each in flat:
        np.testing.assert_array_equal(value(each), value(alone))


@pytest.mark.parametrize("name", ENTRIES)
def test_integers_and_what_is_not_connected_are_refused_with_the_line(name):
    entry = ENTRIES[name]
    with pytest.raises(TypeMismatch, match=r"<i: int64\[3\]>, made at .*test_every_entry.py:\d+.*cast it first"):
        entry(X * 2, I)
    with pytest.raises(DisconnectedInput, match=r"not depend on <y: .*test_every_entry.py:\d+.*'ignore'"):
        entry(X * 2, Y)
    with pytest.raises(InvalidArgument, match="'raise', 'warn' or 'ignore'"):
        entry(X * 2, X, disconnected_inputs="zero")
    assert not np.any(value(entry(X * 2, Y, disconnected_inputs="ignore")))
    with pytest.warns(UserWarning, match="not depend on <y"):
        entry(X * 2, Y, disconnected_inputs="warn")


@pytest.mark.parametrize("name", ["grad", "vjp", "jvp"])
def test_what_is_considered_constant_is_for_each_mode(name):
    hidden = T.sin(X)
    found = value(ENTRIES[name](hidden * X, X, consider_constant=[hidden]))
    np.testing.assert_allclose(found, diagonal(name, np.sin(AT["x"]), np.zeros(3)))


def test_directions_are_as_many_as_variables_and_costs_are_scalars():
    with pytest.raises(InvalidArgument, match="hvp needs one direction for each of x: found 2 for 1"):
        go.hvp(T.sum(X), [X], [V, V])
    for entry in (go.hessian, lambda y, x: go.hvp(y, x, V)):
        with pytest.raises(ShapeMismatch, match=r"must be a scalar.*test_every_entry.py.*T.sum"):
            entry(X * 2, X)
