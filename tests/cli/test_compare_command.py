"""`graphopt compare`: what it prints, what it refuses, and how it ends."""

import json

import numpy as np
import pytest

import graphopt as go
from graphopt.bench import Comparison
from graphopt.cli import study

SOFTMAX = "log(exp(x)/sum(exp(x), axis=1, keepdims=True))"
SMALL = ("--shape", "x=32x50", "--dtype", "float32")  # the same everywhere, so that it is compiled once
QUICK = ("--seconds", "0.02")


@pytest.fixture(autouse=True)
def no_ceilings(monkeypatch):
    """What this machine reaches at best takes a second to find out, and is not what these tests are about."""
    monkeypatch.setattr("graphopt.bench.comparison.ceilings", lambda: {"copy_gbs": 1.0})


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
