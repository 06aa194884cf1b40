"""What the whole suite shares: one cache of compiled kernels a run, and how many examples Hypothesis draws."""

import os
import shutil
import tempfile

import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=50, print_blob=True)
settings.register_profile("long", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("ci")  # another: --hypothesis-profile=long

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
