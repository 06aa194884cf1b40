"""Pipelines as text and as objects: reading, writing, editing, contracts, hooks, the log."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

import graphopt.tensor as T
from graphopt.errors import GraphoptError, InvalidArgument, RewriteFailed
from graphopt.graph import Graph
from graphopt.passes.canonicalize import Canonicalize
from graphopt.passes.constant_folding import ConstantFolding
from graphopt.passes.cse import CommonSubexpressions
from graphopt.passes.lower import Lower
from graphopt.passes.stabilize import Stabilize
from graphopt.rewrite import Exact, Fix, Improves, Pass, Pipeline, Rule, V, available_passes, registry

x = V("x")
v, w = T.vectors("v w")
MY_RULE = Rule("my-rule", T.log(1 + x), T.log1p(x), claim=Improves())


@dataclass(frozen=True)
class Configurable(Pass):
    name: ClassVar[str] = "configurable"
    k: int = 2
    rate: float = 0.5
    fast: bool = False
    word: str = "none"

    def run(self, graph, context):
        pass


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cse",
        "canonicalize,cse",
        "fix{stabilize,cse;max=5}",
        "canonicalize,fix{stabilize,fix{cse,canonicalize;max=3};max=20},lower,dead-code",
        "constant-folding{max=7}",
    ],
)
def test_text_and_pipeline_are_inverse(text):
    assert str(Pipeline.parse(text)) == text
    assert Pipeline.parse(str(Pipeline.parse(text))) == Pipeline.parse(text)


def test_space_does_not_count_and_defaults_are_left_out():
    assert str(Pipeline.parse(" canonicalize , fix { cse } ")) == "canonicalize,fix{cse;max=20}"
    assert str(Pipeline.parse("constant-folding{max=4096}")) == "constant-folding"


def test_pipelines_are_made_of_passes_and_rules():
    pipeline = Pipeline(
        [Canonicalize(), MY_RULE, Fix((MY_RULE, CommonSubexpressions()), max=4), ConstantFolding(max=3)]
    )
    assert str(pipeline) == "canonicalize,my-rule,fix{my-rule,cse;max=4},constant-folding{max=3}"
    assert [step.name for step in pipeline] == ["canonicalize", "my-rule", "my-rule", "cse", "constant-folding"]


@pytest.mark.parametrize("text", ["k=3", "k=3,rate=0.25", "rate=1e-3,fast=true", "word=some-word", "rate=2"])
def test_parameters_are_fields(text, monkeypatch):
    monkeypatch.setattr(registry, "available_passes", lambda: {"configurable": Configurable})
    assert str(Pipeline.parse(f"configurable{{{text}}}")).startswith("configurable{")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("canonicalise", "no pass called 'canonicalise'; did you mean canonicalize"),
        ("zzzz", "there are: algebra, branches, cancel"),
        ("cse,", "expected a name, found the end"),
        ("cse,,lower", "expected a name, found ','"),
        ("cse lower", "expected the end, found 'lower'"),
        ("fix{cse", "expected ';' or '}', found the end"),
        ("fix{cse;max=2", "expected ',' or '}', found the end"),
        ("fix{cse;times=2}", "fix has the parameter max"),
        ("fix{cse;max=many}", "fix has the parameter max"),
        ("fix{cse;max=0}", "max is at least 1"),
        ("cse{", "expected a name"),
        ("cse{max=3}", "pass cse has no parameter 'max'; it has: none"),
        ("constant-folding{max=3,max=4}", "max stands twice"),
        ("constant-folding{max}", "expected '='"),
        ("constant-folding{max=}", "found '}'"),
        ("constant-folding{max=a-word}", "max is of kind int"),
        ("cse;lower", "expected the end, found ';'"),
        ("cse $", "cannot read '\\$'"),
        ("cse}", "found '}'"),
        ("__import__('os')", "cannot read"),
    ],
)
def test_text_that_cannot_be_read_is_one_clear_error(text, message):
    with pytest.raises(InvalidArgument, match=message):
        Pipeline.parse(text)


def test_an_error_points_at_the_place():
    with pytest.raises(InvalidArgument) as caught:
        Pipeline.parse("canonicalize,csx")
    assert str(caught.value).splitlines()[-2:] == ["  canonicalize,csx", "               ^"]


@pytest.mark.parametrize("what", [3, "cse", Canonicalize, None])
def test_what_is_no_pass_is_refused(what):
    with pytest.raises(InvalidArgument):
        Pipeline([what])


def test_steps_are_added_and_left_out():
    pipeline = Pipeline.parse("canonicalize,fix{stabilize,cse;max=20},lower")
    assert str(pipeline.with_(MY_RULE, after="stabilize")) == "canonicalize,fix{stabilize,my-rule,cse;max=20},lower"
    assert str(pipeline.with_(MY_RULE, before="canonicalize")).startswith("my-rule,canonicalize")
    assert str(pipeline.with_(CommonSubexpressions())).endswith("lower,cse")
    assert str(pipeline.without("cse")) == "canonicalize,fix{stabilize;max=20},lower"
    assert str(pipeline.without("cse").without("stabilize")) == "canonicalize,lower"
    assert str(pipeline) == "canonicalize,fix{stabilize,cse;max=20},lower"
    for change in (lambda: pipeline.with_(MY_RULE, after="nothing"), lambda: pipeline.without("nothing")):
        with pytest.raises(InvalidArgument, match="no pass called 'nothing'"):
            change()


def test_what_is_mandatory_stays():
    with pytest.raises(InvalidArgument, match="lower is mandatory"):
        Pipeline.named("default").without("lower")


def test_contracts_are_checked_when_a_pipeline_is_made():
    @dataclass(frozen=True)
    class Needy(Pass):
        name: ClassVar[str] = "needy"
        requires: ClassVar[frozenset[str]] = frozenset({"lowered"})

        def run(self, graph, context):
            pass

    with pytest.raises(InvalidArgument, match="stabilize may not run after lower"):
        Pipeline.parse("lower,stabilize")
    with pytest.raises(InvalidArgument, match="stabilize may not run after lower"):
        Pipeline.parse("fix{stabilize,lower}")
    with pytest.raises(InvalidArgument, match="needy requires lowered"):
        Pipeline([Needy(), Lower()])
    Pipeline([Lower(), Needy()])


@pytest.mark.parametrize("name", ["default", "fast", "stabilized", "none"])
def test_named_pipelines_exist_and_round_trip(name):
    pipeline = Pipeline.named(name)
    assert Pipeline.parse(str(pipeline)) == pipeline
    assert ("lower" in [step.name for step in pipeline]) == (name != "stabilized")


def test_an_unknown_name_of_a_pipeline_lists_those_there_are():
    with pytest.raises(InvalidArgument, match="default, fast, stabilized, none"):
        Pipeline.named("defualt")


def test_passes_are_found_by_name_in_stable_order():
    names = list(available_passes())
    assert names == sorted(names) and {"canonicalize", "cse", "fuse", "lower", "stabilize"} <= set(names)
    assert available_passes()["stabilize"] is Stabilize


class Entry:
    """What stands in for an installed package's entry point."""

    def __init__(self, name, value):
        self.name, self.value, self._value = name, f"package:{name}", value

    def load(self):
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


def test_installed_packages_bring_passes(monkeypatch):
    monkeypatch.setattr(registry, "entry_points", lambda group: [Entry("configurable", Configurable)])
    assert available_passes()["configurable"] is Configurable
    assert Pipeline.parse("configurable{k=3}").steps == (Configurable(k=3),)


@pytest.mark.parametrize("value", [ImportError("no such module"), int, Stabilize])
def test_a_broken_package_is_left_out_with_a_warning(value, monkeypatch):
    monkeypatch.setattr(registry, "entry_points", lambda group: [Entry("theirs", value)])
    with pytest.warns(UserWarning, match="theirs"):
        assert "theirs" not in available_passes()


def test_hooks_see_every_pass_before_and_after():
    seen = []
    graph = Graph.from_outputs([v], T.log(1 + v))
    log = Pipeline.parse("canonicalize,fix{stabilize,cse}").run(
        graph, hooks=[lambda event: seen.append((event.when, event.step.name, len(event.graph)))]
    )
    assert [name for when, name, _ in seen if when == "before"] == [record.step for record in log.passes]
    assert [when for when, *_ in seen if when != "firing"] == ["before", "after"] * len(log.passes)


def test_a_fix_starts_again_only_from_what_was_edited():
    value = v
    for _ in range(200):
        value = T.log(1 + T.exp(value))
    graph = Graph.from_outputs([v], value)
    log = Pipeline.parse("fix{stabilize,canonicalize}").run(graph)
    assert [record.firings for record in log.passes if record.step == "stabilize"][-1] == 0
    assert sum(record.tried for record in log.rules.values()) < 200 * 20


def test_passes_that_undo_each_other_are_named():
    there = Rule("there", T.exp(x), T.exp2(x), claim=Exact())
    back = Rule("back", T.exp2(x), T.exp(x), claim=Exact())
    graph = Graph.from_outputs([v], T.exp(v))
    before = str(graph)
    with pytest.raises(RewriteFailed, match=r"fix.*still changes the graph after 6 rounds.*there.*back"):
        Pipeline([Fix((there, back), max=6)]).run(graph)
    assert str(graph) == before


@dataclass(frozen=True)
class Vandal(Pass):
    name: ClassVar[str] = "vandal"
    how: str = "type"

    def run(self, graph, context):
        graph.replace(graph.outputs["output"], T.cos(graph.handle(graph.inputs["v"])))
        node = graph.outputs["output"]
        if self.how == "type":
            graph.replace(node, T.sum(graph.handle(node)))
        if self.how == "error":
            raise KeyError("oops")
        if self.how == "behind":
            graph._data[node]["operands"] = (node,)


@pytest.mark.parametrize("how", ["type", "error"])
def test_a_pass_that_fails_is_named_and_leaves_the_graph_as_it_was(how):
    graph = Graph.from_outputs([v], T.sin(T.log(1 + v)))
    before = str(graph)
    with pytest.raises(RewriteFailed, match="pass vandal"):
        Pipeline([MY_RULE, Vandal(how)]).run(graph)
    assert str(graph) == before
    graph.verify()


def test_edits_behind_the_doors_back_are_found_by_verification():
    graph = Graph.from_outputs([v], T.sin(v))
    with pytest.raises(GraphoptError, match=r"pass vandal: node \d+ \(cos\): edges"):
        Pipeline([Vandal("behind")]).run(graph, verify=True)


def test_a_pipeline_with_an_unknown_pass_touches_nothing():
    graph = Graph.from_outputs([v], T.log(1 + v))
    before = str(graph)
    with pytest.raises(InvalidArgument):
        Pipeline.parse("stabilize,nonsense").run(graph)
    assert str(graph) == before


def test_an_interrupted_run_is_rolled_back():
    graph = Graph.from_outputs([v], T.log(1 + v))
    before = str(graph)

    def interrupt(event):
        if event.when == "after" and event.step.name == "stabilize":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Pipeline.parse("stabilize,cse").run(graph, hooks=[interrupt])
    assert str(graph) == before


def test_the_log_tells_rules_nodes_and_differences():
    graph = Graph.from_outputs([v], T.log(1 + v))
    log = Pipeline([MY_RULE]).run(graph)
    (firing,) = log
    assert firing is log[0] and firing.rule == firing.step == "my-rule" and firing.node in firing.nodes
    size = graph.type(graph.outputs["output"]).shape[0]
    assert firing.diff().splitlines() == [
        f"- %2 = add(%1, %0): float64[{size}]",
        f"- %3 = log(%2): float64[{size}]",
        f"+ %4 = log1p(%0): float64[{size}]",
    ]


def test_the_table_has_a_line_for_each_pass_and_rule():
    graph = Graph.from_outputs([v, w], T.log(1 + v) + T.exp(w) * 1)
    table = Pipeline.named("default").run(graph).table()
    lines = [line.split() for line in table.splitlines()]
    assert ["log1p", "stabilize", "Improves", "1", "1", "0", "1"] in lines
    assert any(line[:1] == ["fuse"] for line in lines)
    assert lines[0] == ["pass", "ms", "nodes", "firings"]


def test_a_log_of_nothing_prints():
    assert "rule" in Pipeline([]).run(Graph.from_outputs([v], v)).table()


def test_passes_read_the_users_options():
    seen = {}

    @dataclass(frozen=True)
    class Reader(Pass):
        name: ClassVar[str] = "reader"

        def run(self, graph, context):
            seen.update(context.options)

    Pipeline([Reader()]).run(Graph.from_outputs([v], v), options={"k": 1})
    assert seen == {"k": 1}


def test_a_pipeline_is_a_value():
    assert Pipeline.named("default") == Pipeline.named("default")
    assert hash(Pipeline.parse("cse")) == hash(Pipeline([CommonSubexpressions()]))
    assert repr(Pipeline.parse("cse")) == "Pipeline.parse('cse')"
