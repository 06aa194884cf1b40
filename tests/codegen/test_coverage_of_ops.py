"""The table of ops is what ops, schedule and templates say; what is missing has a reason; the page is up to date."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.codegen import coverage as table
from graphopt.codegen.coverage import COMMAND, coverage, lacking, markdown
from graphopt.ops import TABLE
from graphopt.ops.reasons import REASONS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ops.md"


@pytest.fixture(scope="module")
def rows():
    return {row.name: row for row in coverage()}


def test_every_op_has_a_row_and_a_family(rows):
    assert list(rows) == list(TABLE)
    assert [row.name for row in rows.values() if not row.family] == []


def test_what_an_op_lacks_has_a_reason_and_what_has_a_reason_is_lacking(rows):
    assert lacking(rows.values()) == []


def test_a_blank_without_a_reason_and_a_reason_without_a_blank_are_found(rows, monkeypatch):
    blank = replace(rows["exp"], cells={**rows["exp"].cells, "c": ""}, reasons={"c": ""})
    assert lacking([*rows.values(), blank]) == ["exp: no reason why it has no c"]
    monkeypatch.setitem(table.REASONS, "exact", {**REASONS["exact"], "exp": "none that is true"})
    assert lacking(rows.values()) == ["exp: a reason why it has no exact, which it has"]


def test_a_row_says_how_the_targets_write_an_element(rows):
    assert rows["add"].cells == {"c": "`x + y`", "cuda": "`x + y`", "exact": "yes", "derivative": "yes"}
    assert rows["arcsin"].cells["cuda"] == "`go_asin_f64(x)`"
    assert rows["gcd"].cells["c"] == "`go_gcd_i64(x, y)`" and rows["gcd"].cells["exact"] == "integers"
    assert rows["softmax"].cells["c"] == "expanded by `lower`"
    assert rows["less"].reasons == {"derivative": "the result is bool"}


@pytest.mark.parametrize("target", ["c", "cuda"])
def test_a_function_that_a_target_does_not_define_is_missed(target, monkeypatch):
    monkeypatch.setattr(table, "_functions", lambda target: frozenset({"go_fabs_f64"}))
    found = {row.name: row for row in coverage() if row.name in ("absolute", "exp")}
    assert found["exp"].cells[target] == ""
    assert found["absolute"].cells[target].startswith("`go_fabs_f64(x)` but for int8, int16")


def test_an_op_from_elsewhere_has_a_row_but_is_not_on_the_page():
    try:
        go.define_op("without_text", numpy=np.sinc)
        (row,) = [row for row in coverage() if row.name == "without_text"]
        assert row.cells == dict.fromkeys(("c", "cuda", "exact", "derivative"), "")
        assert len(lacking(coverage())) == 4
        assert "without_text" not in markdown([row])
    finally:
        del TABLE["without_text"]


def test_a_bar_does_not_end_a_cell(rows):
    assert "| `x \\| y` |" in markdown([rows["bitwise_or"]])


def test_what_the_page_calls_a_derivative_is_one(rows):
    x = go.variable("x", "float64")
    for name in ("sin", "sign", "stop_gradient"):
        slope = go.grad(getattr(T, name)(x), x, disconnected_inputs="ignore")
        value = go.function([x], slope, target="numpy", on_unused_input="ignore")(0.5)
        assert bool(value) == bool(rows[name].cells["derivative"])


def test_the_page_of_ops_is_up_to_date(rows):
    assert PAGE.read_text(encoding="utf-8") == markdown(rows.values()), f"docs/ops.md is out of date; run: {COMMAND}"
