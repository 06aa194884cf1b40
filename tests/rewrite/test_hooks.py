"""Hooks that come with the package: dumps, checks of values, stepping through."""

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import CheckFailed, InvalidArgument
from graphopt.graph import Graph
from graphopt.graph.text import graph_text
from graphopt.rewrite import Dump, Exact, Improves, Pipeline, Rule, StepThrough, V, ValueCheck

x = go.variable("x", "float64[3]")
VALUES = {"x": np.array([0.5, 1.0, 2.0])}
a = V("a")
RIGHT = Rule("log1p", T.log(1 + a), T.log1p(a), claim=Improves())
WRONG = Rule("wrong", T.exp(a), T.expm1(a), claim=Exact())


def program():
    return Graph.from_outputs([x], T.log(1 + T.exp(x)))


@pytest.mark.parametrize("firings", [False, True])
def test_a_dump_has_every_state_in_order_and_reads_back(tmp_path, firings):
    graph = program()
    log = Pipeline.parse("canonicalize,stabilize,cse").run(graph, hooks=[Dump(tmp_path / "states", firings=firings)])
    files = sorted((tmp_path / "states").iterdir())
    assert len(files) == 4 + (len(log) if firings else 0)
    assert files[0].name == "000-start.txt" and files[-1].name.endswith("-cse.txt")
    for file, state in ((files[0], program()), (files[-1], graph)):
        assert graph_text(Graph.parse(file.read_text()), origins=False) == graph_text(state, origins=False)


def test_a_dump_starts_again_with_each_run(tmp_path):
    dump = Dump(tmp_path, form="dot")
    for _ in range(2):
        Pipeline.parse("cse").run(program(), hooks=[dump])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["000-start.dot", "001-cse.dot"]
    with pytest.raises(InvalidArgument, match="form is one of txt, dot"):
        Dump(tmp_path, form="svg")


def test_right_rules_pass_the_check_of_values():
    check = ValueCheck(VALUES, firings=True)
    assert len(Pipeline([RIGHT]).run(program(), hooks=[check])) == 1
    assert len(Pipeline.named("default").run(program(), hooks=[check])) >= 1


def test_a_wrong_rule_is_named_where_values_change_and_the_graph_is_restored():
    graph = program()
    with pytest.raises(CheckFailed, match=r"pass wrong: wrong changed output output at \(0,\) from 0\.9740"):
        Pipeline([RIGHT, WRONG]).run(graph, hooks=[ValueCheck(VALUES, firings=True)])
    assert str(graph) == str(program())
    with pytest.raises(CheckFailed, match="one of its firings"):
        Pipeline([WRONG]).run(graph, hooks=[ValueCheck(VALUES)])


def test_one_steps_through_firings_and_may_look_skip_or_run_on():
    said = []

    def step(answers, **options):
        said.clear()
        replies = iter(answers)
        graph = Graph.from_outputs([x], [T.log(1 + T.exp(x)), T.log(1 + T.sqrt(x)), T.log(1 + T.sin(x))])
        hook = StepThrough(ask=lambda prompt: next(replies), say=said.append, **options)
        Pipeline([RIGHT, Rule("odd", T.sin(a), T.sin(a) * 1.0, claim=Exact())]).run(graph, hooks=[hook], limit=4)
        return list(replies)

    assert step(["", "p", "", "", ""]) == []
    assert len(said) == 5 and said[0].startswith("[1] log1p: log1p at") and "log1p" in said[2]
    assert step(["n", "c"]) == [] and len(said) == 2
    assert step(["c"]) == [] and len(said) == 1
    assert step([""], rules=("odd",)) == [] and len(said) == 1
