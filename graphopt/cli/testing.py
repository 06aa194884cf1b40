"""The extra `testing`, which commands that verify need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from graphopt.errors import TargetUnavailable

__all__ = ["needs_hypothesis"]


@contextmanager
def needs_hypothesis() -> Iterator[None]:
    """Say what to install if importing inside the block fails for want of Hypothesis."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise TargetUnavailable(str(error)) from None
