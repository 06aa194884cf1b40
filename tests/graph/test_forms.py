"""Text that reads back, Graphviz, and `verify`, which notices whatever is broken."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.dimensions import dim
from graphopt.errors import InvalidArgument, RewriteFailed
from graphopt.graph import Graph
from graphopt.graph.text import graph_text
from graphopt.interpret import interpret
from graphopt.op import Attributes
from graphopt.ops import TABLE
from graphopt.testing import strategies
from graphopt.types import TensorType
from graphopt.variable import Origin, Variable, variable

# --- text --------------------------------------------------------------------------------------------------------


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_the_text_of_a_graph_reads_back_and_means_the_same(data):
    graph = data.draw(strategies.graphs(dtypes=("float64", "float32"), families=(*strategies.FAMILIES, "steps")))
    back = Graph.parse(str(graph))
    back.verify()
    assert graph_text(back, origins=False) == graph_text(graph, origins=False)
    arrays = data.draw(strategies.inputs_for(graph))
    np.testing.assert_array_equal(*[next(iter(interpret(g, arrays).values())) for g in (graph, back)])


@pytest.mark.parametrize(
    "value",
    [
        0.0, -0.0, 1.5, -1e-300, float("inf"), -float("inf"), float("nan"), 7, -7, 2**63 - 1, -(2**63), True, False,
        [1.5, -0.0, float("nan"), float("-inf")], [[1, -2], [3, 4]], [True, False], np.array([2**64 - 1], "uint64"),
        np.float32(0.1), np.array([0.1, 1e30], "float32"), np.zeros((0, 3)), np.ones((2, 1, 2)),
    ],
)  # fmt: skip
def test_every_constant_reads_back_bit_for_bit(value):
    graph = Graph.from_outputs([], T.constant(value))
    back = Graph.parse(str(graph))
    node, twin = graph.outputs["output"], back.outputs["output"]
    assert back.type(twin) == graph.type(node)
    assert back.attributes(twin) == graph.attributes(node)


def test_attributes_of_every_kind_read_back():
    x = variable("x", "float64[n, m]")
    n = dim("n")
    y = T.reshape(T.cast(x, "float32"), (n * dim("m"), 1)) * n + T.zeros((n * dim("m"), 3), "float32")
    graph = Graph.from_outputs([x], T.sum(y, axis=0))
    back = Graph.parse(str(graph))
    assert graph_text(back, False) == graph_text(graph, False)


@pytest.mark.parametrize("name", ["n", "inf", "nan", "array", "min"])
def test_dimensions_may_have_any_name(name):
    x = variable("x", TensorType("float64", (dim(name),)))
    graph = Graph.from_outputs([x], T.broadcast_to(T.sum(x) * dim(name), (dim(name), 2)))
    assert graph_text(Graph.parse(str(graph)), False) == graph_text(graph, False)


@pytest.mark.parametrize(
    "name", ["a b", 'x"; system("rm")', "I", "double", "ünïcode", "new\nline", "%1", "# no", "back\\slash"]
)
def test_names_are_any_text(name):
    x = variable(name, "float64")
    graph = Graph.from_outputs([x], {name: T.exp(x), name + "2": x})
    back = Graph.parse(str(graph))
    assert list(back.inputs) == [name]
    assert list(back.outputs) == [name, name + "2"]
    assert graph_text(back, False) == graph_text(graph, False)


def test_an_origin_of_several_lines_does_not_break_the_text():
    x = variable("x", "float64")
    y = Variable(x.type, TABLE["exp"], (x,), Attributes(), None, Origin("Matrix([\n[1, 2]])"))
    graph = Graph.from_outputs([x], y)
    assert graph_text(Graph.parse(str(graph)), False) == graph_text(graph, False)


def test_guards_read_back():
    x, y = variable("x", "float64[n, m]"), variable("y", "float64[k]")
    graph = Graph.from_outputs([x, y], x.reshape((-1,)) + y)
    assert Graph.parse(str(graph)).guards == graph.guards != []


def test_equal_programs_have_equal_text_whatever_their_history():
    x = T.scalar("x")
    straight = Graph.from_outputs([x], T.sin(T.cosh(x)))
    edited = Graph.from_outputs([x], T.sin(T.exp(x)))
    edited.replace(1, T.cosh(edited.handle(0)))
    assert graph_text(straight, origins=False) == graph_text(edited, origins=False)


def test_the_text_says_type_name_and_line():
    x = variable("x", "float32[n]")
    graph = Graph.from_outputs([x], T.exp(x).named("growth"))
    lines = str(graph).splitlines()
    assert lines[0].startswith('%0 = input("x"): float32[n]')
    assert re.fullmatch(r'%1 = exp\(%0\): float32\[n\]  # "growth", .*test_forms.py:\d+', lines[1])
    assert lines[2] == 'output "growth" = %1'


@pytest.mark.parametrize(
    "line",
    [
        "%1 = exp(%0)",
        "%1 = exp(%7): float64",
        "%1 = no_such_op(%0): float64",
        "%1 = exp(%0, __import__('os')): float64",
        "%1 = exp(%0, axis=open('f')): float64",
        "%1 = sum(%0, axis=(0,): float64",
        "%1 = exp(%0): quaternion",
        'output "y" = %9',
        "guard n = m",
        "nonsense",
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_its_number(line):
    with pytest.raises(InvalidArgument, match="line 2"):
        Graph.parse(f'%0 = input("x"): float64\n{line}\n')


def test_a_derivative_of_ones_own_has_no_text_and_is_refused():
    @go.custom_derivative
    def halved(x):
        return T.square(x)

    v = variable("x", "float64[n]")
    with pytest.raises(InvalidArgument, match=r"line 3 .*halved is a derivative of one's own, a Python function"):
        Graph.parse(str(Graph.from_outputs([v], halved(v))))


def test_text_of_an_ill_typed_program_is_refused():
    with pytest.raises(RewriteFailed, match="its operands make it float64"):
        Graph.parse('%0 = input("x"): float64\n%1 = exp(%0): float32\noutput "y" = %1\n')


def test_a_long_chain_is_written_and_read_without_recursion():
    x = T.scalar("x")
    y = x
    for _ in range(5_000):
        y = T.sin(y) + x
    graph = Graph.from_outputs([x], y)
    text = str(graph)
    assert str(Graph.parse(text)).count("\n") == text.count("\n") == len(graph) + 1
    assert len(graph.to_dot().splitlines()) > len(graph)
    assert str(y).count("\n") == len(graph) - 1


def test_dot_text_quotes_names_and_shows_every_edge():
    x = variable('x"]; evil [', "float64")
    dot = Graph.from_outputs([x], {"y": x * x}).to_dot()
    assert dot.startswith("digraph")
    assert dot.count("->") == 3
    assert json.dumps('x"]; evil [: float64') in dot
    assert 'label="0"' in dot
    assert 'label="1"' in dot


# --- verify ------------------------------------------------------------------------------------------------------


def program():
    x = variable("x", "float64[n]")
    return Graph.from_outputs([x], {"a": T.exp(x) + T.sin(x), "b": T.sum(x)})


def node_of(graph, name):
    return next(node for node in graph if graph.op(node).name == name)


CORRUPTIONS = {
    "an edge is lost": lambda g: g._nx.remove_edge(0, node_of(g, "exp"), key=0),
    "an edge too many": lambda g: g._nx.add_edge(node_of(g, "sin"), node_of(g, "exp"), key=1),
    "an edge of another key": lambda g: g._nx.add_edge(0, node_of(g, "exp"), key=5),
    "operands swapped away": lambda g: g._data[node_of(g, "add")].update(operands=(0, 0)),
    "another type": lambda g: g._data[node_of(g, "exp")].update(type=TensorType("float32", (dim("n"),))),
    "another shape": lambda g: g._data[node_of(g, "sum")].update(type=TensorType("float64", (dim("n"),))),
    "an axis outside": lambda g: g._data[node_of(g, "sum")].update(attributes=Attributes(axis=(3,))),
    "another op": lambda g: g._data[node_of(g, "exp")].update(op=TABLE["isnan"]),
    "an op of another arity": lambda g: g._data[node_of(g, "exp")].update(op=TABLE["add"]),
    "a node NetworkX alone knows": lambda g: g._nx.add_node(99),
    "a node the graph alone knows": lambda g: g._nx.remove_node(node_of(g, "sum")),
    "an output that is not there": lambda g: g.outputs.update(a=99),
    "an input that is not there": lambda g: g.inputs.update(x=99),
    "an input that is none": lambda g: g.inputs.update(y=node_of(g, "exp")),
    "an input without a name": lambda g: g.inputs.clear(),
    "output uses miscounted": lambda g: g._output_uses.update({node_of(g, "exp"): 1}),
    "an output uncounted": lambda g: g.outputs.update(c=node_of(g, "exp")),
}


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_verify_notices_that(corruption):
    graph = program()
    graph.verify()
    CORRUPTIONS[corruption](graph)
    with pytest.raises(RewriteFailed):
        graph.verify()


def test_verify_notices_a_cycle():
    x = T.scalar("x")
    graph = Graph.from_outputs([x], T.exp(T.sin(x)))
    graph._set_operand(node_of(graph, "sin"), 0, node_of(graph, "exp"))
    with pytest.raises(RewriteFailed, match="cycle"):
        graph.verify()


def test_verify_notices_operands_that_were_not_cast():
    x, y = variable("x", "float64"), variable("y", "float32")
    graph = Graph.from_outputs([x, y], x + y)
    total = graph.outputs["output"]
    graph._set_operand(total, 1, graph.inputs["y"])
    with pytest.raises(RewriteFailed, match="cast them"):
        graph.verify()
