"""Rules and nodes in any order: the same values within the claims, and the same graph where a set is confluent.

The short suite tries a sample of programs and orders; the long one all of the corpus, each in 20 shuffled orders. How
large a difference of values the claims allow is worked out by `graphopt.rewrite.confluence.excess`.
"""

import functools

import hypothesis
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.graph import Graph
from graphopt.rewrite import Pipeline
from graphopt.rewrite.confluence import SEEDS, arguments, excess, normal_forms
from graphopt.rewrite.lint_corpus import named_programs
from graphopt.testing.strategies import graphs

X = go.variable("x", "float64[n, m]")
W = go.variable("w", "float64[m, k]")
v = go.variable("v", "float64[m]")
INPUTS = [X, W, v]
RANGES = ((0.1, 0.9), (-0.9, -0.1), (0.5, 2.0))


def softmax(x):
    return T.exp(x) / T.sum(T.exp(x), axis=1, keepdims=True)


SAMPLE = {
    "log of softmax": T.log(softmax(X)),
    "logistic loss": T.sum(T.log(1 + T.exp(-X)) - (-X) * (1 / (1 + T.exp(X)))),
    "dense layer": T.tanh(X @ W) * 2.0 * 3.0 + (1 - T.erf(X @ W)),
    "gradient of cross-entropy": go.grad(-T.sum(T.log(softmax(X)) * T.softmax(X * v, axis=1)), X),
    "views": T.sum(T.exp(X.T.reshape((-1,)).reshape(X.T.shape)).T * T.expand_dims(-v, 0), axis=0) / v**3,
    "masked root": go.grad(T.sum(T.where(X > 0, T.sqrt(X), 0)), X),
    "constants": ((v + 1.0) + 2.0) - 4.0 + ((v * 2.0) / 4.0) * 8.0 - 1 / (3.0 / v),
    "error function": T.log(T.erfc(X)) + T.log(v**5) - T.log(1 / v),
}
OF_CORPUS = {
    "gradient of a perceptron": "w3", "Black and Scholes": "erfc(-d/r)", "double pendulum": "cos(x - y) - 9.81",
    "guard that is not needed": "exp(log(softmax(x, axis=1)))", "product of equal elements": "(ones((2, 3)) @",
}  # fmt: skip
"""Programs of the corpus, by what stands in their formulas."""
STABILIZED = "canonicalize,cse,fix{stabilize,cse,canonicalize;max=20}"
PIPELINES = {
    "canonicalize": "fix{canonicalize,cse;max=20}",
    "stabilized": STABILIZED,
    "algebra": "canonicalize,cse,fix{algebra,cse,canonicalize;max=20}",
    "default": f"{STABILIZED},lower,cse,constant-folding,canonicalize,cse,dead-code",
}
NOT_CONFLUENT = {("Black and Scholes", pipeline) for pipeline in ("canonicalize", "algebra")}
"""What different orders bring to different, equally good graphs: (-x) + (-y) becomes (-x) - y or (-y) - x."""


@functools.cache
def program(name):
    if name in SAMPLE:
        return Graph.from_outputs(INPUTS, SAMPLE[name])
    return next(graph for formula, graph in named_programs() if OF_CORPUS[name] in formula)


@functools.cache
def forms(name, pipeline):
    return normal_forms(program(name), Pipeline.parse(PIPELINES[pipeline]), range(5))


def worst(written, form):
    return max(excess(written, form, arguments(written, seed, *bounds)) for seed, bounds in enumerate(RANGES))


@pytest.mark.parametrize("pipeline", PIPELINES)
@pytest.mark.parametrize("name", [*SAMPLE, *OF_CORPUS])
def test_the_order_of_rules_and_nodes_changes_no_value_beyond_the_claims(name, pipeline):
    for form in forms(name, pipeline):
        assert worst(program(name), form) <= 1, form.seeds


@pytest.mark.parametrize("pipeline", PIPELINES)
@pytest.mark.parametrize("name", [*SAMPLE, *OF_CORPUS])
def test_the_order_of_rules_and_nodes_changes_no_graph_where_rules_are_confluent(name, pipeline):
    if (name, pipeline) not in NOT_CONFLUENT:
        assert [form.seeds for form in forms(name, pipeline)] == [(None, *range(5))]


@hypothesis.settings(max_examples=10, deadline=None, derandomize=True)
@hypothesis.given(graphs())
def test_the_order_changes_no_value_of_random_programs(graph):
    for form in normal_forms(graph, Pipeline.parse(PIPELINES["default"]), range(3)):
        assert excess(graph, form, arguments(graph, 0, -2.0, 2.0)) <= 1


@pytest.mark.long
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_no_order_changes_a_value_of_the_corpus_beyond_the_claims(pipeline):
    parsed = Pipeline.parse(PIPELINES[pipeline])
    for formula, graph in named_programs():
        for form in normal_forms(graph, parsed, SEEDS):
            assert worst(graph, form) <= 1, (formula, form.seeds)


@pytest.mark.long
@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(graphs(max_nodes=25))
def test_no_order_changes_a_value_of_larger_random_programs(graph):
    for pipeline in ("default", "algebra"):
        for form in normal_forms(graph, Pipeline.parse(PIPELINES[pipeline]), range(5)):
            assert excess(graph, form, arguments(graph, 0, -2.0, 2.0)) <= 1


# --- the measure itself -----------------------------------------------------------------------------------------------


def test_graphs_are_the_same_up_to_the_order_of_commuting_operands_and_no_further():
    from graphopt.rewrite.confluence import digest

    def of(output):
        return digest(Graph.from_outputs([X, v], output))

    assert of(T.exp(X) * v + X) == of(X + v * T.exp(X))
    assert len({of(X - v), of(v - X), of(X + v), of(X + v * 1.0), of(X + v * 2.0)}) == 5


def test_rules_that_depend_on_the_order_are_seen_and_so_is_a_wrong_value():
    from graphopt.rewrite import Reassociates, Rule, V
    from graphopt.rewrite.confluence import apart

    x = V("x")
    away = Rule("away", T.exp(x) - 1, T.expm1(x), claim=Reassociates())
    wrong = Rule("wrong", T.exp(x), T.exp2(x), claim=Reassociates())
    graph = Graph.from_outputs([v], T.exp(v) - 1)
    first, second = normal_forms(graph, Pipeline.parse("canonicalize").with_(_both(away, wrong)))
    assert {*first.seeds, *second.seeds} == {None, *SEEDS} and apart(first, second) == ["away", "wrong"]
    good, bad = sorted(excess(graph, form, arguments(graph, 0, 0.5, 2.0)) for form in (first, second))
    assert good <= 1 < 1e3 < bad


def _both(*listed):
    from dataclasses import dataclass
    from typing import ClassVar

    from graphopt.rewrite import RulePass

    @dataclass(frozen=True)
    class Both(RulePass):
        """Two rules that take each other's pattern away."""

        name: ClassVar[str] = "both"
        rules: ClassVar = listed

    return Both()
