"""The mpmath meaning of every op agrees with the float64 meaning, on domains and at special values."""

import itertools

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphopt.arithmetics import Exact, Native, from_mpf
from graphopt.ops import TABLE
from graphopt.testing.domains import WHOLE, domain
from graphopt.types import TensorType, agree

NAMES = sorted(
    name for name, op in TABLE.items()
    if "elementwise" in op.traits and op.exact is not None and name not in ("cast", "barrier")
    and "host" not in op.traits and name not in WHOLE  # those are in test_special_functions.py
)  # fmt: skip
WITHOUT = {
    "nextafter", "bitwise_count", "bitwise_and", "bitwise_or", "bitwise_xor", "invert", "left_shift", "right_shift",
    "gcd", "lcm",
}  # fmt: skip
# Results that depend on the sign of zero, which mpmath does not have.
SEES_SIGN_OF_ZERO = {"divide", "arctan2", "copysign", "signbit", "power", "floor_divide", "gamma", "digamma"}
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.5, np.inf, -np.inf, np.nan, 1e-310, 1e300]
NEEDS_HUGE_REDUCTION = {
    "sin", "cos", "tan", "gamma", "lgamma", "digamma", "trigamma", "power", "remainder", "fmod", "floor_divide",
    "sinc", "j0", "j1", "y0", "y1",
}  # fmt: skip

LEAST = {"sinc": 1e-16, "j1": 1e-321}  # sin(π) is not 0, as π has been rounded; SciPy's j1 is less good for subnormals


def both(op, values):
    """The op's value at float64 scalars, in float64 and by mpmath rounded to float64."""
    kinds = op.operand_dtypes(("float64",) * op.arity)
    arrays = [np.asarray(v, kind) for v, kind in zip(values, kinds, strict=True)]
    types = tuple(TensorType(kind) for kind in kinds)
    type = op.type_rule(types, {}, agree)
    exact = Exact(40)
    truth = exact.apply(op, tuple(exact.enter(a, t) for a, t in zip(arrays, types, strict=True)), {}, type)
    return Native().apply(op, tuple(arrays), {}, type), from_mpf(np.asarray(truth), "float64")


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_exact_and_float64_agree_on_the_domain(name, data):
    op = TABLE[name]
    values = [0.0 + data.draw(st.floats(*interval)) for interval in domain(name, op.arity)]  # no negative zeros
    found, truth = both(op, values)
    if found.dtype.kind != "f":
        assert found == truth
    else:
        # Relative to the size of the operands' effect: functions with zeros inside their domain cancel there.
        np.testing.assert_allclose(found, truth, rtol=2e-14, atol=4e-15)


@pytest.mark.parametrize("name", NAMES)
def test_exact_and_float64_agree_at_special_values(name):
    op = TABLE[name]
    points = SPECIAL if op.arity < 3 else [0.0, 1.0, -2.0, np.inf, np.nan]
    for values in itertools.product(points, repeat=op.arity):
        if name in NEEDS_HUGE_REDUCTION and 1e300 in values:
            continue
        if name in SEES_SIGN_OF_ZERO and any(v == 0 and np.signbit(v) for v in values):
            continue
        if name == "power" and values == (-np.inf, 0.5):
            continue  # NumPy takes a square root there: NaN, where C and IEEE 754 have +inf
        found, truth = both(op, values)
        least = LEAST.get(name, 0)
        np.testing.assert_allclose(found, truth, rtol=1e-13, atol=least, equal_nan=True, err_msg=f"{name}{values}")


def test_every_op_but_those_on_bits_has_an_exact_meaning():
    missing = {name for name, op in TABLE.items() if op.exact is None and "leaf" not in op.traits}
    assert missing == WITHOUT


@pytest.mark.parametrize("quotient", [1e-310, 1e-20, 3.0])
def test_the_exact_remainder_is_exact_however_far_apart_its_operands_are(quotient):
    found, truth = both(TABLE["remainder"], [1.0, quotient])
    assert found == truth


def test_log1mexp_is_exact_near_zero():
    _, truth = both(TABLE["log1mexp"], [-1e-300])
    assert truth == pytest.approx(float(mpmath.log(mpmath.mpf("1e-300"))), rel=1e-15)
