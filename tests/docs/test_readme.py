"""The README's session works as pasted."""

import doctest
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_the_first_session_works_as_pasted():
    outcome = doctest.testfile(str(README), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert outcome.attempted > 20
    assert not outcome.failed
