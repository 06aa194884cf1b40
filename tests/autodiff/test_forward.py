"""`jvp` and `hvp`: against differences in 50 digits, against reverse mode, and what may be asked for."""

import itertools

import numpy as np
import pytest
from gradient_support import DIGITS, central_difference, run, to_float, variables_for, weighted

import graphopt as go
import graphopt.tensor as T
from graphopt.arithmetics import Exact
from graphopt.errors import DisconnectedInput, InvalidArgument, NotDifferentiable, ShapeMismatch, TypeMismatch
from graphopt.graph import Graph
from graphopt.graph.build import topological
from graphopt.interpret import interpret
from graphopt.op import Op
from graphopt.ops import TABLE
from graphopt.ops.leaves import barrier
from graphopt.ops.signatures import elementwise_rule, floating_signature
from graphopt.rewrite import Pipeline


def directions(arrays):
    rng = np.random.default_rng(3)
    return [rng.uniform(0.5, 1.5, np.shape(array)) for array in arrays]


def slope_along(function, arrays, order=1):
    """The derivative, or the second one, of the weighted sum of a function's result along the directions."""
    s = go.variable("x0", "float64")
    cost = weighted(function(*[a + s * d for a, d in zip(arrays, directions(arrays), strict=True)]))
    if order == 2:
        cost = go.grad(cost, s, stabilize=False, disconnected_inputs="ignore")
    return central_difference([s], cost, [np.array(0.0)], 0).item()


def check_forward(function, arrays):
    """Hold `jvp`, weighted, against the oracle, in exact and in float64 arithmetic, and against `vjp`."""
    inputs = variables_for(arrays)
    y = function(*inputs)
    options = {"stabilize": False, "disconnected_inputs": "ignore"}
    tangent = go.jvp(y, inputs, directions(arrays), **options)
    assert tangent.type == y.type
    truth = slope_along(function, arrays)
    pushed = weighted(tangent)
    pulled = go.grad(weighted(y), inputs, **options)
    there_and_back = sum((T.sum(g * d) for g, d in zip(pulled, directions(arrays), strict=True)), start=T.constant(0.0))
    both = {"forward": pushed, "reverse": there_and_back}
    for found in (run(inputs, both, arrays), run(inputs, both, arrays, Exact(DIGITS))):
        for value in found.values():
            np.testing.assert_allclose(to_float(value), truth, rtol=1e-9, atol=1e-10)


def check_second(function, arrays):
    """Hold forward over forward, and forward over reverse, against differences of the first derivative."""
    inputs = variables_for(arrays)
    cost, moved = weighted(function(*inputs)), directions(arrays)
    options = {"stabilize": False, "disconnected_inputs": "ignore"}
    twice = go.jvp(go.jvp(cost, inputs, moved, **options), inputs, moved, **options)
    products = go.hvp(cost, inputs, moved, **options)
    projected = sum((T.sum(p * d) for p, d in zip(products, moved, strict=True)), start=T.constant(0.0))
    found = run(inputs, {"twice": twice, "over reverse": projected}, arrays)
    truth = slope_along(function, arrays, order=2)
    for value in found.values():
        np.testing.assert_allclose(value, truth, rtol=1e-8, atol=1e-9)


# --- functions -----------------------------------------------------------------------------------------------------


PLACES = np.array([2, 0, 2])
SPREAD = np.array([[0.3, -1.1, 0.8], [1.7, 0.9, -0.4], [-0.6, 0.2, 2.1]])
ROW, PAIR = SPREAD[0], [SPREAD, SPREAD[::-1] * 0.7 + 0.1]
FUNCTIONS = {
    "broadcasting": (lambda a, b: T.exp(a) * b + b, [SPREAD, ROW]),
    "where": (lambda a, b: T.where(a > b, T.sin(a), a * b), PAIR),
    "where of one": (lambda a: T.where(a > 0, a * a, 1.0), [SPREAD]),
    "clip": (lambda a: T.clip(a, -0.5, 0.5) * a, [SPREAD]),
    "sum": (lambda a: T.sum(a * a, axis=0, keepdims=True), [SPREAD]),
    "prod": (lambda a: T.prod(a, axis=1), [SPREAD]),
    "max": (lambda a: T.max(a * a, axis=1), [SPREAD]),
    "var": (lambda a: T.var(a, axis=0), [SPREAD]),
    "softmax": (lambda a: T.softmax(a, axis=1), [SPREAD]),
    "log_softmax": (lambda a: T.log_softmax(a, axis=0), [SPREAD]),
    "logsumexp": (lambda a: T.logsumexp(a, axis=1), [SPREAD]),
    "matmul": (T.matmul, PAIR),
    "einsum": (lambda a, b: T.einsum("ij,kj->ik", a, b), PAIR),
    "views": (lambda a: (a * a).T.reshape((-1,))[::-2], [SPREAD]),
    "concatenate": (lambda a, b: T.concatenate([a, b * b]), PAIR),
    "concatenate of one": (lambda a: T.concatenate([a, T.ones((1, 3))]) ** 2, [SPREAD]),
    "stack": (lambda a: T.stack([a, T.sin(a), T.ones((3,))]) ** 2, [ROW]),
    "gather": (lambda a: a[:, PLACES] ** 2, [SPREAD]),
    "mask": (lambda a: T.sum(a[a > 0] ** 2) * a, [ROW]),
    "cumsum": (lambda a: T.cumsum(a * a, axis=1), [SPREAD]),
    "cumprod": (lambda a: T.cumprod(a, axis=0), [SPREAD]),
    "recurrence": (lambda a, b: TABLE["recurrence"](a, b, axis=(0,)), PAIR),
    "recurrence of factors": (lambda a: TABLE["recurrence"](a, T.constant(SPREAD), axis=(0,)), [SPREAD]),
    "recurrence of terms": (lambda b: TABLE["recurrence"](T.constant(SPREAD), b * b, axis=(1,)), [SPREAD]),
    "sort": (lambda a: T.sort(a * a, axis=1), [SPREAD]),
    "solve": (lambda a, b: T.linalg.solve(a + 4 * T.eye(3), b), PAIR),
    "solve of one matrix": (lambda a: T.linalg.solve(a + 4 * T.eye(3), T.ones((3,))), [SPREAD]),
    "solve for a right side": (lambda b: T.linalg.solve(T.constant(SPREAD), b * b), [ROW]),
    "solve_triangular": (lambda a, b: T.linalg.solve_triangular(a + 4 * T.eye(3), b, lower=True), PAIR),
    "inv": (lambda a: T.linalg.inv(a + 4 * T.eye(3)), [SPREAD]),
    "det": (T.linalg.det, [SPREAD]),
    "slogdet": (lambda a: T.linalg.slogdet(a)[1], [SPREAD]),
    "cholesky": (lambda a: T.linalg.cholesky(a @ a.T + 3 * T.eye(3)), [SPREAD]),
    "cond": (lambda a, b: T.cond(T.sum(a) > 0, a * b, T.sin(a)), PAIR),
    "cond, the other": (lambda a, b: T.cond(T.sum(a) < 0, a * b, T.sin(b)), PAIR),
    "cond of one branch": (lambda a: T.cond(T.sum(a) < 0, T.ones((3, 3)), T.cond(T.sum(a) > 1, a * a, a)), [SPREAD]),
    "cast": (lambda a: T.cast(T.cast(a, "int64"), "float64") * a, [SPREAD]),
    "stop_gradient": (lambda a: a * a + 0 * T.stop_gradient(a), [SPREAD]),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_tangent_of_a_function_is_right(name):
    check_forward(*FUNCTIONS[name])


@pytest.mark.parametrize("mode", ["set", "add", "maximum"])
def test_the_tangent_of_a_scatter_is_right(mode):
    indices = T.constant(np.array([2, 0, 1]))
    check_forward(lambda a, b: TABLE["scatter"](a, b, indices, mode=mode), [np.arange(5) - 2.2, ROW])
    check_forward(lambda b: TABLE["scatter"](T.zeros((5,)), b * b, indices, mode=mode), [ROW])


@pytest.mark.parametrize(
    "name", ["softmax", "prod", "max", "solve", "cholesky", "cumprod", "sort", "cond", "matmul", "where", "mask"]
)
def test_the_second_tangent_of_a_function_is_right(name):
    function, arrays = FUNCTIONS[name]
    check_second(lambda *xs: function(*[T.sin(x) + x for x in xs]), arrays)


def test_forward_mode_runs_in_c_as_in_the_interpreter():
    names = ("softmax", "matmul", "cumprod", "sort", "cond", "max", "gather", "solve", "where")
    x = go.variable("x", "float64[3, 3]")
    made = {}
    for name in names:
        function, arrays = FUNCTIONS[name]
        made[name] = go.jvp(function(*[x + k for k in range(len(arrays))]), x, np.sin(SPREAD))
    expected = go.function([x], made, target="numpy")(SPREAD)
    found = go.function([x], made, target="c")(SPREAD)
    for name in names:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=1e-12)


# --- what it costs -----------------------------------------------------------------------------------------------

HAND_WRITTEN = {
    "multiply": (lambda a: a * T.exp(a), lambda a, t: t * T.exp(a) + a * (t * T.exp(a))),
    "where": (lambda a: T.where(a > 0, a, T.sin(a)), lambda a, t: T.where(a > 0, t, t * T.cos(a))),
    "sum": (lambda a: T.sum(a, 1, keepdims=True), lambda a, t: T.sum(t, 1, keepdims=True)),
    "matmul": (lambda a: a @ a.T, lambda a, t: t @ a.T + a @ t.T),
    "softmax": (
        lambda a: T.softmax(a, 1),
        lambda a, t: T.softmax(a, 1) * (t - T.sum(T.softmax(a, 1) * t, 1, keepdims=True)),
    ),
    "logsumexp": (
        lambda a: T.logsumexp(a, 1),
        lambda a, t: T.sum(T.where(T.max(a, 1, keepdims=True) == -T.inf, 0, T.softmax(a, 1)) * t, 1),
    ),
    "gather": (lambda a: a[PLACES], lambda a, t: t[PLACES]),
    "slice": (lambda a: a[1:, ::-1], lambda a, t: t[1:, ::-1]),
    "concatenate": (lambda a: T.concatenate([a, 2 * a]), lambda a, t: T.concatenate([t, 2 * t])),
    "cumsum": (lambda a: T.cumsum(a, 1), lambda a, t: T.cumsum(t, 1)),
    "sort": (lambda a: T.sort(a, 1), lambda a, t: T.take_along_axis(t, T.argsort(a, 1), 1)),
    "solve": (
        lambda a: T.linalg.solve(a, SPREAD),
        lambda a, t: T.linalg.solve(a, -(t @ T.linalg.solve(a, SPREAD))),
    ),
    "inv": (T.linalg.inv, lambda a, t: -(T.linalg.inv(a) @ (t @ T.linalg.inv(a)))),
    "cond": (
        lambda a: T.cond(T.sum(a) > 0, a * a, T.sin(a)),
        lambda a, t: T.cond(T.sum(a) > 0, 2 * a * t, T.cos(a) * t),
    ),
    "mask": (lambda a: T.sum(a[0][a[0] > 0]), lambda a, t: T.sum(t[0][a[0] > 0])),
}  # fmt: skip


def nodes_after_the_pipeline(inputs, output):
    graph = Graph.from_outputs(inputs, output)
    Pipeline.named("default").run(graph)
    return len(graph.order(graph.results.values()))


@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_a_tangent_is_as_small_a_program_as_one_written_by_hand(name):
    function, by_hand = HAND_WRITTEN[name]
    x, t = go.variable("x", "float64[3, 3]"), go.variable("t", "float64[3, 3]")
    made = nodes_after_the_pipeline([x, t], go.jvp(function(x), x, t))
    assert made <= nodes_after_the_pipeline([x, t], by_hand(x, t))


def test_nothing_is_left_of_the_placeholders():
    x, t = T.vectors("x t")
    h = T.exp(x)
    for tangent in go.jvp([T.softmax(h * x), T.cumprod(h), T.cond(x[0] > 0, T.max(h), x[1])], [x, h], [t, t]):
        made = topological([tangent])
        assert {v for v in made if v.op.name == "input"} == {x, t}
        assert all(v.op is not barrier for v in made)


@pytest.mark.parametrize("function", [T.sin, lambda v: T.max(v) * v])
def test_a_program_of_forward_mode_grows_with_its_function_alone(function):
    x = go.variable("x", "float64[4]")
    sizes = []
    for length in (50, 100, 200):
        y = x
        for _ in range(length):
            y = function(y)
        sizes.append(len(topological([go.jvp(y, x, x, stabilize=False)])))
    assert sizes[2] - sizes[1] == 2 * (sizes[1] - sizes[0])


def test_a_long_chain_is_differentiated_without_recursion():
    y = x = T.scalar("x")
    for _ in range(3000):
        y = y * 1.0001
    tangent = go.jvp(y, x, 1.0, stabilize=False)
    assert float(interpret(Graph.from_outputs([x], tangent), {"x": np.array(2.0)})["output"]) == pytest.approx(
        1.0001**3000
    )


# --- what may be asked for ---------------------------------------------------------------------------------------


def value(inputs, output, *arrays):
    graph = Graph.from_outputs(inputs, output)
    graph.verify()
    return interpret(graph, dict(zip(graph.inputs, map(np.asarray, arrays), strict=True)))


def test_one_output_gives_one_tangent_and_a_list_gives_a_list():
    x, y = T.vectors("x y")
    assert go.jvp(x * y, x, y).type == (x * y).type
    assert [t.type for t in go.jvp([x * x, T.sum(x)], [x], [y])] == [x.type, T.sum(x).type]


@pytest.mark.parametrize("stabilize", [True, False])
def test_an_intermediate_variable_moves_by_its_own_tangent_and_by_that_of_what_it_is_made_of(stabilize):
    x = T.scalar("x")
    h = T.exp(x)
    y = T.log(h) * h
    alone = go.jvp(y, h, 1.0, stabilize=stabilize)
    both = go.jvp(y, [x, h], [1.0, 1.0], stabilize=stabilize)
    reverse = sum(go.grad(y, [x, h], stabilize=stabilize))
    found = list(value([x], [alone, both, reverse], 0.7).values())
    slope = 1 + 0.7
    np.testing.assert_allclose(found, [slope, slope * (1 + np.exp(0.7)), slope * (1 + np.exp(0.7))])


def test_a_variable_given_twice_moves_by_both_tangents():
    x = T.scalar("x")
    assert value([x], go.jvp(x * x, [x, x], [1.0, 2.0]), 5.0)["output"] == 30


def test_what_is_considered_constant_lets_nothing_through():
    x = T.scalar("x")
    h = x * x
    assert value([x], go.jvp(h * x, x, 1.0, consider_constant=h), 3.0)["output"] == 9
    assert value([x], go.vjp(h * x, x, 1.0, consider_constant=[h]), 3.0)["output"] == 9


def test_a_tangent_may_depend_on_what_moves_and_counts_as_constant():
    x = T.vector("x")
    np.testing.assert_array_equal(value([x], go.jvp(x * x, x, x), [1.0, 3.0])["output"], [2, 18])


def test_a_disconnected_variable_raises_warns_or_moves_nothing():
    x, y = T.vectors("x y")
    with pytest.raises(DisconnectedInput, match=r"y.*test_forward.py"):
        go.jvp(x * x, [x, y], [x, y])
    with pytest.warns(UserWarning, match="do not depend on"):
        go.jvp(x * x, [x, y], [x, y], disconnected_inputs="warn")
    alone = go.jvp(x * x, y, y, disconnected_inputs="ignore")
    np.testing.assert_array_equal(value([x], alone, [1.0, 2.0])["output"], [0, 0])
    with pytest.raises(InvalidArgument, match="'raise', 'warn' or 'ignore'"):
        go.jvp(x, x, x, disconnected_inputs="never")


@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_integers_are_refused(dtype):
    x, k = T.vector("x"), go.variable("k", f"{dtype}[3]")
    with pytest.raises(TypeMismatch, match=f"wrt.*{dtype}.*cast it first"):
        go.jvp(x * k, k, k)
    with pytest.raises(TypeMismatch, match=r"an output.*cast it first"):
        go.jvp(T.argsort(x), x, x)


def test_a_tangent_of_another_type_is_refused():
    x, y = T.vector("x"), T.matrix("y")
    with pytest.raises(ShapeMismatch, match=r"the tangent of .* must have its rank"):
        go.jvp(x, x, y)
    with pytest.raises(TypeMismatch, match=r"the tangent of .* must be float64"):
        go.jvp(x, x, T.fvector("t"))
    with pytest.raises(InvalidArgument, match="one tangent for each of wrt: found 1 for 2"):
        go.jvp(x, [x, y], [x])


def test_tangents_of_a_float32_program_are_float32():
    x = T.fvector("x")
    for y in (T.softmax(x), T.exp(x) * 2, T.cast(x, "float64"), T.mean(x)):
        assert go.jvp(y, x, x).dtype == y.dtype


@pytest.mark.parametrize(("low", "high"), [*itertools.product((False, True), repeat=2)])
def test_a_parameter_without_a_derivative_is_refused_only_if_it_moves(low, high):
    a, x = T.scalars("a x")
    moving = [v for v, moves in ((a, low), (x, high)) if moves]
    if low:
        with pytest.raises(NotDifferentiable, match=r"jv: .*test_forward.py"):
            go.jvp(T.jv(a, x), moving, [1.0] * len(moving))
    elif moving:
        assert go.jvp(T.jv(a, x), moving, [1.0]).dtype == "float64"


def test_a_pullback_that_is_not_linear_is_refused():
    x = T.vector("x")
    with pytest.raises(NotDifferentiable, match=r"squared_cotangent.*not linear in the cotangent.*test_forward.py"):
        go.jvp(_bent()(x), x, x)


def _bent():
    """An op with a wrong derivative, in no table."""
    return Op(
        "squared_cotangent", 1, elementwise_rule(floating_signature(1)), np.sin, None, lambda g, node: (g * g,)
    )  # fmt: skip


def test_checks_of_what_is_differentiated_are_those_of_its_tangent():
    x = T.vector("x")
    f = go.function([x], go.jvp(T.check(x, x > 0, "must be positive") * 2, x, np.ones(2)), target="numpy")
    np.testing.assert_array_equal(f([1.0, 2.0]), [2, 2])
    with pytest.raises(go.CheckFailed, match="must be positive"):
        f([1.0, -2.0])


# --- hvp ---------------------------------------------------------------------------------------------------------


def test_a_hessian_vector_product_is_a_difference_of_gradients():
    x, v = T.vector("x"), np.array([0.3, -0.5, 0.8])
    cost = T.logsumexp(T.sin(x) * x[::-1]) + T.prod(x)
    at, step = np.array([0.4, 1.1, -0.7]), 1e-5
    ends = [value([x], go.grad(cost, x), at + side * v)["output"] for side in (step, -step)]
    np.testing.assert_allclose(
        value([x], go.hvp(cost, x, v), at)["output"], (ends[0] - ends[1]) / (2 * step), rtol=1e-7
    )


def test_a_hessian_vector_product_has_mixed_parts_and_is_zero_for_a_linear_cost():
    x, y, v, w = T.vectors("x y v w")
    linear = go.hvp(T.sum(x), x, v)
    np.testing.assert_array_equal(value([x], linear, [1.0, 2.0])["output"], [0, 0])
    mixed = go.hvp(T.sum(x * x * y), [x, y], [v, w])
    found = value([x, y, v, w], mixed, [1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0])
    np.testing.assert_array_equal(
        list(found.values()), [[2 * 3 * 5 + 2 * 1 * 7, 2 * 4 * 6 + 2 * 2 * 8], [2 * 1 * 5, 2 * 2 * 6]]
    )
