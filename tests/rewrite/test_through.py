"""Patterns that see through views and widening casts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument, TypeMismatch, VerificationFailed
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.ops import TABLE
from graphopt.ops import shape as ops
from graphopt.ops.arithmetic import cast
from graphopt.ops.neural import log_softmax, softmax
from graphopt.ops.reduction import sum_
from graphopt.rewrite import Attr, Exact, Pipeline, Rule, Stabilizes, V, explain, rule, through
from graphopt.rewrite.through import SIGHT
from graphopt.testing import verify_rule

x, axis = V("x"), Attr("axis")
LOG_SOFTMAX = Rule(
    "log-softmax", T.log(through(softmax(x, axis=axis))), through(log_softmax(x, axis=axis)), claim=Stabilizes(16)
)
X = go.variable("x", "float32[2, 3]")
VALUES = np.array([[0.5, -1, 2], [30, -20, 0.25]], "float32")
VIEWS = {
    "transpose": lambda v: ops.transpose(v, axes=tuple(reversed(range(v.ndim)))),
    "reshape": lambda v: ops.reshape(v, shape=(*reversed(v.shape),)),
    "expand_dims": lambda v: ops.expand_dims(v, axis=(v.ndim,)),
    "squeeze": lambda v: ops.squeeze(ops.expand_dims(v, axis=(0,)), axis=(0,)),
    "broadcast_to": lambda v: ops.broadcast_to(v, shape=(2, *v.shape)),
    "slice": lambda v: v[:1] if v.ndim else v,
    "pick": lambda v: ops.pick(v, index=0) if v.ndim > 1 else v,
    "cast": lambda v: cast(v, dtype="float64") if v.dtype == "float32" else v,
}


def rewritten(expression, *rules):
    graph = Graph.from_outputs([X], expression)
    log = Pipeline(list(rules)).run(graph, verify=True)
    return graph, [firing.rule for firing in log]


def ops_of(graph):
    return [graph.op(node).name for node in graph.order()]


@given(st.lists(st.sampled_from(sorted(VIEWS)), max_size=SIGHT // 2))
def test_the_chain_stands_over_the_replacement_as_it_stood_over_the_pattern(names):
    value = softmax(X, axis=(1,))
    for name in names:
        value = VIEWS[name](value)
    (expected,) = interpret(Graph.from_outputs([X], T.log(value)), {"x": VALUES}).values()
    graph, fired = rewritten(T.log(value), LOG_SOFTMAX)
    assert fired == ["log-softmax"]
    (result,) = interpret(graph, {"x": VALUES}).values()
    assert result.dtype == expected.dtype
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-12)


def test_every_view_is_seen_through():
    assert {name for name, op in TABLE.items() if "view" in op.traits} == VIEWS.keys() - {"cast"}


def test_what_stands_under_a_wider_cast_is_computed_in_the_wider_dtype():
    graph, _ = rewritten(T.log(cast(softmax(X, axis=(1,)), dtype="float64")), LOG_SOFTMAX)
    assert [graph.type(node).dtype for node in graph.order()] == ["float32", "float64", "float64"]
    assert ops_of(graph) == ["input", "cast", "log_softmax"]
    exact = VALUES.astype("float64") - np.log(np.exp(VALUES.astype("float64")).sum(1, keepdims=True))
    (result,) = interpret(graph, {"x": VALUES}).values()
    np.testing.assert_allclose(result, exact, rtol=1e-14, atol=1e-14)


def test_a_cast_that_may_change_the_value_is_not_seen_through():
    wide = go.variable("x", "float64[3]")
    graph = Graph.from_outputs([wide], T.log(cast(softmax(wide, axis=(0,)), dtype="float32")))
    assert len(Pipeline([LOG_SOFTMAX]).run(graph)) == 0
    (result,) = graph.outputs.values()
    assert "expected softmax, found cast" in explain(LOG_SOFTMAX, graph, result)


def test_a_rule_says_which_ops_it_sees_through():
    exponentials, result = (through(part, ops=("cast",)) for part in (T.exp(x), T.logsumexp(x, axis=axis)))
    total = Rule("total", T.log(sum_(exponentials, axis=axis)), result, claim=Stabilizes(16))
    _, fired = rewritten(T.log(sum_(cast(T.exp(X), dtype="float64"), axis=(1,))), total)
    assert fired == ["total"]
    _, fired = rewritten(T.log(sum_(ops.transpose(T.exp(X), axes=(1, 0)), axis=(1,))), total)
    assert fired == []
    verify_rule(total, examples=5)


def test_two_chains_of_one_name_must_be_equal():
    twice = Rule("twice", through(T.exp(x)) * through(T.exp(x)), through(T.exp(x + x)), claim=Stabilizes(16))
    flat = ops.reshape(T.exp(X), shape=(6,))
    assert rewritten(flat * flat, twice)[1] == ["twice"]
    square = go.variable("s", "float32[2, 2]")
    graph = Graph.from_outputs([square], T.exp(square) * ops.transpose(T.exp(square), axes=(1, 0)))
    assert "twice" not in [firing.rule for firing in Pipeline.parse("cse").with_(twice).run(graph)]


def test_a_variable_seen_through_views_is_what_lies_beneath_all_of_them():
    whole = Rule("sum-of-view", sum_(through(x, ops=("reshape", "transpose")), axis=axis), T.sum(x), claim=Exact(),
                 where=lambda match: match.root.ndim == 0 and match["seen"].chain)  # fmt: skip
    view = ops.reshape(ops.transpose(X, axes=(1, 0)), shape=(6,))
    graph, fired = rewritten(sum_(view, axis=(0,)), whole)
    assert fired == ["sum-of-view"] and ops_of(graph) == ["input", "sum"]


def test_code_on_the_right_side_gets_the_chain():
    @rule(T.log(through(softmax(x, axis=axis), name="views")), claim=Stabilizes(16))
    def log_of_softmax(match, x, axis, views):
        "log of softmax"
        return views.over(log_softmax(views.widened(x), axis=axis))

    assert rewritten(T.log(VIEWS["cast"](VIEWS["reshape"](softmax(X, axis=(1,))))), log_of_softmax)[1]


def test_a_pattern_that_appears_under_views_later_is_found():
    make = Rule("softmax", T.exp(log_softmax(x, axis=axis)), softmax(x, axis=axis), claim=Stabilizes(16, relative=True))
    value = T.exp(log_softmax(X, axis=(1,)))
    for name in ("reshape", "expand_dims", "broadcast_to", "cast", "transpose"):
        value = VIEWS[name](value)
    graph = Graph.from_outputs([X], T.log(value))
    for seed in range(5):
        trial = graph.copy()
        log = Pipeline([make, LOG_SOFTMAX]).run(trial, seed=seed)
        together = [firing.rule for firing in log]
        assert together == ["softmax", "log-softmax"]
    alternating = graph.copy()
    both = Pipeline.parse("fix{stabilize;max=3}").run(alternating)
    assert {"exp-log-softmax", "log-softmax"} <= {firing.rule for firing in both}


@pytest.mark.parametrize(
    "wrong", [lambda: through(1), lambda: through(cast(x, dtype="float32")), lambda: through(x, ops=("exp",)),
              lambda: through(ops.reshape(x, shape=(2,))), lambda: through(x, ops=("no such op",))]
)  # fmt: skip
def test_what_cannot_be_seen_through_is_refused(wrong):
    with pytest.raises(InvalidArgument, match="through"):
        wrong()


def test_a_rule_cannot_be_rooted_in_views_and_programs_cannot_hold_them():
    with pytest.raises(InvalidArgument, match="must apply an op"):
        Rule("views", through(T.exp(x)), T.exp(x), claim=Exact())
    with pytest.raises(TypeMismatch, match="patterns"):
        through(x).op(X)


def test_a_replacement_that_forgets_the_views_is_refused_by_its_type():
    forgets = Rule("forgets", T.log(through(softmax(x, axis=axis))), log_softmax(x, axis=axis), claim=Stabilizes(16))
    assert rewritten(T.log(ops.reshape(softmax(X, axis=(1,)), shape=(6,))), forgets)[1] == []


def test_a_replacement_that_forgets_a_transposition_is_found_by_verification():
    forgets = Rule("forgets", T.log(through(softmax(x, axis=axis))), log_softmax(x, axis=axis), claim=Stabilizes(16))
    with pytest.raises(VerificationFailed, match="claim"):
        verify_rule(forgets, examples=25)
