"""`grad` and `vjp` as users call them: what may be asked for, what comes back, and what is refused."""

import warnings

import numpy as np
import pytest
from gradient_support import plain_grad

import graphopt.tensor as T
from graphopt.autodiff import grad, vjp
from graphopt.errors import DisconnectedInput, InvalidArgument, NotDifferentiable, ShapeMismatch, TypeMismatch
from graphopt.graph import Graph
from graphopt.graph.build import topological
from graphopt.interpret import interpret
from graphopt.op import Op
from graphopt.ops.leaves import barrier
from graphopt.variable import Variable, variable

NO_SLOPE = Op("no_slope", 1, lambda types, attributes, unify: types[0], np.cosh, traits=frozenset({"elementwise"}))


def value(inputs, output, *arrays):
    graph = Graph.from_outputs(inputs, output)
    graph.verify()
    found = list(interpret(graph, dict(zip(graph.inputs, map(np.asarray, arrays), strict=True))).values())
    return found[0] if isinstance(output, Variable) else found


# --- what comes back ---------------------------------------------------------------------------------------------


def test_one_variable_gives_one_gradient_and_a_list_gives_a_list():
    x, y = T.vectors("x y")
    cost = T.sum(x * y)
    assert isinstance(plain_grad(cost, x), Variable)
    assert [g.type for g in plain_grad(cost, [x, y])] == [x.type, y.type]
    assert [g.type for g in plain_grad(cost, (x,))] == [x.type]
    assert plain_grad(cost, []) == []


def test_gradients_are_built_on_the_users_own_variables():
    x, w = T.matrix("x"), variable("w", "float64[k, 3]")
    gradient = plain_grad(T.sum(T.tanh(x @ w)), w)
    inputs = [v for v in topological([gradient]) if v.op.name == "input"]
    assert {id(v) for v in inputs} == {id(x), id(w)}
    assert gradient.type == w.type


@pytest.mark.parametrize("stabilize", [True, False])
def test_no_barrier_is_left_in_a_gradient(stabilize):
    x = T.vector("x")
    h = T.exp(x)
    for gradient in grad(T.sum(h * h), [x, h], stabilize=stabilize):
        assert all(v.op is not barrier for v in topological([gradient]))


def test_gradients_of_a_sum_of_two_inputs_can_each_be_called_alone():
    x, y = T.vectors("x y")  # one length under two names
    for v, gradient in zip((x, y), plain_grad(T.sum(x + y), [x, y]), strict=True):
        assert gradient.type == v.type
        np.testing.assert_array_equal(value([v], gradient, np.zeros(3)), np.ones(3))


def test_names_and_lines_of_the_users_program_are_kept():
    x = T.vector("x")
    h = T.tanh(x).named("hidden")
    gradient = plain_grad(T.sum(T.sin(h)), x)
    names = {v.name for v in topological([gradient])}
    assert "hidden" in names
    assert all("test_grad.py" in str(v.origin) for v in topological([gradient]) if v.operands)


def test_differentiating_changes_nothing_of_the_users():
    x = T.vector("x")
    cost = T.sum(T.log(T.softmax(x)))
    before = str(cost), [(v, v.operands) for v in topological([cost])]
    grad(cost, x)
    assert str(cost) == before[0]
    assert all(v.operands == operands for v, operands in before[1] if not operands)


# --- with respect to what ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stabilize", [True, False])
def test_an_intermediate_variable_can_be_asked_for(stabilize):
    x = T.vector("x")
    h = T.sin(x)
    gradient = grad(T.sum(h**2), h, stabilize=stabilize)
    np.testing.assert_allclose(value([x], gradient, [0.5, 1.0]), 2 * np.sin([0.5, 1.0]))
    both = grad(T.sum(h**2), [h, x], stabilize=stabilize)
    np.testing.assert_allclose(value([x], both[1], [0.5]), 2 * np.sin([0.5]) * np.cos([0.5]))


@pytest.mark.parametrize("stabilize", [True, False])
def test_an_intermediate_inside_a_formula_that_is_rewritten_whole_stays_reachable(stabilize):
    x = T.vector("x")
    e = T.exp(x)
    total = T.sum(e)
    cost = T.sum(T.log(e / total) * np.array([1.0, 2.0]))
    by_e, by_total = grad(cost, [e, total], stabilize=stabilize)
    point = np.array([0.3, -0.4])
    exps = np.exp(point)
    np.testing.assert_allclose(value([x], by_e, point), np.array([1.0, 2.0]) / exps - 3 / exps.sum())
    np.testing.assert_allclose(value([x], by_total, point), -3 / exps.sum())


@pytest.mark.parametrize("stabilize", [True, False])
def test_equal_but_distinct_intermediates_have_gradients_of_their_own(stabilize):
    x = T.scalar("x")
    a, b = T.exp(x), T.exp(x)
    by_a, by_b = grad(a * b**2, [a, b], stabilize=stabilize)
    np.testing.assert_allclose(value([x], by_a, 0.5), np.exp(0.5) ** 2)
    np.testing.assert_allclose(value([x], by_b, 0.5), 2 * np.exp(0.5) ** 2)


def test_the_cost_itself_and_a_constant_can_be_asked_for():
    x, c = T.scalar("x"), T.constant(3.0)
    cost = x * c
    by_cost, by_c = plain_grad(cost, [cost, c])
    assert value([x], by_cost, 2.0) == 1
    assert value([x], by_c, 2.0) == 2


def test_a_variable_asked_for_twice_is_answered_twice():
    x = T.scalar("x")
    first, second = plain_grad(x**2, [x, x])
    assert value([x], first, 3.0) == value([x], second, 3.0) == 6


def test_a_variable_used_by_many_gathers_all_contributions():
    x = T.vector("x")
    y = x
    for _ in range(5):
        y = y * x + T.sin(x)
    gradient = plain_grad(T.sum(y), x)
    h = 1e-6
    at = np.array([0.7, -0.3])
    ends = [[value([x], T.sum(y), at + side * h * e) for side in (1, -1)] for e in np.eye(2)]
    numeric = [(above - below) / (2 * h) for above, below in ends]
    np.testing.assert_allclose(value([x], gradient, at), numeric, rtol=1e-8)


def test_gradients_can_be_differentiated_again_and_again():
    x = T.scalar("x")
    y = T.sin(x) * T.exp(x)
    expected = [lambda v: np.exp(v) * (np.sin(v) + np.cos(v)), lambda v: 2 * np.exp(v) * np.cos(v),
                lambda v: 2 * np.exp(v) * (np.cos(v) - np.sin(v)), lambda v: -4 * np.exp(v) * np.sin(v)]  # fmt: skip
    for derivative in expected:
        y = grad(y, x)
        np.testing.assert_allclose(value([x], y, 0.7), derivative(0.7), rtol=1e-12)


def test_a_float32_program_has_float32_gradients():
    x = T.fvector("x")
    for function in (T.sin, T.exp, T.softmax, lambda v: T.maximum(v, 0.5), lambda v: v**2.5, T.erf, T.mean, T.prod):
        gradient = plain_grad(T.sum(function(x)), x)
        assert gradient.dtype == "float32"
        assert all(v.dtype != "float64" for v in topological([gradient]))


# --- options -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stabilize", [True, False])
def test_what_is_considered_constant_lets_nothing_through(stabilize):
    x = T.vector("x")
    h = T.sin(x)
    gradient = grad(T.sum(h * x), x, consider_constant=[h], stabilize=stabilize)
    np.testing.assert_allclose(value([x], gradient, [0.5, 2.0]), np.sin([0.5, 2.0]))
    np.testing.assert_allclose(value([x], grad(T.sum(h * x), x, consider_constant=h), [0.5]), np.sin([0.5]))


def test_known_gradients_take_the_place_of_what_the_cost_would_give():
    x = T.vector("x")
    h = T.sin(x)
    g = T.vector("g")
    gradient = plain_grad(T.sum(h**2) + T.sum(x), x, known_grads={h: g})
    np.testing.assert_allclose(value([x, g], gradient, [0.5], [10.0]), 1 + 10 * np.cos([0.5]))


def test_known_gradients_can_stand_without_a_cost():
    x = T.vector("x")
    h = T.sin(x)
    gradient = plain_grad(None, x, known_grads={h: np.array([2.0, 3.0])})
    np.testing.assert_allclose(value([x], gradient, [0.5, 1.0]), [2, 3] * np.cos([0.5, 1.0]))
    with pytest.raises(InvalidArgument, match="needs a cost"):
        plain_grad(None, x)


def test_a_disconnected_variable_raises_warns_or_gives_zeros():
    x, y = T.vectors("x y")
    with pytest.raises(DisconnectedInput, match=r"<y: .*test_grad.py:\d+"):
        plain_grad(T.sum(x), y)
    with pytest.warns(UserWarning, match="does not depend on <y") as caught:
        gradient = plain_grad(T.sum(x), y, disconnected_inputs="warn")
    assert caught[0].filename == __file__
    assert gradient.type == y.type
    np.testing.assert_array_equal(value([y], gradient, np.ones(3)), np.zeros(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        by_x, by_y = plain_grad(T.sum(x), [x, y], disconnected_inputs="ignore")
    np.testing.assert_array_equal(value([y], by_y, np.ones(3)), np.zeros(3))
    np.testing.assert_array_equal(value([x], by_x, np.ones(3)), np.ones(3))
    with pytest.raises(InvalidArgument, match="'raise', 'warn' or 'ignore'"):
        plain_grad(T.sum(x), y, disconnected_inputs="zero")


def test_a_variable_behind_a_constant_one_is_disconnected():
    x = T.vector("x")
    h = T.sin(x)
    with pytest.raises(DisconnectedInput):
        plain_grad(T.sum(h), x, consider_constant=[h])


def test_a_flat_dependence_is_connected_and_gives_zeros():
    x = T.vector("x")
    for cost in (T.sum(T.floor(x)), T.sum(T.where(x > 0, 1.0, 2.0)), T.sum(T.cast(x, "int64") * 1.0)):
        np.testing.assert_array_equal(value([x], plain_grad(cost, x), [0.5, 1.5]), [0, 0])


# --- what is refused ---------------------------------------------------------------------------------------------


def test_a_cost_that_is_no_scalar_is_refused():
    with pytest.raises(ShapeMismatch, match=r"must be a scalar.*float64\[3\].*test_grad.py.*T.sum"):
        plain_grad(variable("x", "float64[3]"), T.vector("y"))


@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_an_integer_cost_or_variable_is_refused(dtype):
    i, x = T.scalar("i", dtype), T.scalar("x")
    with pytest.raises(TypeMismatch, match=r"the cost.*cast it first"):
        plain_grad(i, x)
    with pytest.raises(TypeMismatch, match=rf"wrt.*<i: {dtype}>.*cast it first"):
        plain_grad(x * i, i)


@pytest.mark.parametrize("cost", [3.0, "x", [1, 2]])
def test_a_cost_that_is_no_variable_is_refused(cost):
    with pytest.raises(InvalidArgument, match="the cost"):
        plain_grad(cost, T.scalar("x"))


def test_an_op_without_a_derivative_is_named_with_the_users_line():
    x = T.vector("x")
    with pytest.raises(NotDifferentiable, match=r"no_slope has no derivative.*test_grad.py:\d+"):
        plain_grad(T.sum(NO_SLOPE(x)), x)


def test_an_op_without_a_derivative_off_the_path_is_no_obstacle():
    x, y = T.vectors("x y")
    np.testing.assert_allclose(value([x, y], plain_grad(T.sum(x * NO_SLOPE(y)), x), [1.0], [0.0]), [1.0])


def test_a_node_of_a_graph_stands_for_itself():
    x = T.vector("x")
    graph = Graph.from_outputs([x], T.exp(x))
    node = graph.handle(graph.outputs["output"])
    graph.set_outputs({"slope": graph.add(plain_grad(T.sum(node**3), node))})
    np.testing.assert_allclose(interpret(graph, {"x": np.array([0.5])})["slope"], 3 * np.exp([1.0]))
    with pytest.raises(DisconnectedInput):
        plain_grad(T.sum(node), x)


def test_known_gradients_that_are_no_table_are_refused():
    x = T.vector("x")
    with pytest.raises(InvalidArgument, match=r"known_grads maps variables .* expected a dict"):
        plain_grad(None, x, known_grads=[x])


def test_a_message_names_what_was_differentiated():
    x, y = T.vectors("x y")
    with pytest.raises(DisconnectedInput, match=r"^the cost does not depend on <y.*test_grad.py"):
        grad(T.sum(x), y)
    with pytest.raises(DisconnectedInput, match=r"^the outputs do not depend on <y"):
        vjp(x, y, x)


# --- vjp ---------------------------------------------------------------------------------------------------------


def test_vjp_is_the_cotangents_times_the_jacobian():
    x = T.vector("x")
    y, z = T.sin(x), T.sum(x**2)
    v = T.vector("v")
    pulled = vjp([y, z], x, [v, 2.0])
    at = np.array([0.5, 1.0])
    np.testing.assert_allclose(value([x, v], pulled, at, [3.0, 4.0]), [3, 4] * np.cos(at) + 4 * at)
    single = vjp(y, [x], np.array([1.0, 1.0]))
    np.testing.assert_allclose(value([x], single[0], [0.5, 1.0]), np.cos([0.5, 1.0]))


def test_vjp_of_an_output_given_twice_adds_both_cotangents():
    x = T.vector("x")
    y = T.sin(x)
    pulled = vjp([y, y], x, [np.array([1.0]), np.array([2.0])])
    np.testing.assert_allclose(value([x], pulled, [0.5]), 3 * np.cos([0.5]))


def test_a_cotangent_may_depend_on_what_is_differentiated_and_counts_as_constant():
    x = T.vector("x")
    pulled = vjp(T.sin(x), x, x)
    np.testing.assert_allclose(value([x], pulled, [0.5]), 0.5 * np.cos([0.5]))


@pytest.mark.parametrize("cotangents", [[], [1.0, 2.0]])
def test_vjp_wants_one_cotangent_for_each_output(cotangents):
    x = T.vector("x")
    with pytest.raises(InvalidArgument, match="one cotangent for each output"):
        vjp([T.sin(x)], x, cotangents)


JOINED = {
    "differences": lambda x, y: x[1:] - x[:-1],
    "parts": lambda x, y: x[1:] * y[:-1],
    "every second": lambda x, y: x[::2] * y[::2],
    "put": lambda x, y: x.at[1:].set(y[1:]),
    "chosen": lambda x, y: x[1:] * y[y > 0][:-1],
    "in a branch": lambda x, y: T.cond(x[0] > 0, lambda: x[1:] * y[:-1], lambda: x[1:] + y[:-1]),
}


def test_sizes_that_are_equal_under_other_names_are_no_obstacle():
    x, y = variable("x", "float64[n]"), variable("y", "float64[m]")
    costs = [T.sum(program(x, y) ** 2) for program in JOINED.values()]
    arrays = np.array([1.0, 2.0, 4.0]), np.array([3.0, 1.0, 2.0])
    gradients = [g for cost in costs for g in grad(cost, [x, y], disconnected_inputs="ignore")]
    found = iter(value([x, y], gradients, *arrays))
    for name, cost in zip(JOINED, costs, strict=True):
        for k in range(2):
            expected = [
                (value([x, y], cost, *_moved(arrays, k, step)) - value([x, y], cost, *_moved(arrays, k, -step))) / 2e-6
                for step in 1e-6 * np.eye(3)
            ]
            np.testing.assert_allclose(next(found), expected, atol=1e-6, rtol=1e-6, err_msg=name)


def _moved(arrays, which, step):
    return [array + step if k == which else array for k, array in enumerate(arrays)]


def test_a_cotangent_of_another_type_is_refused():
    x = variable("x", "float64[3]")
    with pytest.raises(TypeMismatch, match="cast it first"):
        vjp(T.sin(x), x, T.fvector("g"))
    with pytest.raises(ShapeMismatch, match="rank"):
        vjp(T.sin(x), x, 1.0)
    with pytest.raises(ShapeMismatch):
        vjp(T.sin(x), x, np.ones(4))


# --- size --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [2_500, pytest.param(25_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("stabilize", [True, False])
def test_a_long_chain_is_differentiated_without_recursion(stabilize, length):
    x = T.scalar("x")
    y = x
    for _ in range(length // 2):
        y = T.sin(y) + x
    gradient = grad(y, x, stabilize=stabilize)
    assert len(topological([gradient])) <= 4 * length
    assert np.isfinite(value([x], gradient, 0.3))


def test_sizes_that_a_guard_makes_equal_are_equal_to_derivatives():
    v, matrix, index = T.vector("v"), T.matrix("matrix"), T.lvector("index")
    solved = plain_grad(T.sum(T.linalg.solve(matrix, v[:3]) ** 2), v)
    np.testing.assert_allclose(value([v, matrix], solved, np.arange(4.0), np.eye(3) * 2), [0, 0.5, 1, 0])
    chosen = plain_grad(T.sum(v.at[index].set(v[:2] * 3) ** 2), v)
    np.testing.assert_allclose(value([v, index], chosen, [1.0, 2.0, 4.0], [0, 2]), [18, 40, 0])
