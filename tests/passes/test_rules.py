"""Every rule of every pass keeps its claim; a rule is tested by being there."""

import pytest

import graphopt.tensor as T
from graphopt.errors import VerificationFailed
from graphopt.rewrite import Exact, Improves, Rule, RulePass, Stabilizes, Ulps, V, available_passes
from graphopt.testing.rules import verify_rule

RULES = {
    f"{name}:{rule.name}": rule
    for name, step in available_passes().items()
    if issubclass(step, RulePass)
    for rule in step.rules
}
x, y = V("x"), V("y")


@pytest.mark.parametrize("name", RULES)
def test_a_rule_keeps_its_claim(name):
    report = verify_rule(RULES[name], examples=4)
    assert report.programs and report.points


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", RULES)
def test_a_rule_keeps_its_claim_on_more_programs(name, seed):
    assert verify_rule(RULES[name], seed=seed).programs


def test_names_of_rules_are_unique_within_a_pass():
    for step in available_passes().values():
        if issubclass(step, RulePass):
            names = [rule.name for rule in step.rules]
            assert len(set(names)) == len(names)


FALSE_CLAIMS = {
    "x + 0 changes -0": Rule("false", x + 0.0, x, claim=Exact()),
    "0 - x has the wrong zero": Rule("false", 0 - x, -x, claim=Exact()),
    "x - x is NaN at infinity": Rule("false", x - x, 0, claim=Exact()),
    "x/x is NaN at 0": Rule("false", x / x, 1, claim=Ulps(1)),
    "xlogy differs at 0·log 0": Rule("false", x * T.log(y), T.xlogy(x, y), claim=Exact()),
    "the sign is wrong": Rule("false", T.log(1 - x), T.log1p(x), claim=Improves()),
    "the operands are swapped": Rule("false", x - (-y), y - x, claim=Exact()),
    "the square root is NaN at -inf": Rule("false", x**0.5, T.sqrt(x), claim=Ulps(1)),
    "x² overflows where |x| does not": Rule("false", T.abs(x), T.sqrt(T.square(x)), claim=Ulps(1)),
    "nothing gets better": Rule("false", x + y, y + x, claim=Improves()),
    "expm1 loses nothing, exp - 1 does": Rule("false", T.expm1(x), T.exp(x) - 1, claim=Improves()),
    "the naive form overflows": Rule("false", T.softplus(x), T.log(1 + T.exp(x)), claim=Stabilizes(16)),
    "x·y/y is NaN at 0": Rule("false", (x * y) / y, x, claim=Ulps(4)),
}  # fmt: skip


@pytest.mark.parametrize("name", FALSE_CLAIMS)
def test_a_false_claim_is_found_out(name):
    with pytest.raises(VerificationFailed):
        verify_rule(FALSE_CLAIMS[name], examples=20)


def test_a_rule_that_never_fires_is_found_out():
    never = Rule("never", T.exp(x), x, claim=Exact(), where=lambda match: False)
    with pytest.raises(VerificationFailed, match="never fired"):
        verify_rule(never)


def test_a_counterexample_names_program_and_values():
    with pytest.raises(VerificationFailed) as caught:
        verify_rule(FALSE_CLAIMS["x + 0 changes -0"])
    assert "-0.0" in str(caught.value) and "add(" in str(caught.value)
