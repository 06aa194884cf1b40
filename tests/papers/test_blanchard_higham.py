"""The claims of Blanchard, Higham and Higham (2021) hold in the small run of papers/blanchard-higham-2021."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "papers" / "blanchard-higham-2021"
FORMATS = ("float16", "bfloat16", "float32")
Row = dict[str, Any]


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    command = [sys.executable, str(FOLDER / "reproduce.py"), "--small", "--output", str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1].endswith(str(folder / "errors-small.png"))
    return folder


@pytest.fixture(scope="module")
def experiments(output: Path) -> dict[str, Any]:
    return json.loads((output / "errors-small.json").read_text())["experiments"]


def rows(tree: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Row]]:
    if "vectors" in tree:
        yield path, tree
    else:
        for key, value in tree.items():
            yield from rows(value, (*path, key))


def test_a_picture_and_numbers_are_written_and_nothing_else(output: Path) -> None:
    assert sorted(path.name for path in output.iterdir()) == ["errors-small.json", "errors-small.png"]
    assert (output / "errors-small.png").read_bytes().startswith(b"\x89PNG")


def test_every_error_is_within_the_bound_of_its_theorem(experiments: dict[str, Any]) -> None:
    bounded = [(path, row["max_of_bound"]) for path, row in rows(experiments) if "max_of_bound" in row]
    assert {path[-1] for path, _ in bounded} == {"naive", "shifted", "division-free", "division-free shifted"}
    assert [(path, ratio) for path, ratio in bounded if not ratio <= 1] == []


def test_only_unshifted_formulas_fail(experiments: dict[str, Any]) -> None:
    failing = {path[-1] for path, row in rows(experiments) if row["failed"]}
    assert failing == {"naive", "division-free"}


def test_about_one_vector_of_logits_in_five_overflows_in_float16_and_none_elsewhere(
    experiments: dict[str, Any],
) -> None:
    failed = {format: experiments["logits"][format]["lse"]["naive"]["failed"] for format in FORMATS}
    assert 0.1 < failed["float16"] / 200 < 0.3
    assert failed["bfloat16"] == failed["float32"] == 0


@pytest.mark.parametrize("format", FORMATS)
def test_shifting_costs_no_accuracy(experiments: dict[str, Any], format: str) -> None:
    for function in ("lse", "softmax"):
        errors = experiments["logits"][format][function]
        assert errors["shifted"]["median"] <= 1.2 * errors["naive"]["median"]


@pytest.mark.parametrize("format", FORMATS)
def test_softmax_without_a_division_is_less_accurate(experiments: dict[str, Any], format: str) -> None:
    errors = experiments["logits"][format]["softmax"]
    assert errors["division-free"]["median"] > 2 * errors["shifted"]["median"]
    assert errors["division-free shifted"]["max"] > 2 * errors["shifted"]["max"]


@pytest.mark.parametrize("format", FORMATS)
def test_the_error_without_a_division_grows_with_the_entries_and_that_of_shifting_does_not(
    experiments: dict[str, Any], format: str
) -> None:
    softmax = {scale: experiments["scale"][scale][format]["softmax"] for scale in ("1.0", "100.0")}
    assert softmax["100.0"]["division-free shifted"]["max"] > 8 * softmax["1.0"]["division-free shifted"]["max"]
    assert softmax["100.0"]["shifted"]["max"] <= softmax["1.0"]["shifted"]["max"]


@pytest.mark.parametrize("format", FORMATS)
def test_the_default_pipeline_makes_the_naive_formulas_as_good_as_the_shifted_ones(
    experiments: dict[str, Any], format: str
) -> None:
    for function in ("lse", "softmax"):
        for experiment in (experiments["logits"], experiments["scale"]["100.0"]):
            errors = experiment[format][function]
            assert errors["optimized"]["failed"] == 0
            assert errors["optimized"]["max"] <= 3 * errors["shifted"]["max"]


def test_the_committed_results_tell_the_same() -> None:
    record = json.loads((FOLDER / "results" / "errors.json").read_text())
    committed = list(rows(record["experiments"]))
    assert all(row["max_of_bound"] <= 1 for _, row in committed if "max_of_bound" in row)
    assert {path[-1] for path, row in committed if row["failed"]} == {"naive", "division-free"}
