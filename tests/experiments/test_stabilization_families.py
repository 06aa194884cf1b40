"""The families of unstable formulas: none gets worse, and what a rule covers is right at the input that breaks it."""

import json

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import common
import stabilization_families as experiment

ALL = {family["name"]: family for family in experiment.families()}
COVERED = ("logaddexp", "logdiffexp", "log(1+x)", "exp(x)-1", "sigmoid", "log sigmoid", "1-sigmoid", "tanh by exp")


@pytest.fixture(scope="module")
def record():
    rows = [experiment.examined(family, 2) for family in ALL.values()]
    return common.record_of(experiment.NAME, True) | {
        "points": 2,
        "counts": {kind: sum(row["kind"] == kind for row in rows) for kind in experiment.KINDS},
        "rows": rows,
    }


def test_no_formula_is_worse_after_the_pipeline(record):
    assert [row["name"] for row in record["rows"] if row["kind"] == "worse"] == []
    assert sum(record["counts"].values()) == len(ALL) == 72


@pytest.mark.parametrize("name", COVERED)
def test_covered_formulas_are_right_where_they_broke(record, name):
    row = next(row for row in record["rows"] if row["name"] == name)
    assert row["kind"] == "improved" and row["rules"]
    assert row["before"] > 40 and row["after"] <= 1


def test_a_formula_that_cannot_be_said_is_listed_with_the_reason(record):
    row = next(row for row in record["rows"] if row["name"] == "where(x>0,sqrt(x),0) grad")
    assert row["kind"] == "not expressible" and "where(condition, a, b)" in row["reason"]


def test_what_is_worse_or_better_by_at_most_one_bit_is_unchanged():
    def kind(before, after):
        return experiment.judged({"before": before, "after": after, "mean_before": 5.0, "mean_after": 5.0})

    assert kind(10.0, 11.0) == kind(10.0, 9.0) == "unchanged"
    assert kind(10.0, 11.1) == "worse" and kind(10.0, 8.9) == "improved"


def test_random_inputs_keep_their_signs_and_are_the_same_every_time():
    family = ALL["logaddexp (underflow)"]
    first, second = list(experiment.around(family, 5)), list(experiment.around(family, 5))
    assert first == second and all(point["x"] < 0 and np.isfinite(point["y"]) for point in first)


def test_table_and_picture_are_made_of_the_record(record, tmp_path):
    image = common.save(record, experiment.draw(record), tmp_path / "record.json")
    assert image.stat().st_size > 1000
    text = experiment.table(json.loads((tmp_path / "record.json").read_text(encoding="utf-8")))
    assert all(f"| {name} |" in text for name in ALL)
    assert "## Not covered" in text and "## Not expressible" in text
