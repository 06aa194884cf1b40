"""The classic network learns, step by step as NumPy by hand does, and its record says what it is said to say."""

import json
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

import common
import digits


@pytest.fixture(scope="module")
def record():
    return digits.measure(True, hidden=16, epochs=6, steps=10, others=(digits.NUMPY,), seconds=0.05)


def test_the_first_steps_are_those_of_numpy_by_hand(record):
    apart = record["first_steps"]["apart"][digits.NUMPY]
    assert len(record["first_steps"]["costs"]) == 10
    assert 0 <= apart["costs"] < 1e-13 and apart["weights"] < 1e-13


def test_it_learns_and_predicts_what_its_accuracy_says(record):
    curve = record["curve"]
    assert len(curve) == 6 and curve[-1]["training"] < 0.5 * curve[0]["training"]
    assert record["test"]["accuracy"] == pytest.approx(record["predicted"]) and record["predicted"] > 0.8


def test_its_gradients_are_timed_against_numpy_by_hand(record, tmp_path: Path):
    rows = {row["name"]: row for row in record["speed"]["rows"]}
    assert rows[digits.OURS]["verdict"] != "refused", rows[digits.OURS]["reason"]
    assert common.save(record, digits.draw(record), tmp_path / "record.json").stat().st_size > 1000


def test_the_record_reaches_the_goal_on_images_never_seen():
    kept = json.loads((common.RESULTS / "digits.json").read_text(encoding="utf-8"))
    assert sum(kept["images"].values()) == 1797
    assert kept["test"]["accuracy"] >= kept["goal"] == digits.GOAL == 0.95
    assert kept["test"]["accuracy"] == pytest.approx(kept["predicted"])
    assert all(max(apart.values()) < 1e-12 for apart in kept["first_steps"]["apart"].values())
