"""The record of mutants of derivatives has every op and mutation, and no survivor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

import common
import gradient_mutation as experiment

from graphopt.ops import TABLE
from graphopt.testing.derivative_mutations import MUTATIONS
from graphopt.testing.specimens import SPECIMENS

RECORD = json.loads((common.RESULTS / "gradient_mutation.json").read_text(encoding="utf-8"))


def test_the_record_has_every_mutation_and_op_and_no_survivor():
    assert set(RECORD["mutations"]) == {mutation.name for mutation in MUTATIONS}
    assert RECORD["ops"] == len([name for name in SPECIMENS if TABLE[name].pullback is not None])
    assert sum(RECORD["outcomes"].values()) == RECORD["mutants"]
    assert "survived" not in RECORD["outcomes"]
    assert (common.RESULTS / "gradient_mutation.md").read_text(encoding="utf-8") == experiment.table(RECORD)


def test_table_and_picture_are_made_of_what_is_judged(tmp_path: Path):
    rows = experiment.judged("floor")
    record = common.record_of("gradient_mutation", True) | experiment.summary(rows)
    assert record["outcomes"] == {"killed": 1} and record["mutations"]["straight through"]["killed"] == 1
    assert record["suspects"] == {"right": 1}
    image = common.save(record, experiment.draw(record), tmp_path / "record.json")
    assert image.stat().st_size > 1000
    assert "| straight through | 1 |" in experiment.table(record)
