"""The suite on a GPU, without one: values on the emulated device, times of a pretended one, what is said of both."""

from __future__ import annotations

import json
import math
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import device_report
import device_sanitizer
import numpy as np
import peers_cuda
import pytest
from device_check import finding
from device_contestants import Contestant, stateful
from device_race import judged, race
from hypothesis import given
from hypothesis import strategies as st
from namespaces import GRAPHOPT
from suite_device import AIMS, COPY, DEVICE_CASES, INDUCTOR_NAME, STEP

from graphopt.bench.validate import Tolerance, check_values
from graphopt.errors import TargetUnavailable

ONES = [np.ones(8, "float32")]


@dataclass(frozen=True)
class Mark:
    at: float

    def seconds_since(self, earlier: Mark) -> float:
        return self.at - earlier.at


class Stream:
    """A stream whose clock is advanced by what is launched in it; the machine slows down as time goes by."""

    def __init__(self) -> None:
        self.now = 0.0

    def contestant(self, seconds: float, results: Any = ONES) -> Contestant:
        def call() -> None:
            self.now += seconds * (1 + 0.1 * math.sin(self.now))

        return Contestant(call, results if callable(results) else lambda: results, lambda: Mark(self.now))


def raced(contestants: dict[str, Contestant], copy: Contestant | None = None) -> dict[str, Any]:
    return race(contestants, GRAPHOPT, ONES, copy, seconds=0.05, rounds=40)


def test_times_ratios_and_shares_are_those_of_the_streams() -> None:
    stream, other = Stream(), Stream()
    record = raced(
        {GRAPHOPT: stream.contestant(1e-3), "slower": other.contestant(2e-3), "faster": stream.contestant(0.9e-3)},
        copy=other.contestant(0.8e-3),
    )
    rows = record["rows"]
    assert set(rows) == {GRAPHOPT, "slower", "faster"} and record["rounds"] == 40
    assert rows[GRAPHOPT]["verdict"] == "baseline" and rows[GRAPHOPT]["median"] == pytest.approx(1e-3, rel=0.11)
    assert rows["slower"]["ratio"] == pytest.approx(2, rel=0.1) and rows["slower"]["verdict"] == "slower"
    assert rows["faster"]["ratio"] == pytest.approx(0.9, rel=0.05) and rows["faster"]["verdict"] == "faster"
    assert rows[GRAPHOPT]["share_of_copy"] == pytest.approx(0.8, rel=0.1)
    low, high = rows[GRAPHOPT]["share_interval"]
    assert low <= rows[GRAPHOPT]["share_of_copy"] <= high
    assert record["copy"]["median"] == pytest.approx(0.8e-3, rel=0.11)
    assert record["control"]["ratio"] == pytest.approx(1, rel=0.05)
    assert rows[GRAPHOPT]["repetitions"] * 1e-3 >= 8e-3
    json.dumps(record, allow_nan=False)


def test_what_computes_something_else_has_no_time_before_or_after() -> None:
    stream = Stream()
    calls: list[int] = []

    def spoiled() -> list[Any]:
        calls.append(1)
        return ONES if len(calls) == 1 else [np.full(8, 2, "float32")]

    def fails() -> list[Any]:
        raise RuntimeError("out of memory")

    rows = raced({
        GRAPHOPT: stream.contestant(1e-3),
        "wrong": stream.contestant(1e-4, [np.zeros(8, "float32")]),
        "spoiled": stream.contestant(1e-4, spoiled),
        "fails": stream.contestant(1e-4, fails),
    })["rows"]  # fmt: skip
    assert [name for name, row in rows.items() if row.get("median")] == [GRAPHOPT]
    assert "too large" in rows["wrong"]["reason"] and rows["fails"]["reason"] == "raised RuntimeError: out of memory"
    assert rows["spoiled"]["reason"].startswith("after timing: ")


def test_without_scipy_there_are_medians_and_no_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    samples = {GRAPHOPT: [2.0, 2.0, 4.0], "peer": [1.0, 1.0, 2.0], COPY: [1.5, 1.5, 3.0], "again": [2.0, 2.0, 4.0]}
    monkeypatch.setitem(sys.modules, "scipy", None)
    rows = judged(samples, GRAPHOPT, "again", 0)
    assert rows["peer"]["ratio"] == 0.5 and rows["peer"]["interval"] is None
    assert rows[GRAPHOPT]["share_of_copy"] == 0.75


def test_aims_are_reached_missed_or_not_measured() -> None:
    entry: dict[str, Any] = {"case": "log-softmax, 4k columns", "rows": {GRAPHOPT: {"ratio": 1.0}}}
    assert set(device_report.aims(entry).values()) == {"not measured"}
    entry["rows"] = {GRAPHOPT: {"ratio": 1.0, "share_of_copy": 0.86}, INDUCTOR_NAME: {"ratio": 0.9}}
    assert list(device_report.aims(entry).values()) == ["reached", "missed"]
    entry["rows"] = {GRAPHOPT: {"ratio": 1.0, "share_of_copy": 0.84}, INDUCTOR_NAME: {"ratio": 0.99}}
    assert list(device_report.aims(entry).values()) == ["missed", "reached"]
    step = {"case": STEP, "rows": {GRAPHOPT: {"ratio": 1.0}, "JAX": {"ratio": 0.95}, "PyTorch": {"ratio": 3.0}}}
    assert device_report.against(step, AIMS["step"].beside) == pytest.approx(1 / 0.95)
    assert list(device_report.aims(step).values()) == ["reached"]


def test_arrays_exceed_the_cache_several_times_and_cases_are_those_of_the_suite() -> None:
    lengths = {case.case.inputs(np.random.default_rng(0), 2**16)[0].shape[1] for name, case in DEVICE_CASES.items()
               if name.endswith("k columns")}  # fmt: skip
    assert lengths == {1024, 4096, 16_384, 65_536, 131_072}
    small = DEVICE_CASES["GELU"].case.inputs(np.random.default_rng(0), 64)
    assert sum(2 * a.nbytes * 64 for a in small) >= 8 * 60e6
    assert all(key in AIMS for case in DEVICE_CASES.values() for key in case.aims)


@pytest.mark.parametrize("name", ["GELU", STEP])
def test_values_agree_with_numpy_on_the_emulated_device(name: str) -> None:
    (entry,) = peers_cuda.emulated([DEVICE_CASES[name]])
    row = entry["rows"][GRAPHOPT]
    assert row["reason"].startswith("emulated") and row["error"] < 1e-5 and "median" not in row
    assert entry["copy"] is None and not peers_cuda.wrong([entry])


@pytest.mark.long
def test_all_values_agree_with_numpy_on_the_emulated_device() -> None:
    assert peers_cuda.main(["--emulated"]) == 0


def test_a_wrong_case_is_named() -> None:
    entry = {"case": "GELU", "rows": {GRAPHOPT: {"reason": "output[0] is 1, expected 2"}}}
    assert peers_cuda.wrong([entry]) == ["GELU"]


def test_a_state_starts_anew_when_it_is_checked() -> None:
    call, check = stateful(lambda w, x: [w * x, w + 1], [1.0, 10.0], 1, float)
    call(), call()
    assert check() == check() == [10.0, 20.0, 30.0, 4.0]


def test_without_a_gpu_it_says_so_and_ends_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def function(*arguments: Any, **settings: Any) -> Any:
        raise TargetUnavailable("There is no GPU.")

    monkeypatch.setattr(peers_cuda.go, "function", function)
    output = tmp_path / "peers_cuda.json"
    assert peers_cuda.main(["--output", str(output)]) == peers_cuda.main(["--sanitize"]) == 0
    assert capsys.readouterr().out == "peers_cuda: nothing was measured: There is no GPU\n" * 2
    assert not output.exists()
    assert peers_cuda.main(["--record-absence", "--output", str(output)]) == 0
    record = json.loads(output.read_text(encoding="utf-8"))
    assert record["absence"] == "There is no GPU" and record["cases"] == [] and record["commit"]
    page = output.with_suffix(".md").read_text(encoding="utf-8")
    assert "There is no GPU" in page and page.count("not measured") == sum(len(c.aims) for c in DEVICE_CASES.values())


def test_the_page_is_what_the_record_says() -> None:
    record = json.loads((peers_cuda.RESULTS / "peers_cuda.json").read_text(encoding="utf-8"))
    assert (peers_cuda.RESULTS / "peers_cuda.md").read_text(encoding="utf-8") == device_report.table(record)


def test_a_measured_case_is_a_row_with_its_share_and_its_best_peer() -> None:
    stream = Stream()
    contestants = {GRAPHOPT: stream.contestant(1e-3), INDUCTOR_NAME: stream.contestant(1.5e-3)}
    entry = {"case": "log-softmax, 1k columns", "bytes": 2e6, **raced(contestants, stream.contestant(0.9e-3))}
    entry["rows"]["CuPy"] = {"reason": "cannot be built: no"}
    entry["aims"] = device_report.aims(entry)
    page = device_report.table(
        {"command": "c", "date": "2026-01-01", "commit": "abc", "gpu": "a GPU", "versions": {}, "cases": [entry],
         "left_out": {"JAX": "absent: not installed"}}
    )  # fmt: skip
    (row,) = [line for line in page.splitlines() if line.startswith("| log-softmax")]
    assert "| 9" in row and f"1.5 {INDUCTOR_NAME}"[:3] in row and row.count("reached") == 2
    assert "CuPy: cannot be built" in page and "JAX: absent" in page


floats = st.lists(st.sampled_from([0.0, -1.0, 1.0, 1.0 + 1e-7, 3.0, 1e-4, np.inf, np.nan]), min_size=1, max_size=20)


@given(floats, floats, st.integers(1, 8))
def test_piece_by_piece_the_same_is_found_as_at_once(first: list[float], second: list[float], piece: int) -> None:
    true = np.array(first, "float32")
    output = np.resize(np.array(second, "float32"), len(first))
    with np.errstate(all="ignore"):
        whole = check_values({"output[0]": output}, {"output[0]": true}, Tolerance())
        found = finding([output], [true], piece)
    assert bool(found.reason) == bool(whole.reason)
    if not whole.reason:
        assert found.error == pytest.approx(whole.error)


@pytest.mark.parametrize(
    ("prints", "code", "clean"),
    [
        ("========= ERROR SUMMARY: 0 errors", 0, True),
        ("========= ERROR SUMMARY: 3 errors", 86, False),
        ("Device not supported", 0, False),
    ],
)
def test_the_sanitizer_is_clean_only_if_it_ran_and_found_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, prints: str, code: int, clean: bool
) -> None:
    program = tmp_path / device_sanitizer.PROGRAM
    program.write_text(f'#!/bin/sh\necho "$@"\necho "{prints}"\nexit {code}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    record = device_sanitizer.sanitized(Path("script.py"), ["--round"])
    assert [found["clean"] for found in record.values()] == [clean, clean] and set(record) == {"memcheck", "racecheck"}
    words = device_sanitizer.in_words(record)
    assert ("NOT CLEAN" in words) == (not clean)
    if not clean:
        assert "script.py --round" in words  # what it was run with


def test_without_a_sanitizer_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert device_sanitizer.in_words(device_sanitizer.sanitized(Path("x.py"), [])).startswith("not sanitized")
