"""The figures of docs/gradients.md are those of the code."""

from pathlib import Path

import pytest

from graphopt.testing import jacobians, rounding
from graphopt.testing.oracles import ORACLES, Differences, ExactDifferences
from graphopt.testing.strongest import EFFORT

PAGE = (Path(__file__).parents[2] / "docs" / "gradients.md").read_text(encoding="utf-8")
STATED = {
    f"at most {EFFORT:,} elements": "of the effort in exact arithmetic",
    f"in {ExactDifferences.DIGITS} digits or more": "of digits",
    f"With at most {jacobians.WHOLE} elements": "below which all of a Jacobian is compared",
    f"{jacobians.PROJECTIONS} random projections": "of projections",
    f"{jacobians.UNITS:g} units of rounding": "of units",
    f"{jacobians.SAFETY:g} times the spread of {rounding.RUNS} runs": "of runs and their spread",
    f"up to {rounding.UNITS:g} units off": "of perturbation",
    f"there are {Differences.LEVELS} steps": "of levels",
    f"h, h/2, … h/{2 ** (Differences.LEVELS - 1)}": "of the last step",
}


@pytest.mark.parametrize("text", STATED)
def test_the_page_states_the_figures_that_there_are(text):
    assert text in PAGE.replace("\n", " "), f"the figure {STATED[text]} has changed"


@pytest.mark.parametrize(("oracle", "step"), [("exact", "10⁻¹⁷"), ("complex-step", "10⁻¹⁰⁰")])
def test_the_page_states_the_steps_that_there_are(oracle, step):
    exponent = int(step.removeprefix("10").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{oracle}`")]
    assert step in row and ORACLES[oracle](None)._step == 10.0**exponent
