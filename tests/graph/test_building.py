"""From variables to graphs: names, missing inputs, and dimensions that must be equal."""

import numpy as np
import pytest

import graphopt.tensor as T
from graphopt.dimensions import dim
from graphopt.errors import InvalidArgument, MissingInput, ShapeMismatch
from graphopt.graph import Graph
from graphopt.graph.export import to_variables
from graphopt.graph.unify import Unifier
from graphopt.interpret import interpret
from graphopt.variable import variable


def test_inputs_and_outputs_keep_their_names_made_unique():
    a, b, c = T.scalar("x"), T.scalar("x"), T.scalar()
    graph = Graph.from_outputs([a, b, c], [a + b, (b * c).named("product"), c])
    assert list(graph.inputs) == ["x", "x_1", "x2"]
    assert list(graph.outputs) == ["output0", "product", "output2"]
    graph = Graph.from_outputs([a, b, c], {"first": a + b, "second": c})
    assert list(graph.outputs) == ["first", "second"]


def test_a_shared_part_is_one_node_and_outputs_may_coincide():
    x = T.scalar("x")
    e = T.exp(x)
    graph = Graph.from_outputs([x], [e + e, e, e])
    assert len(graph) == 3
    graph.verify()


def test_an_input_that_was_not_declared_is_named_with_its_line():
    x, y = T.scalars("x y")
    with pytest.raises(MissingInput, match=r"<y: float64>.*test_building.py:\d+.*\(x\)"):
        Graph.from_outputs([x], x + y)


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        (lambda x: [x, x], lambda x: x, "stands twice"),
        (lambda x: [T.exp(x)], lambda x: x, "input 0 is"),
        (lambda x: [3.0], lambda x: x, "input 0 is 3.0"),
        (lambda x: [x], lambda x: [x, 3.0], "output output1 is 3.0"),
        (lambda x: [x], lambda x: {"y": None}, "output y is None"),
    ],
)
def test_what_cannot_be_an_input_or_output_is_refused(inputs, outputs, message):
    x = T.scalar("x")
    with pytest.raises(InvalidArgument, match=message):
        Graph.from_outputs(inputs(x), outputs(x))


# --- dimensions --------------------------------------------------------------------------------------------------


def types(graph):
    return [str(graph.type(node)) for node in graph.inputs.values()]


def test_sizes_that_meet_get_the_first_inputs_name():
    x, y = variable("x", "float64[n]"), variable("y", "float64[m]")
    assert types(Graph.from_outputs([x, y], x + y)) == ["float64[n]", "float64[n]"]
    assert types(Graph.from_outputs([y, x], x + y)) == ["float64[m]", "float64[m]"]
    a, b = T.vectors("a b")
    assert types(Graph.from_outputs([a, b], a + b)) == ["float64[a_0]", "float64[a_0]"]
    assert types(Graph.from_outputs([a, b], [a, b])) == ["float64[a_0]", "float64[b_0]"]


def test_an_integer_speaks_for_every_name_it_meets():
    x, y, z = variable("x", "float64[n]"), variable("y", "float64[m]"), variable("z", "float64[3]")
    graph = Graph.from_outputs([x, y, z], (x + y) * z)
    assert types(graph) == ["float64[3]"] * 3
    assert graph.renamed == {"n": 3, "m": 3}
    graph.verify()


def test_a_contradiction_that_shows_only_in_the_whole_program_is_refused_with_its_line():
    x, y, z = variable("x", "float64[n]"), variable("y", "float64[3]"), variable("z", "float64[4]")
    a, b = x + y, x + z
    with pytest.raises(ShapeMismatch, match=r"test_building.py:\d+"):
        Graph.from_outputs([x, y, z], [a, b])


def test_what_names_cannot_express_becomes_a_guard_that_the_call_checks():
    x, y = variable("x", "float64[n, m]"), variable("y", "float64[k]")
    graph = Graph.from_outputs([x, y], x.reshape((-1,)) + y)
    assert [tuple(map(str, guard)) for guard in graph.guards] in ([("m*n", "k")], [("k", "m*n")])
    graph.prune()
    assert interpret(graph, {"x": np.ones((2, 3)), "y": np.ones(6)})["output"].shape == (6,)
    with pytest.raises(ShapeMismatch, match="must be equal"):
        interpret(graph, {"x": np.ones((2, 3)), "y": np.ones(5)})


def test_a_guard_that_always_holds_is_dropped_and_one_that_never_does_is_an_error():
    x, y = variable("x", "float64[n, m]"), variable("y", "float64[6]")
    flat = x.reshape((-1,)) + y
    assert Graph.from_outputs([x, y], [flat, x + np.ones((2, 3))]).guards == []
    with pytest.raises(ShapeMismatch, match="must be equal"):
        Graph.from_outputs([x, y], [flat, x + np.ones((2, 4))])


def test_guards_are_kept_once_each():
    x, y = variable("x", "float64[n, m]"), variable("y", "float64[k]")
    flat = x.reshape((-1,))
    assert len(Graph.from_outputs([x, y], (flat + y) * (flat - y) / (y * flat)).guards) == 1


def test_unification_is_near_linear_in_a_long_chain_of_names():
    unifier = Unifier(["n0"])
    for k in range(20_000):
        unifier.unify(dim(f"n{k + 1}"), dim(f"n{k}"))
    mapping = unifier.mapping()
    assert len(mapping) == 20_000
    assert set(mapping.values()) == {dim("n0")}


def test_arguments_that_do_not_fit_are_named_with_axis_and_reason():
    x, y = variable("x", "float64[n, 3]"), variable("y", "float64[n]")
    graph = Graph.from_outputs([x, y], x.sum(axis=1) + y)
    with pytest.raises(
        ShapeMismatch, match=r"argument y has shape \(5,\): axis 0 is 5, expected n = 4 \(from axis 0 of x\)"
    ):
        interpret(graph, {"x": np.ones((4, 3)), "y": np.ones(5)})
    with pytest.raises(ShapeMismatch, match=r"argument x has rank 1 .*expected float64\[n, 3\]"):
        interpret(graph, {"x": np.ones(4), "y": np.ones(4)})
    with pytest.raises(ShapeMismatch, match=r"axis 1 is 2, expected 3"):
        interpret(graph, {"x": np.ones((4, 2)), "y": np.ones(4)})
    with pytest.raises(MissingInput, match="no value for input y"):
        interpret(graph, {"x": np.ones((4, 3))})


# --- back to variables -------------------------------------------------------------------------------------------


def test_exported_variables_are_built_on_the_users_inputs_and_dimension_names():
    x, y = T.vectors("x y")
    z = T.broadcast_to(T.sum(x + y), x.shape).named("total")
    graph = Graph.from_outputs([x, y], z)
    (back,) = to_variables(graph, list(graph.outputs.values()))
    assert back.type == z.type
    assert back.name == "total"
    assert str(back) == str(z)
    assert str(back.origin) == str(z.origin)
    again = Graph.from_outputs([x, y], back)
    again.verify()
    assert str(again) == str(graph)


def test_substituted_nodes_hide_what_is_below_them():
    x, h = T.scalars("x h")
    graph = Graph.from_outputs([x], T.sin(T.exp(x)))
    (back,) = to_variables(graph, list(graph.outputs.values()), {graph.operands(graph.outputs["output"])[0]: h})
    assert str(back) == "sin(h)"
