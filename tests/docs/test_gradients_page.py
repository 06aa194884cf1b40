"""The scripts of docs/gradients.md work as pasted, and the first finds a mistake that is put into it."""

import re
from pathlib import Path

import pytest

from graphopt.errors import VerificationFailed
from graphopt.testing.strongest import EFFORT

PAGE = (Path(__file__).parents[2] / "docs" / "gradients.md").read_text(encoding="utf-8")
SCRIPT, CATALOGUE = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


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
