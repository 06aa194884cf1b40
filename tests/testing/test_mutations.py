"""The verifier finds planted mistakes in rules."""

import pytest

import graphopt.tensor as T
from graphopt.ops.reduction import prod, sum_
from graphopt.ops.shape import squeeze
from graphopt.rewrite import (
    Attr,
    Exact,
    Improves,
    RealOnly,
    Rule,
    RulePass,
    Stabilizes,
    V,
    available_passes,
    floating,
    positive,
    rule,
)
from graphopt.testing.explained import EQUIVALENT, UNNEEDED
from graphopt.testing.mutations import KINDS, mutants
from graphopt.testing.verdicts import judge

x, y, c = V("x"), V("y"), V("c")
axis, a = Attr("axis"), Attr("a")
RULES = {
    "log1p": Rule("m-log1p", T.log(1 + x), T.log1p(x), claim=Improves()),
    "minus": Rule("m-minus", x + (-y), x - y, claim=Exact()),
    "log of softmax": Rule(
        "m-log-softmax", T.log(T.softmax(x, axis=axis)), T.log_softmax(x, axis=axis), claim=Stabilizes(8)
    ),
}


@rule(x + (-y), claim=Exact(), name="m-code")
def code(match, x, y):
    """x + (-y) → x - y"""
    return x - y


def verdict_of(rule, label, examples=4):
    (mutant,) = [mutant for mutant in mutants(rule) if mutant.label.startswith(label)]
    return judge(rule, mutant, examples)


@pytest.mark.parametrize("name", RULES)
def test_every_mutant_of_a_right_rule_is_killed(name):
    found = mutants(RULES[name])
    verdicts = {mutant.label: judge(RULES[name], mutant, examples=4).outcome for mutant in found}
    assert len(verdicts) == len(found) >= 4
    assert set(verdicts.values()) == {"killed"}, verdicts


def test_a_rule_whose_replacement_is_code_is_mutated_too():
    found = mutants(code)
    assert {mutant.kind for mutant in found} == {"sign", "derivative", "dtype", "constant", "axis", "broadcast"}
    assert {mutant.label: judge(code, mutant, examples=4).outcome for mutant in found} == {
        mutant.label: "killed" for mutant in found
    }


def test_the_kinds_of_mistakes_follow_the_rule():
    where = Rule("m", T.sum(V("x", dtype=floating) * 2, axis=axis), 2 * T.sum(x, axis=axis), claim=RealOnly(),
                 where=lambda match: True)  # fmt: skip
    assert {mutant.kind for mutant in mutants(where)} == {
        "sign", "derivative", "dtype", "condition", "constant", "sibling", "axis",
    }  # fmt: skip
    assert "order" in {mutant.kind for mutant in mutants(RULES["minus"])}


def test_the_catalogue_has_mutants_of_every_kind():
    rules = [rule for step in available_passes().values() if issubclass(step, RulePass) for rule in step.rules]
    assert {mutant.kind for rule in rules for mutant in mutants(rule)} == set(KINDS)


def test_conditions_are_lost_one_by_one_and_domains_made_wider_by_degrees():
    log = Rule("m", T.log(V("x", dtype=floating, where=positive) ** y), y * T.log(x), claim=RealOnly())
    assert [mutant.label for mutant in mutants(log) if mutant.kind in ("condition", "domain")] == [
        "x: not 'dtype: is float'",
        "x: not 'positive'",
        "x: 'nonnegative' for 'positive'",
        "x: 'nonzero' for 'positive'",
    ]


@pytest.mark.parametrize("label", ["axis of sum is 0", "axis of sum is the last"])
def test_a_wrong_axis_of_a_product_of_exponentials_is_found(label):
    product = Rule("m-axis", prod(T.exp(x), axis=axis), T.exp(sum_(x, axis=axis)), claim=RealOnly())
    assert verdict_of(product, label).outcome == "killed"


def test_a_wrong_axis_below_a_squeeze_is_found():
    pattern = T.log(squeeze(sum_(T.exp(x), axis=axis), axis=a))
    view = Rule("m-squeeze", pattern, squeeze(T.logsumexp(x, axis=axis), axis=a), claim=Stabilizes(16))
    assert verdict_of(view, "axis of logsumexp is 0").outcome == "killed"


def test_a_lost_view_of_an_operand_is_found():
    spread = Rule("m-spread", x - T.expand_dims(-y, a), x + T.expand_dims(y, a), claim=Exact())
    assert verdict_of(spread, "expand_dims dropped").outcome == "killed"
    assert verdict_of(spread, "axis of expand_dims is 0").outcome == "killed"


def test_a_narrower_dtype_is_found_though_the_bound_grows_with_the_inputs():
    masked = Rule("m-masked", T.where(c, 0, x) / y, T.where(c, 0, x / y), claim=Stabilizes(1, relative=True))
    assert verdict_of(masked, "rounded to float32").outcome == "killed"


def test_a_lost_condition_is_judged_where_it_held_the_rule_back():
    integers = Rule("m-itself", T.greater_equal(*[V("x", dtype="int64")] * 2), True, claim=Exact())
    assert verdict_of(integers, "x: not").outcome == "killed"  # NaN ≥ NaN is false


def test_a_mistake_that_types_refuse_is_no_success_of_the_verifier():
    compared = Rule("m-less", T.logical_not(T.less(V("x", dtype="int64"), y)), T.greater_equal(x, y), claim=Exact())
    assert verdict_of(compared, "derivative doubled").outcome == "refused"


def test_what_no_claim_speaks_of_is_an_explained_equivalent():
    exps = Rule("m-real", T.exp(x) * T.exp(y), T.exp(x + y), claim=RealOnly())
    verdict = verdict_of(exps, "rounded to float32")
    assert verdict.outcome == "equivalent" and verdict.reason


def test_what_is_explained_exists():
    labels = {
        (rule.name, mutant.label)
        for step in available_passes().values()
        if issubclass(step, RulePass)
        for rule in step.rules
        for mutant in mutants(rule)
    }
    assert set(EQUIVALENT) | set(UNNEEDED) <= labels
    assert not set(EQUIVALENT) & set(UNNEEDED)
