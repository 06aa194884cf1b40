"""No rule that keeps its claim is accused, whatever is drawn: `make test-long`."""

import pytest

from graphopt.rewrite import RulePass, available_passes
from graphopt.testing.rules import verify_rule

SEEDS = range(1, 11)
RULES = {
    f"{name}:{rule.name}": rule
    for name, step in available_passes().items()
    if issubclass(step, RulePass)
    for rule in step.rules
}


@pytest.mark.long
@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_not_accused_at_any_of_ten_seeds(name):
    for seed in SEEDS:
        report = verify_rule(RULES[name], examples=8, seed=seed, shrink=False)
        assert report.programs and report.points
