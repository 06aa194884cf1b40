"""The script of docs/cost_of_gradients.md prints what the page's table says."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "cost_of_gradients.md").read_text(encoding="utf-8")
(SCRIPT,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_script_prints_the_nodes_of_the_table(capsys):
    exec(SCRIPT, {})
    printed = [line.rpartition(" ")[2] for line in capsys.readouterr().out.splitlines()]
    assert printed == re.findall(r"^\| stabilized \w+ \| (\d+) \|", PAGE, re.MULTILINE)
