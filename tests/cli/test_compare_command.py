"""`graphopt compare`: what it prints, what it refuses, and how it ends."""

import json

import numpy as np
import pytest

import graphopt as go
from graphopt.bench import Comparison
from graphopt.cli import study

SOFTMAX = "log(exp(x)/sum(exp(x), axis=1, keepdims=True))"
LIMITS = ("copy_gbs", "triad_gbs", "matmul_float32_gflops", "matmul_float64_gflops")
SMALL = ("--shape", "x=32x50", "--dtype", "float32")  # the same everywhere, so that it is compiled once
QUICK = ("--seconds", "0.02", "--no-cold")


@pytest.fixture(autouse=True)
def no_ceilings(monkeypatch):
    """What this machine reaches at best takes a second to find out, and is not what these tests are about."""
    monkeypatch.setattr("graphopt.bench.comparison.ceilings", lambda: dict.fromkeys(LIMITS, 1.0))


def test_a_naive_log_softmax_is_optimized_compiled_checked_and_timed(run):
    result = run("compare", SOFTMAX, *SMALL, *QUICK)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    for text in (
        "x: float32[32, 50] → float32[32, 50]",
        "nodes before",
        "stabilize",
        "log-softmax",
        "Kernels: 1",
        "exact arithmetic",
        "NumPy as written",
        "no passes",
        "without stabilize",
        "full pipeline",
        "Ratios are to NumPy as written",
    ):
        assert text in result.stdout


def test_where_numpy_overflows_it_is_refused_and_the_full_pipeline_is_the_baseline(record):
    found = record("compare", SOFTMAX, *SMALL, "--scale", "1000", *QUICK)
    rows = {row["name"]: row for row in found["comparison"]["rows"]}
    assert found["comparison"]["baseline"] == study.FULL
    assert rows[study.NUMPY]["verdict"] == rows[study.PLAIN]["verdict"] == "refused"
    assert "NaN" in rows[study.NUMPY]["reason"]
    agreement = found["agreement"]["contestants"]
    assert agreement[study.NUMPY]["wrong"] > 0
    assert agreement[study.FULL]["wrong"] == 0 and agreement[study.FULL]["units"] < 16
    assert found["finding"] == ""


def test_the_record_holds_graph_passes_rules_kernels_agreement_and_times(record):
    found = record("compare", SOFTMAX, *SMALL, "--show-c", "--show-cuda", *QUICK)
    assert found["types"] == {"x": "float32[32, 50]"}
    assert go.Graph.parse(found["graph"])
    assert found["nodes"]["written"] == 7
    assert {"step", "milliseconds", "nodes_before", "nodes_after", "firings"} <= set(found["passes"][0])
    assert "log-softmax" in {rule["rule"] for rule in found["rules"]}
    assert found["kernels"][0]["bytes"] == 2 * 32 * 50 * 4
    assert found["agreement"]["truth"].startswith("exact arithmetic")
    assert "go_run" in found["source"]["c"] and "__global__" in found["source"]["cuda"]
    names = {row["name"] for row in found["comparison"]["rows"]} | set(found["same_code"])
    assert {study.NUMPY, study.PLAIN, study.FULL, "without stabilize", "without fuse", "without cse"} <= names
    assert not found["not_built"]


def test_a_pass_without_effect_is_named_and_not_timed_again(record):
    found = record("compare", "x + 1", "--shape", "x=10", *QUICK)
    assert found["same_code"]["without stabilize"] == study.FULL
    assert "without stabilize" not in {row["name"] for row in found["comparison"]["rows"]}


def test_the_measurement_is_saved_and_drawn(run, tmp_path):
    result = run(
        "compare", "x * 2", "--shape", "x=10", *QUICK, "--save", tmp_path / "r.json", "--plot", tmp_path / "r.png"
    )
    assert result.exit_code == 0, result.output
    assert Comparison.from_json(tmp_path / "r.json").baseline == study.NUMPY
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")


def test_what_may_differ_is_a_contestant_each(record, run, tmp_path):
    text = run("source", "x * 2", "--shape", "x=10").stdout
    (tmp_path / "edited.c").write_text(text + "/* by hand */\n")
    (tmp_path / "c").mkdir()
    found = record(
        "compare", "x * 2", "--shape", "x=10", *QUICK, "--no-ablate",
        "--pipeline", "default", "--pipeline", "lower", "--threads", "2", "--threads", "1", "--flags", "-O1 -g",
        "--compiler", "cc", "--compiler", "no-such-compiler",
        "--templates", str(tmp_path), "--source", str(tmp_path / "edited.c"), "--target", "numpy",
    )  # fmt: skip
    rows = {row["name"]: row for row in found["comparison"]["rows"]}
    assert set(rows) == {
        study.NUMPY, "pipeline lower", "1 thread", "flags -O1 -g", f"templates {tmp_path}",
        f"source {tmp_path / 'edited.c'}", "target numpy", study.FULL,
    }  # fmt: skip
    assert rows["pipeline lower"]["made"]["pipeline"] == "lower"
    assert rows["1 thread"]["made"]["threads"] == 1 and rows[study.FULL]["made"]["threads"] == 2
    assert rows["flags -O1 -g"]["made"]["flags"].endswith(" -O1 -g")
    assert rows[f"source {tmp_path / 'edited.c'}"]["made"]["edited"]
    assert rows["target numpy"]["made"]["target"] == "numpy" and rows[study.FULL]["bytes"] == 160
    assert list(found["not_built"]) == ["compiler no-such-compiler"]


def test_c_and_cuda_stand_side_by_side_and_without_a_gpu_cuda_has_no_time(run, monkeypatch, tmp_path):
    monkeypatch.setattr("graphopt.bench.variations.function", without_a_gpu)
    saved = tmp_path / "both.json"
    text = run("compare", SOFTMAX, *SMALL, *QUICK, "--no-ablate", "--targets", "c,cuda", "--save", saved).stdout
    for words in ("\nC\n-", "go_run", "\nCUDA\n----", "__global__", "Known without running:", "compiled and not run"):
        assert words in text
    assert "could not be built" not in text
    rows = {row["name"]: row for row in json.loads(saved.read_text())["rows"]}
    assert set(rows) == {study.NUMPY, study.PLAIN, "target cuda", study.FULL}
    cuda = rows["target cuda"]
    assert cuda["verdict"] == "not timed" and cuda["median"] is None
    assert cuda["resources"]["architecture"] == "sm_90" and len(cuda["resources"]["kernels"]) == cuda["kernels"] == 1
    assert cuda["bytes"] == rows[study.FULL]["bytes"] == 2 * 32 * 50 * 4


def without_a_gpu(*arguments, **settings):
    if settings.get("target") == "cuda":
        raise go.TargetUnavailable("There is no GPU.")
    return go.function(*arguments, **settings)


def test_cold_caches_have_a_column_and_the_record_says_how_they_are_made_cold(record):
    found = record("compare", "x * 2", "--shape", "x=10", "--seconds", "0.02", "--no-ablate")["comparison"]
    assert all(row["cold"]["median"] > 0 for row in found["rows"])
    assert "MiB" in found["settings"]["cold"]


def test_a_pipeline_may_be_given_as_text(record):
    found = record("compare", "exp(x) + exp(x)", "--shape", "x=10", "--pipeline", "cse,lower,fuse", *QUICK)
    assert found["pipeline"] == "cse,lower,fuse"
    assert set(found["same_code"]) | {row["name"] for row in found["comparison"]["rows"]} == {
        study.NUMPY, study.PLAIN, "without cse", "without fuse", study.FULL,
    }  # fmt: skip


def test_integers_and_truths_agree_exactly(record):
    found = record("compare", "(k % 3 == 0) & b", "--type", "k=int32[20]", "--type", "b=bool[20]", *QUICK)
    assert found["agreement"]["contestants"][study.FULL] == {"units": 0.0, "wrong": 0, "elements": 20}


def test_a_matrix_product_with_scalars_is_compared(record):
    found = record(
        "compare", "alpha * (x @ w)", "--shape", "x=5x4", "--shape", "w=4x3", "--shape", "alpha=scalar", *QUICK
    )
    assert found["agreement"]["contestants"][study.FULL]["units"] < 4


def test_values_that_are_undefined_in_truth_are_noted(run):
    result = run("compare", "log(x)", "--shape", "x=64", *QUICK)
    assert result.exit_code == 0, result.output
    assert "NaN or infinite in truth" in result.stdout


def test_a_formula_that_cancels_is_a_finding(run):
    result = run("compare", "(x + 1e20) - 1e20", "--shape", "x=16", *QUICK)
    assert result.exit_code == 1
    assert "eps from the truth" in result.stdout


def test_nothing_that_can_be_believed_is_exit_code_3(run):
    result = run("compare", "x * 1e30 * 1e30 / 1e30 / 1e30", "--shape", "x=16", "--dtype", "float32", *QUICK)
    assert result.exit_code == 3
    assert "no contestant computes the formula" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("foo(x)", "--shape", "x=3"), "'foo' is no function of formulas"),
        (("exp(x)",), "unknown name 'x'"),
        (("exp(x)", "--shape", "x=nx3"), "no size for n"),
        (("exp(x)", "--shape", "x=3y"), "a shape is written as"),
        (("exp(x)", "--shape", "3"), "--shape is written as"),
        (("exp(x)", "--shape", "x=3", "--shape", "x=4"), "twice"),
        (("exp(x)", "--shape", "x=3", "--shape", "y=4"), "y has a type but does not occur"),
        (("exp(x)", "--type", "x=float32[3"), "closing bracket"),
        (("exp(x)", "--type", "x=complex64[3]"), "complex64"),
        (("exp(x)", "--shape", "x=3", "--dtype", "float16"), "float16"),
        (("exp(x)", "--shape", "x=3", "--pipeline", "stabilise"), "stabilise"),
        (("exp(x)", "--shape", "x=3", "--seconds", "0"), "--seconds"),
        (("exp(x)", "--shape", "x=3", "--scale", "nan"), "scale"),
        (("x + y", "--shape", "x=3", "--shape", "y=4"), "broadcast"),
        (("exp(x)", "--shape", "x=3", "--save", "/no/such/place/r.json"), "cannot write"),
        (("exp(x)", "--shape", "x=3", "--templates", "/no/such/place"), "no such folder"),
        (("exp(x)", "--shape", "x=3", "--source", "/no/such/place.c"), "cannot be read"),
        (("exp(x)", "--shape", "x=3", "--target", "fortran"), "--targets are c, numpy, cuda"),
        (("exp(x)", "--shape", "x=3", "--flags", "-D'x"), "cannot be split"),
    ],
)
def test_wrong_usage_is_one_message_and_exit_code_2(run, arguments, message):
    result = run("compare", *arguments, *(() if "--seconds" in arguments else QUICK))
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert message in result.stderr
    assert result.stderr.startswith("graphopt: ") and "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) <= 3  # the formula and its caret


def test_sizes_that_no_memory_holds_are_one_message(run):
    result = run("compare", "x + zeros((100000000, 1000000))", "--shape", "x=scalar", *QUICK)
    assert result.exit_code == 3
    assert "not enough memory" in result.stderr


def test_without_a_compiler_nothing_is_measured(run, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("compare", "exp(x)", "--shape", "x=3", *QUICK)
    assert result.exit_code == 3
    assert "No usable C compiler" in result.stderr


def test_debug_lets_the_error_through(run):
    result = run("compare", "foo(x)", "--shape", "x=3", "--debug")
    assert isinstance(result.exception, go.UnsupportedExpression)


def test_numbers_that_json_lacks_are_null(capsys):
    from graphopt.cli.show import say_json

    say_json({"a": float("nan"), "b": [np.float64("inf"), 1.5, True, None], "c": go.TensorType("float32", (3,))})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 1.5, True, None], "c": "float32[3]"}


def test_a_formula_with_a_mask_is_compared_without_counts_of_bytes(record):
    found = record("compare", "sum(x[x > 0])", "--shape", "x=50", *QUICK)
    assert found["finding"] == ""
    assert "count_0" in str([kernel["bytes"] for kernel in found["kernels"]])
    assert study.FULL in {row["name"] for row in found["comparison"]["rows"]}
