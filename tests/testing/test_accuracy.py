"""Bits of error: what a distance between floats costs, and the mean over points against exact arithmetic."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument
from graphopt.rewrite import Pipeline
from graphopt.testing import accuracy, bits_of_error

x, y = T.scalars("x y")


@given(st.floats(allow_nan=False), st.floats(allow_nan=False), st.sampled_from(["float64", "float32"]))
def test_the_distance_is_symmetric_and_zero_only_between_equal_numbers(a, b, dtype):
    with np.errstate(over="ignore"):
        first, second = np.asarray(a).astype(dtype), np.asarray(b).astype(dtype)
    assert bits_of_error(first, second) == bits_of_error(second, first)
    assert (bits_of_error(first, second) == 0) == (first == second)
    assert bits_of_error(first, second) <= 8 * first.itemsize


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([math.inf, -math.inf]))
def test_the_neighbour_of_a_number_is_one_bit_away_across_zero_too(a, direction):
    assert bits_of_error(np.nextafter(a, direction), a) == 1


@pytest.mark.parametrize(
    ("found", "truth", "bits"),
    [(0.0, -0.0, 0), (math.nan, math.nan, 0), (math.nan, 1.0, 64), (1.0, math.nan, 64),
     (math.inf, 1.7976931348623157e308, 1),
     (-5e-324, 5e-324, math.log2(3))],
)  # fmt: skip
def test_special_values_have_their_places(found, truth, bits):
    assert bits_of_error(found, truth) == bits


def test_nan_against_a_number_costs_the_width_of_the_format():
    assert bits_of_error(np.float32("nan"), np.float32(1)) == 32


def test_exact_truths_are_rounded_once_to_the_dtype_of_what_was_found():
    with mpmath.workdps(50):
        third = np.asarray([mpmath.mpf(1) / 3], dtype=object)
    assert bits_of_error(np.asarray([1 / 3]), third) == 0
    assert bits_of_error(np.asarray([1 / 3], np.float32), third) == 0


def test_integers_have_no_bits_of_error():
    with pytest.raises(InvalidArgument, match="counted among floats, found int64"):
        bits_of_error(np.asarray(3), np.asarray(3))


def test_a_naive_formula_loses_bits_that_the_pipeline_saves():
    formula = T.log(1 + x)
    points = [1e-18, 1e-17, 1e-9]
    assert accuracy(formula, points) > 40
    assert accuracy(formula, points, pipeline="default") <= 1
    assert accuracy(formula, points, pipeline=Pipeline.named("none")) == accuracy(formula, points)


def test_a_compiled_function_is_held_against_what_was_written():
    f = go.function([x, y], [T.log(T.exp(x) + T.exp(y)), x + y])
    assert accuracy(f, [{"x": 1000.0, "y": 1000.0}, (-800.0, -801.0)]) <= 1
    assert accuracy(go.function([x, y], {"sum": T.log(T.exp(x) + T.exp(y))}, pipeline="none"), [(1000.0, 1000.0)]) > 60


def test_the_mean_is_over_all_elements_of_all_points():
    v = go.variable("v", "float64[2]")
    alone = accuracy(T.exp(v) - 1, [[1e-18, 50.0]])
    assert 0 < alone < accuracy(T.exp(v) - 1, [[1e-18, 1e-18], [1e-18, 50.0]])


@pytest.mark.parametrize(
    ("points", "message"),
    [([], "there is none"), ([(1.0,)], "2 values"), ([{"x": 1.0}], "each of x, y"), ([1.0], "2 values")],
)
def test_points_that_do_not_fit_are_named(points, message):
    with pytest.raises(InvalidArgument, match=message):
        accuracy(x + y, points)


def test_a_pipeline_goes_with_an_expression_only():
    with pytest.raises(InvalidArgument, match="has its pipeline already"):
        accuracy(go.function([x], x + 1), [1.0], pipeline="default")
    with pytest.raises(InvalidArgument, match="a compiled function or an expression, found 3"):
        accuracy(3, [1.0])
