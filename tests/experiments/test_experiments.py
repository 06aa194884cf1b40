"""The experiments run at small sizes, and what their records say about accuracy holds. Times are not judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import black_scholes
import common
import log_softmax
import npbench
import pendulum
import planted_pass_bugs
import rewriting
import scaling

SIGNATURE = b"\x89PNG\r\n"


def saved(module: Any, record: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The record as it is read back from the file that an experiment writes, its picture checked."""
    image = common.save(record, module.draw(record), folder / "record.json")
    assert image == folder / "record.png" and image.read_bytes().startswith(SIGNATURE)
    assert sorted(path.name for path in folder.iterdir()) == ["record.json", "record.png"]
    result: dict[str, Any] = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    assert {"command", "date", "machine"} <= result.keys()
    assert result["machine"]["cores"] >= 1
    return result


def measured(comparison: dict[str, Any], *names: str) -> None:
    """The named contestants were accepted and timed."""
    rows = {row["name"]: row for row in comparison["rows"]}
    for name in names:
        assert rows[name]["verdict"] != "refused", rows[name]["reason"]
        assert rows[name]["median"] > 0


@pytest.mark.long
def test_log_softmax_stays_finite_and_accurate_where_the_naive_formula_does_not(tmp_path: Path) -> None:
    record = log_softmax.measure(True, rows=4, columns=12, scales=(1.0, 1000.0), shape=(64, 50), seconds=0.05)
    record = saved(log_softmax, record, tmp_path)
    for part in ("values", "gradients"):
        entries = {(e["dtype"], e["logits"], e["contestant"]): e for e in record[part]}
        for dtype in ("float32", "float64"):
            assert entries[dtype, 1000.0, "NumPy, naive"]["nonfinite"] > 0.5
            for scale in (1.0, 1000.0):
                ours = entries[dtype, scale, log_softmax.OURS]
                assert ours["nonfinite"] == 0
                assert ours["max_scaled"] <= 16
    assert record["kernels"] == 1
    assert "max(" in record["graph"]
    for name, comparison in record["speed"].items():
        measured(comparison, log_softmax.OURS, log_softmax.NO_FUSION, "SciPy")
        naive = next(row for row in comparison["rows"] if row["name"] == "NumPy, naive")
        assert (naive["verdict"] == "refused") == (name != "normal, σ = 1")


@pytest.mark.long
def test_black_scholes_is_within_its_stated_bound(tmp_path: Path) -> None:
    record = saved(black_scholes, black_scholes.measure(True, size=2000, sample=50, seconds=0.05), tmp_path)
    assert record["kernels"] == 1
    assert set(record["accuracy"]) == {row["name"] for row in record["speed"]["rows"]}
    for name, entry in record["accuracy"].items():
        assert entry["nonfinite"] == 0
        assert entry["max_scaled"] <= record["bound"], name
    measured(record["speed"], *record["accuracy"])


@pytest.mark.long
def test_the_pendulum_is_within_its_stated_bound_for_every_contestant(tmp_path: Path) -> None:
    record = saved(pendulum, pendulum.measure(True, links=(2,), count=50, sample=2, seconds=0.05), tmp_path)
    (model,) = record["models"]
    assert model["entries"] == 36 + 6 + 36
    assert model["kernels"] == 1
    assert model["nodes"]["optimized"] <= model["nodes"]["imported"]
    assert {"canonicalize", "cse", "fuse"} <= {entry["pass"] for entry in model["passes"]}
    assert {pendulum.LAMBDIFY, pendulum.OURS, pendulum.OWN} <= set(model["accuracy"])
    for name, entry in model["accuracy"].items():
        assert entry["nonfinite"] == 0
        assert entry["max_scaled"] <= record["bound"], name
    measured(model["speed"], *model["accuracy"])


@pytest.mark.parametrize("shape", scaling.SHAPES)
def test_every_shape_of_expression_computes_what_numpy_does(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "warm", lambda: None)  # times are not judged
    entry = scaling.one(shape, 1200)
    assert entry["error"] <= 64
    assert entry["kernels"] == 1
    assert entry["nodes"]["imported"] >= 1200
    assert set(scaling.OWN) == set(entry["seconds"])


@pytest.mark.long
def test_scaling_writes_slopes_and_names_what_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = scaling.one_apart("chain", 60, limit=600)
    monkeypatch.setattr(scaling, "one_apart", lambda shape, size, limit: first | {"operations": size})
    record = scaling.measure(True, sizes=(60, 120), shapes=("chain",), above=60)
    monkeypatch.undo()
    record = saved(scaling, record, tmp_path)
    assert [entry["operations"] for entry in record["entries"]] == [60, 120]
    assert isinstance(record["slopes"]["chain"]["graphopt together"], float)
    assert "not done after" in scaling.one_apart("chain", 1000, limit=0.01)["failed"]


@pytest.mark.long
def test_an_expression_of_a_hundred_thousand_operations_runs() -> None:
    entry = scaling.one_apart("chain", 100_000, limit=600)
    assert "failed" not in entry, entry
    assert entry["error"] <= 64


def test_errors_are_counted_in_units_of_the_dtype() -> None:
    eps = float(np.finfo(np.float32).eps)
    values = np.array([1 + 2 * eps, 2.0, np.nan], np.float32)
    found = common.errors(values, common.exact([1.0, 2.0, 3.0]), 4.0)
    assert found["nonfinite"] == pytest.approx(1 / 3)
    assert found["max_ulps"] == pytest.approx(2)
    assert found["max_scaled"] == pytest.approx(0.5)
    assert common.errors(np.array([np.inf]), common.exact([1.0]), 1.0)["max_ulps"] is None


def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        common.save({"value": float("nan")}, common.figure(1)[0], tmp_path / "record.json")

    class Broken:
        def savefig(self, *_: Any, **__: Any) -> None:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        common.save({}, Broken(), tmp_path / "record.json")  # type: ignore[arg-type]
    assert not list(tmp_path.glob(".*")) and not (tmp_path / "record.png").exists()


def test_the_slope_of_a_power_law_is_its_exponent() -> None:
    assert common.slope([10, 100, 1000], [0.1, 1.0, 10.0]) == pytest.approx(1.0)
    assert common.slope([10], [1.0]) is None


def test_the_command_line_names_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert common.options("What.", "name", []).output == common.RESULTS / "name.json"
    assert common.options("What.", "name", ["--small"]).output == common.RESULTS / "name_small.json"
    with pytest.raises(SystemExit):
        common.options("What.", "name", ["--output", str(tmp_path / "picture.png")])
    assert "--output names the JSON file" in capsys.readouterr().err


def test_match_attempts_for_each_node_do_not_grow_with_the_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def here(tool: str, shape: str, size: int, limit: float) -> dict[str, Any]:
        return {"tool": tool, "shape": shape, "size": size} | rewriting.with_graphopt(shape, size)

    monkeypatch.setattr(rewriting, "one", here)  # that processes of their own answer is tested with `scaling`
    monkeypatch.setattr(rewriting, "warm", lambda: None)  # times are not judged
    record = rewriting.measure(True, sizes=(200, 2000), above=200, links=2, tools=("graphopt",))
    record = saved(rewriting, record, tmp_path)
    for shape in rewriting.PROGRAMS:
        few, many = (e for e in record["entries"] if e["shape"] == shape)
        assert many["nodes"]["before"] > 8 * few["nodes"]["before"]
        assert many["attempts"] / many["nodes"]["before"] < 1.1 * few["attempts"] / few["nodes"]["before"]
    assert record["entries"][-1]["shape"] == "pendulum" and record["entries"][-1]["firings"] > 0


def test_saturation_keeps_values_and_writes_ratios(tmp_path: Path) -> None:
    import phase_order

    names = ("polynomial, degree 5", "quadratic form")
    record = saved(phase_order, phase_order.measure(True, nodes=500, iters=4, names=names), tmp_path)
    assert set(record["graphs"]) == set(names)
    for entry in record["graphs"].values():
        assert entry["difference"] <= record["bound"]
        assert entry["search"]["after"] <= entry["search"]["before"]


def test_programs_of_numpys_run_unchanged_and_are_timed(tmp_path: Path) -> None:
    names = ("softmax", "covariance")
    record = npbench.measure(True, divided=16, names=names, peers=(), seconds=0.05, separate=False)
    record = saved(npbench, record, tmp_path)
    for entry in record["programs"]:
        measured(entry["speed"], npbench.NUMPY, npbench.OURS, npbench.NO_PASSES)
        assert entry["kernels"] >= 1
    assert record["mean_ratio"][npbench.OURS]["programs"] == len(names)


def test_the_record_of_programs_has_all_ten_with_numpys_values() -> None:
    record = json.loads((common.RESULTS / "npbench.json").read_text(encoding="utf-8"))
    assert [entry["program"] for entry in record["programs"]] == list(npbench.SIZES)
    assert {program.__name__ for program in npbench.module("programs").SHAPES} == set(npbench.SIZES)
    for entry in record["programs"]:
        measured(entry["speed"], npbench.NUMPY, npbench.OURS, npbench.NO_PASSES)


def test_a_program_can_be_measured_in_a_process_of_its_own() -> None:
    record = npbench.measure(True, divided=64, names=("gesummv",), peers=(), seconds=0.05)
    (entry,) = record["programs"]
    assert "failed" not in entry, entry
    measured(entry["speed"], npbench.OURS)


def test_planted_bugs_are_found_with_small_counterexamples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soon = ("x - x becomes 1", "a sum of what was broadcast counts it once")
    chosen = [planted for planted in planted_pass_bugs.PLANTED if planted.name in soon]
    monkeypatch.setattr(planted_pass_bugs, "PLANTED", chosen)
    monkeypatch.setattr(planted_pass_bugs, "EVERY", 1)
    record = saved(planted_pass_bugs, planted_pass_bugs.measure(True), tmp_path)
    assert record["bugs"] == record["found"] == record["small when reduced"] == 2
    assert all(f"| {name} |" in planted_pass_bugs.markdown(record) for name in soon)


def test_the_record_of_planted_bugs_has_small_counterexamples_for_nine_in_ten() -> None:
    record = json.loads((common.RESULTS / "planted_pass_bugs.json").read_text(encoding="utf-8"))
    assert record["bugs"] >= 20
    assert record["small when reduced"] >= 0.9 * record["bugs"]
    assert record["small"] >= 0.9 * record["found"]
