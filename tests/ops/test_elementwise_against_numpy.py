"""Every elementwise op means what NumPy or SciPy mean, in dtype, shape and value."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from op_support import DTYPE, FLOAT, assert_same, broadcastable_arrays, evaluate, inputs_like
from scipy import special

import graphopt.tensor as T
from graphopt.errors import TypeMismatch
from graphopt.ops import TABLE
from graphopt.types import TensorType
from graphopt.variable import variable

UFUNCS = sorted(
    name for name, op in TABLE.items() if "elementwise" in op.traits and isinstance(getattr(np, name, None), np.ufunc)
)
SCIPY = {
    "erf": special.erf, "erfc": special.erfc, "gamma": special.gamma, "lgamma": special.gammaln,
    "digamma": special.digamma, "trigamma": lambda x: special.polygamma(1, x), "sigmoid": special.expit,
    "softplus": lambda x: np.logaddexp(0, x), "xlogy": special.xlogy,
}  # fmt: skip


def narrow_to_float32(array):
    return array.astype("float32") if array.dtype.itemsize == 1 else array


def numpy_result(ufunc, arrays):
    """NumPy's own answer, in float32 where NumPy would compute in half precision; None if it has none."""
    with np.errstate(all="ignore"):
        try:
            result = ufunc(*arrays)
        except TypeError:
            return None
        if result.dtype == np.float16:
            result = ufunc(*map(narrow_to_float32, arrays))
        return np.asarray(result)


@pytest.mark.parametrize("name", UFUNCS)
@given(st.data())
@settings(max_examples=25, deadline=None)
def test_an_op_that_numpy_has_equals_numpys(name, data):
    op, ufunc = TABLE[name], getattr(np, name)
    arrays = data.draw(broadcastable_arrays([data.draw(DTYPE) for _ in range(op.arity)]))
    if name == "power" and all(a.dtype.kind in "biu" for a in arrays):
        arrays[1] = (arrays[1] % 4).astype(arrays[1].dtype) if arrays[1].dtype.kind != "b" else arrays[1]
    expected = numpy_result(ufunc, arrays)
    if expected is None:
        with pytest.raises(TypeMismatch, match=name):
            op(*inputs_like(*arrays))
        return
    # SIMD and scalar loops of NumPy differ by a unit or so, which loop runs depends on the memory's layout.
    assert_same(evaluate(op(*inputs_like(*arrays)), *arrays), expected, ulps=4)


@pytest.mark.parametrize("name", sorted(SCIPY))
@given(st.data())
@settings(max_examples=25, deadline=None)
def test_an_op_that_scipy_has_equals_scipys(name, data):
    dtype = data.draw(FLOAT)
    arrays = data.draw(
        broadcastable_arrays([dtype] * TABLE[name].arity, st.floats(-20, 20, width=32, allow_subnormal=False))
    )
    with np.errstate(all="ignore"):
        expected = np.asarray(SCIPY[name](*arrays), dtype)
    assert_same(evaluate(TABLE[name](*inputs_like(*arrays)), *arrays), expected, ulps=16)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_where_chooses_as_numpy_does(data):
    condition, a, b = data.draw(broadcastable_arrays(["bool", data.draw(DTYPE), data.draw(DTYPE)]))
    variables = inputs_like(condition, a, b)
    expected = np.where(condition, *np.broadcast_arrays(a, b))
    assert_same(evaluate(T.where(*variables), condition, a, b), expected)


@given(st.data(), DTYPE, DTYPE)
@settings(max_examples=80, deadline=None)
def test_a_cast_within_range_is_numpys(data, source, target):
    array = data.draw(hnp.arrays(source, (3,), elements=None if source[0] != "f" else st.floats(0, 100, width=32)))
    (x,) = inputs_like(array)
    assert_same(evaluate(T.cast(x, target), array), array.astype(target))


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=3, max_size=3),
    FLOAT,
)
@settings(max_examples=200, deadline=None)
def test_fma_rounds_once(values, dtype):
    a, b, c = (np.asarray(v, dtype) for v in values)
    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    found = float(evaluate(T.fma(*inputs_like(a, b, c)), a, b, c))
    if abs(found) < np.finfo(dtype).max:  # (the spacing of the largest is infinite to some versions of NumPy)
        spacing = Fraction(float(np.spacing(np.asarray(abs(found), dtype))))
        assert abs(Fraction(found) - exact) <= spacing / 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fma_keeps_what_a_rounded_product_loses(dtype):
    x = np.asarray(1 + np.finfo(dtype).eps, dtype)
    c = np.asarray(-(float(x) * float(x)), dtype) if dtype == "float32" else -(x * x)
    expected = Fraction(float(x)) ** 2 + Fraction(float(c))
    assert float(evaluate(T.fma(*inputs_like(x, x, c)), x, x, c)) == float(expected) != 0


def test_fma_in_float32_is_not_rounded_twice():
    # (1 + 2^-12)^2 lies halfway between two numbers; the addend, too small for float64 to notice, decides.
    x, c = np.float32(1 + 2**-12), np.float32(2**-80)
    found = evaluate(T.fma(*inputs_like(x, x, c)), x, x, c)
    assert found == np.float32(1 + 2**-11 + 2**-23)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: T.clip(x, -1, 1), lambda x: np.clip(x, -1, 1)),
        (lambda x: T.clip(x, None, 1), lambda x: np.minimum(x, 1)),
        (T.reciprocal, lambda x: 1 / x),
        (T.relu, lambda x: np.maximum(x, 0)),
        (T.deg2rad, np.deg2rad),
        (T.rad2deg, np.rad2deg),
        (T.fabs, np.fabs),
        (T.round, np.round),
        (lambda x: T.modf(x)[0], lambda x: np.modf(x)[0]),
        (lambda x: T.modf(x)[1], lambda x: np.modf(x)[1]),
        (lambda x: T.divmod(x, 0.75)[0], lambda x: np.divmod(x, 0.75)[0]),
        (lambda x: T.divmod(x, 0.75)[1], lambda x: np.divmod(x, 0.75)[1]),
        (lambda x: T.exp10(x), lambda x: np.power(np.asarray(10, x.dtype), x)),
        (lambda x: T.float_power(x, 2), lambda x: np.float_power(x, 2)),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_composed_function_equals_numpys(function, expected, dtype):
    array = np.array([-2.5, -1.5, -0.25, 0.5, 1.5, 3.0], dtype)
    (x,) = inputs_like(array)
    assert_same(evaluate(function(x), array), expected(array), ulps=4)


# --- dtypes ------------------------------------------------------------------------------------------------------


@given(DTYPE, st.sampled_from(["add", "multiply", "divide", "maximum", "power", "arctan2", "less"]), st.booleans())
def test_python_numbers_are_weak_as_in_numpy(dtype, name, is_float):
    number = 1.0 if is_float else 1
    x = variable("x", TensorType(dtype, (2,)))
    expected = numpy_result(lambda a: getattr(np, name)(a, number), [np.ones(2, dtype)])
    assert TABLE[name](x, number).dtype == expected.dtype.name
    assert TABLE[name](number, x).dtype == expected.dtype.name


@pytest.mark.parametrize("name", ["fma", "xlogy", "fdim"])
def test_functions_numpy_lacks_keep_float32_beside_python_numbers(name):
    x = T.fvector("x")
    op = TABLE[name]
    assert op(x, *[2] * (op.arity - 1)).dtype == "float32"
    assert op(*[2.5] * (op.arity - 1), x).dtype == "float32"


def test_numpy_scalars_are_strong():
    assert (T.fvector("x") * np.float64(2)).dtype == "float64"
    assert (T.fvector("x") * 2.0).dtype == "float32"


@given(st.fractions(), FLOAT)
def test_a_fraction_rounds_to_the_nearest_number(value, dtype):
    rounded = T.constant(value, dtype).attributes["value"]
    held = np.asarray(rounded, dtype)
    neighbours = [held, np.nextafter(held, held - np.inf), np.nextafter(held, held + np.inf)]
    best = min(abs(Fraction(float(n)) - value) for n in neighbours)
    assert abs(Fraction(rounded) - value) == best


def test_a_fraction_that_two_roundings_would_send_to_infinity_stays_finite():
    below_halfway = Fraction(2**128 - 2**103) - Fraction(1, 1000)
    assert T.constant(below_halfway, "float32").attributes["value"] == float(np.finfo(np.float32).max)
    assert T.constant(Fraction(2**128 - 2**103), "float32").attributes["value"] == np.inf


@pytest.mark.parametrize(("op", "dtype"), [("bitwise_and", "float64"), ("gcd", "float32"), ("invert", "float64")])
def test_a_dtype_without_meaning_is_refused_with_names_and_line(op, dtype):
    x = variable("price", TensorType(dtype, (3,)))
    with pytest.raises(TypeMismatch, match=rf"{op}\(price: {dtype}\[3\].*test_elementwise_against_numpy.py:\d+"):
        TABLE[op](*[x] * TABLE[op].arity)


def test_shapes_that_do_not_broadcast_are_refused_with_names_and_line():
    a, b = variable("weights", "float64[3]"), variable("bias", "float64[4]")
    with pytest.raises(ValueError, match=r"weights.*bias.*test_elementwise_against_numpy.py:\d+"):
        a + b
