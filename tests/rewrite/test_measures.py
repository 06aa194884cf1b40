"""Measures: what a rule makes less of, whatever stands at its leaves, and orders of them for sets of rules."""

import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument, RewriteFailed
from graphopt.graph import Graph
from graphopt.rewrite import Exact, Pipeline, RealOnly, Rule, V, rule
from graphopt.rewrite.lint import termination
from graphopt.rewrite.measures import Measure, Value, decreasing, program_value
from graphopt.rewrite.standard_measures import CHAINS, DISORDER, HAZARDS, NEGATIONS, OPERATIONS, STANDARD, VIEWS
from graphopt.rewrite.termination import find_order, unordered
from graphopt.variable import literal

x, y = V("x"), V("y")
v, w = T.vector("v"), T.vector("w")
SIZE = Measure("size", "ops", lambda part: int("leaf" not in part.op.traits))


def program(*outputs):
    return Graph.from_outputs([v, w], {f"out{k}": output for k, output in enumerate(outputs)})


def worth(measure, output):
    return program_value(measure, program(output))


# --- values -----------------------------------------------------------------------------------------------------------


def test_a_program_is_worth_its_ops_and_its_inputs_as_often_as_they_occur_in_the_tree():
    shared = T.exp(v)
    assert worth(SIZE, shared * shared) == Value(3, {"v": 2})
    assert str(worth(SIZE, shared * shared + w)) in ("4 + 2·v + w", "4 + w + 2·v")


def test_a_factor_counts_what_stands_below_again():
    doubling = Measure("doubling", "", lambda part: int("leaf" not in part.op.traits), lambda part, position: 2)
    assert worth(doubling, T.exp(T.exp(v))) == Value(3, {"v": 4})


def test_a_chain_of_many_ops_is_read_without_recursion():
    long = v
    for _ in range(3000):
        long = -long
    assert worth(SIZE, long) == Value(3000, {"v": 1})


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (Value(2, {"v": 1}), Value(1, {"v": 1}), "less"),
        (Value(2, {"v": 1}), Value(2, {}), "no more"),
        (Value(9, {"v": 1}), Value(1, {"v": 2}), "more"),
        (Value(1, {"v": 2}), Value(2, {"v": 1}), "more"),
        (Value(1, {"v": 2}, least=2), Value(2, {"v": 1}, least=2), "less"),
        (Value(1), Value(1), "no more"),
    ],
)
def test_a_value_is_less_only_if_it_is_for_all_leaves(before, after, change):
    assert before.to(after) == change


def test_a_shared_part_that_a_rewrite_leaves_behind_does_not_hide_the_decrease():
    """log1p(exp(v)) → softplus(v) where exp(v) is also an output: no node goes, yet the measure falls."""
    shared = T.exp(v)
    graph = program(T.log1p(shared), shared)
    nodes, before = len(graph), program_value(SIZE, graph)
    Pipeline([Rule("softplus", T.log1p(T.exp(x)), T.softplus(x), claim=RealOnly(), measure=SIZE)]).run(
        graph, verify=True
    )
    assert len(graph) == nodes and before.to(program_value(SIZE, graph)) == "less"


@pytest.mark.parametrize("measure", STANDARD, ids=str)
def test_a_standard_measure_is_worth_less_in_any_context_if_a_part_is(measure):
    """Factors are at least 1 and weights at least 0, for every op there is; what is no constant has its least worth."""
    matrix = go.variable("m", "float64[2, 1, 3]")
    parts = [
        v + w, T.exp(v), -v, T.where(v > w, v, w), v**w, T.sum(matrix, axis=(0, 2)), T.prod(matrix, axis=0),
        T.transpose(matrix), T.squeeze(matrix, 1), T.reshape(matrix, (6,)), T.broadcast_to(matrix, (2, 4, 3)),
        T.expand_dims(v, 0), T.softmax(matrix, axis=2), T.logaddexp(v, w), T.matmul(matrix, T.swapaxes(matrix, 1, 2)),
        T.cast(v, "int64"), T.logical_not(v > w), T.exp(literal(-3.0, "float64")), 2.0 * v,
    ]  # fmt: skip
    for part in parts:
        assert measure.weight(part) >= 0
        assert all(measure.factor(part, position) >= 1 for position in range(len(part.operands)))
        found = measure(part, lambda leaf: leaf if leaf.op.name == "input" else None)
        assert found.number + measure.least * sum(found.leaves.values()) >= measure.least


# --- one rule ---------------------------------------------------------------------------------------------------------


def test_a_firing_that_does_not_decrease_the_measure_is_an_error_under_verify_and_the_graph_is_restored():
    swap = Rule("swap", x - y, -(y - x), claim=RealOnly(), measure=SIZE)
    graph = program(T.exp(v) - w)
    text = str(graph)
    with pytest.raises(RewriteFailed) as caught:
        Pipeline([swap]).run(graph, limit=1, verify=True)
    message = str(caught.value)
    assert "rule swap does not decrease its measure size at node" in message and "subtract" in message
    assert "1 + node" in message and "before" in message and "2 + " in message and message.endswith("after")
    assert str(graph) == text
    assert len(Pipeline([swap]).run(graph, limit=1)) == 1


def test_a_rule_without_a_measure_is_not_checked():
    assert len(Pipeline([Rule("swap", x - y, -(y - x), claim=RealOnly())]).run(program(v - w), limit=1, verify=True))


def test_a_measure_must_fall_whatever_the_leaves_are_not_only_for_the_ones_that_are_there():
    copies = Rule("copies", T.exp(T.exp(T.exp(x))), T.maximum(x, x), claim=RealOnly(), measure=SIZE)
    with pytest.raises(RewriteFailed, match="rule copies does not decrease its measure size"):
        Pipeline([copies]).run(program(T.exp(T.exp(T.exp(v)))), verify=True)


def test_several_measures_are_compared_lexicographically():
    def run(*measures):
        twice = Rule("twice", T.negative(-x), T.exp(T.exp(T.exp(x))), claim=RealOnly(), measure=measures)
        return len(Pipeline([twice]).run(program(T.negative(T.negative(v))), verify=True))

    negatives = Measure("negatives", "", lambda part: int(part.op.name == "negative"))
    inputs = Measure("inputs", "", lambda part: 0)
    assert run(negatives, SIZE) == 1 and run(inputs, negatives) == 1
    with pytest.raises(RewriteFailed, match="its measure size"):
        run(inputs, SIZE, negatives)
    with pytest.raises(RewriteFailed, match="its measure inputs"):
        run(inputs)


def test_code_that_looks_below_its_pattern_is_measured_down_to_what_it_found():
    @rule(T.exp(x), claim=RealOnly(), measure=SIZE)
    def below(match, x):
        "exp(log(log(log(x)))) → x"
        for _ in range(3):
            (x,) = x.inputs
        return T.sqrt(x)

    graph = program(T.exp(T.log(T.log(T.log(v + w)))))
    assert len(Pipeline([below]).run(graph, verify=True)) == 1
    assert graph.op(graph.outputs["out0"]).name == "sqrt"


def test_code_that_wraps_what_it_matched_does_not_decrease():
    @rule(T.exp(x), claim=RealOnly(), measure=SIZE)
    def wrap(match, x):
        "exp(x) → |exp(x)|"
        return T.abs(match.root)

    with pytest.raises(RewriteFailed, match="rule wrap does not decrease its measure size"):
        Pipeline([wrap]).run(program(T.exp(v)), verify=True)


def test_a_measure_is_one_or_a_tuple_of_them():
    with pytest.raises(InvalidArgument, match="rule r: a measure is a Measure or a tuple"):
        Rule("r", x + y, y + x, claim=Exact(), measure="size")
    (stated,) = decreasing((SIZE, DISORDER), Rule("r", x + y, y + x, claim=Exact()))
    assert stated.measures == (SIZE, DISORDER) and stated.name == "r"


# --- directions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measure", "before", "after"),
    [
        (HAZARDS, T.log(T.exp(v) - T.exp(w)), T.where(T.eq(w, 0), v, v + T.log1mexp(w - v))),
        (OPERATIONS, v * v, T.square(v)),
        (NEGATIONS, (-v) * w, -(v * w)),
        (NEGATIONS, v + (-2.0), v - 2.0),
        (VIEWS, T.expand_dims(v, 0) * T.expand_dims(w, 0), T.expand_dims(v * w, 0)),
        (VIEWS, T.squeeze(T.exp(T.expand_dims(v, 0)), 0), T.exp(T.squeeze(T.expand_dims(v, 0), 0))),
        (CHAINS, T.transpose(T.expand_dims(v, 0)), T.expand_dims(T.exp(v), 1)),
        (DISORDER, 2.0 * v, v * 2.0),
    ],
)
def test_a_standard_measure_falls_in_the_direction_it_is_for(measure, before, after):
    assert worth(measure, before).to(worth(measure, after)) == "less"
    assert worth(measure, after).to(worth(measure, before)) == "more"


# --- sets of rules ----------------------------------------------------------------------------------------------------


def examples():
    return {
        "expand": [(program(T.exp(v)), program(T.sqrt(T.sqrt(v))))],
        "shrink": [(program(T.sqrt(T.sqrt(v))), program(T.sqrt(v)))],
        "back": [(program(T.sqrt(v)), program(T.exp(v)))],
        "never": [],
    }


EXPS = Measure("exps", "", lambda part: int(part.op.name == "exp"))


def test_an_order_is_found_if_there_is_one():
    some = {name: pairs for name, pairs in examples().items() if name in ("expand", "shrink")}
    found = find_order([SIZE, EXPS], some)
    assert (found.order, found.left_over, str(found)) == ((EXPS, SIZE), {}, "exps > size")
    assert unordered((EXPS, SIZE), some) == {}
    assert unordered((SIZE, EXPS), some) == {"expand": "may make more of size"}


def test_rules_that_go_round_in_a_circle_leave_one_of_them_over():
    found = find_order([SIZE, EXPS], examples())
    assert set(found.left_over) & {"expand", "back"} and found.left_over["never"] == "was seen on no program"
    assert unordered((EXPS,), examples())["back"] == "may make more of exps"
    assert unordered((EXPS,), examples())["shrink"] == "makes less of nothing"


def test_linting_names_the_order_and_who_is_left_over():
    found = termination([
        Rule("together", T.log(x) + T.log(y), T.log(x * y), claim=RealOnly()),
        Rule("turn", T.maximum(x, y), T.maximum(y, x), claim=RealOnly()),
    ])  # fmt: skip
    assert found.order == (HAZARDS,) and found.left_over == {"turn": "makes less of nothing"}
    assert str(found) == "hazards; left over: turn (makes less of nothing)"


def test_an_operand_that_a_rule_looks_through_is_no_leaf_though_what_lies_below_is_an_operand_too():
    s = T.scalar("s")
    graph = Graph.from_outputs([s], T.expand_dims(s, 0) + s)
    assert len(Pipeline.parse("canonicalize").run(graph, verify=True))
