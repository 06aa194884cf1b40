"""NumPy's meaning of `templates/c/scalar.h.j2` and `templates/c/special.h.j2`."""

import mpmath
import numpy as np
import pytest

DTYPES = {"f32": np.float32, "f64": np.float64}
EXACT = ["maximum", "minimum", "fmax", "fmin", "heaviside", "floor_mod", "floor_divide"]
ROUNDED = ["logaddexp", "logaddexp2"]
NUMPY_NAMES = {"floor_mod": "remainder"}


@pytest.fixture(scope="module")
def compiled(compile_loops, make_loop):
    loops = [make_loop(f"{name}_{s}", (s, s), s) for name in [*EXACT, *ROUNDED, "xlogy", "fdim"] for s in DTYPES]
    loops += [make_loop(f"{name}_{s}", (s,), s) for name in ["sign", "lgamma", "digamma", "trigamma"] for s in DTYPES]
    return compile_loops(["elementary", "library", "scalar", "special"], loops, "-march=native")


def pairs(dtype, count=2000):
    """All pairs of special values, and random ones: close, far apart, and of any bits."""
    random = np.random.default_rng(3)
    edge = np.finfo(dtype)
    special = [
        0.0,
        1.0,
        0.1,
        0.3,
        2.0,
        3.0,
        7.5,
        100.0,
        edge.smallest_subnormal,
        edge.smallest_normal,
        edge.max,
        np.inf,
    ]
    special = np.array([sign * value for value in special for sign in (1, -1)] + [np.nan], dtype)
    word = np.uint32 if dtype is np.float32 else np.uint64
    bits = random.integers(0, np.iinfo(word).max, (2, count), dtype=word, endpoint=True).view(dtype)
    usual = random.uniform(-20, 20, (2, count)).astype(dtype)
    multiples = np.stack([np.arange(-200, 200), np.full(400, 0.1)]).astype(dtype)
    multiples[0] *= multiples[1]
    grid = np.stack([axis.ravel() for axis in np.meshgrid(special, special)])
    return np.concatenate([grid, bits, usual, multiples], axis=1)


def assert_same_numbers(got, expected, signs_of_zero=True):
    np.testing.assert_array_equal(got, expected)
    if signs_of_zero:
        number = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(expected[number]))


@pytest.mark.parametrize("suffix", DTYPES)
@pytest.mark.parametrize("name", EXACT)
def test_an_exact_function_gives_what_numpy_gives(compiled, name, suffix):
    a, b = pairs(DTYPES[suffix])
    with np.errstate(all="ignore"):
        expected = getattr(np, NUMPY_NAMES.get(name, name))(a, b)
    assert_same_numbers(compiled(f"{name}_{suffix}", a, b), expected, signs_of_zero="floor" in name)


@pytest.mark.parametrize("suffix", DTYPES)
def test_sign_gives_what_numpy_gives(compiled, suffix):
    a, _ = pairs(DTYPES[suffix])
    assert_same_numbers(compiled(f"sign_{suffix}", a), np.sign(a))


@pytest.mark.parametrize("suffix", DTYPES)
def test_fdim_is_the_positive_difference_or_zero(compiled, suffix):
    a, b = pairs(DTYPES[suffix])
    with np.errstate(all="ignore"):
        expected = np.where(a <= b, 0, a - b)
    assert_same_numbers(compiled(f"fdim_{suffix}", a, b), expected)


@pytest.mark.parametrize("suffix", DTYPES)
@pytest.mark.parametrize("name", ROUNDED)
def test_adding_exponentials_is_as_exact_as_numpy_and_alike_at_infinity(compiled, name, suffix):
    dtype = DTYPES[suffix]
    a, b = pairs(dtype)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(a, b)
        scale = np.fmax(np.abs(expected), 0 * expected + np.exp2(-np.abs(a - b)))
    got = compiled(f"{name}_{suffix}", a, b)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(got[~finite], expected[~finite])
    assert np.all(np.abs(got[finite] - expected[finite]) <= 4 * np.finfo(dtype).eps * scale[finite])


@pytest.mark.parametrize("suffix", DTYPES)
def test_zero_times_any_logarithm_but_that_of_nan_is_zero(compiled, suffix):
    special = pytest.importorskip("scipy.special")
    dtype = DTYPES[suffix]
    a, b = pairs(dtype)
    with np.errstate(all="ignore"):
        expected = special.xlogy(a, b)
    got = compiled(f"xlogy_{suffix}", a, b)
    np.testing.assert_allclose(got, expected, rtol=4 * np.finfo(dtype).eps, atol=float(np.finfo(dtype).tiny))


@pytest.mark.parametrize("suffix", DTYPES)
@pytest.mark.parametrize(
    "name", ["maximum", "minimum", "fmax", "fmin", "sign", "heaviside", "fdim", "logaddexp", "xlogy"]
)
def test_the_loop_is_vectorized(compiled, name, suffix):
    if "loop vectorized" not in compiled.remarks:
        pytest.skip("this compiler makes no remarks on vectorization")
    assert compiled.is_vectorized(f"{name}_{suffix}")


TRUTH = {
    "lgamma": lambda x: mpmath.log(abs(mpmath.gamma(x))),
    "digamma": mpmath.digamma,
    "trigamma": lambda x: mpmath.psi(1, x),
}


@pytest.mark.parametrize("suffix", DTYPES)
@pytest.mark.parametrize("name", TRUTH)
def test_a_relative_of_gamma_is_close_to_the_truth_on_both_sides_of_zero(compiled, name, suffix):
    dtype = DTYPES[suffix]
    random = np.random.default_rng(4)
    x = np.concatenate(
        [random.uniform(-12, 12, 300), random.uniform(-120, 120, 50), 10.0 ** random.uniform(-15, 15, 100)]
    )
    x = np.concatenate([x, [1e-6, -1e-6, -1 + 1e-5, -3 - 1e-5, 0.5, -0.5, 1, 10, 170]]).astype(dtype)
    got = compiled(f"{name}_{suffix}", x)
    with mpmath.workdps(40):
        truth = np.array([float(TRUTH[name](mpmath.mpf(float(value)))) for value in x])
    slack = 0 if name == "trigamma" else 1  # digamma and lgamma have zeros
    tolerance = 4 * np.finfo(dtype).eps if dtype is np.float32 or name == "lgamma" else 1e-14
    np.testing.assert_allclose(got, truth, rtol=tolerance, atol=tolerance * slack)


@pytest.mark.parametrize("suffix", DTYPES)
@pytest.mark.parametrize("name", ["digamma", "trigamma"])
def test_the_poles_are_where_scipy_has_them(compiled, name, suffix):
    special = pytest.importorskip("scipy.special")
    x = np.array([0.0, -0.0, -1.0, -2.0, -30.0, np.inf, np.nan], DTYPES[suffix])
    expected = special.digamma(x) if name == "digamma" else special.polygamma(1, x)
    np.testing.assert_array_equal(compiled(f"{name}_{suffix}", x), expected)
