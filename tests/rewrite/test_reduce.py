"""reduce finds small graphs that are still bad, deterministically, and leaves the graph alone."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument
from graphopt.graph import Graph
from graphopt.graph.text import graph_text
from graphopt.interpret import interpret
from graphopt.rewrite import shrinking
from graphopt.testing import strategies

v, w = T.vectors("v w")
m = T.matrix("m")


def has(op):
    return lambda graph: any(graph.op(node).name == op for node in graph)


def ops(graph):
    return [graph.op(node).name for node in graph.order()]


def test_what_does_not_matter_goes():
    total = T.sum(T.log(1 + T.exp(v * w)) / T.sin(w)) + T.sum(m)
    graph = Graph.from_outputs([v, w, m], {"a": total, "b": T.cos(w), "c": v})
    before = str(graph)
    small = go.rewrite.reduce(graph, has("log"))
    assert ops(small) == ["input", "log"] and len(small.inputs) == len(small.outputs) == 1
    assert str(graph) == before
    small.verify()


def test_an_interaction_of_two_ops_is_kept():
    graph = Graph.from_outputs([v, w], T.tanh(T.exp(T.sin(T.cos(v) + w)) * 3) - T.sqrt(w))

    def exp_of_sin(g):
        return any(g.op(n).name == "exp" and g.op(g.operands(n)[0]).name == "sin" for n in g)

    assert ops(go.rewrite.reduce(graph, exp_of_sin))[1:] == ["sin", "exp"]


def test_an_input_stays_while_a_size_is_read_off_it():
    graph = Graph.from_outputs([v, w], T.exp(T.sin(v)) + w)
    small = go.rewrite.reduce(graph, lambda g: has("exp")(g) and g.type(next(iter(g.outputs.values()))).ndim == 1)
    symbol = small.type(next(iter(small.outputs.values()))).shape[0]
    assert len(small.inputs) == 1 and symbol == small.type(next(iter(small.inputs.values()))).shape[0]
    assert interpret(small, {name: [1.0, 2.0] for name in small.inputs})


def test_errors_inside_bad_count_as_not_bad():
    graph = Graph.from_outputs([v], T.exp(T.sin(v)))
    small = go.rewrite.reduce(graph, lambda g: bool(1 / ops(g).count("sin")))
    assert "sin" in ops(small)


def test_what_is_not_bad_to_begin_with_is_refused():
    graph = Graph.from_outputs([v], T.exp(v))
    for bad in (lambda g: False, lambda g: 1 / 0):
        with pytest.raises(InvalidArgument, match="not true to begin with"):
            go.rewrite.reduce(graph, bad)


def test_bad_may_not_damage_what_it_is_given():
    graph = Graph.from_outputs([v], T.exp(T.sin(v)))

    def bad(g):
        found = has("sin")(g)
        g.replace(g.outputs["output"], T.cos(g.handle(g.outputs["output"])))
        return found

    assert "cos" not in ops(go.rewrite.reduce(graph, bad))


@settings(max_examples=25, deadline=None)
@given(graph=strategies.graphs(max_nodes=10), data=st.data())
def test_results_are_bad_valid_repeatable_and_minimal(graph, data):
    names = sorted({graph.op(n).name for n in graph.order() if graph.op(n).arity != 0})
    assume(names)
    bad = has(data.draw(st.sampled_from(names)))
    before = str(graph)
    small = go.rewrite.reduce(graph, bad)
    small.verify()
    assert bad(small) and len(small) <= len(graph) and str(graph) == before
    assert graph_text(go.rewrite.reduce(graph, bad)) == graph_text(small)
    for step in shrinking._steps(small):
        nearer = shrinking._applied(small, step)
        assert nearer is None or not bad(nearer) or shrinking._size(nearer) >= shrinking._size(small)
    Graph.parse(str(small))
