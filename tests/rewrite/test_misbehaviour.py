"""Rules and passes that misbehave: one clear error that names rule and node, and the graph as it was."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt.tensor as T
from graphopt.errors import InvalidArgument, RewriteFailed
from graphopt.graph import Graph
from graphopt.rewrite import Exact, Pass, Pipeline, Rule, RulePass, V
from graphopt.testing import strategies

x, y = V("x"), V("y")
v, w = T.vectors("v w")


@dataclass(frozen=True)
class Several(RulePass):
    name: ClassVar[str] = "several"
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("there", T.exp(x), T.exp2(x), claim=Exact()),
        Rule("back", T.exp2(x), T.exp(x), claim=Exact()),
    )


EXPLODES = Rule("explodes", T.exp(x), T.exp(x) * T.exp(x + 1) * T.exp(x + 2), claim=Exact())


def raises(match, x):
    raise KeyError("oops")


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Several(), r"pass several: rules back and there undo each other at node \d+ \(exp"),
        (EXPLODES, r"pass explodes: the graph grew to \d+ nodes.*explodes at node \d+"),
        (Rule("raises", T.exp(x), raises, claim=Exact()), r"rule raises failed at node 2 \(exp.*made at .*KeyError"),
        (
            Rule("asks", T.exp(x), x, where=lambda match: 1 / 0, claim=Exact()),
            r"rule asks failed at node 2 \(exp.*its condition: division by zero",
        ),
    ],
)
def test_a_rule_that_misbehaves_is_one_error_and_the_graph_is_as_it_was(step, message):
    graph = Graph.from_outputs([v, w], {"out": T.sin(T.exp(v)), "other": T.log(w)})
    graph.fusion.group([graph.outputs["other"]])
    before, state = str(graph), _state(graph)
    with pytest.raises(RewriteFailed, match=message):
        Pipeline([step]).run(graph)
    assert str(graph) == before and _state(graph) == state


@pytest.mark.parametrize(
    ("replacement", "found"),
    [
        (T.sum(x, axis=0), "float64, not float64[v_0]"),
        (T.expand_dims(x, 0), "float64[1, v_0], not float64[v_0]"),
        (x > 0, "bool[v_0], not float64[v_0]"),
    ],
)
def test_a_rule_that_would_change_the_type_is_a_near_miss_and_logged(replacement, found):
    graph = Graph.from_outputs([v], T.exp(v))
    before = str(graph)
    log = Pipeline([Rule("changes", T.exp(x), replacement, claim=Exact())]).run(graph)
    (record,) = log.rules.values()
    assert str(graph) == before and len(log) == 0
    assert (record.declined, record.fired, record.reason) == (1, 0, f"its result would be {found}")


@dataclass(frozen=True)
class Burglar(Pass):
    """Edits behind the door."""

    name: ClassVar[str] = "burglar"
    how: str = "edge"

    def run(self, graph, context):
        node = next(n for n in graph.order() if graph.op(n).name == "sin")
        if self.how == "edge":
            graph._nx.remove_edge(graph.operands(node)[0], node)
        elif self.how == "operands":
            graph._data[node]["operands"] = (node,)
        elif self.how == "node":
            graph._nx.remove_node(node)
        elif self.how == "type":
            graph._data[node]["type"] = graph.type(node).with_shape(())
        elif self.how == "output":
            graph.outputs["out"] = graph.inputs["v"]
        elif self.how == "input":
            del graph.inputs["v"]


@pytest.mark.parametrize("how", ["edge", "operands", "node", "type", "output", "input"])
def test_edits_behind_the_door_are_found_by_verification_and_taken_back(how):
    graph = Graph.from_outputs([v, w], {"out": T.exp(T.sin(v)), "other": T.log(1 + w)})
    graph.fusion.group([graph.outputs["other"]])
    before, state = str(graph), _state(graph)
    with pytest.raises(RewriteFailed, match=r"^pass burglar: .*(node|outputs)"):
        Pipeline([Burglar(how)]).run(graph, verify=True)
    assert str(graph) == before and _state(graph) == state
    graph.verify()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("burgler", "no pass called 'burgler'"),
        ("cse,constant-folding{most=3}", "pass constant-folding has no parameter 'most'; it has: max"),
        ("constant-folding{max=true}", "max is of kind int, found True"),
    ],
)
def test_unknown_passes_and_parameters_touch_nothing(text, message):
    graph = Graph.from_outputs([v], T.exp(v) + T.exp(v))
    before = str(graph)
    with pytest.raises(InvalidArgument, match=message):
        Pipeline.parse(text).run(graph)
    assert str(graph) == before


def _state(graph):
    return (
        graph.fusion.groups, len(graph.journal.since(0)), dict(graph.inputs), dict(graph.outputs), list(graph.guards),
        dict(graph.renamed), sorted(graph), {n: graph.origins(n) for n in graph}, {n: graph.name(n) for n in graph},
    )  # fmt: skip


@dataclass(frozen=True)
class Wrecks(Pass):
    """Edits through the door in many ways, then raises."""

    name: ClassVar[str] = "wrecks"
    choices: tuple[int, ...] = ()

    def run(self, graph, context):
        for choice in self.choices:
            nodes = [n for n in graph.order() if n in graph]
            node = nodes[choice % len(nodes)]
            if choice % 3 == 0:
                context.replace(node, graph.handle(node) + graph.handle(node), "wrap")
            elif choice % 3 == 1:
                graph.add(T.negative(graph.handle(node)))
                graph.fusion.group([node])
            else:
                graph.inputs = {f"new_{name}": n for name, n in graph.inputs.items()}
                graph.prune()
        graph.fusion.clear()
        raise ValueError("wrecked")


@settings(max_examples=60, deadline=None)
@given(
    graph=strategies.graphs(),
    choices=st.lists(st.integers(0, 50), max_size=6),
    verify=st.booleans(),
    data=st.data(),
)
def test_a_pass_that_edits_and_raises_leaves_everything_as_it_was(graph, choices, verify, data):
    for group in data.draw(st.lists(st.sets(st.sampled_from(graph.order()), min_size=1), max_size=3)):
        graph.fusion.group(group)
    before, state = str(graph), _state(graph)
    steps = [*Pipeline.parse("canonicalize,cse,stabilize").steps, Wrecks(tuple(choices))]
    with pytest.raises(RewriteFailed, match="pass wrecks: ValueError: wrecked"):
        Pipeline(steps).run(graph, verify=verify)
    assert str(graph) == before and _state(graph) == state
    graph.verify()
