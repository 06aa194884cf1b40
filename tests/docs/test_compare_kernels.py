"""The page on comparing kernels works as pasted."""

import doctest
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "compare_kernels.md"


def test_the_page_works_as_pasted(monkeypatch):
    limits = ("copy_gbs", "triad_gbs", "matmul_float32_gflops", "matmul_float64_gflops")
    monkeypatch.setattr("graphopt.bench.comparison.ceilings", lambda: dict.fromkeys(limits, 1.0))  # they take a second
    outcome = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert outcome.attempted > 40
    assert not outcome.failed


def test_every_option_that_the_page_names_is_one_of_the_command():
    from typer.main import get_command

    from graphopt.cli.app import app

    (command,) = re.findall(r"^```\n(graphopt compare .*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    known = {name for parameter in get_command(app).commands["compare"].params for name in parameter.opts}
    assert set(re.findall(r"--[a-z]+", command)) <= known
