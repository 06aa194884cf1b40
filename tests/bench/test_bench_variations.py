"""Contestants from one expression, and what a comparison makes of those that cannot be timed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.bench import NothingMeasured, compare, contestant, vary, without_each
from graphopt.bench.work import Facts
from graphopt.errors import CompilerNotFound, InvalidArgument

x = go.variable("x", "float64[n]")
X = np.linspace(0, 1, 50)


@pytest.fixture(autouse=True)
def no_ceilings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this machine reaches takes a second to find out, and is not what these tests are about."""
    limits = {"copy_gbs": 10.0, "triad_gbs": 9.0, "matmul_float32_gflops": 100.0, "matmul_float64_gflops": 50.0}
    monkeypatch.setattr("graphopt.bench.comparison.ceilings", lambda: limits)


def test_what_go_function_and_its_options_take_may_differ() -> None:
    made = vary(
        [x],
        T.exp(x) + 1,
        {
            "one thread": {"threads": 1},
            "plain": {"pipeline": "none", "extra_flags": ["-O1"]},
            "interpreted": {"target": "numpy"},
            "edited": {"source": lambda text: text.replace("1.0", "2.0")},
        },
        name="varied",
    )
    assert made["one thread"].options == go.Options(threads=1)  # type: ignore[union-attr]
    assert str(made["plain"].pipeline) == str(go.Pipeline.named("none"))  # type: ignore[union-attr]
    assert made["interpreted"].target == "numpy"  # type: ignore[union-attr]
    np.testing.assert_allclose(made["edited"](X), np.exp(X) + 2)
    assert {f.name for f in made.values()} == {"varied"}  # type: ignore[union-attr]


def test_each_pass_is_left_out_once() -> None:
    variations = without_each("canonicalize,cse,lower,fuse")
    assert [str(settings["pipeline"]) for settings in variations.values()] == [
        "canonicalize,cse,lower,fuse", "cse,lower,fuse", "canonicalize,lower,fuse", "canonicalize,cse,lower",
    ]  # fmt: skip


def test_a_template_of_the_users_takes_the_place_of_ours_and_is_compiled_anew(tmp_path: Path) -> None:
    ours = Path(str(go.__file__)).parents[1] / "templates" / "c" / "program.c.j2"
    (tmp_path / "c").mkdir()
    laid_over = tmp_path / "c" / "program.c.j2"
    laid_over.write_text("/* from a folder of the user's */" + ours.read_text())
    made = vary([x], x * 3, {"ours": {}, "theirs": {"templates": [tmp_path]}})
    assert made["theirs"].source == "/* from a folder of the user's */" + made["ours"].source  # type: ignore[union-attr]
    np.testing.assert_array_equal(made["theirs"](X), X * 3)


def test_a_setting_that_nothing_takes_is_named() -> None:
    with pytest.raises(InvalidArgument, match="thread cannot be varied"):
        vary([x], x + 1, {"a": {"thread": 1}})


def test_a_missing_compiler_is_a_row_with_the_reason() -> None:
    contestants = vary([x], x * 3, {"c": {}, "missing": {"compiler": "/no/such/compiler"}})
    with pytest.raises(CompilerNotFound):
        contestants["missing"](X)
    result = compare(contestants, (X,), rounds=12, seconds=0.05, confidence=0.95, cold=False)
    assert result["missing"].verdict == "refused"
    assert result["missing"].reason.startswith("cannot be built here: CompilerNotFound")
    assert result["c"].bytes == 2 * X.nbytes and result["c"].gbs is not None and result.ceilings


def test_what_runs_on_an_emulated_device_is_checked_but_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def emulated(x: np.ndarray) -> np.ndarray:
        calls.append(1)
        return x * 3

    made = {"target": "cuda-emulated"}
    found = {emulated: Facts(made, {"bytes": 800.0, "flops": 50.0}, emulated=True)}
    monkeypatch.setattr(contestant, "facts", lambda which, arguments: found.get(which, Facts()))
    result = compare(
        {"c": lambda x: x * 3, "cuda": emulated}, (X,), rounds=12, seconds=0.05, confidence=0.95, cold=False
    )
    row = result["cuda"]
    assert row.verdict == "not timed" and row.median is row.ratio is row.gbs is None
    assert row.bytes == 800 and row.error == 0
    assert len(calls) == 2  # before and after
    words = " ".join(result.table().split())
    assert "cuda not timed: runs on an emulated device" in words and "target cuda-emulated" in words
    with pytest.raises(NothingMeasured, match="emulated device"):
        compare({"cuda": emulated}, (X,), rounds=12, seconds=0.05, confidence=0.95)


def test_the_picture_has_a_roofline_where_bytes_and_operations_are_known(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    functions = vary([x], T.exp(x), {"c": {}, "one thread": {"threads": 1}})
    result = compare(functions, (X,), rounds=12, seconds=0.05, confidence=0.95)
    result.plot(tmp_path / "both.svg")
    text = (tmp_path / "both.svg").read_text()
    for words in ("copy: 10 GB/s", "matmul float64: 50 GFLOP/s", "one thread", "open: cold"):
        assert words in text
