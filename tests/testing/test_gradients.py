"""The gradient clause of claims, and the variants of programs that rules must keep their claims on."""

import random

import pytest

import graphopt.tensor as T
from graphopt.errors import VerificationFailed
from graphopt.graph import Graph
from graphopt.rewrite import Exact, Pipeline, Rule, Stabilizes, V
from graphopt.testing import verify_rule
from graphopt.testing.gradients import GradientCounts, check_finite_gradients, check_smooth_gradients, gradient_pair
from graphopt.testing.instances import instance
from graphopt.testing.mutations import altered
from graphopt.testing.variants import variants
from graphopt.variable import variable

x, y = V("x"), V("y")


def pair(before, after):
    """The gradients of two expressions over the inputs of the first."""
    a, b = variable("a", "float64[3]"), variable("b", "float64[3]")
    return gradient_pair(*(Graph.from_outputs([a, b], make(a, b)) for make in (before, after)))


def test_a_right_rule_keeps_its_derivative_and_the_report_counts_it():
    report = verify_rule(Rule("commuted", T.subtract(x, -y), x + y, claim=Exact()), examples=3)
    assert report.gradients.compared > 20 and report.gradients.finite > 20
    assert report.variants > 2


def test_equal_values_with_another_derivative_are_found_out():
    with pytest.raises(VerificationFailed, match="does not keep the derivative"):
        verify_rule(Rule("altered", T.exp(x), altered(T.exp(x)), claim=Exact()), examples=3)


def test_a_stable_value_with_a_nan_for_a_gradient_is_found_out():
    rule = Rule("masked", T.softplus(x), T.softplus(x), claim=Stabilizes(8))
    found = pair(lambda a, b: T.softplus(a), lambda a, b: T.softplus(a) + T.sqrt(a - a))
    with pytest.raises(VerificationFailed, match="loses a derivative"):
        check_finite_gradients(rule, [found], random.Random(0), GradientCounts(), points=20)


def test_a_kink_is_counted_and_not_accused():
    counts, rule = GradientCounts(), Rule("absolute", T.abs(x), T.abs(x), claim=Exact())

    def from_grid(a):  # the points are drawn from a grid, on which this is 0
        return a - T.rint(a * 4096) / 4096

    found = pair(
        lambda a, b: T.abs(from_grid(a)) + b,
        lambda a, b: T.where(from_grid(a) >= 0, from_grid(a), -from_grid(a)) + b,
    )
    check_smooth_gradients(rule, [found], random.Random(0), counts)
    assert counts.kinks > 0


def test_programs_without_derivatives_are_counted():
    report = verify_rule(Rule("not", T.logical_not(T.logical_not(x)), x, claim=Exact()), examples=2)
    assert report.gradients.undifferentiable > 0 and report.gradients.compared == 0


def test_variants_alias_share_and_empty():
    rule, chance = Rule("double-negation", T.negative(-x) + y, x + y, claim=Exact()), random.Random(1)
    inputs, outputs, empties = set(), set(), 0
    for _ in range(60):
        made = instance(rule, "float64", chance)
        for one in [] if made is None else variants(rule, made, chance):
            inputs.add(len(one.before.inputs))
            outputs.add(len(one.before.outputs))
            empties += any(0 in one.before.type(node).shape for node in one.before.inputs.values())
            one.after.verify()
    assert {1, 2} <= inputs and max(outputs) >= 3 and empties


def test_a_rule_that_confuses_equal_operands_is_found_out():
    confused = Rule("confused", x - y, x, claim=Exact(), where=lambda match: match["x"].node == match["y"].node)
    with pytest.raises(VerificationFailed):
        verify_rule(confused, examples=2)
    assert Pipeline([confused]).run(Graph.from_outputs([v := variable("v", "float64")], v - v))
