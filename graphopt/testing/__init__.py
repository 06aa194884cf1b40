"""Property testing of programs and of what transforms them (needs the extra `testing`)."""

try:
    import hypothesis  # noqa: F401 (looked for here, so that what is missing is said in the user's terms)
except ModuleNotFoundError as missing:
    advice = "graphopt.testing needs Hypothesis, which the extra 'testing' brings: pip install 'graphopt[testing]'"
    raise ModuleNotFoundError(advice, name=missing.name) from None

from graphopt.testing import strategies
from graphopt.testing.accuracy import accuracy, bits_of_error
from graphopt.testing.passes import PassFailed, PassReport, verify_pass
from graphopt.testing.rules import RuleReport, verify_rule
from graphopt.testing.verify_grad import GradientReport, verify_grad

__all__ = [
    "GradientReport", "PassFailed", "PassReport", "RuleReport", "accuracy", "bits_of_error", "strategies",
    "verify_grad", "verify_pass", "verify_rule",
]  # fmt: skip
