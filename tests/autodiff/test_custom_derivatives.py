"""`custom_derivative`: functions whose derivative is what their author says."""

import pickle

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument, MissingInput, NotDifferentiable, TypeMismatch
from graphopt.graph import Graph
from graphopt.interpret import interpret


@go.custom_derivative
def clipped(x, *, limit=1.0):
    """The identity, through which a cotangent comes back within limits."""
    return x


@clipped.pullback
def _clip(g, node):
    limit = node.attributes.get("limit", 1.0)
    return [T.clip(g, -limit, limit)]


@go.custom_derivative
def softplus(x):
    return T.log(1 + T.exp(x))


@softplus.pullback
def _softplus(g, node):
    return [g * T.sigmoid(node.operands[0])]


def value(inputs, output, *arrays):
    graph = Graph.from_outputs(inputs, output)
    graph.verify()
    return next(iter(interpret(graph, dict(zip(graph.inputs, map(np.asarray, arrays), strict=True))).values()))


@pytest.mark.parametrize("stabilize", [True, False])
def test_gradients_are_clipped(stabilize):
    x = T.vector("x")
    cost = T.sum(clipped(x) ** 3) + T.sum(clipped(x, limit=0.5) ** 3)
    slopes = value([x], go.grad(cost, x, stabilize=stabilize), [0.1, 0.5, -5.0])
    np.testing.assert_allclose(slopes, [0.06, 0.75 + 0.5, 1.5])
    assert value([x], cost, [0.1, 0.5, -5.0]) == pytest.approx(2 * (0.001 + 0.125 - 125))


def test_the_rule_is_used_in_place_of_the_formula_and_at_every_order():
    x = T.vector("x")
    cost, at = T.sum(softplus(x) * x), np.array([0.3, -2.0, 30.0])
    s = 1 / (1 + np.exp(-at))
    np.testing.assert_allclose(value([x], go.grad(cost, x), at), s * at + np.log1p(np.exp(at)))
    second = np.diag(2 * s + s * (1 - s) * at)
    np.testing.assert_allclose(value([x], go.hessian(cost, x), at), second, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(value([x], go.hvp(cost, x, np.ones(3)), at), second.sum(1), rtol=1e-9)
    assert value([x], go.grad(T.sum(softplus(x)), x, stabilize=False), [800.0]) == 1  # the formula's is NaN


def test_forward_mode_transposes_a_linear_rule_and_refuses_another():
    x = T.vector("x")
    np.testing.assert_allclose(value([x], go.jvp(softplus(x), x, np.array([2.0])), [0.0]), [1.0])
    with pytest.raises(NotDifferentiable, match=r"not linear in the cotangent.*test_custom_derivatives.py"):
        go.jvp(clipped(x), x, x)


def test_a_pushforward_of_ones_own_is_used_in_forward_mode():
    @go.custom_derivative
    def scaled(x, y):
        return x * y

    @scaled.pushforward
    def _(tangents, node):
        return None if tangents[1] is None else 7 * tangents[1] * node.operands[0] + 0 * node.result

    x, y = T.vectors("x y")
    pushed = go.jvp(scaled(x, y), [x, y], [np.ones(2), np.ones(2)])
    np.testing.assert_array_equal(value([x, y], pushed, [1.0, 2.0], [3.0, 4.0]), [7, 14])
    np.testing.assert_array_equal(value([x], go.jvp(scaled(x, 3.0), x, np.ones(2)), [1.0, 2.0]), [0, 0])
    with pytest.raises(NotDifferentiable, match=r"scaled has no pullback: .*scaled\.pullback"):
        go.grad(T.sum(scaled(x, y)), x)


def test_arguments_of_several_types_have_cotangents_of_their_own_and_integers_none():
    @go.custom_derivative
    def chosen(table, weights, k):
        return T.sum(table[k] * weights)

    @chosen.pullback
    def _(g, node):
        return [T.zeros_like(node.operands[0]) + 5 * g, 3 * g * node.operands[1], None]

    table, weights = go.variable("table", "float64[2, 3]"), go.variable("weights", "float64[3]")
    slopes = go.grad(2 * chosen(table, weights, 1), [table, weights])
    found = [value([table, weights], slope, np.ones((2, 3)), np.arange(3.0)) for slope in slopes]
    np.testing.assert_array_equal(found[0], np.full((2, 3), 10.0))
    np.testing.assert_array_equal(found[1], 6 * np.arange(3.0))


def test_the_op_is_gone_from_what_runs_and_the_function_pickles():
    x = T.vector("x")
    for target in ("numpy", "c"):
        f = go.function([x], [softplus(x), go.grad(T.sum(softplus(x)), x)], target=target)
        assert "with_derivative" not in str(f.graph)
        again = pickle.loads(pickle.dumps(f))
        for found, expected in zip(again([1.0]), f([1.0]), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_equal_applications_are_computed_once_and_others_apart():
    x = T.vector("x")
    one, same, other = clipped(x), clipped(x), clipped(x, limit=2.0)
    assert one.attributes == same.attributes != other.attributes


@pytest.mark.parametrize("through", [lambda y: y, lambda y: y * 2])
def test_a_function_that_uses_another_input_than_its_arguments_is_refused(through):
    x, y = T.vectors("x y")

    @go.custom_derivative
    def leaky(x):
        return x * through(y)

    with pytest.raises(InvalidArgument, match=r"leaky uses <y: .*test_custom_derivatives.py.*make it an argument"):
        leaky(x)


def test_what_is_no_value_of_floats_and_what_is_no_option_is_refused():
    x = T.vector("x")
    with pytest.raises(TypeMismatch, match="expected float32 or float64"):
        go.custom_derivative(lambda v: T.argsort(v))(x)
    with pytest.raises(InvalidArgument, match=r"clipped: its options .* must be hashable"):
        clipped(x, limit=[1.0])
    with pytest.raises(InvalidArgument, match="decorates a function"):
        go.custom_derivative(3)


def test_a_pullback_of_the_wrong_length_or_type_is_refused():
    @go.custom_derivative
    def product(x, y):
        return x * y

    x, y = T.vectors("x y")
    product.pullback(lambda g, node: [g])
    with pytest.raises(TypeMismatch, match="pullback of product returned 1 cotangents for 2 arguments"):
        go.grad(T.sum(product(x, y)), x)
    product.pullback(lambda g, node: [T.sum(g), None])
    with pytest.raises(TypeMismatch, match=r"cotangent of type float64 for an operand of type float64\["):
        go.grad(T.sum(product(x, y)), x)


def test_a_pullback_that_uses_what_it_was_not_given_is_refused():
    x, y = T.vectors("x y")
    leaky = go.custom_derivative(lambda v: v * 2)
    leaky.pullback(lambda g, node: [g * y])
    with pytest.raises(MissingInput, match=r"pullback of .* uses what it was not given.*<y: .*make it an argument"):
        go.grad(T.sum(leaky(x)), x)


def test_options_have_their_defaults_in_the_rule():
    @go.custom_derivative
    def scaled(x, *, by=2):
        return x * by

    scaled.pullback(lambda g, node: [g * node.attributes["by"]])
    x = T.scalar("x")
    assert go.function([x], [go.grad(scaled(x), x), go.grad(scaled(x, by=3), x), x], target="numpy")(1.0) == [2, 3, 1]


def test_custom_derivatives_nest_and_may_differentiate_themselves():
    @go.custom_derivative
    def cube(x):
        return x**3

    # The rule is the formula's derivative, found by grad and not by hand: of the inner one, twice what it is.
    cube.pullback(lambda g, node: [g * 2 * go.grad(node.operands[0] ** 3, node.operands[0])])

    @go.custom_derivative
    def outer(x):
        return go.grad(cube(x), x) + x

    outer.pullback(lambda g, node: [g * 10])
    x = T.scalar("x")
    results = [go.grad(cube(x), x), go.grad(go.grad(cube(x), x), x), outer(x), go.grad(outer(x) * x, x)]
    found = go.function([x], results, target="numpy")(0.5)
    np.testing.assert_allclose(found, [6 * 0.25, 12 * 0.5, 6 * 0.25 + 0.5, 10 * 0.5 + 2.0])
