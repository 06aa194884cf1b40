"""Gradients beside peers': the truth, the table, and the objectives of ADBench at small sizes. Peers may be absent."""

import json

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import bundle_adjustment
import common
import gmm
import gradients_beside_peers as beside
from hard_points import HARD
from namespaces import GRAPHOPT, NUMPY, compiled
from shared_functions import SHARED, arguments

CHOSEN = ("normal likelihood", "scatter and add", "rotation by 0 (Rodrigues)", "attention with a masked row")


def saved(module, record, folder):
    """The record as it is read back, its picture drawn."""
    common.save(record, module.draw(record), folder / "record.json")
    return json.loads((folder / "record.json").read_text(encoding="utf-8"))


def test_there_are_functions_enough_and_each_can_be_evaluated_by_its_points():
    assert len(SHARED) >= 1.5 * beside.GOAL
    assert len({shared.name for shared in (*SHARED, *HARD)}) == len(SHARED) + len(HARD)
    for shared in (*SHARED, *HARD):
        first, again = arguments(shared, "float64"), arguments(shared, "float64")
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_own_gradients_are_right_where_formulas_break(tmp_path):
    record = saved(beside, beside.measure(True, names=CHOSEN, peers=()), tmp_path)
    assert [entry["function"] for entry in record["entries"]] == list(CHOSEN)
    assert record["wrong"] == {name: [] for name in beside.OWN}
    assert record["shared"] == 2 and "## Hard points" in beside.table(record)


def test_a_wrong_gradient_and_one_that_is_no_number_are_told():
    assert beside.distance([np.array([1.0, 2.0])], [np.array([1.0, 4.0])]) == 0.5
    assert beside.distance([np.array([1.0, np.nan])], [np.array([1.0, 4.0])]) is None
    entry = {"does_not_take_it": {"c": "reason"}, "units": {"a": None, "b": 3.0}, "wrong": ["a"]}
    assert [beside.cell(entry, name) for name in "abc"] == ["**NaN**", "3", "–"]


def test_nothing_is_measured_without_peers(monkeypatch, capsys):
    monkeypatch.setattr(beside, "absent", lambda *names: dict.fromkeys(names, "absent"))
    assert beside.main(["--small"]) == 3
    assert "nothing could be measured" in capsys.readouterr().err


def test_a_mixtures_gradient_is_that_by_hand_and_by_differences(tmp_path):
    record = gmm.measure(True, sizes=((50, 3, 4),), peers=(), seconds=0.02, separate=False)
    (entry,) = saved(gmm, record, tmp_path)["sizes"]
    assert entry["checked"]["value"] < 1e-12 and entry["checked"]["by_hand"] < 1e-12
    assert entry["checked"]["differences"] <= entry["checked"]["uncertainty"] + 1e-9
    assert set(entry["ratios"]["time"]) == {GRAPHOPT, NUMPY}
    assert 1 < entry["ratios"]["flops"] < 5


@pytest.mark.long
def test_blocks_and_colours_give_the_same_sparse_jacobian(tmp_path):
    record = bundle_adjustment.measure(True, sizes=((5, 12, 30),), peers=(), seconds=0.02, separate=False)
    record = saved(bundle_adjustment, record, tmp_path)
    (entry,) = record["sizes"]
    assert entry["products"] == {"blocks": 2, "coloured": 15}
    assert entry["checked"]["value"] < 1e-12 and entry["checked"]["block"] < 1e-12
    assert entry["checked"]["block_at_rest"] < 1e-8  # differences of second order
    rows = {row["name"]: row["verdict"] for row in entry["jacobian"]["rows"]}
    assert rows[bundle_adjustment.COLOURED] != "refused"  # held against the blocks
    assert record["at_rest"][GRAPHOPT]["not_numbers"] == 0 and record["at_rest"][GRAPHOPT]["error"] < 1e-12


def test_values_of_one_text_are_those_of_numpy():
    points = gmm.inputs(20, 2, 3)
    ours, theirs = (compiled(name, gmm.log_posterior, points)(*points) for name in (GRAPHOPT, NUMPY))
    assert ours == pytest.approx(theirs, rel=1e-13) == pytest.approx(gmm.by_loops(*points), rel=1e-12)
