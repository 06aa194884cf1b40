"""What the whole suite shares: one cache of compiled kernels a run, and how many examples Hypothesis draws."""

import os
import shutil
import tempfile

import pytest

from graphopt.testing import profiles

profiles.register(load="graphopt-ci")  # another: --hypothesis-profile=graphopt-long

_CACHE = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    # The workers of a run inherit the environment, so what one has compiled none of them compiles again. A cache that
    # was chosen outside is kept, and can be looked at afterwards.
    if not os.environ.get("GRAPHOPT_CACHE"):
        config.stash[_CACHE] = os.environ["GRAPHOPT_CACHE"] = tempfile.mkdtemp(prefix="graphopt-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if _CACHE in config.stash:
        os.environ.pop("GRAPHOPT_CACHE", None)
        shutil.rmtree(config.stash[_CACHE], ignore_errors=True)
