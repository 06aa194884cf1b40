"""Programs side by side in one graph compute what each computes alone."""

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument
from graphopt.graph import Graph
from graphopt.graph.union import is_joinable, label, union
from graphopt.interpret import interpret
from graphopt.passes.fuse import Fuse
from graphopt.rewrite import Context

x = go.variable("x", "float64[n]")
m = go.variable("m", "float64[n, k]")
ROW = Graph.from_outputs([x], {"y": T.exp(x) / T.sum(T.exp(x))})
PARTS = Graph.from_outputs([m, x], {"y": m[1:] * x.shape[0], "z": T.sum(m @ T.ones_like(m[0]) * x)})


def test_each_program_keeps_its_values_and_sizes_of_its_own():
    joint = union([ROW, PARTS, ROW])
    joint.verify()
    given = [{"x": np.arange(3.0)}, {"m": np.ones((4, 2)), "x": np.arange(4.0)}, {"x": np.arange(5.0)}]
    named = {label(name, k): array for k, arrays in enumerate(given) for name, array in arrays.items()}
    found = interpret(joint, named)
    for k, (graph, arrays) in enumerate(zip((ROW, PARTS, ROW), given, strict=True)):
        for name, wanted in interpret(graph, arrays).items():
            np.testing.assert_array_equal(found[label(name, k)], wanted)
    assert str(joint.type(joint.outputs["y_0"])) == "float64[n_0]"


def test_guards_and_fusion_plans_come_along():
    planned = ROW.copy()
    Fuse().run(planned, Context(planned))
    first = Graph.from_outputs([x], {"y": x[2]})
    joint = union([first, planned, planned])
    assert len(joint.guards) == len(first.guards) == 1
    assert [len(group) for group in joint.fusion.groups] == 2 * [len(group) for group in planned.fusion.groups]


@pytest.mark.parametrize("output", [T.sum(x[x > 0]), T.cond(T.sum(x) > 0, T.sum(T.exp(x)), T.sum(x))])
def test_what_counts_sizes_or_has_bodies_is_left_alone(output):
    graph = Graph.from_outputs([x], output)
    assert not is_joinable(graph) and is_joinable(ROW)
    with pytest.raises(InvalidArgument, match="graph 1 counts sizes or has bodies"):
        union([ROW, graph])
