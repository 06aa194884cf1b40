"""Run-time checks: `T.check` in expressions, `Graph.checks` in graphs, `CheckFailed` from calls."""

import pickle

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import CheckFailed, IndexCheckFailed, InvalidArgument, TypeMismatch
from graphopt.graph.checks import BOUNDS, Check
from graphopt.interpret import interpret

TARGETS = ("numpy", "c", "cuda-emulated")


def positive(x):
    return T.check(x, x > 0, "x must be positive")


def test_a_graph_holds_the_value_unchecked_and_the_condition_as_an_output_behind_the_others():
    x = T.vector("x")
    graph = go.Graph.from_outputs([x], {"y": T.exp(positive(x))})
    assert list(graph.outputs) == ["y", "check0"] and list(graph.results) == ["y"]
    assert graph.operands(graph.outputs["y"]) == (graph.inputs["x"],)
    (check,) = graph.checks.values()
    assert check.message == "x must be positive" and __file__ in str(check.origin)
    values = interpret(graph, {"x": np.array([1.0, -1.0])})
    assert not values["check0"] and values["y"].shape == (2,)


@pytest.mark.parametrize("target", TARGETS)
def test_a_call_raises_with_the_message_and_the_users_line_where_a_condition_does_not_hold(target):
    x = T.vector("x")
    f = go.function([x], {"root": T.sqrt(positive(x))}, target=target, name="roots")
    assert f(np.array([4.0]))["root"] == 2.0
    with pytest.raises(CheckFailed, match=rf"roots: x must be positive; checked at .*{__name__.split('.')[-1]}"):
        f(np.array([4.0, -1.0]))
    assert f(np.empty(0))["root"].shape == (0,)  # what has no elements holds
    with pytest.raises(CheckFailed):
        f(np.array([np.nan]))


def test_numbers_are_conditions_that_hold_where_they_are_not_zero():
    n, x = T.lscalar("n"), T.scalar("x")
    f = go.function([x, n], T.check(x, n, "n must not be 0"), target="numpy")
    assert f(2.0, 3) == 2.0
    with pytest.raises(CheckFailed):
        f(2.0, 0)


def test_a_check_whose_value_is_nobodys_operand_is_found_by_functions_of_the_expression_alone():
    x = T.vector("x")
    positive(x)
    assert go.Graph.from_outputs([x], [x + 1]).checks == {}


def test_the_same_condition_with_the_same_message_is_checked_once_and_with_another_twice():
    x = T.vector("x")
    condition = x > 0
    same = [T.check(x, condition, "first"), T.check(2 * x, condition, "first")]
    assert len(go.Graph.from_outputs([x], same).checks) == 1
    assert len(go.Graph.from_outputs([x], [*same, T.check(x, condition, "second")]).checks) == 2
    f = go.function([x], [positive(x), positive(x)], target="numpy")  # equal conditions, found to be by the pipeline
    assert len(f.graph.checks) == 1


def test_a_check_that_is_known_to_hold_costs_nothing():
    x = T.vector("x")
    f = go.function([x], T.check(x + 1, T.constant(True), "never"), target="numpy")
    assert f.graph.checks == {} and list(f.graph.outputs) == ["output"]


def test_a_check_of_a_checked_value_is_a_check_of_its_own():
    x = T.scalar("x")
    y = T.check(positive(x), x < 9, "x must be below 9")
    f = go.function([x], y, target="numpy")
    assert f(2.0) == 2.0
    for value, message in ((-1.0, "positive"), (10.0, "below 9")):
        with pytest.raises(CheckFailed, match=message):
            f(value)


def test_a_graphs_text_copy_pickle_and_rollback_keep_checks():
    x = T.vector("x")
    inside = T.check(x, x < 5, 'within "5"', kind="bounds")
    graph = go.Graph.from_outputs([x], {"check0": positive(inside)})  # a name that the user took
    assert {c.message: c.kind for c in graph.checks.values()} == {'within "5"': "bounds", "x must be positive": None}
    bare = [Check(c.message, None, c.kind) for c in graph.checks.values()]
    for twin in (graph.copy(), pickle.loads(pickle.dumps(graph)), go.Graph.parse(str(graph))):
        assert [Check(c.message, None, c.kind) for c in twin.checks.values()] == bare
        assert list(twin.outputs) == list(graph.outputs)
        assert go.Graph.parse(str(twin)).checks == go.Graph.parse(str(graph)).checks
        twin.verify()
    mark = graph.journal.mark()
    graph.set_outputs({"check0": graph.outputs["check0"]})
    assert graph.checks == {}
    graph.journal.rollback(mark)
    assert len(graph.checks) == 2


def test_an_expression_with_a_check_that_is_added_to_a_graph_brings_its_check():
    x = T.vector("x")
    graph = go.Graph.from_outputs([x], {"y": T.exp(x)})
    node, mark = graph.outputs["y"], graph.journal.mark()
    graph.replace(node, T.log(positive(graph.handle(node))))
    graph.verify()
    assert [c.message for c in graph.checks.values()] == ["x must be positive"]
    graph.journal.rollback(mark)
    assert graph.checks == {} and list(graph.outputs) == ["y"]


def test_a_failed_check_leaves_shared_variables_as_they_were():
    rate, total = T.scalar("rate"), go.shared(1.0, "total")
    f = go.function(
        [rate], total, updates={total: T.check(total * rate, rate > 0, "the rate must be positive")}, target="numpy"
    )
    f(2.0)
    with pytest.raises(CheckFailed, match="rate"):
        f(-1.0)
    assert total.get_value() == 2.0
    f(3.0)
    assert total.get_value() == 6.0
    assert pickle.loads(pickle.dumps(f))(1.0) == 6.0


def test_arrays_to_be_written_into_are_given_for_results_alone():
    x = T.vector("x")
    f = go.function([x], positive(x) + 1)
    out = np.zeros(1)
    assert f.into(out, np.array([1.0])) is out and out == 2.0
    with pytest.raises(CheckFailed):
        f.into(out, np.array([-1.0]))


@pytest.mark.parametrize("target", ["numpy", "c"])
def test_bounds_checks_can_be_left_out_and_others_not(target):
    x = T.vector("x")
    y = positive(T.check(x, x < 5, "x must be below 5", kind="bounds"))
    assert BOUNDS == "bounds"
    f = go.function([x], y, target=target)
    with pytest.raises(IndexCheckFailed, match="below 5") as raised:
        f(np.array([7.0]))
    assert isinstance(raised.value, IndexError)
    bold = go.function([x], y, target=target, options=go.Options(check_bounds=False))
    assert bold(np.array([7.0])) == 7.0
    assert go.lower([x], y, options=go.Options(check_bounds=False)).graph.checks.keys() == bold.graph.checks.keys()
    with pytest.raises(CheckFailed, match="positive"):
        bold(np.array([-7.0]))


def test_a_gradient_checks_what_it_is_the_gradient_of():
    x = T.vector("x")
    gradient = go.grad(T.sum(positive(x) ** 2), x)
    f = go.function([x], gradient, target="numpy")
    np.testing.assert_array_equal(f(np.array([1.0, 3.0])), [2.0, 6.0])
    with pytest.raises(CheckFailed, match="positive"):
        f(np.array([1.0, -3.0]))
    second = go.grad(T.sum(gradient), x)
    with pytest.raises(CheckFailed, match="positive"):
        go.function([x], second, target="numpy")(np.array([1.0, -3.0]))


def test_the_derivative_with_respect_to_a_checked_value_is_not_that_with_respect_to_the_unchecked_one():
    x = T.scalar("x")
    held = positive(x)
    cost = held**2 + 10 * x
    f = go.function([x], go.grad(cost, [held, x]), target="numpy")
    assert [float(v) for v in f(3.0)] == [6.0, 16.0]


def test_the_conditions_of_a_ufunc_are_looked_at_for_all_elements():
    sympy = pytest.importorskip("sympy")
    s = sympy.Symbol("s")
    x = go.from_sympy(s)
    f = go.function([s], positive(x) + 1)
    np.testing.assert_array_equal(f(np.ones((2, 3))), np.full((2, 3), 2.0))
    assert f(1.0) == 2.0
    with pytest.raises(CheckFailed):
        f(np.array([[1.0, -1.0]]))


def test_mode_check_and_other_forms_of_a_program_live_with_checks():
    x = T.vector("x")
    f = go.function([x], positive(x) + 1, mode="check", target="numpy")
    assert f(np.ones(1)) == 2.0
    assert "check0_out" in go.c_source([x], positive(x))
    assert go.cuda_source([x], positive(x))
    assert go.Graph.from_outputs([x], positive(x)).to_dot()


def test_what_is_no_check_is_refused():
    x = T.vector("x")
    with pytest.raises(InvalidArgument, match="message"):
        T.check(x, x > 0, "")
    with pytest.raises(InvalidArgument, match="kind"):
        T.check(x, x > 0, "wrong", kind="size")
    from graphopt.ops.control import check

    with pytest.raises(TypeMismatch, match="bool"):
        check(x, x, message="wrong")


# --- the end of differentiation --------------------------------------------------------------------------------------


def test_derivatives_take_a_stopped_value_for_a_constant():
    x = T.scalar("x")
    cost = T.stop_gradient(x * x) * x
    gradient = go.grad(cost, x)
    for target in ("numpy", "c"):
        f = go.function([x], [cost, gradient, go.grad(gradient, x)], target=target)
        assert [float(v) for v in f(3.0)] == [27.0, 9.0, 0.0]
        assert "stop_gradient" not in str(f.graph)


def test_what_only_a_stopped_value_depends_on_has_gradient_zero_and_counts_as_connected():
    x = T.vector("x")
    gradient = go.grad(T.sum(T.stop_gradient(x)), x)
    np.testing.assert_array_equal(
        go.function([x], gradient, on_unused_input="ignore", target="numpy")(np.ones(2)), [0.0, 0.0]
    )


def test_sizes_are_compared_and_computed_with_as_integers():
    x = T.vector("x")
    n, chosen = x.shape[0], x[x > 0].shape[0]
    outputs = [n > 2, n <= 2, n < 4.5, chosen <= n, n / 3, 1 / n, n % 3, 9 % n, n**2, 2**n]
    found = go.function([x], outputs, target="numpy")(np.array([1.0, -2.0, 3.0, 4.0]))
    assert [value.item() for value in found] == [True, False, True, True, 4 / 3, 0.25, 1, 1, 16, 16]
    with pytest.raises(CheckFailed, match="too short"):
        go.function([x], T.check(x, n > 3, "too short"), target="numpy")(np.ones(2))
