"""The strategies make valid, tame and varied programs of every op, and shrink them to small ones."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.statistics import collector

import graphopt as go
from graphopt.dimensions import Dim, dim
from graphopt.errors import InvalidArgument
from graphopt.graph import Graph
from graphopt.graph.body import bodies
from graphopt.graph.build import topological
from graphopt.interpret import interpret
from graphopt.ops import TABLE
from graphopt.testing import strategies
from graphopt.testing.strategies import intervals
from graphopt.testing.strategies.table import families

DTYPES = ("float64", "float32", "int64", "bool", "uint8")
EVERYTHING = {"families": strategies.EVERY, "dtypes": DTYPES}
once = settings(
    deadline=None, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_programs_are_valid_and_their_values_are_bounded(data):
    graph = data.draw(strategies.graphs(**EVERYTHING, max_outputs=3))
    graph.verify()
    values = []
    interpret(graph, data.draw(strategies.inputs_for(graph)), on_node=lambda node, value: values.append(value))
    for value in values:
        assert np.all(np.isfinite(value))
        assert np.all(np.abs(value.astype(float)) <= 1.2 * intervals.LIMIT)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_programs_for_empty_arrays_run_on_empty_arrays(data):
    graph = data.draw(strategies.graphs(empty=True, families=(*strategies.FAMILIES, "parts", "gather", "running")))
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
    kinks = {"absolute", "maximum", "minimum", "fmax", "fmin", "fdim", "where", "greater"}
    assert {v.op.name for v in order} <= {"input", "constant"} | kinks
    assert all(v.dtype in ("float32", "bool") for v in order)
    assert sum(v.op.name == "input" for v in order) <= 1
    arrays = data.draw(strategies.inputs_for(expression, domain=(0.5, 1.0), sizes=(2, 2)))
    assert all(a.shape[0] == 2 and np.all((a >= 0.5) & (a <= 1)) for a in arrays.values())


@given(strategies.expressions(ops=("transpose", "add"), shapes=((2, 3), (3, 2))))
@settings(max_examples=40, deadline=None)
def test_ops_can_be_chosen_one_by_one(expression):
    assert {v.op.name for v in topological([expression])} <= {"input", "constant", "transpose", "add"}


def test_unknown_families_and_ops_are_named():
    with pytest.raises(InvalidArgument, match=r"unknown families \['trigonometry'\]"):
        strategies.expressions(families=("trigonometry",))
    with pytest.raises(InvalidArgument, match="no way to draw frobnicate"):
        strategies.graphs(ops=("add", "frobnicate"))
    with pytest.raises(InvalidArgument, match="one output or more"):
        strategies.graphs(max_outputs=0)


def seen_in(graph):
    """The ops of a graph and of its bodies."""
    found = Counter(graph.op(node).name for node in graph.order())
    for node in graph.order():
        for body in bodies(graph.attributes(node)).values():
            found += seen_in(body.graph)
    return found


def met_in(graphs, count):
    """How often ops are met in so many drawn graphs."""
    met = Counter()

    @given(graphs)
    @settings(once, max_examples=count)
    def look(graph):
        met.update(seen_in(graph))
        met["check"] += bool(graph.checks)

    look()
    return met


def test_every_op_of_the_table_is_met():
    drawn = {name for ops in families().values() for name in ops}
    assert not TABLE.keys() - drawn - {"input", "if_else"}, "add it to strategies.table"
    for name in sorted(drawn & TABLE.keys()):
        ops = (name, "add") if name == "dimension" else (name,)  # a size alone does not say of what it is the size
        graphs = strategies.graphs(ops=ops, dtypes=("float64", "int64"), max_outputs=2)
        assert met_in(graphs, 6)[name], f"{name} is not met in six programs that may be made of it"


def test_nothing_is_thrown_away_and_programs_vary():
    traits, statistics = Counter(), []

    @given(strategies.graphs(**EVERYTHING, max_outputs=3))
    @settings(once, max_examples=300)
    def look(graph):
        nodes = graph.order()
        types = [graph.type(node) for node in nodes]
        sizes = [size for type in types for size in type.shape]
        traits.update({type.dtype for type in types})
        traits.update({f"rank {type.ndim}" for type in types})
        traits["named size"] += any(isinstance(size, Dim) for size in sizes)
        traits["size 1"] += 1 in sizes
        traits["several outputs"] += len(graph.results) > 1
        traits["shared"] += any(graph.uses(node) > 1 for node in nodes if graph.operands(node))
        traits["declared domain"] += any("domain" in graph.attributes(node) for node in graph.inputs.values())

    with collector.with_value(statistics.append):
        look()
    assert not any(case["status"] == "invalid" for case in statistics[0]["generate-phase"]["test-cases"])
    often = ("float64", "float32", "int64", "bool", "uint8", "rank 0", "rank 1", "rank 2", "named size", "size 1",
             "several outputs", "shared")  # fmt: skip
    assert all(traits[name] >= 30 for name in often), traits
    assert all(traits[name] >= 3 for name in ("rank 3", "rank 4", "int32", "declared domain")), traits


def test_an_op_of_a_strangers_is_drawn():
    op = TABLE.get("softsign_drawn") or go.define_op(
        "softsign_drawn", numpy=lambda x: x / (1 + np.abs(x)), c="{x} / (1 + fabs({x}))"
    )
    for parameters in ({"ops": (op, "add")}, {"families": ("own",)}):
        found = find(strategies.graphs(**parameters), lambda graph: any(graph.op(node) is op for node in graph))
        assert [found.op(node).name for node in found.order()] == ["input", "softsign_drawn"]


@pytest.mark.parametrize("order", [3, dim("n")])
def test_what_is_factored_is_far_from_singular(order):
    graphs = strategies.graphs(families=("matrices",), shapes=((order, order), (order, 2)), max_nodes=3)

    @given(st.data())
    @settings(max_examples=40, deadline=None)
    def look(data):
        graph = data.draw(graphs)
        values = {}
        interpret(graph, data.draw(strategies.inputs_for(graph)), on_node=values.__setitem__)
        for node in graph.order():
            if "factorization" in graph.op(node).traits:
                assert np.all(np.linalg.cond(values[graph.operands(node)[0]]) < 10)

    look()


@pytest.mark.parametrize(
    ("wanted", "most"),
    [
        ({"exp"}, 2),
        ({"matmul"}, 3),
        ({"softmax"}, 2),
        ({"sum", "tanh"}, 4),
        ({"log"}, 2),
        ({"gather", "concatenate"}, 4),
    ],
)
def test_counterexamples_shrink_to_few_nodes(wanted, most):
    families = ("parts", "gather") if "gather" in wanted else strategies.FAMILIES
    smallest = find(
        strategies.expressions(families=families),
        lambda e: wanted <= {v.op.name for v in topological([e])},
        settings=settings(max_examples=2000, database=None, derandomize=True, suppress_health_check=list(HealthCheck)),
    )
    assert len(topological([smallest])) <= most


def test_graphs_have_the_inputs_they_need_to_know_their_sizes():
    found = find(
        strategies.graphs(families=("leaves", "arithmetic")),
        lambda graph: any(graph.op(node).name == "iota" and graph.mentioned() for node in graph),
    )
    assert isinstance(found, Graph) and found.inputs
