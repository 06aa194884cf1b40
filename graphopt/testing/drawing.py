"""What a seed draws from a Hypothesis strategy, and the simplest thing that fails in the same way.

Hypothesis draws many examples from one seed, so that one of them alone can hardly be had again. Here a seed is one
example: number k of a run that began with seed s is the first of a run that begins with s + k.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import hypothesis
from hypothesis import Phase
from hypothesis import strategies as st

__all__ = ["drawn", "shrunk"]

T = TypeVar("T")
_EXAMPLES = 2
"""The first that Hypothesis tries is always the simplest of all; the one after it is drawn."""


def drawn(strategy: st.SearchStrategy[T], seed: int) -> T:
    """One value of a strategy; the same for the same seed, as long as strategy and Hypothesis are the same."""
    found: list[T] = []
    _run(strategy, seed, found.append, (Phase.generate,))
    return found[-1]


def shrunk(strategy: st.SearchStrategy[T], seed: int, fails: Callable[[T], bool]) -> T:
    """The simplest value that Hypothesis reaches for which `fails` is true, from the one that the seed draws."""
    best = drawn(strategy, seed)

    def check(value: T) -> None:
        nonlocal best
        if fails(value):
            best = value
            raise AssertionError

    # What fails by chance fails no more when it is tried again, which Hypothesis finds flaky.
    with contextlib.suppress(AssertionError, hypothesis.errors.Flaky):
        _run(strategy, seed, check, (Phase.generate, Phase.shrink))
    return best


def _run(strategy: st.SearchStrategy[T], seed: int, visit: Callable[[T], Any], phases: tuple[Phase, ...]) -> None:
    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=_EXAMPLES,
        phases=phases,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=hypothesis.Verbosity.quiet,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def run(value: T) -> None:
        visit(value)

    run()
