"""The record of confluence is one of the rules and the corpus as they are now."""

from __future__ import annotations

import json

import confluence as experiment
import pytest
from common import RESULTS

from graphopt.rewrite.lint_corpus import named_programs

RECORD = json.loads((RESULTS / "confluence.json").read_text(encoding="utf-8"))


def test_no_value_is_further_from_the_program_as_written_than_claims_allow():
    assert max(found["excess"] for found in RECORD["passes"].values()) <= 1


def test_a_small_measurement_agrees_with_the_record():
    chosen = [(name, graph) for name, graph in named_programs() if "exp(log(" in name or "erfc(-d/r)" in name]
    before, road = experiment.ROADS["stabilize"]
    found = experiment.one("stabilize", before, road, chosen, range(2))
    assert found["programs"] > 2 and found["apart"] == {} and found["excess"] <= 1
    assert not {name for name, _ in chosen} & RECORD["passes"]["stabilize"]["apart"].keys()


@pytest.mark.long
def test_the_record_is_what_is_measured_now():
    measured = json.loads(json.dumps(experiment.measure()))
    assert {name: (found["programs"], found["apart"]) for name, found in measured["passes"].items()} == {
        name: (found["programs"], found["apart"]) for name, found in RECORD["passes"].items()
    }
