"""bisect finds the first firing that makes a graph wrong, in few runs, and leaves the graph alone."""

import math
from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument
from graphopt.graph import Graph
from graphopt.rewrite import Exact, Improves, Pass, Pipeline, RealOnly, Rule, V
from graphopt.testing import strategies

x, y = V("x"), V("y")
v, w = T.vectors("v w")
LOG1P = Rule("log1p", T.log(1 + x), T.log1p(x), claim=Improves())
PLANTED = Rule("planted", T.sin(x), T.cos(x), claim=Exact())  # a lie


def has(graph, op):
    return any(graph.op(node).name == op for node in graph)


def chain(length, planted_at):
    value = v
    for k in range(length):
        value = T.log(1 + value)
        if k == planted_at:
            value = T.sin(value)
    return Graph.from_outputs([v], value)


@pytest.mark.parametrize("planted_at", [0, 1, 17, 38, 39])
def test_the_planted_rule_is_found_in_a_long_chain(planted_at):
    graph = chain(40, planted_at)
    before = str(graph)
    found = go.rewrite.bisect(Pipeline([LOG1P, PLANTED]), graph, lambda g: has(g, "sin"))
    assert found.firing.rule == "planted" and found.number == found.firings == 41
    assert has(found.before, "sin") and not has(found.after, "sin")
    assert str(graph) == before
    assert found.runs <= math.ceil(math.log2(found.firings)) + 3


def test_the_number_is_the_limit_at_which_it_goes_wrong():
    graph = chain(9, 4)
    found = go.rewrite.bisect(Pipeline([PLANTED, LOG1P]), graph, lambda g: has(g, "sin"))
    for limit, right in ((found.number - 1, True), (found.number, False)):
        twin = graph.copy()
        Pipeline([PLANTED, LOG1P]).run(twin, limit=limit)
        assert has(twin, "sin") is right


def test_a_result_reads_well():
    found = go.rewrite.bisect(Pipeline([PLANTED]), Graph.from_outputs([v], T.sin(v)), lambda g: has(g, "sin"))
    first, second, *rest = str(found).splitlines()
    assert first == "firing 1 of 1 (found in 3 runs)"
    assert second.startswith("planted: planted at %1, made at ") and "test_bisect.py:" in second
    assert [line[:1] for line in rest] == ["-", "+"]


def test_mandatory_passes_run_in_every_trial():
    graph = Graph.from_outputs([v], T.sin(T.softmax(v, axis=0)))
    judged = []

    def ok(g):
        judged.append(has(g, "softmax"))
        return has(g, "sin")

    found = go.rewrite.bisect(Pipeline([PLANTED, *Pipeline.parse("lower,cse").steps]), graph, ok)
    assert found.firing.rule == "planted" and judged[0] and not any(judged[1:])


@dataclass(frozen=True)
class Silent(Pass):
    name: ClassVar[str] = "silent"

    def run(self, graph, context):
        for node in [n for n in graph.order() if graph.op(n).name == "sin"]:
            graph.replace(node, T.cos(graph.handle(graph.operands(node)[0])))


@dataclass(frozen=True)
class Mandatory(Silent):
    name: ClassVar[str] = "must"
    mandatory: ClassVar[bool] = True


@pytest.mark.parametrize(
    ("pipeline", "ok", "message"),
    [
        (Pipeline([PLANTED]), lambda g: False, "false before the pipeline ran"),
        (Pipeline([PLANTED]), lambda g: True, "still true after all 1 firings"),
        (Pipeline([Silent()]), lambda g: has(g, "sin"), "logs no firings .* silent"),
        (Pipeline([LOG1P, Mandatory()]), lambda g: has(g, "sin"), r"mandatory passes ran \(must\)"),
    ],
)
def test_where_no_firing_is_to_blame_the_error_says_so(pipeline, ok, message):
    graph = Graph.from_outputs([v], T.sin(v))
    with pytest.raises(InvalidArgument, match=message):
        go.rewrite.bisect(pipeline, graph, ok)
    assert has(graph, "sin")


@settings(max_examples=30, deadline=None)
@given(graph=strategies.graphs(max_nodes=14, families=("arithmetic", "elementary")), data=st.data())
def test_the_first_firing_of_a_planted_rule_is_found_in_random_programs(graph, data):
    ops = sorted({graph.op(n).name for n in graph if graph.op(n).arity == 1 and "elementwise" in graph.op(n).traits})
    assume(ops)
    chosen = data.draw(st.sampled_from(ops))
    op = next(graph.op(n) for n in graph if graph.op(n).name == chosen)
    planted = Rule("planted", op(x), T.ceil(x), claim=RealOnly())
    assume(not has(graph, "ceil") and op.name != "ceil")
    pipeline = Pipeline([*Pipeline.parse("canonicalize,cse").steps, planted, *Pipeline.parse("stabilize,cse").steps])
    log = pipeline.run(graph.copy())
    rules = [firing.rule for firing in log]
    assume("planted" in rules)
    before = str(graph)
    found = go.rewrite.bisect(pipeline, graph, lambda g: not has(g, "ceil"))
    assert found.firing.rule == "planted" and found.number == rules.index("planted") + 1
    assert str(graph) == before
