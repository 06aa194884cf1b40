"""Programs whose gradients are NaN elsewhere have the right ones here, in both dtypes, to second order."""

import json

import common
import hard_gradients as experiment
import pytest

pytest.importorskip("matplotlib")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_first_and_second_derivatives_are_right(dtype):
    found = experiment.ours(dtype, target="numpy")
    wrong = [
        f"{case.name}: {value}, expected {want}"
        for case, pair in zip(experiment.CASES, found, strict=True)
        for value, want in zip(pair, experiment.truth(case), strict=True)
        if experiment.verdict(value, want, dtype) != "right"
    ]
    assert not wrong, "\n".join(wrong)


def test_a_verdict_tells_wrong_from_right():
    assert experiment.verdict([1.0, 2.0], [1.0, 2.0], "float64") == "right"
    assert experiment.verdict([1.0, 2.0 + 1e-8], [1.0, 2.0], "float64") == "wrong"
    assert experiment.verdict([float("nan"), 2.0], [1.0, 2.0], "float64") == "NaN"
    assert experiment.verdict([float("inf"), 2.0], [1.0, 2.0], "float64") == "∞"


def test_the_record_is_of_these_programs_and_says_what_the_page_says():
    kept = json.loads((common.RESULTS / "hard_gradients.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in kept["rows"]] == [case.name for case in experiment.CASES]
    for dtype in ("float32", "float64"):
        assert kept["right"][f"graphopt {dtype}"] == [len(experiment.CASES)] * 2
        assert all(max(kept["right"][f"{peer} {dtype}"]) < len(experiment.CASES) / 2 for peer in experiment.PEERS)
    assert experiment.table(kept) == (common.RESULTS / "hard_gradients.md").read_text(encoding="utf-8")
