"""Property testing of programs and of what transforms them (needs the extra `testing`)."""

from graphopt.testing import strategies
from graphopt.testing.rules import RuleReport, verify_rule

__all__ = ["RuleReport", "strategies", "verify_rule"]
