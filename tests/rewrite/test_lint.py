"""Planted faults of lists of rules are found, each of its kind, and what is no fault is not reported."""

import sys

import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.graph import Graph
from graphopt.passes.stabilize import Stabilize
from graphopt.rewrite import Attr, Exact, RealOnly, Rule, V, floating, lint, refuse
from graphopt.rewrite.catalogue import rules_of
from graphopt.rewrite.generality import equal, more_general
from graphopt.rewrite.lint import overlaps, undoing, unused
from graphopt.rewrite.lint_corpus import FAMILIES, named_programs, programs

x, y, z, axis, other = V("x"), V("y"), V("z"), Attr("axis"), Attr("other")
LOG1P = Rule("log1p", T.log(x + 1), T.log1p(x), claim=RealOnly())


def kinds(findings):
    return [(finding.kind, finding.rules) for finding in findings]


# --- duplicates and shadowed rules ------------------------------------------------------------------------------------


def test_equal_patterns_are_duplicates_whatever_their_variables_and_their_order_of_operands():
    again = Rule("again", T.log(1 + y), T.log(1 + y) * 1.0, claim=RealOnly())
    (finding,) = lint([LOG1P, again], corpus=())
    assert (finding.kind, finding.rules) == ("duplicate", ("log1p", "again"))
    assert "again has the pattern of log1p" in finding.sentence and "log" in str(finding)


def test_two_rules_of_one_name_are_a_duplicate():
    assert kinds(overlaps([LOG1P, Rule("log1p", T.sqrt(T.square(x)), abs(x), claim=RealOnly())])) == [
        ("duplicate", ("log1p", "log1p"))
    ]


def test_one_function_for_two_equal_patterns_is_a_duplicate():
    def same(match, x):
        return T.log1p(x)

    rules = [Rule(name, T.log(x + 1), same, claim=RealOnly()) for name in ("first", "second")]
    assert kinds(overlaps(rules)) == [("duplicate", ("first", "second"))]


def test_a_rule_behind_a_more_general_one_is_shadowed_and_before_it_is_not():
    general = Rule("general", T.log(x + y), T.log(x + y) * 1.0, claim=RealOnly())
    assert kinds(overlaps([general, LOG1P])) == [("shadowed", ("general", "log1p"))]
    assert overlaps([LOG1P, general]) == []


def test_a_variable_without_a_condition_shadows_one_with_a_condition_but_not_the_other_way():
    free = Rule("free", T.exp(T.log(x)), x, claim=RealOnly())
    bound = Rule("bound", T.exp(T.log(V("w", dtype=floating))), V("w"), claim=RealOnly())
    assert kinds(overlaps([free, bound])) == [("shadowed", ("free", "bound"))]
    assert overlaps([bound, free]) == []


def test_a_rule_that_may_decline_shadows_nothing():
    def never(match, x, y):
        return refuse("no")

    assert overlaps([Rule("code", T.log(x + y), never, claim=RealOnly()), LOG1P]) == []
    guarded = Rule("guarded", T.log(x + y), T.log(y + x), claim=RealOnly(), where=lambda match: False)
    assert overlaps([guarded, LOG1P]) == []


def test_a_rule_whose_result_has_the_wrong_type_shadows_nothing():
    wrong_type = Rule("wrong-type", T.log(x + y), x > y, claim=RealOnly())
    assert overlaps([wrong_type, LOG1P]) == []


@pytest.mark.parametrize(
    ("general", "special", "covers"),
    [
        (T.log(x), T.log(T.exp(y) + 1), True),
        (x * x, y * z, False),
        (x * y, z * z, True),
        (x * x, T.exp(y) * T.exp(y), True),
        (x + 0.0, y + (-0.0), False),
        (x + 1, y + 2, False),
        (x + y, 1 + T.exp(z), True),
        (T.exp(x) - y, z - T.exp(x), False),
        (T.sum(x, axis=axis), T.sum(T.exp(y), axis=other), True),
        (T.sum(x, axis=axis), T.sum(T.exp(y), axis=(0,)), True),
        (T.sum(x, axis=(0,)), T.sum(y, axis=axis), False),
        (T.sum(T.sum(x, axis=axis), axis=axis), T.sum(T.sum(x, axis=axis), axis=other), False),
        (T.exp(V("c", constant=True)), T.exp(x), False),
        (T.exp(V("c", constant=True)), T.exp(V("d", constant=True)), True),
        (T.exp(V("c", ndim=0)), T.exp(V("d", ndim=1)), False),
        (T.exp(V("c", where=lambda handle: True)), T.exp(V("d", where=lambda handle: True)), False),
    ],
)
def test_one_pattern_covers_another_or_not(general, special, covers):
    assert (more_general(general, special) is not None) == covers


def test_patterns_are_equal_only_over_the_same_variables():
    assert equal(x + T.exp(y), T.exp(y) + x)
    assert not equal(x + T.exp(y), y + T.exp(x)) and not equal(x - y, y - x)


# --- rules that undo each other ---------------------------------------------------------------------------------------

APART = Rule("apart", T.log(x * y), T.log(x) + T.log(y), claim=RealOnly())
TOGETHER = Rule("together", T.log(x) + T.log(y), T.log(x * y), claim=RealOnly())


def test_rules_that_undo_each_other_are_found_on_programs():
    assert kinds(lint([APART, TOGETHER], corpus=())) == [("undoing", ("apart", "together"))]


def test_a_rule_that_undoes_itself_is_found():
    swap = Rule("swap", x - y, -(y - x), claim=RealOnly())
    turn = Rule("turn", x * y, y * x, claim=Exact())
    assert kinds(undoing([turn, swap])) == [("undoing", ("turn",))]


def test_rules_that_undo_each_other_are_found_on_patterns_where_nothing_can_be_drawn(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    for name in [name for name in sys.modules if name.startswith("graphopt.testing")]:
        monkeypatch.delitem(sys.modules, name)
    assert kinds(undoing([APART, TOGETHER, LOG1P])) == [("undoing", ("apart", "together"))]


# --- rules that never fire --------------------------------------------------------------------------------------------


def test_a_rule_that_fires_nowhere_on_the_corpus_is_named():
    v = T.vector("v")
    corpus = [Graph.from_outputs([v], T.log(1 + v))]
    (finding,) = unused([LOG1P, APART], iter(corpus))
    assert finding.rules == ("apart",) and "on none of 1 program " in finding.sentence
    assert lint([LOG1P], corpus) == []


def test_a_rule_that_needs_canonical_form_or_an_earlier_pass_counts_as_firing():
    v = T.vector("v")
    softplus = next(rule for rule in Stabilize.rules if rule.name == "softplus")
    assert unused([softplus], [Graph.from_outputs([v], T.log(1 + T.exp(v)))]) == []


def test_linting_leaves_the_corpus_as_it_was():
    v = T.vector("v")
    graph = Graph.from_outputs([v], T.log(1 + v))
    text = str(graph)
    lint(Stabilize.rules[:3], [graph])
    assert str(graph) == text


def test_a_later_stage_is_looked_at_only_while_some_rule_waits():
    v = T.vector("v")

    def corpus():
        yield Graph.from_outputs([v], T.log(1 + v))
        raise AssertionError("the second program is not needed")

    assert unused([LOG1P], corpus()) == []


def test_the_built_in_corpus_can_be_read_and_is_varied():
    graphs = dict(named_programs())
    assert len(graphs) > sum(len(family.formulas()) for family in FAMILIES.values())
    assert len({graph.op(node).name for graph in graphs.values() for node in graph.order()}) > 60


@pytest.mark.long
def test_every_rule_fires_on_the_built_in_corpus():
    every = [rule for name in go.available_passes() for rule in rules_of(name)]
    assert [str(finding) for finding in unused(every, programs())] == []


def test_no_pass_has_overlapping_rules_and_no_two_rules_undo_each_other():
    listed = {name: rules_of(name) for name in go.available_passes()}
    assert [str(f) for rules in listed.values() for f in overlaps(rules)] == []
    assert [str(f) for f in undoing([rule for rules in listed.values() for rule in rules])] == []
