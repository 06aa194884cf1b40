"""The experiment about compile time measures what it says, and draws it. Times are not judged."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("matplotlib")

import common
import compile_latency

import graphopt as go


def test_a_straight_line_is_one_kernel_that_uses_every_operation_once() -> None:
    inputs, output = compile_latency.straight_line(600)
    lowered = go.lower(inputs, output)
    (kernel,) = lowered.program.kernels
    assert 590 <= kernel.flops.terms[0][1] <= 610  # type: ignore[union-attr]


def test_a_case_is_built_cold_with_a_compiler_and_then_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    found = compile_latency.measure_case("sum of squares", str(tmp_path / "cache"), 1)
    assert found["runs"] >= 1 and found["bytes"] > 1000 and found["compiler"] >= 0.0
    line = {"compile": 1.0, "compile_processor": 1.0, "own": {"graph": 1.0}, "runs": 1, "units": 1}
    monkeypatch.setattr(compile_latency, "measure_case", lambda *_: {**found})
    monkeypatch.setattr(compile_latency, "apart", lambda script, head, *_, limit: head | line)
    monkeypatch.setattr(compile_latency, "acquaint", lambda cache: None)
    record = compile_latency.measure(small=True)
    assert record["slope"] == pytest.approx(0.0) and len(record["cases"]) == 2
    assert common.save(record, compile_latency.draw(record), tmp_path / "record.json").stat().st_size > 10_000
