"""Mutants of derivatives are judged, counted and drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

import common
import gradient_mutation as experiment


def test_table_and_picture_are_made_of_what_is_judged(tmp_path: Path):
    rows = experiment.judged("floor")
    record = common.record_of("gradient_mutation", True) | experiment.summary(rows)
    assert record["outcomes"] == {"killed": 1} and record["mutations"]["straight through"]["killed"] == 1
    assert record["suspects"] == {"right": 1}
    image = common.save(record, experiment.draw(record), tmp_path / "record.json")
    assert image.stat().st_size > 1000
    assert "| straight through | 1 |" in experiment.table(record)
