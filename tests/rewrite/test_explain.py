"""explain names the condition that a near miss fails, and the node."""

import re

import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.graph import Graph
from graphopt.rewrite import AnyOp, Attr, Exact, Rule, V, floating, refuse

x, y = V("x"), V("y")
v, w = T.vectors("v w")
m = T.matrix("m")
k = go.variable("k", "int64[n]")


def positive(match):
    """The operand is a sum of squares."""
    return False


def small(handle):
    return handle.ndim < 1


def undocumented(match):
    return False


def declines(match, x):
    return refuse("it is Sunday")


def rule(pattern, replacement=x, **options):
    return Rule("r", pattern, replacement, claim=Exact(), **options)


MISSES = {
    "another number": (rule(T.log(1 + x)), T.log(2 + v), "expected the number 1, found constant"),
    "another number, other side": (rule(T.log(1 + x)), T.log(v + 2), "expected the number 1, found constant"),
    "another op at the root": (rule(T.log(x)), T.exp(v), r"expected log, found exp \(node 1"),
    "another op below": (rule(T.log(T.exp(x))), T.log(T.sin(v)), "expected exp, found sin"),
    "the nearer of two orders": (
        rule(T.sin(x) * T.exp(T.cos(y))), T.exp(T.tan(v)) * T.sin(w), "expected cos, found tan"
    ),
    "two nodes for one variable": (rule(T.exp(x) * x), T.exp(v) * w, "x would have to be two nodes, v .* and w"),
    "a dtype": (rule(T.negative(V("x", dtype=floating))), -k, "x does not satisfy: dtype: is float"),
    "a dtype by name": (rule(T.negative(V("x", dtype="int64"))), -v, "x does not satisfy: dtype is int64"),
    "a rank": (rule(T.exp(V("x", ndim=2))), T.exp(v), "x does not satisfy: rank is 2"),
    "no constant": (rule(T.exp(V("x", constant=True))), T.exp(v), "x does not satisfy: it is a constant"),
    "too many users": (
        rule(T.exp(V("x", users=1))), T.exp(T.sin(v)) + T.sin(v) * 0 + T.exp(T.sin(v)), "expected exp, found add"
    ),
    "a named predicate": (rule(T.exp(V("x", where=small))), T.exp(v), "x does not satisfy: small"),
    "an attribute's value": (rule(T.sum(x, axis=0), T.sum(x, axis=0)), T.sum(m, axis=1), r"axis=\(0,\), found \(1,\)"),
    "an attribute's condition": (
        rule(T.sum(x, axis=Attr("axis", where=lambda a: a == (0,)))), T.sum(m, axis=1), r"axis=\(1,\) fails"
    ),
    "a named condition": (
        rule(T.exp(x), where=positive), T.exp(v), r"condition positive \(The operand is a sum of squares\) does not"
    ),
    "a condition without words": (rule(T.exp(x), where=undocumented), T.exp(v), "condition undocumented does not hold"),
    "a lambda": (rule(T.exp(x), where=lambda match: False), T.exp(v), "the rule's condition does not hold"),
    "a refusal": (rule(T.exp(x), declines), T.exp(v), "the pattern matches, but it is Sunday"),
    "another type": (rule(T.exp(x), T.sum(x, axis=0)), T.exp(v), r"its result would be float64, not float64\[v_0\]"),
    "no op of the kind": (rule(AnyOp("x", over=("exp",))), T.sin(v), r"expected any\(exp\), found sin"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISSES)
def test_a_near_miss_is_explained_by_what_failed(name):
    candidate, expression, message = MISSES[name]
    inputs = [variable for variable in (v, w, m, k) if variable in set(_inputs(expression))]
    graph = Graph.from_outputs(inputs, expression)
    before = str(graph)
    text = go.rewrite.explain(candidate, graph, next(iter(graph.outputs.values())))
    assert re.match("r does not fire at node .*" + message, text), text
    assert str(graph) == before


def _inputs(expression):
    from graphopt.graph.build import topological

    return [part for part in topological([expression]) if part.op.name == "input"]


def test_a_rule_that_fires_says_what_it_does():
    graph = Graph.from_outputs([v], T.log(v + 1))
    text = go.rewrite.explain(rule(T.log(1 + x), T.log1p(x)), graph, graph.outputs["output"])
    assert text == f"r fires at node {graph.outputs['output']}: log(1 + x) → log1p(x)"
