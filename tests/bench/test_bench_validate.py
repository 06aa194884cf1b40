"""What is accepted as the same result, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphopt.bench.validate import Arguments, Finding, Tolerance, as_arrays, check_values, validate

X = np.linspace(-2, 2, 12).reshape(3, 4)
DEFAULT = Tolerance()


def check(output: object, reference: object, tolerance: Tolerance = DEFAULT) -> Finding:
    return check_values(as_arrays(output), as_arrays(reference), tolerance)


@pytest.mark.parametrize(
    "outputs",
    [
        X,
        X.astype(np.float32),
        X > 0,
        np.arange(5),
        X + 1j,
        3.5,
        np.array([np.nan, np.inf, -np.inf, 0.0]),
        np.empty((0, 3)),
        [X, X.sum()],
        {"loss": X.sum(), "gradients": [X, X.T]},
    ],
)
def test_equal_outputs_of_every_form_are_accepted_with_no_error(outputs: object) -> None:
    assert check(outputs, outputs) == Finding("", 0.0)


def changed(value: float) -> np.ndarray:
    """X with another value at [1, 2]."""
    y = X.copy()
    y[1, 2] = value
    return y


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (X.T, "shape (4, 3), expected (3, 4)"),
        (X.astype(int), "dtype int64, expected float64"),
        (changed(np.nan), "output[1, 2] is nan"),
        (changed(np.inf), "output[1, 2] is inf"),
        (changed(X[1, 2] + 1e-6), "output[1, 2] is"),
        ([X], "returns output[0] where the reference returns output"),
        ({}, "returns nothing"),
    ],
)
def test_a_difference_is_refused_with_its_place(output: object, reason: str) -> None:
    assert reason in check(output, X).reason


def test_infinities_differ_by_sign_and_nan_is_not_infinity() -> None:
    reference = np.array([np.inf, np.nan])
    assert "output[0] is -inf" in check(np.array([-np.inf, np.nan]), reference).reason
    assert "output[1] is inf" in check(np.array([np.inf, np.inf]), reference).reason
    assert "output[0] is 1.0" in check(np.array([1.0, np.nan]), reference).reason


def test_the_imaginary_part_counts() -> None:
    assert "output[0, 0]" in check(X + 1j, X + 1.001j).reason


def test_the_default_tolerance_is_that_of_the_coarser_dtype() -> None:
    off = X * (1 + 1e-6)
    assert check(off, X).reason
    assert not check(off.astype(np.float32), X).reason
    assert not check(off, X.astype(np.float32)).reason
    assert check(X * (1 + 1e-3), X.astype(np.float32)).reason


def test_integers_are_compared_exactly_even_where_floats_could_not_tell() -> None:
    big = np.array([2**62, 2**62 + 1])
    assert not check(big, big).reason
    assert "expected 4611686018427387905" in check(big + np.arange(2), big).reason


def test_a_given_tolerance_replaces_the_default() -> None:
    assert not check(X * 1.01, X, Tolerance(rtol=0.02)).reason
    assert check(X * 1.01, X, Tolerance(rtol=0.005)).reason
    assert not check(X + 0.01, X, Tolerance(atol=0.02)).reason
    assert check(np.nextafter(X, 9), X, Tolerance(rtol=0.0)).reason
    assert not check(np.array([5]), np.array([6]), Tolerance(atol=1)).reason


def test_the_error_is_relative_to_the_largest_value() -> None:
    assert check(X + 0.02, X).error == pytest.approx(0.01)
    assert check(np.array([1e-3]), np.array([0.0])).error == pytest.approx(1e-3)
    assert np.isfinite(check(np.array([1e308]), np.array([-1e308])).error or 0.0)


def refusal(contestant: Any, *arrays: np.ndarray) -> str:
    return validate(contestant, Arguments(arrays), as_arrays(X + 1), DEFAULT).reason


def test_a_contestant_that_computes_is_accepted() -> None:
    assert refusal(lambda x: x + 1, X.copy()) == ""


def test_a_contestant_that_writes_into_its_argument_is_refused_and_the_argument_restored() -> None:
    x = np.asfortranarray(X)

    def in_place(x: np.ndarray) -> np.ndarray:
        x += 1
        return x.copy()

    assert "writes into its argument[0]" in refusal(in_place, x)
    assert np.array_equal(x, X)


def test_a_contestant_that_hands_back_its_argument_or_a_view_is_refused() -> None:
    x = X + 1
    assert "shares memory with argument[0]" in refusal(lambda x: x, x)
    assert "shares memory with argument[0]" in refusal(lambda x: x[:], x)
    assert refusal(lambda x: x.copy(), x) == ""


def test_arguments_inside_lists_and_dicts_are_watched_too() -> None:
    arguments = Arguments(([X.copy()],), {"options": {"weights": X.copy()}})

    def writes(arrays: list[np.ndarray], options: dict[str, np.ndarray]) -> np.ndarray:
        options["weights"][0, 0] = 7
        return X + 1

    reason = validate(writes, arguments, as_arrays(X + 1), DEFAULT).reason
    assert reason.startswith("writes into its argument['options']['weights']")


def test_a_contestant_that_raises_or_returns_no_array_is_refused_with_its_message() -> None:
    def fails(x: np.ndarray) -> np.ndarray:
        raise RuntimeError("no kernel\nfor this")

    assert refusal(fails, X) == "raised RuntimeError: no kernel for this"
    assert "NoneType" in refusal(lambda x: None, X)
    assert "str" in refusal(lambda x: "done", X)
