"""CUDA beside C without a GPU: what is known without running stands in the table, and no time does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy

import graphopt as go
import graphopt.tensor as T
from graphopt.bench import Comparison, NothingMeasured, compare, vary
from graphopt.bench.static import Static
from graphopt.bench.work import facts
from graphopt.errors import InvalidArgument, TargetUnavailable
from graphopt.runtime.nvcc import find_nvcc

needs_nvcc = pytest.mark.skipif(find_nvcc() is None, reason="there is no nvcc; the CUDA toolkit has it")

x = go.variable("x", "float32[n, m]")
SOFTMAX = T.log(T.exp(x) / T.sum(T.exp(x), axis=1, keepdims=True))
X = np.random.default_rng(0).normal(size=(32, 50)).astype("float32")
QUICK: dict[str, Any] = {"rounds": 8, "seconds": 0.02, "cold": False}


@pytest.fixture(autouse=True)
def no_ceilings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphopt.bench.comparison.ceilings", lambda: {"copy_gbs": 1.0})


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine has: there is no GPU."""

    def function(*arguments: Any, **settings: Any) -> Any:
        if settings.get("target") == "cuda":
            raise TargetUnavailable("There is no GPU. Buy one.")
        return go.function(*arguments, **settings)

    monkeypatch.setattr("graphopt.bench.variations.function", function)


@pytest.fixture
def no_nvcc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVCC", "no-such-compiler")


@needs_nvcc
@pytest.mark.usefixtures("no_gpu")
def test_cuda_without_a_gpu_is_compiled_and_shown_and_not_timed(tmp_path: Path) -> None:
    result = compare(vary([x], SOFTMAX, {"c": {}, "cuda": {"target": "cuda"}}), (X,), **QUICK)
    ours, row = result["c"], result["cuda"]
    assert row.verdict == "not timed" and row.median is row.ratio is row.gbs is row.error is None
    assert row.reason == "is compiled and not run (There is no GPU)"
    assert (row.bytes, row.flops) == (ours.bytes, ours.flops) == (2 * X.nbytes, ours.flops)
    assert ours.resources is None and ours.lines and ours.kernels == row.kernels == 1
    assert row.resources is not None and not row.resources.missing
    assert 8 < row.resources.registers <= 255 and row.resources.spilled == 0  # type: ignore[operator]
    assert row.resources.shared >= 0 and 0 < row.resources.occupancy <= 1  # type: ignore[operator]
    text = " ".join(result.table().split())
    assert "Known without running:" in text and "compiled for sm_90" in text
    (kernel,) = row.resources.kernels
    assert f"cuda {kernel.name} rows {kernel.blocks} {kernel.threads} {2 * X.nbytes}" in text
    shown = result._repr_html_()  # in a notebook
    assert shown.count("<table>") == 3 and f"<td>{kernel.name}</td>" in shown and "compiled for sm_90" in shown
    result.to_json(tmp_path / "both.json")
    assert Comparison.from_json(tmp_path / "both.json") == result


@pytest.mark.usefixtures("no_gpu", "no_nvcc")
def test_without_nvcc_bytes_and_operations_are_left_and_the_reason_is_given() -> None:
    result = compare(vary([x], SOFTMAX, {"c": {}, "cuda": {"target": "cuda"}}), (X,), **QUICK)
    found = result["cuda"].resources
    assert found is not None and found.registers is found.spilled is found.shared is found.occupancy is None
    assert found.missing.startswith("There is no nvcc")
    assert found.kernels[0].threads and found.kernels[0].bytes == 2 * X.nbytes
    assert "occupancy are not known: There is no nvcc" in " ".join(result.table().split())


@pytest.mark.usefixtures("no_gpu", "no_nvcc")
def test_what_is_not_run_is_no_baseline_and_cannot_be_called() -> None:
    only = vary([x], SOFTMAX, {"cuda": {"target": "cuda"}})
    with pytest.raises(TargetUnavailable, match="Buy one"):
        only["cuda"](X)
    with pytest.raises(NothingMeasured, match="'cuda'"):
        compare(only, (X,), **QUICK)


@pytest.mark.usefixtures("no_gpu", "no_nvcc")
def test_an_edited_text_and_another_pipeline_are_what_is_shown() -> None:
    made = vary([x], SOFTMAX, {
        "plain": {"target": "cuda", "pipeline": "none"},
        "edited": {"target": "cuda", "source": lambda text: text + "// by hand\n// twice\n"},
        "fused": {"target": "cuda"},
    })  # fmt: skip
    from graphopt.bench.validate import Arguments

    plain, edited, fused = (facts(made[name], Arguments((X,))) for name in ("plain", "edited", "fused"))
    assert plain.kernels >= 5 and fused.kernels == 1  # type: ignore[operator]
    assert edited.made["edited"] and edited.lines == fused.lines + 2  # type: ignore[operator]
    assert plain.counts["bytes"] > fused.counts["bytes"]


def test_a_ufuncs_kernels_depend_on_its_calls_so_none_are_shown() -> None:
    a = sympy.Symbol("a")
    with pytest.raises(InvalidArgument, match="declare its inputs"):
        Static([a], a**2, TargetUnavailable("none"))


@needs_nvcc
def test_emulated_cuda_is_checked_and_shows_the_same_figures() -> None:
    result = compare(vary([x], SOFTMAX, {"c": {}, "cuda": {"target": "cuda-emulated"}}), (X,), **QUICK)
    row = result["cuda"]
    assert row.median is None and row.error is not None and row.resources is not None
    assert not row.resources.missing and row.kernels == len(row.resources.kernels) == 1


def test_resources_are_those_of_cuda_alone() -> None:
    with pytest.raises(InvalidArgument, match="target='c'"):
        go.function([x], SOFTMAX).resources(X)
