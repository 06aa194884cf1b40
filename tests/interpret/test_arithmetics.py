"""The interpreter's arithmetics: NumPy's own, mpmath's, and rounding every operation to a small format."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import graphopt.tensor as T
from graphopt.arithmetics import Exact, Native, Rounded, from_mpf, round_mpf
from graphopt.errors import InvalidArgument, UnsupportedExpression
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.testing import strategies
from graphopt.variable import variable

ANY = st.floats(allow_nan=True, allow_infinity=True)


def run(function, *arrays, arithmetic):
    inputs = [variable(f"x{k}", f"float64[{len(a)}]") for k, a in enumerate(arrays)]
    graph = Graph.from_outputs(inputs, function(*inputs))
    (value,) = interpret(graph, {f"x{k}": a for k, a in enumerate(arrays)}, arithmetic).values()
    return value


def bfloat16(values):
    """A rounding of its own kind: float64 to odd at 24 bits, then nearest-even on the upper half of float32's bits."""
    with np.errstate(all="ignore"):
        single = np.asarray(values).astype(np.float32)
        back = single.astype(np.float64)
        bits = single.view(np.uint32).astype(np.int64)
        inexact = (back != values) & np.isfinite(values)
        toward_zero = np.where(np.abs(back) > np.abs(values), bits - 1, bits)
        odd = np.where(inexact, toward_zero | 1, bits)
        rounded = (odd + 0x7FFF + ((odd >> 16) & 1)) >> 16 << 16
        result = rounded.astype(np.uint32).view(np.float32).astype(np.float64)
    return np.where(np.isnan(values), np.nan, result)


# --- rounding ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["float16", "float32"])
@given(values=hnp.arrays("float64", 8, elements=ANY))
@settings(deadline=None)
def test_rounding_to_a_format_of_numpys_is_numpys_cast(format, values):
    with np.errstate(all="ignore"):
        expected = values.astype(format).astype("float64")
    np.testing.assert_array_equal(Rounded(format).round(values), expected)


SUBNORMAL = st.floats(-1e-37, 1e-37)


@given(values=hnp.arrays("float64", 8, elements=ANY | st.floats(-1e6, 1e6) | SUBNORMAL))
@settings(deadline=None)
def test_rounding_to_bfloat16_is_to_nearest_even_with_gradual_underflow(values):
    found, expected = Rounded("bfloat16").round(values), bfloat16(values)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1 + 2**-8, 1.0), (1 + 3 * 2**-8, 1 + 2**-6), (3.4e38, np.inf), (2.0**-133, 2.0**-133), (2.0**-134, 0.0)],
)
def test_bfloat16_rounds_ties_to_even_and_knows_its_range(value, expected):
    assert Rounded("bfloat16").round(np.array(value)) == expected


def test_rounding_to_bfloat16_keeps_the_sign_of_zero():
    assert np.signbit(Rounded("bfloat16").round(np.array([-0.0, -1e-60]))).all()


@given(value=ANY, dtype=st.sampled_from(["float32", "float64"]))
def test_an_mpmath_number_that_is_a_float_rounds_to_itself(value, dtype):
    with np.errstate(all="ignore"):
        expected = float(np.asarray(value).astype(dtype))
    found = round_mpf(mpmath.mpf(value), dtype)
    assert found == expected or (np.isnan(found) and np.isnan(expected))


@given(a=st.floats(-1e300, 1e300), b=st.floats(-1e-300, 1e-300, exclude_max=True) | st.floats(-1e10, 1e10))
def test_the_rounded_exact_product_is_the_machines(a, b):
    with np.errstate(all="ignore"):
        expected = np.float64(a) * np.float64(b)
    with mpmath.workprec(200):
        found = round_mpf(mpmath.mpf(a) * mpmath.mpf(b), "float64")
    assert found == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1e-400", 0.0),
        ("2.4e-324", 0.0),
        ("2.5e-324", 5e-324),
        ("1e400", np.inf),
        ("-1e400", -np.inf),
        ("7.5e-324", 1e-323),
    ],
)
def test_the_ends_of_the_float64_range_are_rounded_right(value, expected):
    with mpmath.workdps(40):
        assert round_mpf(mpmath.mpf(value), "float64") == expected


# --- whole programs ----------------------------------------------------------------------------------------------

SMALL = hnp.arrays("float64", 4, elements=st.floats(-100, 100, width=16))


@pytest.mark.parametrize("format", ["float16", "float32"])
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide"])
@given(a=SMALL, b=SMALL)
@settings(max_examples=50, deadline=None)
def test_each_operation_is_rounded_as_the_formats_own_arithmetic_does(format, name, a, b):
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(a.astype(format), b.astype(format)).astype("float64")
    found = run(getattr(T, name), a, b, arithmetic=Rounded(format))
    np.testing.assert_array_equal(found, expected)


@given(a=SMALL)
@settings(max_examples=50, deadline=None)
def test_square_roots_are_correctly_rounded(a):
    expected = np.sqrt(np.abs(a).astype("float16")).astype("float64")
    np.testing.assert_array_equal(run(T.sqrt, np.abs(a), arithmetic=Rounded("float16")), expected)


def test_sums_are_rounded_term_by_term_from_the_left():
    a = np.array([2048.0, 1.0, 1.0, 1.0])  # float16 has 11 bits: 2049 is a tie that goes to 2048
    assert run(T.sum, a, arithmetic=Rounded("float16")) == 2048
    assert run(T.sum, a[::-1].copy(), arithmetic=Rounded("float16")) == 2052
    assert run(T.prod, np.array([3.0, 683.0, 1.0, 1.0]), arithmetic=Rounded("float16")) == 2048
    assert run(lambda x: T.dot(x, x), np.array([64.0, 1.0]), arithmetic=Rounded("bfloat16")) == 4096


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
@pytest.mark.parametrize("format", Rounded.FORMATS)
def test_empty_sums_and_products_are_zero_and_one(shape, format):
    x = variable("x", "float64[n, m]")
    graph = Graph.from_outputs([x], {"sum": x.sum(axis=0), "prod": x.prod(axis=0), "gram": x.T @ x})
    found = interpret(graph, {"x": np.zeros(shape)}, Rounded(format))
    np.testing.assert_array_equal(found["sum"], np.zeros(shape[1]))
    np.testing.assert_array_equal(found["prod"], np.ones(shape[1]))
    np.testing.assert_array_equal(found["gram"], np.zeros((shape[1], shape[1])))


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_rounding_to_float64_is_the_correctly_rounded_float64_arithmetic(data):
    graph = data.draw(strategies.graphs(families=("arithmetic", "kinks", "shape", "stack")))
    arrays = data.draw(strategies.inputs_for(graph))
    # These operations are correctly rounded in the machine as well.
    (found,) = interpret(graph, arrays, Rounded("float64")).values()
    (native,) = interpret(graph, arrays, Native()).values()
    np.testing.assert_array_equal(found, native)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_the_smaller_the_format_the_larger_the_error_but_never_unbounded(data):
    graph = data.draw(strategies.graphs(max_nodes=5))
    arrays = data.draw(strategies.inputs_for(graph))
    (truth,) = interpret(graph, arrays, Exact(40)).values()
    truth = from_mpf(np.asarray(truth, dtype=object), "float64")
    for format, tolerance in (("float64", 1e-10), ("float32", 1e-2)):
        (found,) = interpret(graph, arrays, Rounded(format)).values()
        np.testing.assert_allclose(found, truth, rtol=tolerance, atol=tolerance)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_exact_arithmetic_agrees_with_float64_on_tame_programs(data):
    graph = data.draw(strategies.graphs())
    arrays = data.draw(strategies.inputs_for(graph))
    (truth,) = interpret(graph, arrays, Exact(40)).values()
    (native,) = interpret(graph, arrays).values()
    np.testing.assert_allclose(native, from_mpf(np.asarray(truth, dtype=object), "float64"), rtol=1e-9, atol=1e-9)


def test_exact_arithmetic_has_the_digits_it_was_asked_for_and_leaves_mpmath_as_it_was():
    before = mpmath.mp.dps
    value = run(lambda x: T.exp(x).sum(), np.array([1.0]), arithmetic=Exact(60)).item()
    with mpmath.workdps(60):
        assert abs(value - mpmath.e) < mpmath.mpf("1e-58")
    assert mpmath.mp.dps == before


def test_exact_arithmetic_takes_mpmath_numbers_as_arguments():
    with mpmath.workdps(50):
        third = mpmath.mpf(1) / 3
        value = run(lambda x: x * 3, np.array([third], dtype=object), arithmetic=Exact(50))[0]
        assert abs(value - 1) < mpmath.mpf("1e-48")


def test_integers_and_comparisons_inside_exact_programs_are_exact():
    x = variable("x", "float64[n]")
    i = T.cast(x, "int64")
    graph = Graph.from_outputs([x], T.where(x > 1, x * i, T.cast(i // 2, "float64")))
    (value,) = interpret(graph, {"x": np.array([2.5, -3.5])}, Exact(30)).values()
    np.testing.assert_array_equal(value.astype("float64"), [5.0, -2.0])


def test_an_op_without_an_exact_meaning_is_named():
    with pytest.raises(UnsupportedExpression, match="nextafter has no exact meaning"):
        run(T.nextafter, np.ones(1), np.zeros(1), arithmetic=Exact())


def test_an_unknown_format_is_refused():
    with pytest.raises(InvalidArgument, match="unknown format 'float8'"):
        Rounded("float8")


def test_a_hook_sees_every_node_in_order_with_its_value():
    x = variable("x", "float64")
    graph = Graph.from_outputs([x], T.exp(x) * 2)
    seen = []
    interpret(graph, {"x": 1.0}, on_node=lambda node, value: seen.append((graph.op(node).name, float(value))))
    assert [name for name, _ in seen] == ["input", "exp", "constant", "multiply"]
    assert seen[-1][1] == 2 * np.e
