"""Property testing of programs and of what transforms them (needs the extra `testing`)."""

from graphopt.testing import strategies

__all__ = ["strategies"]
