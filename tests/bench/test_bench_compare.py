"""Comparisons of live contestants; no test asserts a time."""

from __future__ import annotations

import builtins
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphopt.bench import Comparison, NothingMeasured, Row, compare
from graphopt.bench.machine import ceilings, machine
from graphopt.errors import InvalidArgument, TargetUnavailable, TypeMismatch

X = np.random.default_rng(0).normal(size=(30, 40))
QUICK: dict[str, Any] = {"rounds": 12, "seconds": 0.05, "confidence": 0.95, "cold": False}


def numpy_square(x: np.ndarray) -> np.ndarray:
    return x * x


def after(calls: int, contestant: Callable[..., Any], otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """Behaves like `otherwise` for so many calls, and then like `contestant`."""
    count = 0

    def call(x: np.ndarray) -> Any:
        nonlocal count
        count += 1
        return (contestant if count > calls else otherwise)(x)

    return call


def raises(x: np.ndarray) -> np.ndarray:
    raise RuntimeError("no such kernel")


def with_nan(x: np.ndarray) -> np.ndarray:
    y = x * x
    y[3, 4] = np.nan
    return y


def in_place(x: np.ndarray) -> np.ndarray:
    x += 1
    return x.copy()


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    contestants = {"numpy": numpy_square, "power": lambda x: x**2, "wrong": lambda x: x * x * 1.001}
    return compare(contestants, (X,), counts={"power": {"bytes": 2 * X.nbytes, "flops": X.size}}, **QUICK)


def test_a_contestant_against_itself_is_not_called_different() -> None:
    result = compare(
        {"one": numpy_square, "other": lambda x: numpy_square(x)},
        (X,),
        confidence=0.9999,
        margin=0.1,
        seconds=0.3,
    )
    assert result["other"].verdict in ("same", "undecided")
    assert result.control.verdict in ("same", "undecided")


def test_a_contestant_that_waits_much_longer_is_slower_and_the_reverse_is_faster() -> None:
    def waits(x: np.ndarray) -> np.ndarray:
        time.sleep(2e-3)
        return x * x

    both = {"quick": numpy_square, "waits": waits}
    assert compare(both, (X,), "quick", **QUICK)["waits"].verdict == "slower"
    assert compare(both, (X,), "waits", **QUICK)["quick"].verdict == "faster"


def test_rows_say_everything_about_a_measured_contestant(comparison: Comparison) -> None:
    row = comparison["power"]
    assert row.median is not None and row.interval is not None and row.ratio_interval is not None
    assert row.interval[0] <= row.median <= row.interval[1]
    assert row.ratio is not None and row.ratio_interval[0] <= row.ratio <= row.ratio_interval[1]
    assert row.rounds == 12 == len(comparison.samples["power"]) and row.repetitions >= 1
    assert row.error is not None and row.error < 1e-15
    assert row.gbs == pytest.approx(2 * X.nbytes / row.median * 1e-9)
    assert row.gflops == pytest.approx(X.size / row.median * 1e-9)
    assert comparison["numpy"].verdict == "baseline" and comparison["numpy"].ratio == 1


def test_the_baseline_takes_part_twice(comparison: Comparison) -> None:
    assert comparison.baseline == "numpy"
    assert comparison.control.name == "numpy, again"
    assert comparison.control.ratio_interval is not None
    assert comparison.control.repetitions == comparison["numpy"].repetitions
    assert set(comparison.samples) == {"numpy", "power", "numpy, again"}


@pytest.mark.parametrize(
    ("contestant", "reason"),
    [
        (lambda x: x * x + 1e-6, "relative error"),
        (with_nan, "output[3, 4] is nan"),
        (lambda x: x, "shares memory with argument[0]"),
        (in_place, "writes into its argument[0]"),
        (raises, "raised RuntimeError: no such kernel"),
        (lambda x: None, "not an array of numbers"),
        (lambda x: (x * x).astype(complex), "dtype complex128"),
        (after(3, with_nan, numpy_square), "after timing: output[3, 4] is nan"),
        (after(3, in_place, numpy_square), "while warming up: writes into its argument[0]"),
        (after(3, raises, numpy_square), "while warming up: raised RuntimeError"),
    ],
)
def test_a_contestant_that_does_something_else_is_refused_without_a_time(
    contestant: Callable[..., Any], reason: str
) -> None:
    original = X.copy()
    result = compare({"numpy": numpy_square, "other": contestant}, (X,), **QUICK)
    row = result["other"]
    assert row.verdict == "refused" and reason in row.reason
    assert row.median is row.interval is row.ratio is row.ratio_interval is row.gbs is None
    assert "other" not in result.samples
    assert reason.split(":")[-1].strip() in " ".join(result.table().split())
    assert np.array_equal(X, original)
    assert result["numpy"].median is not None


def test_a_contestant_that_fails_while_being_timed_is_refused_and_the_others_are_measured() -> None:
    quick_calls = after(10**9, raises, numpy_square)
    slow_to_fail = after(60, raises, lambda x: (time.sleep(2e-3), x * x)[1])
    result = compare({"numpy": quick_calls, "other": slow_to_fail}, (X,), rounds=60, seconds=0.05)
    assert result["other"].verdict == "refused"
    assert result["other"].reason == "while being timed: raised RuntimeError: no such kernel"
    assert result["numpy"].rounds == 60


@pytest.mark.parametrize("contestant", [lambda x: x, in_place, raises, after(3, with_nan, numpy_square)])
def test_nothing_is_measured_against_a_refused_baseline(contestant: Callable[..., Any]) -> None:
    with pytest.raises(NothingMeasured):
        compare({"bad": contestant, "good": numpy_square}, (X.copy(),), **QUICK)


def test_a_reference_overrules_the_baseline() -> None:
    with pytest.raises(NothingMeasured, match="relative error"):
        compare({"wrong": lambda x: x * x * 1.1}, (X,), reference=numpy_square, **QUICK)
    result = compare({"a": numpy_square}, (X,), reference=X * X, **QUICK)
    assert result["a"].error == 0
    with pytest.raises(NothingMeasured, match="the reference"):
        compare({"a": numpy_square}, (X,), reference=raises, **QUICK)


def test_a_tolerance_of_ones_own_is_obeyed() -> None:
    contestants = {"numpy": numpy_square, "rough": lambda x: x * x * 1.001}
    assert compare(contestants, (X,), rtol=0.01, **QUICK)["rough"].verdict != "refused"
    assert compare(contestants, (X,), rtol=1e-4, **QUICK)["rough"].verdict == "refused"


def test_several_outputs_and_keyword_arguments_work() -> None:
    def parts(x: np.ndarray, scale: float) -> dict[str, object]:
        return {"value": (x * scale).sum(), "gradients": [x * scale, x + scale]}

    result = compare({"a": parts, "b": lambda x, scale: parts(x, scale)}, {"x": X, "scale": 2.0}, **QUICK)
    assert result["b"].verdict != "refused"
    wrong = compare({"a": parts, "b": lambda x, scale: parts(x, scale + 1)}, {"x": X, "scale": 2.0}, **QUICK)
    assert "output['value']" in wrong["b"].reason


def test_a_contestant_may_reuse_its_own_buffer() -> None:
    buffer = np.empty_like(X)
    result = compare({"numpy": numpy_square, "into": lambda x: np.multiply(x, x, out=buffer)}, (X,), **QUICK)
    assert result["into"].verdict != "refused"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"contestants": {}}, InvalidArgument, "at least one contestant"),
        ({"contestants": {"a": 3}}, TypeMismatch, "cannot be called"),
        ({"arguments": X}, TypeMismatch, r"\(x,\)"),
        ({"baseline": "b"}, InvalidArgument, "none of the contestants: 'a'"),
        ({"rounds": 3}, InvalidArgument, "at least 8 rounds"),
        ({"seconds": 0}, InvalidArgument, "positive time budget"),
        ({"confidence": 99}, InvalidArgument, "between 0 and 1"),
        ({"margin": 2}, InvalidArgument, "margin"),
        ({"counts": {"b": {"bytes": 1}}}, InvalidArgument, "counts names 'b'"),
        ({"counts": {"a": {"loads": 1}}}, InvalidArgument, "'loads'"),
        ({"counts": {"a": {"bytes": -1}}}, InvalidArgument, "bytes of 'a'"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_called(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    def never(x: np.ndarray) -> np.ndarray:
        raise AssertionError("called")

    with pytest.raises(error, match=message):
        compare(**{"contestants": {"a": never}, "arguments": (X,), **arguments})


def test_a_record_survives_json(comparison: Comparison, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    comparison.to_json(path)
    assert Comparison.from_json(path) == comparison
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]
    record = json.loads(path.read_text())
    assert {"cpu", "cores", "platform", "python", "numpy"} <= record["machine"].keys()
    assert record["settings"]["seed"] == 0 and record["date"]


def test_a_file_that_is_no_record_is_refused(comparison: Comparison, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    for text in ("", "[]", "{}", '{"format": 1}', '{"format": 99}'):
        path.write_text(text)
        with pytest.raises(InvalidArgument, match=r"record\.json"):
            Comparison.from_json(path)


def test_a_failed_write_leaves_the_old_record_and_nothing_else(comparison: Comparison, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("old")
    with pytest.raises(ValueError):
        replace(comparison, ceilings={"copy_gbs": float("nan")}).to_json(path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]


def row(name: str, ratio: float, spread: float = 1.005) -> Row:
    return Row(name, "undecided", median=ratio, ratio=ratio, ratio_interval=(ratio / spread, ratio * spread))


def test_records_of_one_machine_show_what_became_slower(comparison: Comparison) -> None:
    control = row("numpy, again", 1.0, 1.001)
    earlier = replace(comparison, rows=(row("a", 0.5), row("b", 0.5), row("gone", 1.0)), control=control)
    later = replace(comparison, rows=(row("a", 0.6), row("b", 0.501), row("new", 1.0)), control=control)
    changes = {change.name: change for change in later.against(earlier)}
    assert {name: change.verdict for name, change in changes.items()} == {"a": "slower", "b": "same"}
    assert changes["a"].ratio == pytest.approx(1.2)
    assert earlier.against(later)[0].verdict == "faster"


def test_records_that_do_not_belong_together_are_not_compared(comparison: Comparison) -> None:
    other = replace(comparison, machine={**comparison.machine, "cpu": "another model"})
    with pytest.raises(InvalidArgument, match=r"different machines \(cpu"):
        comparison.against(other)
    with pytest.raises(InvalidArgument, match="different baselines"):
        comparison.against(replace(comparison, baseline="power"))
    with pytest.raises(InvalidArgument, match="no measured contestant in common"):
        comparison.against(replace(comparison, rows=()))


def test_the_table_shows_every_contestant_the_control_and_the_machine(comparison: Comparison) -> None:
    table = comparison.table()
    words = " ".join(table.split())
    for text in ("power", "numpy, again", "95 % interval", "baseline", "refused", "GB/s", "Against itself", "triad"):
        assert text in words
    assert str(comparison.machine["cpu"]) in words
    assert max(map(len, table.splitlines())) <= 120


def test_names_with_brackets_are_shown_as_they_are(comparison: Comparison) -> None:
    assert "[bold]x" in replace(comparison, rows=(row("[bold]x", 1.0),)).table()


def test_the_plot_is_written(comparison: Comparison, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    comparison.plot(tmp_path / "ratios.svg")
    assert "power" in (tmp_path / "ratios.svg").read_text()


def test_a_missing_plot_library_names_the_extra(comparison: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without_matplotlib(name: str, *arguments: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return original(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    with pytest.raises(TargetUnavailable, match="report"):
        comparison.plot("never.svg")


def test_an_unknown_contestant_is_named(comparison: Comparison) -> None:
    with pytest.raises(InvalidArgument, match="no contestant 'x'"):
        comparison["x"]


def test_the_machine_and_its_ceilings_are_described() -> None:
    assert {"cpu", "cores", "system", "architecture", "load"} <= machine().keys()
    limits = ceilings()
    assert set(limits) == {"copy_gbs", "triad_gbs", "matmul_float32_gflops", "matmul_float64_gflops"}
    assert all(value > 0 for value in limits.values())
    assert ceilings() == limits  # measured once a process
