"""`compile`, `source`, `passes`, `doctor`, `cache`, and the entry points."""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import graphopt as go
from graphopt.ops import TABLE
from graphopt.runtime.doctor import Finding

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("compare", "compile", "source", "passes", "ops", "doctor", "cache")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_takes_json(run, command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout and "--debug" in result.stdout


def test_the_help_lists_the_commands_and_the_exit_codes(run):
    result = run("--help")
    assert result.exit_code == 0
    assert all(command in result.stdout for command in COMMANDS)
    assert "Exit codes" in result.stdout


def test_ops_lists_every_op_or_those_with_a_word_and_prints_the_page(run, record):
    assert [row["name"] for row in record("ops")] == list(TABLE)
    assert {"reduction"} == {row["family"] for row in record("ops", "reduction")}
    shown = run("ops", "commutative", "logic").stdout
    assert "logical_and" in shown and "the result is bool" in shown and "exp" not in shown.split()
    assert run("ops", "--markdown").stdout == (ROOT / "docs" / "ops.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("compare",), ("compare", "x", "--no-such-option"), ("cache", "x")]
)
def test_what_the_command_line_does_not_know_is_exit_code_2(run, arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Error" in result.stderr and "Traceback" not in result.stderr


# --- compile ---------------------------------------------------------------------------------------------------------


def test_compile_says_where_the_library_lies_and_finds_it_there_again(record):
    first = record("compile", "tanh(x) + 1", "--shape", "x=nxm", "--dtype", "float32")
    again = record("compile", "tanh(x) + 1", "--shape", "x=nxm", "--dtype", "float32")
    assert first["library"] == again["library"] and again["cached"]
    assert ctypes.CDLL(first["library"]).go_run
    assert first["types"] == {"x": "float32[n, m]"}
    assert "m*n" in first["kernels"][0]["bytes"]


def test_compile_copies_library_and_sources_to_a_folder(run, tmp_path):
    result = run("compile", "tanh(x)", "--shape", "x=5", "--output", tmp_path / "new" / "folder")
    assert result.exit_code == 0, result.output
    names = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert {"library.so", "program.c"} <= names
    assert "library  " in result.stdout and "Kernels: 1" in result.stdout


def test_compile_into_a_place_that_is_no_folder_is_wrong_usage(run, tmp_path):
    (tmp_path / "file").write_text("")
    result = run("compile", "tanh(x)", "--shape", "x=5", "--output", tmp_path / "file")
    assert result.exit_code == 2
    assert str(tmp_path / "file") in result.stderr


def test_a_compiler_that_is_not_there_is_exit_code_3(run):
    result = run("compile", "exp(x)", "--shape", "x=3", "--compiler", "no-such-compiler")
    assert result.exit_code == 3
    assert "no-such-compiler" in result.stderr and result.stdout == ""


def test_a_bad_formula_leaves_no_file(run, shared_cache, monkeypatch, tmp_path):
    monkeypatch.setenv("GRAPHOPT_CACHE", str(tmp_path / "cache"))
    for formula in ("foo(x)", "x; import os", "1j * x"):
        assert run("compile", formula, "--shape", "x=3").exit_code == 2
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_is_one_message(run, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GRAPHOPT_CACHE", str(tmp_path / "file" / "cache"))
    result = run("compile", "exp(x)", "--shape", "x=3")
    assert result.exit_code == 3
    assert "GRAPHOPT_CACHE" in result.stderr


# --- source ----------------------------------------------------------------------------------------------------------


def test_source_prints_the_text_that_the_library_functions_give(run):
    result = run("source", "exp(x).sum(axis=1)", "--shape", "x=[n, 1000]", "--dtype", "float32")
    assert result.exit_code == 0
    x = go.variable("x", "float32[n, 1000]")
    assert result.stdout == go.c_source([x], go.tensor.exp(x).sum(axis=1))


def test_source_gives_both_targets_without_a_compiler(record, run, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = record("source", "exp(x)", "--shape", "x=n", "--target", "c,cuda")
    assert "go_run" in found["source"]["c"] and "__global__" in found["source"]["cuda"]
    both = run("source", "exp(x)", "--shape", "x=n", "--target", "c,cuda")
    assert both.stdout.index("go_run") < both.stdout.index("__global__")


def test_source_for_an_unknown_target_is_wrong_usage(run):
    result = run("source", "exp(x)", "--shape", "x=n", "--target", "fortran")
    assert result.exit_code == 2
    assert "fortran" in result.stderr


# --- passes, doctor, cache -------------------------------------------------------------------------------------------


def test_passes_lists_every_pass_and_named_pipeline(record, run):
    found = record("passes")
    assert {p["name"] for p in found["passes"]} == set(go.available_passes())
    assert all(p["summary"] for p in found["passes"])
    assert {"default", "fast", "none"} <= set(found["pipelines"])
    assert next(p for p in found["passes"] if p["name"] == "fuse")["parameters"]["max"] > 1
    shown = run("passes").stdout
    assert all(name in shown for name in go.available_passes())


def test_doctor_tells_what_is_found_and_what_to_do(run, record, monkeypatch):
    findings = [
        Finding("C compiler", "found", "cc"),
        Finding("BLAS", "found", "OpenBLAS"),
        Finding("cache directory", "found", "here"),
        Finding("nvcc", "missing", "not on the PATH", "Install the CUDA toolkit."),
    ]
    monkeypatch.setattr("graphopt.runtime.doctor.diagnose", lambda: findings)
    result = run("doctor")
    assert result.exit_code == 0
    assert "Install the CUDA toolkit." in result.stdout and "Everything that is needed is here" in result.stdout
    assert record("doctor")["lacking"] == []


@pytest.mark.parametrize("name", ["C compiler", "BLAS", "cache directory"])
def test_doctor_ends_with_1_if_something_needed_is_missing(run, monkeypatch, name):
    monkeypatch.setattr("graphopt.runtime.doctor.diagnose", lambda: [Finding(name, "broken", "no", "Mend it.")])
    result = run("doctor")
    assert result.exit_code == 1
    assert f"Needed but lacking: {name}" in result.stdout


def test_the_names_that_doctor_needs_are_those_of_the_real_findings(record):
    found = record("doctor")
    assert {"C compiler", "BLAS", "cache directory"} <= {finding["name"] for finding in found["findings"]}


def test_cache_shows_and_clears(record, run, monkeypatch, tmp_path):
    monkeypatch.setenv("GRAPHOPT_CACHE", str(tmp_path / "cache"))
    assert record("cache")["entries"] == 0
    assert run("compile", "x * 3", "--shape", "x=3").exit_code == 0
    found = record("cache")
    assert found["directory"] == str(tmp_path / "cache") and found["entries"] > 0 and found["bytes"] > 0
    assert f"entries    {found['entries']}" in run("cache").stdout
    cleared = record("cache", "--clear")
    assert cleared["removed"] == found["entries"] and cleared["entries"] == 0


# --- entry points ----------------------------------------------------------------------------------------------------


def python(*arguments, **variables):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, timeout=60)


def test_the_module_runs_the_command_line():
    result = python("-m", "graphopt", "cache", "--json")
    assert result.returncode == 0, result.stderr
    assert "directory" in json.loads(result.stdout)


def test_importing_the_package_and_the_entry_point_needs_neither_typer_nor_rich():
    code = "import sys; sys.modules['typer'] = sys.modules['rich'] = None; import graphopt.cli; graphopt.cli.main()"
    result = python("-c", code)
    assert result.returncode == 3
    assert result.stderr.startswith("graphopt: the command line needs typer") and "Traceback" not in result.stderr
