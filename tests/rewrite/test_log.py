"""What a run leaves behind: firings with provenance, hooks at firings, profiles; and that watching changes nothing."""

from types import SimpleNamespace

import pytest
from hypothesis import given, settings

import graphopt.tensor as T
from graphopt.analysis.cost import graph_cost
from graphopt.errors import InvalidArgument
from graphopt.graph import Graph
from graphopt.rewrite import Context, Improves, Pipeline, Rule, V, profiling
from graphopt.testing import strategies

x = V("x")
v, w = T.vectors("v w")
LOG1P = Rule("log1p", T.log(1 + x), T.log1p(x), claim=Improves())


def three():
    return Graph.from_outputs([v], T.log(1 + T.log(1 + T.log(1 + v))))


def test_a_firing_knows_rule_nodes_difference_and_the_users_line():
    graph = Graph.from_outputs([v], T.log(1 + v))
    node = graph.outputs["output"]
    firing = Pipeline([LOG1P]).run(graph)[0]
    assert firing.rule == "log1p" and firing.node == firing.nodes[0] == node
    assert [str(origin).rpartition("/")[2].partition(":")[0] for origin in firing.origins] == ["test_log.py"]
    assert str(firing).splitlines()[0] == f"log1p: log1p at %{node}, made at {firing.origins[0]}"
    assert str(firing).endswith(firing.diff())


def test_hooks_hear_every_firing_between_before_and_after():
    seen = []
    log = Pipeline([LOG1P]).run(three(), hooks=[lambda event: seen.append((event.when, event.firing, len(event.log)))])
    assert [when for when, *_ in seen] == ["before", "firing", "firing", "firing", "after"]
    assert [firing for _, firing, _ in seen] == [None, *log, None]
    assert [count for *_, count in seen] == [0, 1, 2, 3, 3]


def test_a_hook_may_look_at_the_graph_at_each_firing():
    graph, printed = three(), []

    def step(event):
        if event.when == "firing":
            event.graph.verify()
            printed.append(f"{event.firing}\n{event.graph}")

    Pipeline([LOG1P]).run(graph, hooks=[step])
    assert [text.count("log1p(") for text in printed] == [2, 3, 4]  # once in the difference


@pytest.mark.parametrize("error", [InvalidArgument("enough"), StopIteration("enough"), KeyboardInterrupt("enough")])
@pytest.mark.parametrize("when", ["before", "firing", "after"])
def test_what_a_hook_raises_arrives_as_it_is_and_the_graph_as_it_was(error, when):
    graph = three()
    before = str(graph)

    def stop(event):
        if event.when == when and (when != "firing" or len(event.log) == 2):
            raise error

    with pytest.raises(type(error), match=r"^enough$") as caught:
        Pipeline([LOG1P]).run(graph, hooks=[stop])
    assert caught.value is error and str(graph) == before


@settings(max_examples=30, deadline=None)
@given(graph=strategies.graphs())
def test_watching_and_profiling_change_nothing(graph):
    pipeline = Pipeline.named("default")
    plain, watched = graph.copy(), graph.copy()
    log = pipeline.run(plain)
    other = pipeline.run(watched, hooks=[lambda event: None], profile=True, verify=True)
    assert str(plain) == str(watched) and plain.fusion.groups == watched.fusion.groups
    assert [str(firing) for firing in log] == [str(firing) for firing in other]
    tallies = [[(r.tried, r.matched, r.declined, r.fired) for r in each.rules.values()] for each in (log, other)]
    assert tallies[0] == tallies[1]


@settings(max_examples=30, deadline=None)
@given(graph=strategies.graphs())
def test_what_rules_changed_adds_up_to_what_the_pipeline_changed(graph):
    graph.prune()
    before, size = graph_cost(graph), len(graph)
    log = Pipeline.parse("canonicalize,cse,stabilize,lower,cse").run(graph, profile=True)
    graph_after = graph_cost(graph)
    assert sum(record.nodes for record in log.rules.values()) == len(graph) - size
    assert sum((record.flops for record in log.rules.values()), 0) == graph_after.flops - before.flops
    assert sum((record.bytes for record in log.rules.values()), 0) == graph_after.bytes - before.bytes
    changes = [(p.cost_before, p.cost_after) for p in log.passes]
    assert changes[0][0] == before and changes[-1][1] == graph_after


def test_a_profile_has_time_and_change_for_each_rule():
    log = Pipeline([LOG1P]).run(three(), profile=True)
    (record,) = log.rules.values()
    header, row = (line.split() for line in log.table().splitlines()[-2:])
    assert header[:3] == ["rule", "pass", "claim"] and header[-4:] == ["ms", "nodes", "flops", "bytes"]
    assert header[3:-4] == ["tried", "matched", "near", "misses", "fired"]
    assert row[:7] == ["log1p", "log1p", "Improves", "3", "3", "0", "3"]
    assert row[7] != "-" and row[8] == str(record.nodes) == "-6"


def test_time_is_booked_on_the_rule_that_takes_it(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(profiling, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def slow(match):
        now[0] += 2.0
        return False

    def slower(match, x):
        now[0] += 3.0
        return T.cosh(x)

    rules = [
        Rule("slow", T.exp(x), x, claim=Improves(), where=slow),
        Rule("slower", T.exp(x), slower, claim=Improves()),
    ]
    log = Pipeline(rules).run(Graph.from_outputs([v], T.sin(T.exp(v)) + T.exp(v * 2)), profile=True)
    assert {name: record.milliseconds for (_, name), record in log.rules.items()} == {"slow": 4e3, "slower": 6e3}


def test_without_a_profile_nothing_is_measured():
    log = Pipeline([LOG1P]).run(three())
    (record,) = log.rules.values()
    assert (record.milliseconds, record.nodes, record.flops, record.bytes) == (0, 0, 0, 0)
    assert log.passes[0].cost_before is None and "flops" not in log.table()


def test_near_misses_are_matches_that_did_not_fire():
    narrow = Rule("narrow", T.exp(x), T.sum(x, axis=0), claim=Improves())
    log = Pipeline([narrow]).run(Graph.from_outputs([v], T.exp(v)))
    (record,) = log.rules.values()
    assert (record.matched, record.declined, record.fired) == (1, 1, 0)
    assert record.reason == "its result would be float64, not float64[v_0]"


def test_a_context_counts_the_graphs_cost_when_asked():
    graph = Graph.from_outputs([v, w], v + w)
    context = Context(graph)
    assert context.cost == graph_cost(graph)
    graph.replace(graph.outputs["output"], T.exp(graph.handle(graph.inputs["v"])))
    assert context.cost == graph_cost(graph)


def test_a_context_gives_the_graphs_facts():
    graph = Graph.from_outputs([v], T.exp(v))
    assert Context(graph).facts(graph.outputs["output"]) == graph.facts(graph.outputs["output"])
