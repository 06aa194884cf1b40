"""Hypothesis profiles: one for a suite that runs at every change, one for what runs for hours.

    from graphopt.testing import profiles
    profiles.register(load="graphopt-ci")       # in a conftest.py, or:  pytest --hypothesis-profile=graphopt-long

`graphopt-ci` draws the same examples at every run, so that a change is to blame for what fails at a change; no example
has a deadline, for the first one compiles. `graphopt-long` draws others each time, and twenty times as many.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import settings

from graphopt.errors import InvalidArgument

__all__ = ["PROFILES", "register"]

PROFILES: Mapping[str, Mapping[str, Any]] = {
    "graphopt-ci": {"derandomize": True, "deadline": None, "max_examples": 50, "print_blob": True},
    "graphopt-long": {"derandomize": False, "deadline": None, "max_examples": 1000, "print_blob": True},
}
"""The settings of each profile; those that are not named are Hypothesis's own."""


def register(load: str | None = None) -> None:
    """Make the profiles known to Hypothesis, and load one.

    The pytest plugin does this by itself where `--hypothesis-profile` names one of them.

    Raises
    ------
    InvalidArgument
        If there is no profile called `load`.
    """
    if load is not None and load not in PROFILES:
        raise InvalidArgument(f"there is no profile called {load!r}; there are: {', '.join(PROFILES)}")
    own = settings.get_profile("default")
    for name, values in PROFILES.items():
        settings.register_profile(name, own, **values)
    if load is not None:
        settings.load_profile(load)
