"""The strategies make valid, tame and varied programs, and shrink them to small ones."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import graphopt.tensor as T
from graphopt.dimensions import dim
from graphopt.errors import InvalidArgument
from graphopt.graph import Graph
from graphopt.graph.build import topological
from graphopt.interpret import interpret
from graphopt.testing import strategies
from graphopt.variable import variable

FULL = (*strategies.FAMILIES, "steps")


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_programs_are_valid_and_their_values_are_bounded(data):
    graph = data.draw(strategies.graphs(dtypes=("float64", "float32"), families=FULL))
    graph.verify()
    values = []
    interpret(graph, data.draw(strategies.inputs_for(graph)), on_node=lambda node, value: values.append(value))
    assert all(np.all(np.isfinite(v)) and np.all(np.abs(v) <= 55) for v in values)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_programs_for_empty_arrays_run_on_empty_arrays(data):
    expression = data.draw(strategies.expressions(empty=True))
    graph = Graph.from_outputs([v for v in topological([expression]) if v.op.name == "input"], expression)
    arrays = data.draw(strategies.inputs_for(graph, sizes=(0, 1)))
    (value,) = interpret(graph, arrays).values()
    assert np.all(np.isfinite(value))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_parameters_are_obeyed(data):
    shapes = ((dim("k"),), (dim("k"), 2))
    expression = data.draw(
        strategies.expressions(max_nodes=3, dtypes=("float32",), shapes=shapes, families=("kinks",), max_inputs=1)
    )
    order = topological([expression])
    assert {v.op.name for v in order} <= {"input", "constant", "absolute", "maximum", "minimum", "where", "greater"}
    assert all(v.dtype in ("float32", "bool") for v in order)
    assert sum(v.op.name == "input" for v in order) <= 1
    arrays = data.draw(strategies.inputs_for(expression, domain=(0.5, 1.0), sizes=(2, 2)))
    assert all(a.shape[0] == 2 and np.all((a >= 0.5) & (a <= 1)) for a in arrays.values())


def test_an_unknown_family_is_named():
    with pytest.raises(InvalidArgument, match="unknown families"):
        find(strategies.expressions(families=("trigonometry",)), lambda e: True)


def test_inputs_of_every_dtype_are_drawn_to_fit():
    x, i, b = variable("x", "float32[n, m]"), variable("i", "uint8[m]"), variable("b", "bool[n, 1]")
    drawn = find(strategies.inputs_for([x * i, T.where(b, x, 0.0)]), lambda arrays: True)
    assert drawn["x"].shape == (drawn["b"].shape[0], drawn["i"].shape[0])
    assert [drawn[name].dtype.name for name in "xib"] == ["float32", "uint8", "bool"]


def test_every_family_occurs_often():
    seen = Counter()

    @given(strategies.expressions(families=FULL))
    @settings(max_examples=300, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    def look(expression):
        seen.update({v.op.name for v in topological([expression])})

    look()
    for name in (
        "add",
        "multiply",
        "sum",
        "max",
        "logsumexp",
        "transpose",
        "expand_dims",
        "matmul",
        "maximum",
        "stack",
    ):
        assert seen[name] >= 3, (name, seen)
    assert len(seen) >= 40


@pytest.mark.parametrize(("wanted", "most"), [({"exp"}, 2), ({"matmul"}, 3), ({"softmax"}, 2), ({"sum", "tanh"}, 4)])
def test_counterexamples_shrink_to_few_nodes(wanted, most):
    smallest = find(
        strategies.expressions(),
        lambda e: wanted <= {v.op.name for v in topological([e])},
        settings=settings(max_examples=1000, database=None, derandomize=True, suppress_health_check=list(HealthCheck)),
    )
    assert len(topological([smallest])) <= most
