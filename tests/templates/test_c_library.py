"""Loops over the C library's functions (`templates/c/library.h.j2`), with and without glibc's vector forms."""

import ctypes
import math

import numpy as np
import pytest

UNARY = ["sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh"]
UNARY += ["exp2", "exp10", "log2", "log10", "cbrt"]
BINARY = ["pow", "atan2", "hypot"]
PLAIN = ["sqrt", "fabs", "floor", "ceil", "trunc", "rint"]
PLAIN_BINARY = ["copysign", "nextafter", "fmod", "remainder"]
DTYPES = {"f32": np.float32, "f64": np.float64}


def reference(name, *arrays):
    functions = {
        "exp10": lambda x: np.power(10.0, x),
        "pow": np.power,
    }
    with np.errstate(all="ignore"):
        wide = [array.astype(np.float64) for array in arrays]
        return functions.get(name, getattr(np, name, None))(*wide)


def build(compile_loops, make_loop, *flags, libraries):
    loops = [make_loop(f"{name}_{s}", (s,), s) for name in UNARY + PLAIN for s in DTYPES]
    loops += [make_loop(f"{name}_{s}", (s, s), s) for name in BINARY + PLAIN_BINARY for s in DTYPES]
    loops += [make_loop("sine_times_cosine", ("f64",), "f64", "go_sin_f64(a[i]) * go_cos_f64(a[i])")]
    return compile_loops(["library"], loops, "-march=native", *flags, libraries=libraries)


@pytest.fixture(scope="module")
def with_libmvec(compile_loops, make_loop):
    try:
        ctypes.CDLL("libmvec.so.1")
    except OSError:
        pytest.skip("no libmvec here")
    return build(compile_loops, make_loop, "-DGO_HAVE_LIBMVEC", libraries=["-lmvec", "-lm"])


@pytest.fixture(scope="module", params=["libm", "libmvec"])
def compiled(request, compile_loops, make_loop):
    if request.param == "libmvec":
        return request.getfixturevalue("with_libmvec")
    return build(compile_loops, make_loop, libraries=["-lm"])


@pytest.mark.parametrize("suffix", DTYPES)
@pytest.mark.parametrize("name", UNARY + BINARY)
def test_a_library_function_agrees_with_numpy_within_a_few_ulp(compiled, name, suffix):
    dtype = DTYPES[suffix]
    random = np.random.default_rng(2)
    x = np.concatenate([random.uniform(-1, 1, 200), random.uniform(-9, 9, 200), [0.0, -0.0, np.inf, -np.inf, np.nan]])
    x = x.astype(dtype)
    arrays = [x] if name in UNARY else [np.abs(x) if name == "pow" else x, x[::-1].copy()]
    got, expected = compiled(f"{name}_{suffix}", *arrays), reference(name, *arrays)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    np.testing.assert_allclose(got, expected.astype(dtype), rtol=8 * np.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("suffix", DTYPES)
@pytest.mark.parametrize("name", PLAIN + PLAIN_BINARY)
def test_an_exact_function_agrees_with_numpy_bit_for_bit(compiled, name, suffix):
    dtype = DTYPES[suffix]
    values = np.array([0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, 1e9, np.inf, -np.inf, np.nan], dtype)
    arrays = [values] if name in PLAIN else [grid.ravel() for grid in np.meshgrid(values, values)]
    if name == "remainder":  # IEEE's; NumPy has only Python's, so Python's math is asked
        expected = np.array(
            [math.remainder(a, b) if np.isfinite(a) and b != 0 else np.nan for a, b in zip(*arrays, strict=True)]
        )
    else:
        with np.errstate(all="ignore"):
            expected = getattr(np, name)(*arrays)
    got = compiled(f"{name}_{suffix}", *arrays)
    np.testing.assert_array_equal(got, expected.astype(dtype))
    number = ~np.isnan(got)
    np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(expected[number]))


def test_with_libmvec_every_function_has_a_vector_form(with_libmvec):
    if "loop vectorized" not in with_libmvec.remarks:
        pytest.skip("this compiler makes no remarks on vectorization")
    names = [f"{name}_{suffix}" for name in UNARY + BINARY for suffix in DTYPES]
    assert [name for name in names if not with_libmvec.is_vectorized(name)] == []


def test_sine_and_cosine_of_one_argument_are_not_joined_into_a_scalar_call(with_libmvec):
    if "loop vectorized" not in with_libmvec.remarks:
        pytest.skip("this compiler makes no remarks on vectorization")
    assert with_libmvec.is_vectorized("sine_times_cosine")
