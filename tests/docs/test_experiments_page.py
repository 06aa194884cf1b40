"""The page about experiments has a row and a section for each script, in one order."""

import re
from pathlib import Path

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def test_every_experiment_has_its_row_and_its_section_in_one_order():
    page = (EXPERIMENTS / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `python experiments/(\w+\.py)`", page, re.MULTILINE)
    scripts = [p.name for p in EXPERIMENTS.glob("*.py") if '\nif __name__ == "__main__"' in p.read_text("utf-8")]
    assert rows == re.findall(r"^## (\S+)$", page, re.MULTILINE)
    assert sorted([*rows, "common.py"]) == sorted(scripts)
