"""What patterns match, and what is said where they do not."""

import math

import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument
from graphopt.graph import Graph
from graphopt.ops import reduction
from graphopt.ops.shape import transpose
from graphopt.rewrite import AnyOp, Attr, Exact, Improves, Rule, V, explain, floating, integral, refuse, rule
from graphopt.rewrite.match import match
from graphopt.rewrite.pattern import Literal

x, y, axis = V("x"), V("y"), Attr("axis")
X = go.variable("a", "float32[n, m]")
v, w = T.vectors("v w")


def found(pattern, expression, inputs=(X, v, w)):
    """The match of a pattern at an expression's root, over all orientations; None if there is none."""
    probe = Rule("probe", pattern, lambda match, **bound: refuse("only looking"), claim=Exact())
    graph = Graph.from_outputs(list(inputs), expression)
    matches = [match(p, graph, next(iter(graph.outputs.values()))) for p in probe.orientations]
    return next((m for m in matches if m is not None), None)


def test_a_pattern_is_written_like_an_expression():
    assert str(T.log(1 + T.exp(x))) == "log(1 + exp(x))"
    assert str(-(x - y) * 2) == "(-(x - y)) * 2"
    assert str(T.sum(x, axis=axis, keepdims=True)) == "expand_dims(sum(x, axis=axis), axis=axis)"


def test_operands_of_commutative_ops_match_in_any_order():
    assert found(T.exp(x) + 1, 1 + T.exp(v)) and found(1 + T.exp(x), T.exp(v) + 1)
    assert not found(1 - T.exp(x), T.exp(v) - 1)
    assert found((1 + x) * T.exp(y), T.exp(v) * (w + 1))


def test_a_variable_that_stands_twice_matches_one_node():
    assert found(x * x, v * v) and not found(x * x, v * w)
    e = T.exp(X)
    assert found(T.exp(x) / T.sum(T.exp(x), axis=axis, keepdims=True), e / T.sum(e, axis=1, keepdims=True))


@pytest.mark.parametrize("expression", [v + 1, v + 1.0, v.astype("float32") + 1, X + T.ones_like(X), X + 1])
def test_a_number_matches_constants_of_any_dtype_and_shape(expression):
    assert found(x + 1, expression)


def test_a_number_is_rounded_to_the_dtype_of_the_constant():
    assert found(x * 0.1, X * 0.1) and found(x * 0.1, v * 0.1)
    assert not found(x * 0.1, v * 0.1000000001)


def test_the_sign_of_zero_and_nan_count():
    assert found(x + 0.0, v + 0.0) and not found(x + 0.0, v + (-0.0))
    assert found(x + (-0.0), v + (-0.0)) and not found(x + (-0.0), v + 0.0)
    assert found(x + math.nan, v + math.nan) and not found(x + math.nan, v + 1)
    assert not found(x + 1.0, v + math.nan)


def test_integers_have_no_negative_zero_and_bools_are_no_numbers():
    i = go.variable("i", "int32")
    assert found(x + 0, i + 0, [i]) and not found(x + (-0.0), i + 0, [i])
    assert not Literal(1).admits(True, "bool") and Literal(True).admits(True, "bool")
    assert not Literal(0.5).admits(0, "int32") and not Literal(300).admits(300 - 256, "int8")


def test_attributes_are_bound_in_canonical_form():
    m = found(T.sum(x, axis=axis), T.sum(X, axis=-1))
    assert m.attributes == {"axis": (1,)}
    assert found(T.softmax(x), T.softmax(X, axis=1)) and not found(T.softmax(x), T.softmax(X, axis=0))
    assert found(T.sum(x, axis=None), T.sum(X)) and not found(T.sum(x), T.sum(X, axis=0))


def test_an_attribute_that_stands_twice_has_one_value():
    pattern = T.expand_dims(reduction.sum_(x, axis=axis), axis)
    assert found(pattern, T.sum(X, axis=1, keepdims=True))
    assert not found(pattern, T.expand_dims(T.sum(X, axis=1), 0))


def test_conditions_on_variables():
    assert found(T.exp(V("x", dtype="float32")), T.exp(X)) and not found(T.exp(V("x", dtype="float64")), T.exp(X))
    assert found(T.exp(V("x", dtype=floating)), T.exp(X)) and not found(T.exp(V("x", dtype=integral)), T.exp(X))
    assert found(T.exp(V("x", ndim=2)), T.exp(X)) and not found(T.exp(V("x", ndim=1)), T.exp(X))
    assert found(V("c", constant=True) * x, 3 * v) and not found(V("c", constant=True) * x, w * v)
    assert found(T.exp(V("x", users=1)), T.exp(v)) and not found(V("x", users=1) * y, v * v)
    assert found(T.exp(V("x", where=lambda h: h.op.name == "add")), T.exp(v + w))
    assert found(transpose(x, axes=Attr("axes", where=lambda a: a == (1, 0))), X.T)


def test_any_op_matches_ops_of_a_kind_over_ops_of_a_kind():
    assert found(AnyOp("y", trait="elementwise", over=("transpose",)), T.exp(X.T))
    assert not found(AnyOp("y", trait="elementwise", over=("transpose",)), T.exp(X))
    assert not found(AnyOp("y", trait="reduction"), T.exp(X))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: x + v, "pattern is made of"),
        (lambda: V("not a name"), "identifier"),
        (lambda: Attr("1"), "identifier"),
        (lambda: AnyOp("y", trait="elementwose"), "unknown trait"),
        (lambda: Rule("r", x, y, claim=Exact()), "must apply an op"),
        (lambda: Rule("r", T.exp(x), y, claim=Exact()), "does not bind y"),
        (lambda: Rule("r", T.exp(x), x, claim=None), "claim"),
        (lambda: rule(T.exp(x), claim=Exact())(lambda match, z: z), "must take match and x"),
    ],
)
def test_a_pattern_that_makes_no_sense_is_refused(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()


def test_a_rule_states_its_algebra():
    made = Rule("log1p", T.log(1 + x), T.log1p(x), claim=Improves())
    assert str(made) == "log1p: log(1 + x) → log1p(x)  [Improves]"

    @rule(T.exp(x), claim=Exact())
    def some_rule(match, x):
        """eˣ → eˣ"""
        return refuse("no")

    assert (some_rule.name, some_rule.algebra) == ("some-rule", "eˣ → eˣ")


LOG1P = Rule("log1p", T.log(1 + T.exp(x)), T.softplus(x), claim=Improves())


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        (T.log(1 + T.exp(v)), "fires"),
        (T.log(2 + T.exp(v)), "expected the number 1"),
        (T.log(1 + T.sin(v)), "expected exp, found sin"),
        (T.sin(v), "expected log"),
    ],
)
def test_explain_names_the_condition_that_failed_deepest(expression, reason):
    graph = Graph.from_outputs([v], expression)
    assert reason in explain(LOG1P, graph, graph.outputs["output"])


def test_explain_tells_of_types_and_refusals():
    graph = Graph.from_outputs([X, v], T.exp(X))
    node = graph.outputs["output"]
    wrong = Rule("wrong", T.exp(x), T.sum(x, axis=0), claim=Exact())
    assert "its result would be float32[m], not float32[n, m]" in explain(wrong, graph, node)
    shy = rule(T.exp(x), claim=Exact(), name="shy")(lambda match, x: refuse("it is Sunday"))
    assert "it is Sunday" in explain(shy, graph, node)
    twice = Graph.from_outputs([v], T.exp(v) * T.exp(v))
    same = Rule("same", x * x, T.square(x), claim=Exact())
    assert "merge equal nodes first" in explain(same, twice, twice.outputs["output"])


def test_a_condition_on_shape_is_sizes_or_a_predicate():
    square = Rule("square", T.exp(V("x", shape=lambda shape: len(set(shape)) == 1)), T.expm1(V("x")), claim=Exact())
    column = Rule("column", T.exp(V("x", shape=(None, 1))), T.expm1(V("x")), claim=Exact())
    for shape, fired in (("[3, 3]", [square]), ("[3, 1]", [column]), ("[1, 1]", [square, column]), ("[3]", [square])):
        value = go.variable("v", f"float64{shape}")
        graph = Graph.from_outputs([value], T.exp(value))
        (node,) = graph.outputs.values()
        assert [rule for rule in (square, column) if match(rule.pattern, graph, node)] == fired
    graph = Graph.from_outputs([value], T.exp(value))
    assert "shape is (any, 1)" in explain(column, graph, next(iter(graph.outputs.values())))
