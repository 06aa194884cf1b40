"""mode="debug" shows every node as it was written; mode="nan" names the first that makes a value that is not finite."""

import io
import pdb
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import CheckFailed, InvalidArgument
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.op import Op
from graphopt.ops.leaves import input_
from graphopt.testing import strategies

x, y = go.variable("x", "float64[n]"), go.variable("y", "float64[n]")


def line_of(expression):
    return str(expression.origin)


def failure(function, *arguments):
    with pytest.raises(CheckFailed) as caught:
        function(*arguments)
    return str(caught.value)


# --- mode="debug" ------------------------------------------------------------------------------------------------


def test_every_node_is_shown_as_it_was_written_with_operands_and_result():
    seen = []
    loss = T.sum((T.log(T.exp(x)) * 2).named("doubled"), axis=0)
    f = go.function([x], loss, mode="debug", on_node=seen.append)
    assert f([1.0, 2.0]) == 6.0
    assert [at.op.name for at in seen] == ["input", "exp", "log", "constant", "multiply", "sum"]
    assert len(f.graph) < len(seen)  # the passes see through log(exp(x)); the mode does not
    first, *_, doubled, total = seen
    assert (first.name, doubled.name, total.name) == ("x", "doubled", None)
    np.testing.assert_array_equal(doubled.operands[0], [1.0, 2.0])
    np.testing.assert_array_equal(total.operands[0], doubled.result)
    assert total.attributes == {"axis": (0,)} and total.result == 6.0
    assert doubled.origin == line_of(loss)
    assert [at.node for at in seen] == f._written.order()


@given(st.data())
@settings(max_examples=15, deadline=None)
def test_stepping_gives_what_the_interpreter_gives(data):
    expression = data.draw(strategies.expressions(dtypes=("float64", "float32")))
    leaves = [part for part in go.graph.build.topological([expression]) if part.op is input_]
    arrays = data.draw(strategies.inputs_for(Graph.from_outputs(leaves, expression)))
    expected = next(iter(interpret(Graph.from_outputs(leaves, expression), arrays).values()))
    for mode in ("debug", "nan"):  # strategies keep every value within bounds
        np.testing.assert_array_equal(go.function(leaves, expression, mode=mode)(**arrays), expected)


def test_no_compiler_is_needed_and_the_text_can_still_be_read(monkeypatch):
    monkeypatch.setenv("CC", "/nowhere/cc")
    for target, word in (("c", "static"), ("cuda-emulated", "__global__")):
        f = go.function([x], T.exp(x) + 1, mode="debug", target=target)
        np.testing.assert_array_equal(f([0.0]), [2.0])
        assert word in f.source and len(f.kernels) == 1


def test_a_debugger_stops_at_a_node_with_its_operands_in_view():
    f = go.function([x], T.sum(T.exp(x).named("growth")), mode="debug")
    said = io.StringIO()
    commands = 'break go.modes.step, at.name == "growth"\ncontinue\np at.op, at.operands\np at.origin\ncontinue\n'
    debugger = pdb.Pdb(stdin=io.StringIO(commands), stdout=said, nosigint=True, readrc=False)
    debugger.use_rawinput = False
    debugger.runctx("f([0.0, 0.0])", {"go": go, "f": f}, {})
    assert "(exp, (array([0., 0.]),))" in said.getvalue()
    assert "test_modes.py:" in said.getvalue()


def test_an_error_inside_a_node_tells_the_node_its_operands_and_the_users_line():
    def fails(a):
        raise ZeroDivisionError("inside")

    bad = Op("fails_when_run", 1, lambda types, attributes, unify: types[0], fails)(x[1:]).named("bad")
    f = go.function([x], T.exp(bad), mode="debug")
    with pytest.raises(ZeroDivisionError, match="inside") as caught:
        f([1.0, 2.0, 3.0])
    (note,) = caught.value.__notes__
    assert re.search(r"in node %\d+: fails_when_run 'bad', float64\[.*\], written at .*test_modes\.py:\d+", note)
    assert line_of(bad) in note and note.endswith("its operands: float64[2]")
    frames = list(pytest.ExceptionInfo.from_exception(caught.value).traceback)
    np.testing.assert_array_equal(frames[-1].locals["a"], [2.0, 3.0])
    (at,) = [frame.locals["at"] for frame in frames if frame.name == "step"]
    np.testing.assert_array_equal(at.operands[0], [2.0, 3.0])


# --- mode="nan" --------------------------------------------------------------------------------------------------


def test_the_first_node_that_makes_a_value_that_is_not_finite_is_named():
    ratio = (x / (y - 1)).named("ratio")
    f = go.function([x, y], T.sum(T.sin(ratio)), mode="nan", name="model")
    assert f([2.0, 4.0], [2.0, 3.0]) == 2 * np.sin(2.0)
    message = failure(f, [1.0, 2.0, 3.0], [2.0, 1.0, 1.0])
    assert message.startswith("model: divide 'ratio' makes inf at [1] (2 of 3 elements are not finite); its operands: ")
    assert "x: float64[3] from 1.0 to 3.0, there 2.0; subtract: float64[3] from 0.0 to 1.0, there 0.0" in message
    assert f"written at {line_of(ratio)}" in message


@pytest.mark.parametrize(
    ("expression", "value", "told"),
    [
        (lambda: T.log(x), [1.0, -1.0], "log makes nan at [1]"),
        (lambda: T.exp(x), [1.0, 1000.0], "exp makes inf at [1]"),
        (lambda: T.sum(T.square(x)), [1e200, 0.0], "square makes inf at [0]"),
        (lambda: T.sum(x) + 0, [1e308, 1e308], "sum makes inf; its operands: x: float64[2] from 1e+308 to 1e+308"),
        (lambda: T.cast(x, "float32"), [1e300, 0.0], "cast makes inf at [0]"),
        (lambda: T.where(x > 0, x, np.nan), [1.0, -1.0], "where makes nan at [1]"),
        (lambda: T.where(x > 0, x, np.inf) * 0, [1.0, -1.0], "multiply makes nan at [1]"),
        (lambda: T.sqrt(T.sum(x)), [-1.0, 0.0], "sqrt makes nan; its operands: sum: float64 = -1.0"),
    ],
)
def test_it_is_the_node_that_makes_it_and_none_after(expression, value, told):
    assert f"program: {told}" in failure(go.function([x], expression(), mode="nan"), value)


def test_masks_written_with_infinite_constants_are_let_pass():
    masked = T.where(x > 0, x, -np.inf)
    f = go.function([x], T.softmax(masked, axis=0), mode="nan")
    np.testing.assert_array_equal(f([3.0, -1.0]), [1.0, 0.0])
    g = go.function([x], T.where(x > 0, x, np.nan), mode="nan")
    np.testing.assert_array_equal(g([3.0]), [3.0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_inputs_that_are_not_finite_are_reported_by_name(value):
    f = go.function([x, y], x + y, mode="nan")
    message = failure(f, [1.0, 2.0], [1.0, value])
    assert f"input y holds {value} at [1] (1 of 2 elements are not finite); written at {line_of(y)}" in message
    weight = go.shared(value, name="weight")
    assert f"input weight holds {value}" in failure(go.function([x], x * weight, mode="nan"), [1.0])


def test_integers_and_flags_are_finite():
    i = go.variable("i", "int64[n]")
    np.testing.assert_array_equal(go.function([i], T.where(i > 0, i // 2, -i), mode="nan")([4, -3]), [2, 3])
    message = failure(go.function([x], T.log(T.cast(x > 0, "float64")), mode="nan"), [1.0, -1.0])
    assert "cast: float64[2] from 0.0 to 1.0, there 0.0" in message
    message = failure(go.function([x], T.where(x > 0, np.nan, x), mode="nan"), [1.0, -1.0])
    assert "greater: bool[2] from False to True, there True" in message


def test_what_stabilization_would_repair_is_named_as_it_was_written():
    naive = T.log(T.exp(x) / T.sum(T.exp(x)))
    assert np.isfinite(go.function([x], naive, target="numpy")([1000.0, 0.0])).all()
    assert "exp makes inf at [0]" in failure(go.function([x], naive, mode="nan"), [1000.0, 0.0])


# --- both --------------------------------------------------------------------------------------------------------


def test_updates_land_together_and_a_failed_call_changes_nothing():
    total, calls = go.shared(0.0, name="total"), go.shared(0, name="calls")
    updates = {total: total + T.sum(T.log(x)), calls: calls + 1}
    for mode in ("debug", "nan"):
        total.set_value(0.0)
        calls.set_value(0)
        f = go.function([x], T.exp(x), updates=updates, mode=mode)
        f([1.0])
        assert (total.get_value(), calls.get_value()) == (0.0, 1)
    out = np.array([7.0])
    with pytest.raises(CheckFailed):
        f.into(out, [-1.0])
    assert (total.get_value(), calls.get_value(), out[0]) == (0.0, 1, 7.0)

    def stop(at):
        if at.op.name == "log":
            raise KeyboardInterrupt

    g = go.function([x], T.exp(x), updates=updates, mode="debug", on_node=stop)
    with pytest.raises(KeyboardInterrupt):
        g([1.0])
    assert (total.get_value(), calls.get_value()) == (0.0, 1)


def test_results_are_new_arrays_or_those_given():
    for mode in ("debug", "nan"):
        f = go.function([x], x, mode=mode)
        given, out = np.ones(3), np.empty(3)
        assert not np.may_share_memory(f(given), given)
        f.into(out, given)
        np.testing.assert_array_equal(out, given)


def test_functions_of_scalars_broadcast_in_these_modes_too():
    import sympy

    t = sympy.Symbol("t")
    for mode in ("debug", "nan"):
        f = go.function([t], sympy.sqrt(t), mode=mode)
        np.testing.assert_array_equal(f(np.array([[4.0, 9.0]])), [[2.0, 3.0]])
    assert "sqrt makes nan at [1]" in failure(f, [4.0, -1.0])


def test_modes_survive_copies_and_pickles():
    f = go.function([x], T.log(x), mode="nan")
    for again in (f.copy(), pickle.loads(pickle.dumps(f))):
        assert "log makes nan" in failure(again, [-1.0])
    seen = []
    go.function([x], T.log(x), mode="debug", on_node=seen.append).copy()([1.0])
    assert len(seen) == 2


def test_wrong_modes_say_what_there_is():
    with pytest.raises(InvalidArgument, match="unknown mode 'trace'; expected None, 'check', 'debug' or 'nan'"):
        go.function([x], x, mode="trace")
    with pytest.raises(InvalidArgument, match=r"on_node is for mode='debug'.*found mode=None"):
        go.function([x], x, on_node=print)


def test_a_long_chain_is_stepped_through_without_recursion():
    z = x
    for _ in range(2_000):
        z = T.sin(z)
    assert np.isfinite(go.function([x], z, mode="nan", pipeline="none")([1.0])).all()


def test_what_goes_wrong_in_a_branch_is_named_there():
    x, s = T.vector("x"), T.scalar("s")
    chosen = T.cond(s > 0, lambda: T.cond(s > 1, lambda: 2 * T.log(x), lambda: x + 1), lambda: x)
    function = go.function([x, s], chosen, mode="nan")
    with pytest.raises(CheckFailed, match=r"log makes nan at \[0\].* x: float64\[2\] from -1"):
        function([-1.0, 2.0], 2.0)
    np.testing.assert_array_equal(function([-1.0, 2.0], 0.5), [0.0, 3.0])
    seen = []
    go.function([x, s], chosen, mode="debug", on_node=lambda at: seen.append(at.op.name))([1.0, 2.0], 2.0)
    assert seen.count("log") == 1
    assert seen.count("cond") == 2
    assert "add" not in seen
