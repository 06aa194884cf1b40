"""Property testing of programs and of what transforms them (needs the extra `testing`)."""

from graphopt.testing import strategies
from graphopt.testing.accuracy import accuracy, bits_of_error
from graphopt.testing.passes import PassFailed, PassReport, verify_pass
from graphopt.testing.rules import RuleReport, verify_rule
from graphopt.testing.verify_grad import GradientReport, verify_grad

__all__ = [
    "GradientReport", "PassFailed", "PassReport", "RuleReport", "accuracy", "bits_of_error", "strategies",
    "verify_grad", "verify_pass", "verify_rule",
]  # fmt: skip
