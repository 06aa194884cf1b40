"""Norms, powers, diagonals and traces of matrices: NumPy's values, and derivatives where NumPy's are not defined."""

import math

import numpy as np
import pytest
from against_numpy import assert_like, check, check_gradients, variables_like
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument, ShapeMismatch, UnsupportedExpression

VECTOR_ORDERS = (None, 0, 1, 2, 3, 0.5, -1, -2.5, math.inf, -math.inf)
MATRIX_ORDERS = (None, "fro", 1, -1, math.inf, -math.inf)
RNG = np.random.default_rng(3)


@given(st.data())
def test_norms_are_numpys(data):
    dtype = data.draw(st.sampled_from(("float64", "float32", "int32", "bool")))
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    array = data.draw(hnp.arrays("int8", shape, elements=st.integers(-3, 3))).astype(dtype)
    axis, keepdims = data.draw(st.integers(-len(shape), len(shape) - 1)), data.draw(st.booleans())
    rtol = 1e-5 if dtype == "float32" else 1e-12
    orders = [order for order in VECTOR_ORDERS if shape[axis] or order is None or abs(order) != math.inf]
    check(lambda on, x: [on.linalg.norm(x, order, axis, keepdims) for order in orders], array, rtol=rtol)
    check(
        lambda on, x: [on.linalg.vector_norm(x, axis=axis, ord=o, keepdims=keepdims) for o in orders[1:]],
        array,
        rtol=rtol,
    )
    check(lambda on, x: on.linalg.norm(x, keepdims=keepdims), array, rtol=rtol)
    if len(shape) > 1 and array.size:
        pair = tuple(data.draw(st.permutations(range(len(shape))))[:2])
        check(lambda on, x: [on.linalg.norm(x, order, pair, keepdims) for order in MATRIX_ORDERS], array, rtol=rtol)
        check(lambda on, x: [on.linalg.matrix_norm(x, ord=order) for order in MATRIX_ORDERS[1:]], array, rtol=rtol)
        check(lambda on, x: on.linalg.vector_norm(x, axis=pair, ord=3), array, rtol=rtol)
    if len(shape) in (1, 2) and array.size:
        check(lambda on, x: on.linalg.norm(x, 1), array, rtol=rtol)


V = go.variable("v", "float64[n]")
NORMS = {order: T.linalg.norm(V, order) for order in (2, 3, 1.5, -2)}


def test_norms_neither_overflow_nor_underflow():
    f = go.function([V], list(NORMS.values()), target="numpy")
    for scale in (1e300, 1e-300, 1e-318):
        for found, order in zip(f(np.array([3.0, 4.0]) * scale), NORMS, strict=True):
            wanted = np.linalg.norm([3.0, 4.0], order)
            assert found / scale == pytest.approx(wanted, rel=1e-5 if scale == 1e-318 else 1e-13)
    assert [float(norm) for norm in f(np.array([math.inf, 1.0]))[:3]] == [math.inf] * 3
    assert all(np.isnan(norm) for norm in f(np.array([math.nan, 1.0])))


@pytest.mark.parametrize("order", NORMS)
def test_derivatives_of_norms_are_0_where_all_is_0(order):
    f = go.function([V], go.grad(NORMS[order], V), target="numpy")
    np.testing.assert_array_equal(f(np.zeros(3)), np.zeros(3))
    np.testing.assert_allclose(f(np.array([3.0, 4.0]) * 1e-200), f(np.array([3.0, 4.0])), rtol=1e-12)


def test_derivatives_agree_with_differences():
    x, m = go.variable("x", "float64[4]"), go.variable("m", "float64[3, 3]")
    costs = [T.linalg.norm(x, order) for order in (None, 1, 3, 0.5, -2, math.inf, -math.inf)]
    costs += [
        T.linalg.norm(m, "fro"), T.linalg.norm(m, 1), T.linalg.matrix_power(m, 5).sum(), T.trace(m @ m, 1),
        T.einsum("ij,jk,kl->", m, m, m), T.einsum("ii,jj->", m, m), T.square(T.cross(m, m[0])).sum(),
        T.cov(m).sum(), T.rot90(m)[0].sum(), T.tensordot(m, m, 2), T.linalg.multi_dot([x[:3], m, m, x[1:]]),
    ]  # fmt: skip
    check_gradients(costs, [x, m], [np.array([1.0, -2.0, 0.5, 3.0]), RNG.normal(size=(3, 3))])


@given(st.integers(0, 9), st.sampled_from(("float64", "int64", "bool")))
def test_powers_of_matrices_are_numpys(n, dtype):
    array = RNG.integers(0, 2, (2, 3, 3)).astype(dtype)
    check(lambda on, x: on.linalg.matrix_power(x, n), array)
    check(lambda on, x: on.linalg.matrix_power(x[0], n), array, symbolic=True)


@given(st.data())
def test_diagonals_and_traces_are_numpys(data):
    array = np.arange(24.0).reshape(data.draw(st.sampled_from([(4, 6), (2, 3, 4), (2, 2, 2, 3), (24, 1)])))
    offset = data.draw(st.integers(-4, 4))
    axes = data.draw(st.permutations(range(array.ndim)))[:2]
    for symbolic in (False, True):
        check(lambda on, x: [on.diagonal(x, offset, *axes), on.trace(x, offset, *axes),
                             on.linalg.diagonal(x, offset=offset), on.linalg.trace(x, offset=offset),
                             on.linalg.matrix_transpose(x)], array, symbolic=symbolic)  # fmt: skip


@pytest.mark.parametrize("symbolic", [False, True])
def test_a_vector_becomes_a_diagonal_of_any_length(symbolic):
    for size in (0, 1, 3):
        check(lambda on, x: [on.diag(x), on.diag(x, 2), on.diag(x, -1)], np.arange(1.0, size + 1), symbolic=symbolic)


def test_the_identity_may_have_a_named_size():
    assert str(T.eye(V.shape[0]).type) == "float64[n, n]"
    f = go.function([V], T.identity(V.shape[0]) * V, target="numpy")
    np.testing.assert_array_equal(f([1.0, 2.0]), np.diag([1.0, 2.0]))


def test_compiled_norms_are_numpys():
    def programs(on, x, m):
        norm = on.linalg.norm
        return [norm(x), norm(x, 3), norm(m, 1), norm(m, 2, axis=0), norm(m, -math.inf), norm(m, 0, axis=1),
                on.linalg.matrix_power(m, 3), on.trace(m)]  # fmt: skip

    arrays = [RNG.normal(size=5), RNG.normal(size=(4, 4))]
    inputs = variables_like(arrays, symbolic=True)
    assert_like(go.function(inputs, programs(T, *inputs))(*arrays), programs(np, *arrays))
    assert_like(go.function(inputs, programs(np, *inputs), target="numpy")(*arrays), programs(np, *arrays))


M = go.variable("m", "float64[2, 3, 3]")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [(lambda: T.linalg.norm(M, 1), ShapeMismatch, "or an axis"),
     (lambda: T.linalg.norm(M[0], 2), UnsupportedExpression, "singular values"),
     (lambda: T.linalg.norm(M[0], "nuc"), UnsupportedExpression, "singular values"),
     (lambda: T.linalg.norm(M[0], 3), InvalidArgument, "'fro', 1, -1"),
     (lambda: T.linalg.norm(M[0, 0], "fro"), InvalidArgument, "ord is a number"),
     (lambda: T.linalg.norm(M, 1, (0, 1, 2)), InvalidArgument, "a pair"),
     (lambda: T.linalg.matrix_norm(V), ShapeMismatch, "two axes"),
     (lambda: T.linalg.matrix_power(M, 0.5), InvalidArgument, "an integer"),
     (lambda: T.linalg.matrix_power(M[:, 0, :], 2), ShapeMismatch, "square"),
     (lambda: T.diagonal(V), ShapeMismatch, "two axes"), (lambda: T.diagonal(M, 0, 1, 1), InvalidArgument, "twice")],
)  # fmt: skip
def test_what_has_no_meaning_gets_one_clear_error(call, error, words):
    with pytest.raises(error, match=words):
        call()
