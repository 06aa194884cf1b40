"""The README's session works as pasted, and so does its script."""

import doctest
import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_the_first_session_works_as_pasted():
    outcome = doctest.testfile(str(README), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert outcome.attempted > 20
    assert not outcome.failed


def test_the_script_prints_what_the_page_says(capsys):
    blocks = re.findall(r"^```(?:python)?\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (position,) = [k for k, block in enumerate(blocks) if block.startswith('"""')]
    exec(compile(blocks[position], "README.md", "exec"), {})
    assert _rounded(capsys.readouterr().out) == _rounded(blocks[position + 1])


def _rounded(text: str) -> str:
    """A text with its numbers to four digits and without errors: what is beyond is the machine's."""
    text = re.sub(r"[\d.]+e-\d+", "…", text)
    return re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):.4g}", text)
