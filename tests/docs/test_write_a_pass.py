"""The tutorial works as pasted, and what it says about packaging is what the package in tests/thirdparty does."""

import doctest
import re
from pathlib import Path

import pytest

from graphopt.ops import TABLE
from graphopt.testing.gradients import DIGITS
from graphopt.testing.pass_properties import PROPERTIES
from graphopt.testing.pass_targets import TOGETHER

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "write_a_pass.md"


@pytest.fixture
def no_op_stays():
    """What the tutorial defines is gone afterwards."""
    before = set(TABLE)
    yield
    for name in set(TABLE) - before:
        del TABLE[name]


def test_the_tutorial_works_as_pasted(no_op_stays):
    outcome = doctest.testfile(str(TUTORIAL), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert outcome.attempted > 30
    assert not outcome.failed


def test_the_tutorial_states_the_figures_that_there_are():
    page = TUTORIAL.read_text(encoding="utf-8")
    text = page.replace("\n", " ")
    assert f"over the reals in {DIGITS} digits" in text and f"up to {TOGETHER} in one file" in text
    rows = re.findall(r"^\| ([a-z, ]+) \|", page, re.MULTILINE)
    assert set(PROPERTIES) <= {name for row in rows for name in row.split(", ")}


def test_every_block_of_the_tutorial_is_run_or_stands_in_the_package():
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    package = (ROOT / "tests" / "thirdparty" / "pyproject.toml").read_text(encoding="utf-8")
    assert {language for language, _ in blocks} == {"python", "toml"}
    assert all(text.startswith(">>> ") for language, text in blocks if language == "python")
    assert all(text in package for language, text in blocks if language == "toml")
