"""Accuracy, special values and vectorization of `templates/c/elementary.h.j2`."""

import platform

import mpmath
import numpy as np
import pytest
import scipy.special

FUNCTIONS = {  # the truth, and the largest error allowed, in ulp
    "exp": (lambda x: mpmath.exp(bounded(x)), 1.0),
    "expm1": (lambda x: mpmath.expm1(bounded(x)), 2.0),
    "log": (lambda x: mpmath.log(x), 1.0),
    "log1p": (lambda x: mpmath.log1p(x), 1.0),
    "tanh": (lambda x: mpmath.tanh(bounded(x)), 3.0),
    "sigmoid": (lambda x: 1 / (1 + mpmath.exp(-bounded(x))), 3.0),
    "softplus": (lambda x: max(x, 0) + mpmath.log1p(mpmath.exp(-abs(bounded(x)))), 2.0),
    "log1mexp": (lambda x: mpmath.log1p(-mpmath.exp(x)) if x < -1 else mpmath.log(-mpmath.expm1(x)), 3.0),
    "erf": (lambda x: mpmath.erf(bounded(x)), 3.0),
    "erfc": (lambda x: mpmath.erfc(bounded(x)) if x < 40 else 0, 4.0),
}
DOMAIN = {"log": (0.0, np.inf), "log1p": (-1.0, np.inf), "log1mexp": (-800.0, 0.0)}
DTYPES = {"f32": np.float32, "f64": np.float64}
MACHINES = {"native": ["-march=native"]}
if platform.machine() == "x86_64":
    MACHINES["without_fma"] = ["-march=x86-64-v2"]


def bounded(x):
    """Beyond 800, only the saturation shows; mpmath would spend ages on e^(10^300)."""
    return min(max(x, -800), 800)


@pytest.fixture(scope="module", params=MACHINES)
def compiled(request, compile_loops, make_loop):
    loops = [make_loop(f"{name}_{s}", (s,), s) for name in FUNCTIONS for s in DTYPES]
    return compile_loops(["elementary"], loops, *MACHINES[request.param])


def arguments(dtype, count=400, seed=1):
    """Edges of ranges and formats, random bits, and the usual ranges."""
    random = np.random.default_rng(seed)
    info = np.finfo(dtype)
    word = np.uint32 if dtype is np.float32 else np.uint64
    bits = random.integers(0, np.iinfo(word).max, count, dtype=word, endpoint=True)
    edges = np.array(
        [0, info.smallest_subnormal, info.smallest_normal, info.eps, 0.25, 0.5, 1, 2, 3.95, 5.95, 10.05, 26.5, info.max]
        + [k * np.log(2) / 2 for k in (1, 2, 3, 5, 40, 200)]
        + [9, 16, 17, 22, 37, 40, 87, 88, 88.7228, 103, 104, 708, 709.78, 744, 745.1],
        dtype,
    )
    ranges = [random.uniform(-width, width, count) for width in (0.5, 2, 6, 28, 110, 760)]
    tiny = [random.choice([-1, 1], count) * 2.0 ** random.uniform(-60, 0, count)]
    near_one = [1 + random.choice([-1, 1], count) * 2.0 ** random.uniform(-52, -1, count)]
    with np.errstate(over="ignore", invalid="ignore"):
        around = [np.nextafter(edges, dtype(side)) for side in (-np.inf, np.inf)]
        values = np.concatenate([bits.view(dtype), *ranges, *tiny, *near_one, edges, *around]).astype(dtype)
    values = np.concatenate([values, -values[-3 * len(edges) :]])
    return values[np.isfinite(values)]


def error_in_ulp(value, truth, dtype):
    """The distance in units in the last place of the truth; what rounds to infinity has to be infinite."""
    info = np.finfo(dtype)
    if abs(truth) >= mpmath.mpf(float(info.max)) * (1 + mpmath.mpf(float(info.epsneg)) / 2):
        return 0.0 if np.isinf(value) and (value > 0) == (truth > 0) else np.inf
    if not np.isfinite(value):
        return np.inf
    exponent = mpmath.frexp(truth)[1] if truth else -(10**6)
    last_place = max(exponent - info.nmant - 1, info.minexp - info.nmant)
    return float(abs(mpmath.mpf(float(value)) - truth) * mpmath.mpf(2) ** -last_place)


@pytest.mark.parametrize("suffix", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_is_within_its_ulp_of_the_truth_in_every_range(compiled, name, suffix):
    dtype = DTYPES[suffix]
    truth, allowed = FUNCTIONS[name]
    low, high = DOMAIN.get(name, (-np.inf, np.inf))
    x = arguments(dtype)
    x = x[(x > low) & (x < high)]
    y = compiled(f"{name}_{suffix}", x)
    with mpmath.workdps(50):
        errors = [error_in_ulp(b, truth(mpmath.mpf(float(a))), dtype) for a, b in zip(x, y, strict=True)]
    worst = int(np.argmax(errors))
    assert errors[worst] <= allowed, f"{name}({x[worst].hex()}) = {y[worst].hex()} is {errors[worst]} ulp off"


def numpy_reference(name, x):
    with np.errstate(all="ignore"):
        if name == "sigmoid":
            return 1 / (1 + np.exp(-x))
        if name == "softplus":
            return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
        if name == "log1mexp":
            return np.where(x > -np.log(2), np.log(-np.expm1(x)), np.log1p(-np.exp(x)))
        if name in ("erf", "erfc"):
            return getattr(scipy.special, name)(x)
        return getattr(np, name)(x)


@pytest.mark.parametrize("suffix", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_gives_zeros_infinities_and_nan_where_numpy_does(compiled, name, suffix):
    dtype = DTYPES[suffix]
    edge = np.finfo(dtype)
    special = [0, 1, 2, 10, 1000, np.inf, edge.smallest_subnormal, edge.smallest_normal, edge.max]
    x = np.array([sign * value for value in special for sign in (1, -1)] + [np.nan], dtype)
    got, expected = compiled(f"{name}_{suffix}", x), numpy_reference(name, x)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    exact = ~np.isnan(expected) & (np.isinf(expected) | (expected == 0) | (np.abs(expected) == np.abs(x)))
    np.testing.assert_array_equal(got[exact], expected[exact])
    np.testing.assert_array_equal(np.signbit(got[exact]), np.signbit(expected[exact]))
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(expected))


@pytest.mark.parametrize("suffix", DTYPES)
def test_exp_overflows_and_vanishes_at_the_same_arguments_as_the_truth(compiled, suffix):
    dtype = DTYPES[suffix]
    info = np.finfo(dtype)
    with mpmath.workdps(50):
        largest = dtype(float(mpmath.log(mpmath.mpf(2) ** info.maxexp)))
        smallest = dtype(float(mpmath.log(mpmath.mpf(2) ** (info.minexp - info.nmant - 1))))
    below, above = (np.nextafter(largest, dtype(side * np.inf)) for side in (-1, 1))
    assert list(np.isinf(compiled(f"exp_{suffix}", np.array([below, above], dtype)))) == [False, True]
    steps = np.array([smallest + 4 * np.spacing(smallest), smallest - 4 * np.spacing(smallest)], dtype)
    assert list(compiled(f"exp_{suffix}", steps)) == [0, info.smallest_subnormal]


@pytest.mark.parametrize("suffix", DTYPES)
@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh"])
def test_tiny_arguments_come_back_unchanged_with_their_sign(compiled, name, suffix):
    dtype = DTYPES[suffix]
    tiny = 2.0 ** np.arange(-1074.0 if dtype is np.float64 else -149.0, -70.0)
    x = np.concatenate([tiny, -tiny, [0.0, -0.0]]).astype(dtype)
    assert compiled(f"{name}_{suffix}", x).tobytes() == x.tobytes()


@pytest.mark.parametrize("suffix", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_loop_is_vectorized(compiled, name, suffix):
    if "loop vectorized" not in compiled.remarks:
        pytest.skip("this compiler makes no remarks on vectorization")
    assert compiled.is_vectorized(f"{name}_{suffix}")


@pytest.mark.parametrize("suffix", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_element_does_not_depend_on_its_place_in_the_array(compiled, name, suffix):
    x = arguments(DTYPES[suffix], count=20)
    whole = compiled(f"{name}_{suffix}", x)
    singly = np.array([compiled(f"{name}_{suffix}", x[i : i + 1])[0] for i in range(len(x))])
    np.testing.assert_array_equal(whole, singly)
