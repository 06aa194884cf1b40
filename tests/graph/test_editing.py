"""The one door for edits: `add`, `replace`, `prune`, outputs and inputs, and the journal that takes any of it back."""

from contextlib import suppress

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt.tensor as T
from graphopt.errors import InvalidArgument, MissingInput, ShapeMismatch, TypeMismatch
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.testing import strategies
from graphopt.variable import variable


def example():
    """x -> exp -> (sin, exp + sin); outputs both."""
    x = T.scalar("x")
    e = T.exp(x)
    s = T.sin(e)
    return Graph.from_outputs([x], {"s": s, "total": e + s})


def find(graph, name):
    return next(node for node in graph if graph.op(node).name == name)


def state(graph):
    """Everything a graph consists of, but for the ids that come next and the fusion plan."""
    return (
        {node: dict(graph._data[node]) for node in graph},
        {node: dict(data) for node, data in graph._nx.nodes(data=True)},
        set(graph._nx.edges(keys=True)),
        dict(graph.inputs),
        dict(graph.outputs),
        dict(graph._output_uses),
        list(graph.guards),
        str(graph),
    )


# --- add ---------------------------------------------------------------------------------------------------------


def test_added_expressions_are_made_of_handles_inputs_and_numbers():
    graph = example()
    before = len(graph)
    node = graph.add(graph.handle(find(graph, "exp")) * 2 + graph.variables[graph.inputs["x"]])
    assert graph.op(node).name == "add"
    assert len(graph) == before + 3  # the product, its constant and the sum
    graph.verify()


def test_adding_a_handle_adds_nothing():
    graph = example()
    node = find(graph, "exp")
    assert graph.add(graph.handle(node)) == node


def test_a_shared_part_of_an_expression_is_added_once():
    graph = example()
    shared = T.cos(graph.handle(find(graph, "exp")))
    graph.add(shared * shared)
    assert sum(graph.op(node).name == "cos" for node in graph) == 1


def test_an_expression_over_a_foreign_input_is_refused_and_leaves_nothing():
    graph = example()
    before = state(graph)
    with pytest.raises(MissingInput, match=r"<y: float64>.*test_editing.py:\d+.*not an input"):
        graph.add(T.cos(graph.handle(find(graph, "exp"))) + T.scalar("y"))
    assert state(graph) == before


def test_handles_of_other_graphs_and_of_removed_nodes_are_refused():
    graph, other = example(), example()
    with pytest.raises(InvalidArgument, match="another graph"):
        graph.add(T.cos(other.handle(find(other, "exp"))))
    handle = graph.handle(find(graph, "sin"))
    graph.replace(handle.node, graph.handle(find(graph, "exp")))
    with pytest.raises(InvalidArgument, match="was removed"):
        graph.add(T.cos(handle))


def test_an_ill_typed_expression_is_refused_where_it_is_built():
    x = variable("x", "float64[3]")
    graph = Graph.from_outputs([x], T.exp(x))
    with pytest.raises(ShapeMismatch, match="exp: float64"):
        graph.handle(graph.outputs["output"]) + variable("y", "float64[4]")


# --- replace -----------------------------------------------------------------------------------------------------


def test_every_user_and_output_sees_the_replacement_and_the_dead_are_removed():
    graph = example()
    e = find(graph, "exp")
    new = graph.replace(e, T.cosh(graph.handle(graph.inputs["x"])))
    assert e not in graph
    assert sorted(graph.op(user).name for user in graph.users(new)) == ["add", "sin"]
    graph.verify()
    s = graph.outputs["s"]
    graph.replace(s, 2.0)
    assert graph.op(graph.outputs["s"]).name == "constant"
    graph.verify()


def test_a_replacement_may_use_what_it_replaces():
    graph = example()
    e = find(graph, "exp")
    new = graph.replace(e, graph.handle(e) * 2)
    assert graph.operands(new)[0] == e
    assert e not in [operand for user in graph.users(new) for operand in graph.operands(user)]
    graph.verify()
    wrapped = graph.add(T.negative(graph.handle(e)))
    graph.replace(e, wrapped)
    graph.verify()
    assert graph.operands(wrapped) == (e,)


def test_both_positions_of_an_operand_used_twice_are_replaced():
    x = T.scalar("x")
    y = T.exp(x)
    graph = Graph.from_outputs([x], y * y)
    graph.replace(find(graph, "exp"), graph.handle(graph.inputs["x"]))
    assert graph.operands(graph.outputs["output"]) == (graph.inputs["x"],) * 2
    graph.verify()


@pytest.mark.parametrize("new", [lambda x: T.cast(x, "float32"), lambda x: T.expand_dims(x, 0), lambda x: x > 0])
def test_a_replacement_of_another_type_is_refused_and_changes_nothing(new):
    graph = example()
    before = state(graph)
    with pytest.raises(TypeMismatch, match="cannot replace exp of type float64"):
        graph.replace(find(graph, "exp"), new(graph.handle(graph.inputs["x"])))
    assert state(graph) == before


def test_replacing_a_node_by_itself_changes_nothing():
    graph = example()
    before, node = state(graph), find(graph, "exp")
    assert graph.replace(node, node) == node
    assert state(graph) == before


def test_a_replacement_inherits_line_and_name_but_inputs_are_not_renamed():
    x = T.scalar("x")
    graph = Graph.from_outputs([x], T.sin(T.exp(x).named("growth")))
    line = graph.origins(find(graph, "exp"))
    new = graph.replace(find(graph, "exp"), T.cosh(T.tanh(graph.handle(graph.inputs["x"]))))
    assert graph.name(new) == "growth"
    assert graph.origins(new) == graph.origins(find(graph, "tanh")) == line
    graph.replace(new, graph.inputs["x"])
    assert graph.name(graph.inputs["x"]) == "x"


def test_an_input_stays_when_nothing_uses_it_any_more():
    graph = example()
    graph.replace(find(graph, "exp"), 1.0)
    assert graph.inputs["x"] in graph
    assert graph.uses(graph.inputs["x"]) == 0
    graph.verify()


def test_an_edit_drops_the_fusion_groups_of_the_nodes_it_touches():
    graph = example()
    e, s, total = find(graph, "exp"), find(graph, "sin"), find(graph, "add")
    graph.fusion.group([e, s])
    graph.fusion.group([total])
    graph.fusion.group([s, total])
    graph.fusion.ungroup([s])
    assert graph.fusion.groups == [frozenset([total])]
    graph.replace(e, T.cosh(graph.handle(graph.inputs["x"])))
    assert not graph.fusion
    with pytest.raises(InvalidArgument):
        graph.fusion.group([])


# --- prune and the journal ---------------------------------------------------------------------------------------


def test_pruning_removes_what_no_output_needs_and_counts_it():
    graph = example()
    graph.add(T.cos(T.tan(graph.handle(find(graph, "exp")))))
    assert graph.prune() == 2
    assert graph.prune() == 0
    graph.verify()


def test_outputs_are_exchanged_for_nodes_of_the_graph_only():
    graph = example()
    e = find(graph, "exp")
    graph.set_outputs({"e": e, "again": e})
    assert graph.uses(e) == 4 and not graph.is_output(find(graph, "sin"))
    graph.verify()
    assert graph.prune() == 2
    with pytest.raises(InvalidArgument, match="output gone would be node 99"):
        graph.set_outputs({"gone": 99})
    assert list(graph.outputs) == ["e", "again"]


def test_an_input_is_removed_unless_it_is_used_or_a_size_is_read_off_it_alone():
    v, w, m = T.vector("v"), T.vector("w"), T.matrix("m")
    graph = Graph.from_outputs([v, w, m], {"a": v + 1, "b": T.sum(m + T.cos(m))})
    graph.guards.append((graph.type(graph.inputs["w"]).shape[0], graph.type(graph.inputs["v"]).shape[0]))
    with pytest.raises(InvalidArgument, match="no input z; there are: v, w, m"):
        graph.remove_input("z")
    with pytest.raises(InvalidArgument, match="input v is used 1 times"):
        graph.remove_input("v")
    graph.remove_input("w")
    assert list(graph.inputs) == ["v", "m"] and len(graph.variables) == 2 and not graph.guards
    a = graph.outputs["a"]
    graph.replace(a, T.zeros(graph.type(a).shape))
    with pytest.raises(InvalidArgument, match=r"v stays: size .* is read off it alone"):
        graph.remove_input("v")
    with pytest.raises(MissingInput):
        graph.add(T.exp(w))
    graph.verify()


def random_edit(draw, graph):
    nodes = sorted(graph)
    kind = draw(st.sampled_from(["add", "replace", "constant", "alias", "prune", "outputs", "input"]))
    old = draw(st.sampled_from(nodes))
    below = graph.order([old])  # only from below: a replacement must not depend on what uses the old value
    other = draw(st.sampled_from([n for n in below if graph.type(n) == graph.type(old)]))
    if kind == "prune":
        graph.prune()
    elif kind == "add":
        graph.add(T.sin(graph.handle(old)) * 2 + graph.handle(old))
    elif kind == "alias":
        graph.replace(old, other)
    elif kind == "outputs":
        graph.set_outputs({"only": old, **dict(list(graph.outputs.items())[1:])})
    elif kind == "input":
        name = draw(st.sampled_from([*graph.inputs, "none"]))
        with suppress(InvalidArgument):
            graph.remove_input(name)
    elif kind == "constant":
        graph.replace(old, T.full(graph.type(old).shape, draw(st.integers(0, 3)), graph.type(old).dtype))
    elif graph.type(old).dtype == "float64":
        graph.replace(old, T.cos(graph.handle(other)) + graph.handle(old))


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_rolling_back_restores_the_graph_exactly_whatever_was_done(data):
    graph = data.draw(strategies.graphs(max_nodes=6))
    for _ in range(data.draw(st.integers(0, 3))):
        random_edit(data.draw, graph)
    before, mark = state(graph), graph.journal.mark()
    for _ in range(data.draw(st.integers(1, 8))):
        random_edit(data.draw, graph)
        graph.verify()
    assert bool(graph.journal.since(mark)) or state(graph) == before
    graph.journal.rollback(mark)
    assert state(graph) == before
    graph.verify()
    assert graph.journal.mark() == mark


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_copy_is_equal_and_independent(data):
    graph = data.draw(strategies.graphs(max_nodes=6))
    twin = graph.copy()
    before = state(graph)
    assert state(twin) == before
    for _ in range(3):
        random_edit(data.draw, twin)
    twin.verify()
    assert state(graph) == before


# --- looking -----------------------------------------------------------------------------------------------------


def test_networkx_algorithms_take_the_graph_and_cannot_change_it():
    graph = example()
    assert nx.is_directed_acyclic_graph(graph.nx)
    assert nx.dag_longest_path_length(graph.nx) == 3
    assert graph.nx.nodes[find(graph, "exp")]["op"].name == "exp"
    with pytest.raises(nx.NetworkXError):
        graph.nx.add_node(99)
    with pytest.raises(nx.NetworkXError):
        graph.nx.remove_node(0)


def test_uses_count_positions_and_outputs():
    graph = example()
    assert graph.uses(find(graph, "exp")) == 2
    assert graph.uses(find(graph, "sin")) == 2
    assert graph.is_output(find(graph, "sin"))
    assert not graph.is_output(find(graph, "exp"))


@pytest.mark.parametrize("links", [5_000, pytest.param(50_000, marks=pytest.mark.long)])
def test_a_long_chain_is_edited_without_recursion(links):
    x = T.scalar("x")
    y = x
    for _ in range(links):
        y = T.sin(y) + x
    graph = Graph.from_outputs([x], y)
    assert len(graph) == 2 * links + 1
    order = graph.order()
    graph.replace(order[1], T.cos(graph.handle(graph.inputs["x"])))
    mark = graph.journal.mark()
    graph.replace(graph.outputs["output"], 0.0)
    assert len(graph) == 2
    graph.journal.rollback(mark)
    assert len(graph) == 2 * links + 1
    graph.verify()
    (found,) = interpret(graph, {"x": 0.5}).values()
    assert 0 < found < 2
