"""The list of rules holds all of them, and the page made of it is the one in the documentation."""

import json
from pathlib import Path

import pytest

import graphopt as go
from graphopt.errors import InvalidArgument
from graphopt.passes.stabilize import Stabilize
from graphopt.rewrite.catalogue import COMMAND, CONFLUENCE, Row, catalogue, markdown, rules_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rules.md"


def test_every_rule_of_every_pass_has_a_row_in_the_order_of_trial():
    rows = [row.name for row in catalogue() if row.step == "stabilize"]
    assert rows == [rule.name for rule in Stabilize.rules]
    assert {row.step for row in catalogue()} == {name for name in go.available_passes() if rules_of(name)}


def test_a_row_says_what_the_rule_says():
    row = next(row for row in catalogue() if row.name == "log1p")
    assert (row.step, row.claim, row.algebra) == ("stabilize", "Improves", "log(x + 1) → log1p(x)")
    assert row.claims("improves") and not row.claims("Exact")
    assert row.has("LOG1P") and not row.has("softmax")
    assert Row("a", "b", "Stabilizes(8)", "", "", ()).claims("stabilizes")
    assert Row("a", "b", "Stabilizes(8)", "", "", ()).claims("Stabilizes(8)")


def test_algebra_is_one_line_and_a_bar_does_not_end_a_cell():
    assert all("\n" not in row.algebra for row in catalogue())
    page = markdown([Row("either", "some", "Exact", "x | y → y | x", "Boole | 1854", ("tag",), "Some.")])
    assert "| `either` | `Exact` |  | `x \\| y → y \\| x` | Boole \\| 1854 |" in page.splitlines()


def test_a_row_and_the_page_say_what_a_rule_makes_less_of_and_by_what_its_pass_ends():
    row = next(row for row in catalogue() if row.name == "broadcast-aligned")
    assert row.measure == "ranks > views > chains" and row.order.startswith("hazards > reorderings > ")
    assert not next(row for row in catalogue() if row.name == "log-erfc").measure
    page = markdown(catalogue())
    assert "Ends by hazards > operations > masks." in page and "| hazards | elementary functions" in page


def test_rules_of_installed_packages_are_not_on_the_page():
    assert "theirs" not in markdown([Row("theirs", "their-pass", "Exact", "", "", (), built_in=False)])


def test_the_page_says_of_every_pass_with_rules_whether_their_order_matters():
    measured = json.loads(CONFLUENCE.read_text(encoding="utf-8"))
    assert measured["passes"].keys() == {row.step for row in catalogue() if row.built_in}
    assert PAGE.read_text(encoding="utf-8").count("\nConfluent on ") == len(measured["passes"])


def test_a_pass_without_rules_has_none_and_an_unknown_pass_is_an_error():
    assert rules_of("cse") == ()
    with pytest.raises(InvalidArgument, match="no pass called 'stabilise'; did you mean stabilize"):
        rules_of("stabilise")


def test_the_page_of_rules_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == markdown(catalogue()), f"docs/rules.md is out of date; run: {COMMAND}"
