"""Integers and conversions of `templates/c/integer.h.j2` against NumPy's, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

BITS = (8, 16, 32, 64)
DTYPES = {f"{kind}{bits}": np.dtype(f"{kind}{bits // 8}").type for bits in BITS for kind in "iu"}
BINARY = {
    **{name: getattr(np, name) for name in ("add", "subtract", "multiply", "maximum", "minimum", "fmod", "gcd", "lcm")},
    **{name: getattr(np, name) for name in ("floor_divide", "left_shift", "right_shift")},
    "floor_mod": np.remainder,
}
UNARY = {"negative": np.negative, "absolute": np.absolute, "sign": np.sign}
FLOATS = {"f32": np.float32, "f64": np.float64}


@pytest.fixture(scope="module")
def compiled(compile_loops, make_loop):
    loops = [make_loop(f"{name}_{s}", (s, s), s) for name in [*BINARY, "power"] for s in DTYPES]
    loops += [make_loop(f"{name}_{s}", (s,), s) for name in UNARY for s in DTYPES]
    loops += [make_loop(f"cast_{f}_{s}", (f,), s) for f in FLOATS for s in DTYPES]
    return compile_loops(["integer"], loops, "-march=native")


def values(dtype):
    """Every value of 8 bits; otherwise the edges of all widths, small numbers and random ones."""
    info = np.iinfo(dtype)
    if info.bits == 8:
        return np.arange(info.min, info.max + 1).astype(dtype)
    edges = [
        sign * 2**bits + step for bits in (7, 8, 15, 16, 31, 32, 63, 64) for sign in (-1, 1) for step in (-1, 0, 1)
    ]
    small = list(range(-70, 71))
    random = np.random.default_rng(5).integers(info.min, info.max, 40, dtype=dtype, endpoint=True)
    held = [value for value in edges + small if info.min <= value <= info.max]
    return np.concatenate([np.array(held, dtype), random])


def pairs(dtype):
    return [grid.ravel() for grid in np.meshgrid(values(dtype), values(dtype))]


@pytest.mark.parametrize("suffix", DTYPES)
@pytest.mark.parametrize("name", BINARY)
def test_two_integers_give_what_numpy_gives(compiled, name, suffix):
    a, b = pairs(DTYPES[suffix])
    with np.errstate(all="ignore"):
        expected = BINARY[name](a, b)
    np.testing.assert_array_equal(compiled(f"{name}_{suffix}", a, b), expected)


@pytest.mark.parametrize("suffix", DTYPES)
@pytest.mark.parametrize("name", UNARY)
def test_one_integer_gives_what_numpy_gives(compiled, name, suffix):
    a = values(DTYPES[suffix])
    with np.errstate(all="ignore"):
        expected = UNARY[name](a)
    np.testing.assert_array_equal(compiled(f"{name}_{suffix}", a), expected)


@pytest.mark.parametrize("suffix", DTYPES)
def test_powers_wrap_around_as_numpy_s(compiled, suffix):
    a, b = pairs(DTYPES[suffix])
    a, b = a[b >= 0], b[b >= 0]
    np.testing.assert_array_equal(compiled(f"power_{suffix}", a, b), np.power(a, b))


@pytest.mark.parametrize("suffix", [suffix for suffix in DTYPES if suffix.startswith("i")])
def test_a_negative_power_is_the_truncated_reciprocal(compiled, suffix):
    base = np.array([-3, -1, -1, 0, 1, 2], DTYPES[suffix])
    exponent = np.array([-1, -1, -2, -1, -5, -1], DTYPES[suffix])
    assert list(compiled(f"power_{suffix}", base, exponent)) == [0, -1, 1, 0, 1, 0]


@settings(max_examples=200, deadline=None)
@given(a=st.integers(-(2**63), 2**63 - 1), b=st.integers(-(2**63), 2**63 - 1))
def test_quotient_and_remainder_belong_together_as_python_s_do(compiled, a, b):
    quotient, remainder = (
        int(compiled(f"{f}_i64", np.array([a]), np.array([b]))[0]) for f in ("floor_divide", "floor_mod")
    )
    if b == 0:
        assert (quotient, remainder) == (0, 0)
    elif (a, b) == (-(2**63), -1):
        assert (quotient, remainder) == (a, 0)
    else:
        assert (quotient, remainder) == divmod(a, b)


@pytest.mark.parametrize("source", FLOATS)
@pytest.mark.parametrize("suffix", DTYPES)
def test_a_number_in_range_is_truncated(compiled, source, suffix):
    info, dtype = np.iinfo(DTYPES[suffix]), FLOATS[source]
    random = np.random.default_rng(6)
    x = np.concatenate(
        [random.uniform(float(info.min), float(info.max), 500), random.uniform(0, 100, 100), [-0.0, -0.9]]
    )
    x = x.astype(dtype)
    x = x[(np.trunc(x) >= dtype(info.min)) & (np.trunc(x) < dtype(2.0) ** (info.bits - (info.min < 0)))]
    expected = np.array([int(value) for value in x], DTYPES[suffix])
    np.testing.assert_array_equal(compiled(f"cast_{source}_{suffix}", x), expected)


@pytest.mark.parametrize("source", FLOATS)
@pytest.mark.parametrize("suffix", DTYPES)
def test_a_number_out_of_range_becomes_what_is_written_down(compiled, source, suffix):
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, -1.5, 300.0], FLOATS[source])
    smallest, top = -(2 ** max(31, DTYPES[suffix]().nbytes * 8 - 1)), 2 ** (DTYPES[suffix]().nbytes * 8 - 1)
    expected = [top, 0, top, 0, top, -1, 300] if suffix in ("u32", "u64") else [smallest] * 5 + [-1, 300]
    wrapped = np.array([value % (2 * top) for value in expected], dtype=f"u{DTYPES[suffix]().nbytes}")
    np.testing.assert_array_equal(compiled(f"cast_{source}_{suffix}", x), wrapped.view(DTYPES[suffix]))
