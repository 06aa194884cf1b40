"""What the traits of ops say is true of their meaning: operands that may be swapped, values that may be regrouped."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import graphopt as go
from graphopt.errors import GraphoptError
from graphopt.ops import TABLE
from graphopt.types import DTYPES, is_float

SIGNED_BY_PLACE = {"maximum", "minimum", "fmax", "fmin"}
"""Which of two zeros these give is left to the target."""

PAIRS = [op for op in TABLE.values() if op.arity == 2 and op.numpy is not None]


def takes(op, dtype):
    """Whether an op has a result of the operands' own dtype, or of booleans, for operands of a dtype."""
    x = go.variable("x", f"{dtype}[3]")
    try:
        return op(x, x).operands[0].dtype == dtype
    except GraphoptError:
        return False


def cases(trait):
    return [
        pytest.param(op, d, id=f"{op.name}-{d}") for op in PAIRS if trait in op.traits for d in DTYPES if takes(op, d)
    ]


def arrays(dtype):
    return hnp.arrays(dtype, 3, elements=hnp.from_dtype(np.dtype(dtype)))


@pytest.mark.parametrize(("op", "dtype"), cases("commutative"))
def test_operands_of_commutative_ops_may_be_swapped(op, dtype):
    @settings(max_examples=12)
    @given(arrays(dtype), arrays(dtype))
    def swapped(a, b):
        with np.errstate(all="ignore"):
            one, other = op.numpy(a, b), op.numpy(b, a)
        np.testing.assert_array_equal(one, other)
        if is_float(one.dtype.name) and op.name not in SIGNED_BY_PLACE:
            known = ~np.isnan(one)
            np.testing.assert_array_equal(np.signbit(one)[known], np.signbit(other)[known])

    swapped()


@pytest.mark.parametrize(("op", "dtype"), [case for case in cases("associative") if not is_float(case.values[1])])
def test_associative_ops_of_integers_and_booleans_may_be_regrouped(op, dtype):
    @settings(max_examples=12)
    @given(arrays(dtype), arrays(dtype), arrays(dtype))
    def regrouped(a, b, c):
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(op.numpy(op.numpy(a, b), c), op.numpy(a, op.numpy(b, c)))

    regrouped()


@pytest.mark.parametrize(("op", "dtype"), [case for case in cases("associative") if case.values[1] == "float64"])
def test_associative_ops_of_floats_may_be_regrouped_over_the_reals(op, dtype):
    numbers = st.integers(1, 5).map(float)

    @settings(max_examples=12)
    @given(numbers, numbers, numbers)
    def regrouped(a, b, c):
        np.testing.assert_allclose(op.numpy(op.numpy(a, b), c), op.numpy(a, op.numpy(b, c)), rtol=1e-12)

    regrouped()
