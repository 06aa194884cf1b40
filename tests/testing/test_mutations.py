"""The verifier finds planted mistakes in rules."""

import pytest

import graphopt.tensor as T
from graphopt.rewrite import Attr, Exact, Improves, RealOnly, Rule, Stabilizes, V, floating
from graphopt.testing.mutations import judge, mutants

x, y, axis = V("x"), V("y"), Attr("axis")
RULES = {
    "log1p": Rule("m-log1p", T.log(1 + x), T.log1p(x), claim=Improves()),
    "minus": Rule("m-minus", x + (-y), x - y, claim=Exact()),
    "log of softmax": Rule(
        "m-log-softmax", T.log(T.softmax(x, axis=axis)), T.log_softmax(x, axis=axis), claim=Stabilizes(8)
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_every_mutant_of_a_right_rule_is_killed(name):
    found = mutants(RULES[name])
    verdicts = {mutant.label: judge(RULES[name], mutant, examples=4).outcome for mutant in found}
    assert len(verdicts) == len(found) >= 4
    assert set(verdicts.values()) == {"killed"}, verdicts


def test_the_kinds_of_mistakes_follow_the_rule():
    where = Rule("m", T.sum(V("x", dtype=floating) * 2, axis=axis), 2 * T.sum(x, axis=axis), claim=RealOnly(),
                 where=lambda match: True)  # fmt: skip
    assert {mutant.kind for mutant in mutants(where)} == {
        "sign", "derivative", "dtype", "condition", "constant", "sibling", "axis",
    }  # fmt: skip
    assert "order" in {mutant.kind for mutant in mutants(RULES["minus"])}


def test_what_no_claim_speaks_of_is_an_explained_equivalent():
    rule = Rule("m-real", T.exp(x) * T.exp(y), T.exp(x + y), claim=RealOnly())
    (narrowed,) = [mutant for mutant in mutants(rule) if mutant.kind == "dtype"]
    verdict = judge(rule, narrowed)
    assert verdict.outcome == "equivalent" and verdict.reason
