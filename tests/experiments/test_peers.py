"""The suite computes what its reference does, peers that take it too, and the record says who was best."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import common
import peers
from namespaces import GRAPHOPT, NUMPY, declared, namespace
from suite import CASES
from suite_contestants import converted, dtype, inputs, listed, program, truth

import graphopt as go


@pytest.mark.parametrize("name", CASES)
def test_every_case_computes_what_numpy_does_in_float64(name: str) -> None:
    case = CASES[name]
    arguments = inputs(case, 100)
    variables = declared(arguments)
    outputs = listed(program(case, GRAPHOPT)(namespace(GRAPHOPT, dtype(arguments)), *variables))
    found = go.function(variables, outputs, target="numpy", on_unused_input="ignore")(*arguments)
    expected = truth(case, arguments)
    assert len(found) == len(expected)
    for ours, true in zip(found, expected, strict=True):
        assert ours.dtype == true.dtype
        scale = float(np.abs(true).max())
        np.testing.assert_allclose(ours, true, rtol=0, atol=512 * np.finfo(true.dtype).eps * scale)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.loops])
def test_loops_by_hand_compute_it_too(name: str) -> None:
    loops = pytest.importorskip("suite_loops", reason="numba is not installed")
    case = CASES[name]
    arguments = inputs(case, 200)
    with np.errstate(all="ignore"):
        found = listed(vars(loops)[case.program.__name__](*arguments))  # prange is range until it is compiled
    for ours, true in zip(found, truth(case, arguments), strict=True):
        scale = float(np.abs(true).max())
        np.testing.assert_allclose(ours, true, rtol=0, atol=4096 * np.finfo(true.dtype).eps * scale)


def test_the_record_names_the_best_peer_and_its_interval(tmp_path: Path) -> None:
    names = ("GELU", peers.OVERHEAD)
    record = peers.measure(True, names=names, divided=400, seconds=0.05, peers=(NUMPY,))
    common.save(record, peers.draw(record), tmp_path / "peers.json")
    record = json.loads((tmp_path / "peers.json").read_text(encoding="utf-8"))
    assert [entry["case"] for entry in record["cases"]] == list(names)
    for entry in record["cases"]:
        low, high = entry["interval"]
        assert entry["best"] == NUMPY and low <= entry["ratio"] <= high
    assert "| GELU |" in peers.table(record)


def test_a_peer_is_given_its_own_arrays_once() -> None:
    seen: list[Any] = []

    def convert(array: Any) -> Any:
        seen.append(array)
        return array

    function = converted(convert, lambda x: (x + 1, [x * 2]))
    x, y = np.arange(3.0), np.arange(4.0)
    for _ in range(3):
        assert [len(each) for each in function(x)] == [3, 3]
    assert len(seen) == 1
    function(y)
    assert len(seen) == 2


def test_leaving_a_part_out_changes_kernels_and_no_value(tmp_path: Path) -> None:
    import ablation

    record = ablation.measure(True, names=("log-softmax, wide", "logistic step"), divided=100, seconds=0.05)
    common.save(record, ablation.draw(record), tmp_path / "ablation.json")
    wide, step = record["cases"]
    assert wide["kernels"]["without fusion"] > wide["kernels"][ablation.EVERYTHING] == 1
    assert step["kernels"]["without epilogues"] > step["kernels"][ablation.EVERYTHING]
    refused = {row["name"] for entry in record["cases"] for row in entry["speed"]["rows"] if row["ratio"] is None}
    assert refused == {"without stabilization"}  # of wide logits
    assert "**" in ablation.table(record) or "1." in ablation.table(record)
