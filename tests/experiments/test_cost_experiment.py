"""The cost of derivatives is measured as the record says, and the record is within the bounds it is held against."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

import common
import cost_of_gradients as experiment

RECORD = json.loads((common.RESULTS / "cost_of_gradients.json").read_text(encoding="utf-8"))
DEARER: set[str] = set()


def test_the_record_is_within_the_bound_and_linear():
    ratios = {entry["program"]: entry["ratios"]["gradient"]["flops"] for entry in RECORD["programs"]}
    assert {name for name, ratio in ratios.items() if ratio > RECORD["bound"]} == DEARER
    assert {entry["shape"] for entry in RECORD["entries"]} == set(experiment.benchmark.GROWING)
    for entry in RECORD["entries"]:
        assert entry["nodes"]["grad"] <= 6 * entry["nodes"]["function"]


def test_a_small_measurement_agrees_with_the_record(tmp_path: Path):
    measured = experiment.measure(True, programs=("GELU", "Rosenbrock"), shapes=("elements",), sizes=(100,), above=100)
    kept = {entry["program"]: entry["ratios"] for entry in RECORD["programs"]}
    for entry in measured["programs"]:
        assert entry["ratios"] == kept[entry["program"]]
    assert common.save(measured, experiment.draw(measured), tmp_path / "record.json").stat().st_size > 1000
