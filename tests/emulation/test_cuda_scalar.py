"""The scalar functions of CUDA C, against NumPy and SciPy where these define them, special values included."""

import math
from dataclasses import dataclass

import mpmath
import numpy as np
import pytest
from scipy import special

from graphopt.runtime.emulation import EmulatedDriver
from graphopt.runtime.nvcc import compile_cubin, find_nvcc

TEMPLATES = ("dialect", "scalar", "special")
C_TYPES = {
    "f32": "float", "f64": "double", "i8": "signed char", "i16": "short", "i32": "int", "i64": "long long",
    "u8": "unsigned char", "u16": "unsigned short", "u32": "unsigned int", "u64": "unsigned long long",
}  # fmt: skip
DTYPES = {s: np.dtype(f"{s[0]}{int(s[1:]) // 8}") for s in C_TYPES}
FLOATS = ("f32", "f64")
INTEGERS = tuple(s for s in C_TYPES if s[0] in "iu")

# By the name in CUDA C: what NumPy or SciPy calls it.
UNARY = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10,
    "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos,
    "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "cbrt": np.cbrt, "erf": special.erf,
    "erfc": special.erfc, "lgamma": special.gammaln, "fabs": np.abs, "floor": np.floor, "ceil": np.ceil,
    "trunc": np.trunc, "rint": np.rint, "sign": np.sign, "sigmoid": special.expit,
    "softplus": lambda x: np.logaddexp(0, x), "digamma": special.digamma,
    "trigamma": lambda x: special.polygamma(1, x),
    "exp10": lambda x: np.power(10.0, x),
}  # fmt: skip
BINARY = {
    "maximum": np.maximum, "minimum": np.minimum, "fmax": np.fmax, "fmin": np.fmin, "floor_divide": np.floor_divide,
    "floor_mod": np.remainder, "fmod": np.fmod, "heaviside": np.heaviside, "logaddexp": np.logaddexp,
    "logaddexp2": np.logaddexp2, "xlogy": special.xlogy, "pow": np.power, "atan2": np.arctan2, "hypot": np.hypot,
    "copysign": np.copysign, "nextafter": np.nextafter, "fdim": lambda a, b: np.where(a <= b, 0 * (a == b), a - b),
}  # fmt: skip
INTEGER_BINARY = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "maximum": np.maximum, "minimum": np.minimum,
    "floor_divide": np.floor_divide, "floor_mod": np.remainder, "fmod": np.fmod, "left_shift": np.left_shift,
    "right_shift": np.right_shift, "gcd": np.gcd, "lcm": np.lcm,
}  # fmt: skip
INTEGER_UNARY = {"negative": np.negative, "absolute": np.absolute, "sign": np.sign}


@dataclass(frozen=True)
class Function:
    """``go_<name>_<suffix>``, as a kernel over arrays."""

    name: str
    suffix: str
    arity: int
    result: str = ""

    @property
    def kernel(self) -> str:
        return f"over_{self.name}_{self.suffix}"

    @property
    def text(self) -> str:
        names = "abc"[: self.arity]
        parameters = "".join(f", const {C_TYPES[self.suffix]}* {name}" for name in names)
        call = f"go_{self.name}_{self.suffix}{self.result and '_' + self.result}({', '.join(f'{n}[i]' for n in names)})"
        result = C_TYPES[self.result or self.suffix]
        return (
            f'extern "C" __global__ void {self.kernel}{self.result}(int n, {result}* out{parameters}) {{\n'
            f"  const int i = blockIdx.x * blockDim.x + threadIdx.x;\n  if (i < n) out[i] = {call};\n}}\n"
        )


FUNCTIONS = [
    *(Function(name, s, 1) for name in (*UNARY, "log1mexp", "tgamma") for s in FLOATS),
    *(Function(name, s, 2) for name in BINARY for s in FLOATS),
    *(Function("fma", s, 3) for s in FLOATS),
    *(Function(name, s, 1) for name in INTEGER_UNARY for s in INTEGERS),
    *(Function(name, s, 2) for name in (*INTEGER_BINARY, "power") for s in INTEGERS),
    *(Function("cast", s, 1, target) for s in FLOATS for target in INTEGERS),
]


@pytest.fixture(scope="module")
def source(cuda_templates):
    texts = [cuda_templates.get_template(f"cuda/{name}.cuh.j2").render() for name in TEMPLATES]
    return "\n".join([*texts, *(function.text for function in FUNCTIONS)])


@pytest.fixture(scope="module")
def apply(source):
    driver = EmulatedDriver()
    module = driver.compile(source)

    def run(name, suffix, *arrays, result=""):
        function = next(f for f in FUNCTIONS if (f.name, f.suffix, f.result) == (name, suffix, result))
        arrays = [np.ascontiguousarray(array, DTYPES[suffix]).ravel() for array in arrays]
        out = np.zeros(arrays[0].size, DTYPES[result or suffix])
        buffers = [driver.allocate(array.nbytes) for array in (out, *arrays)]
        for buffer, array in zip(buffers[1:], arrays, strict=True):
            driver.copy_in(buffer, array)
        grid = (-(-out.size // 256), 1, 1)
        driver.launch(module.kernel(function.kernel + result), grid, (256, 1, 1), 0, [np.int32(out.size), *buffers])
        driver.copy_out(buffers[0], out)
        for buffer in buffers:
            driver.free(buffer)
        return out

    return run


def specials(suffix):
    """Zeros, ones, infinities, NaN, extremes and ordinary numbers of both signs."""
    info = np.finfo(DTYPES[suffix])
    positive = [
        0,
        0.3,
        0.5,
        1,
        1.5,
        2,
        2.5,
        3,
        7,
        10.25,
        80,
        88.9,
        1e5,
        info.max,
        info.tiny,
        info.smallest_subnormal,
        np.inf,
    ]
    return np.array([*positive, *(-np.array(positive)), np.nan], DTYPES[suffix])


def edges(suffix):
    """Small integers of both signs where there are such, and the ends of the range."""
    info = np.iinfo(DTYPES[suffix])
    near = [n for n in range(-9, 10) if n >= info.min]
    return np.array(
        [*near, 31, 63, 64, 100, info.min, info.min + 1, info.max // 2, info.max - 1, info.max], DTYPES[suffix]
    )


def pairs(values):
    a, b = np.meshgrid(values, values)
    return a.ravel(), b.ravel()


def assert_within(actual, expected, ulps):
    """Equal up to ``ulps`` units in the last place of the result's type; NaN and infinities must coincide."""
    with np.errstate(over="ignore"):
        expected = np.asarray(expected).astype(actual.dtype)
    assert np.array_equal(np.isnan(actual), np.isnan(expected))
    settled = np.isfinite(actual) & np.isfinite(expected)
    other = ~settled & ~np.isnan(actual)
    largest = np.finfo(actual.dtype).max
    assert np.all((actual[other] == expected[other]) | (np.abs(np.nan_to_num(expected[other])) == largest))
    difference = np.abs(actual[settled] - expected[settled])
    assert np.all(difference <= ulps * np.spacing(np.abs(expected[settled])))


@pytest.mark.parametrize("suffix", FLOATS)
@pytest.mark.parametrize("name", UNARY)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_functions_of_one_number_agree_with_numpy_and_scipy(apply, name, suffix):
    x = specials(suffix)
    if name in ("digamma", "trigamma"):  # SciPy's own reflection is inaccurate far out, and slow
        x = x[np.isnan(x) | (x > -100)]
    ulps = {"digamma": 40, "trigamma": 20, "lgamma": 10, "exp10": 10, "softplus": 6}.get(name, 4)
    assert_within(apply(name, suffix, x), UNARY[name](x.astype(np.float64)), ulps)


@pytest.mark.parametrize("suffix", FLOATS)
@pytest.mark.parametrize("name", BINARY)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_functions_of_two_numbers_agree_with_numpy_and_scipy(apply, name, suffix):
    a, b = pairs(specials(suffix))
    expected = BINARY[name](a, b)
    actual = apply(name, suffix, a, b)
    assert_within(actual, expected, 4)
    if name in ("floor_divide", "floor_mod", "fmod", "copysign", "sign"):
        zero = (actual == 0) & (expected == 0)
        assert np.array_equal(np.signbit(actual[zero]), np.signbit(expected[zero]))


@pytest.mark.parametrize("suffix", FLOATS)
def test_log1mexp_is_stable_at_both_ends(apply, suffix):
    x = np.array(
        [0.0, -1e-30, -1e-9, -0.1, -math.log(2), -0.7, -3, -40, -100, -1e4, -np.inf, 0.5, np.nan], DTYPES[suffix]
    )
    y = apply("log1mexp", suffix, x)
    assert y[0] == -np.inf and np.all(np.isnan(y[-2:]))
    with mpmath.workdps(120):
        truth = [float(mpmath.log(-mpmath.expm1(mpmath.mpf(float(value))))) for value in x[1:-3]]
    assert_within(y[1:-3], truth, 4)


@pytest.mark.parametrize("suffix", FLOATS)
def test_gamma_and_fma_round_once(apply, suffix):
    assert_within(apply("tgamma", suffix, [0.5, 1, 5, -0.5, 30]), special.gamma([0.5, 1, 5, -0.5, 30]), 6)
    tiny = np.finfo(DTYPES[suffix]).eps / 2
    assert apply("fma", suffix, [1 + 2 * tiny], [1 - 2 * tiny], [-1.0])[0] == -4 * tiny**2


@pytest.mark.parametrize("suffix", INTEGERS)
@pytest.mark.parametrize("name", INTEGER_BINARY)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_integer_arithmetic_is_numpys(apply, name, suffix):
    a, b = pairs(edges(suffix))
    expected = INTEGER_BINARY[name](a, b)
    assert np.array_equal(apply(name, suffix, a, b), expected)


@pytest.mark.parametrize("suffix", INTEGERS)
@pytest.mark.parametrize("name", INTEGER_UNARY)
def test_integer_functions_of_one_number_are_numpys(apply, name, suffix):
    x = edges(suffix)
    assert np.array_equal(apply(name, suffix, x), INTEGER_UNARY[name](x))


@pytest.mark.parametrize("suffix", INTEGERS)
def test_integer_powers_wrap_around_and_truncate(apply, suffix):
    a, b = pairs(edges(suffix))
    bits = 8 * DTYPES[suffix].itemsize

    def power(base, exponent):
        if exponent < 0:
            return {1: 1, -1: -1 if exponent % 2 else 1}.get(base, 0)
        return pow(base, exponent, 2**bits)

    wrapped = np.array([power(int(x), int(y)) % 2**bits for x, y in zip(a, b, strict=True)], f"u{bits // 8}")
    assert np.array_equal(apply("power", suffix, a, b), wrapped.astype(DTYPES[suffix]))


@pytest.mark.parametrize("suffix", FLOATS)
@pytest.mark.parametrize("target", INTEGERS)
def test_casts_are_defined_for_every_number(apply, suffix, target):
    x = np.array(
        [0.9, -0.9, 1.5, 100.7, -100.7, 200.0, 300.0, 70000.0, 3e9, -3e9, 1e19, -1e19, 1e30, np.inf, -np.inf, np.nan],
        DTYPES[suffix],
    )
    actual = apply("cast", suffix, x, result=target)
    bits, unsigned = int(target[1:]), target[0] == "u"
    wide = 64 if bits == 64 else 32

    def signed(value):
        inside = -(2.0 ** (wide - 1)) <= value < 2.0 ** (wide - 1)
        return math.trunc(value) if inside else -(2 ** (wide - 1))

    def cast(value):
        upper_half = unsigned and bits >= 32 and value >= 2.0 ** (wide - 1)
        whole = signed(value - 2.0 ** (wide - 1)) + 2 ** (wide - 1) if upper_half else signed(value)
        whole %= 2**bits
        return whole - 2**bits if not unsigned and whole >= 2 ** (bits - 1) else whole

    assert actual.tolist() == [cast(float(value)) for value in x]
    inside = (x > np.iinfo(DTYPES[target]).min) & (x < np.iinfo(DTYPES[target]).max)
    assert np.array_equal(actual[inside], x[inside].astype(DTYPES[target]))


ATOMICS = r"""
extern "C" __global__ void extremes(const float* x, const double* p, float* y, double* q) {
  go_atomic_max_f32(y, x[threadIdx.x]);
  go_atomic_min_f32(y + 1, x[threadIdx.x]);
  go_atomic_max_f64(q, p[threadIdx.x]);
  go_atomic_min_f64(q + 1, p[threadIdx.x]);
}
"""


@pytest.mark.parametrize("with_nan", [False, True])
def test_atomic_extremes_spread_nan_in_any_order(launch, cuda_templates, with_nan):
    source = cuda_templates.get_template("cuda/dialect.cuh.j2").render() + ATOMICS
    x = np.sin(np.arange(64.0))
    x[40] = np.nan if with_nan else 0.0
    for seed in range(3):
        start = np.array([-np.inf, np.inf])
        arguments = [x.astype(np.float32), x, start.astype(np.float32), start]
        y, q = launch(source, "extremes", arguments, block=(64, 1, 1), driver=EmulatedDriver(seed))[2:]
        assert np.array_equal(q, [x.max(), x.min()], equal_nan=True)
        assert np.array_equal(y, np.array([x.max(), x.min()], np.float32), equal_nan=True)


@pytest.mark.skipif(find_nvcc() is None, reason="there is no nvcc")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_nvcc_takes_all_scalar_functions_without_warnings(source, architecture):
    compiled = compile_cubin(source + ATOMICS, architecture)
    assert len(compiled.registers) == len(FUNCTIONS) + 1
    assert {kernel: spilled for kernel, spilled in compiled.spills.items() if spilled} == {}
