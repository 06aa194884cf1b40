"""The scripts of docs/gradients.md work as pasted, and one finds a mistake; its table is the one that is tested."""

import re
import sys
from pathlib import Path

import pytest

from graphopt.errors import VerificationFailed
from graphopt.testing.strongest import EFFORT

PAGE = (Path(__file__).parents[2] / "docs" / "gradients.md").read_text(encoding="utf-8")
SCRIPT, CATALOGUE, CLIPPING = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_script_works_as_pasted(capsys):
    exec(SCRIPT, {})
    assert "compared=12, kinks=0" in capsys.readouterr().out


def test_a_mistake_in_the_script_is_found():
    with pytest.raises(VerificationFailed, match="with respect to weights"):
        exec(SCRIPT.replace("(1 - y**2)", "(1 - y)"), {})


def test_what_is_said_of_the_catalogue_works_as_pasted():
    exec(CATALOGUE, {})


def test_the_page_states_the_limit_there_is():
    assert f"at most {EFFORT:,} elements" in PAGE


def test_gradients_are_clipped_as_the_page_says(capsys):
    exec(CLIPPING, {})
    printed, expected = capsys.readouterr().out.strip(), CLIPPING.rpartition("# ")[2].strip()
    assert printed == expected


def test_the_table_of_conventions_is_the_one_that_is_tested(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[1] / "autodiff"), *sys.path])
    from conventions import markdown

    (table,) = re.findall(r"<!-- conventions: (?:.*?) -->\n(.*?)\n<!-- end of conventions -->", PAGE, re.DOTALL)
    assert table == markdown(), "out of date: paste what python tests/autodiff/conventions.py prints"
