"""blame ranks firings by the error they added against exact arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import MissingInput
from graphopt.graph import Graph
from graphopt.rewrite import Improves, Pipeline, RealOnly, Rule, V
from graphopt.testing import strategies

x = V("x")
v, w = T.vectors("v w")
LOG1P = Rule("log1p", T.log(1 + x), T.log1p(x), claim=Improves())
NAIVE = Rule("naive", T.expm1(x), T.exp(x) - 1, claim=RealOnly())
HARMLESS = Rule("harmless", T.negative(T.negative(x)), x, claim=RealOnly())


def test_the_rule_that_loses_digits_comes_first():
    graph = Graph.from_outputs([v, w], [T.negative(T.negative(T.expm1(v))), T.log(1 + w)])
    before = str(graph)
    found = go.rewrite.blame(Pipeline([HARMLESS, NAIVE]), graph, {"v": [1e-9], "w": [0.5]})
    assert [share.firing.rule for share in found.shares] == ["naive", "harmless"]
    assert found.shares[0].added > 1e6 and found.shares[1].added == 0
    assert found.before < 2 and found.after == found.shares[0].after
    assert str(graph) == before


def test_a_rule_that_gains_digits_has_a_negative_share():
    found = go.rewrite.blame(Pipeline([LOG1P]), Graph.from_outputs([v], T.log(1 + v)), {"v": [1e-9, 3.0]})
    (share,) = found.shares
    assert share.added < -1e6 and found.after <= 1


def test_what_becomes_infinite_is_blamed_without_bound():
    lost = Rule("lost", T.logaddexp(x, x), T.log(T.exp(x) + T.exp(x)), claim=RealOnly())
    found = go.rewrite.blame(Pipeline([lost]), Graph.from_outputs([v], T.logaddexp(v, v)), {"v": [1000.0]})
    assert found.shares[0].added == math.inf


def test_an_infinity_that_was_there_already_is_nobodys_fault():
    graph = Graph.from_outputs([v], T.negative(T.negative(T.log(T.exp(v)))))
    found = go.rewrite.blame(Pipeline([HARMLESS]), graph, {"v": [1000.0]})
    assert found.before == math.inf and found.shares[0].added == 0


def test_the_table_names_rule_node_and_line():
    graph = Graph.from_outputs([v], T.expm1(v))
    lines = str(go.rewrite.blame(Pipeline([NAIVE]), graph, {"v": [1e-9]})).splitlines()
    assert lines[0].startswith("error ") and lines[0].endswith("after 1 firings")
    assert "1: naive at %1 (naive, " in lines[2] and "test_blame.py:" in lines[2]


def test_float32_is_held_to_float32():
    z = go.variable("z", "float32[n]")
    found = go.rewrite.blame(Pipeline([NAIVE]), Graph.from_outputs([z], T.expm1(z)), {"z": np.float32([1e-3])})
    assert found.before < 2 < found.after < 2**15


def test_a_missing_argument_is_named():
    with pytest.raises(MissingInput, match="w"):
        go.rewrite.blame(Pipeline([NAIVE]), Graph.from_outputs([v, w], v + w), {"v": [1.0]})


@settings(max_examples=20, deadline=None)
@given(graph=strategies.graphs(max_nodes=8, families=("arithmetic", "elementary", "reduction")), data=st.data())
def test_shares_add_up_to_what_the_pipeline_changed(graph, data):
    arguments = data.draw(strategies.inputs_for(graph))
    found = go.rewrite.blame(Pipeline.parse("canonicalize,cse,stabilize"), graph, arguments)
    in_order = sorted(found.shares, key=lambda share: share.number)
    errors = [found.before, *[share.after for share in in_order]]
    assert [share.before for share in in_order] == errors[:-1] and errors[-1] == found.after
    assert [share.added for share in found.shares] == sorted((s.added for s in found.shares), reverse=True)
