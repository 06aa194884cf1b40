"""NumPy's functions that are compositions: one program on arrays and on variables, in every family.

A program is a function of the module (NumPy's or ours) and of values, so that what is compared was written once.
"""

import numpy as np
import pytest
from against_numpy import assert_like, check, check_gradients, evaluated, flattened, variables_like
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument, ShapeMismatch, UnsupportedExpression

RNG = np.random.default_rng(7)
x, v, c = RNG.normal(size=(3, 4)), RNG.normal(size=4), RNG.normal(size=(2, 3, 4))

PROGRAMS = {
    "joining": lambda on, x, v, c: [
        on.hstack([x, x[:, :1]]), on.hstack([v, v]), on.vstack([x, v]), on.dstack([x, x]), on.dstack([v, v]),
        on.column_stack([v, v]), on.column_stack([x.T, v]), on.append(x, v), on.append(x, x, axis=1),
        on.block([[x, x[:, :2]], [v, v[:2]]]), on.block([v, v]), on.block([[[c]], [[c]]]), on.concat([x, x], axis=-1),
    ],
    "taking apart": lambda on, x, v, c: [
        on.array_split(x, 3, axis=1), on.array_split(v, 7), on.array_split(c, [1, 2], 2), on.hsplit(x, 2),
        on.hsplit(v, [1, 3]), on.vsplit(x, 3), on.dsplit(c, 2), on.unstack(c, axis=1),
    ],
    "rearranging": lambda on, x, v, c: [
        on.atleast_1d(v[0], x), on.atleast_2d(v[0], v, x), on.atleast_3d(v[0], v, x, c), on.fliplr(x), on.flipud(v),
        *(on.rot90(c, k, axes) for k in (-1, 0, 1, 2, 3) for axes in ((0, 1), (2, 0))), on.rollaxis(c, 2),
        on.rollaxis(c, 0, 3), on.rollaxis(c, -1, 1), on.permute_dims(c, (2, 0, 1)), on.matrix_transpose(c),
        on.broadcast_arrays(x, v, 1.0), on.meshgrid(v, v[:3]), on.meshgrid(v, v[:3], v[:2], indexing="ij"),
        on.meshgrid(v, v[:3], v[:2], sparse=True), on.meshgrid(v), on.tril(c), on.triu(c, -1),
    ],
    "made": lambda on, x, v, c: [
        on.full_like(x, 7.5), on.full_like(x, 7.5, dtype="int32"), on.logspace(0, 2, 5), on.geomspace(1, 16, 5),
        on.logspace(0, 3, 4, base=2.0, endpoint=False), on.indices((2, 3)), on.indices((2, 3), sparse=True),
        on.vander(v), on.vander(v, 3, increasing=True), on.vander(v, 0), on.zeros((2, 0)),
    ],
    "statistics": lambda on, x, v, c: [
        on.average(x), on.average(x, axis=0, weights=v[:3]), on.average(x, 1, v), on.average(c, (2, 1), x.T),
        on.average(x, weights=x * x), on.average(x, 0, returned=True), on.average(x, axis=1, weights=v, keepdims=True),
        on.ptp(x), on.ptp(x, axis=1), on.ptp(x, 0, keepdims=True), on.cov(x), on.cov(v), on.cov(x, v),
        on.cov(x, x * x), on.cov(x, rowvar=False), on.cov(x, bias=True), on.cov(x, ddof=0), on.corrcoef(x),
        on.corrcoef(v), on.corrcoef(v, v * v), on.var(x, axis=0, ddof=1), on.std(x, axis=1, correction=1),
    ],
    "differences": lambda on, x, v, c: [
        on.ediff1d(x), on.ediff1d(v, to_end=[1.0, 2.0], to_begin=0), on.trapezoid(x), on.trapezoid(x, dx=0.5, axis=0),
        on.trapezoid(x, v), on.trapezoid(c, c * 2, axis=1), on.gradient(v), on.gradient(v, 0.5), on.gradient(x),
        on.gradient(x, 2.0, axis=1), on.gradient(x, np.array([0.0, 1.0, 4.0]), 0.5), on.gradient(x, axis=(1, 0)),
        on.gradient(v, edge_order=2), on.gradient(v, np.array([0.0, 1.0, 1.5, 4.0]), edge_order=2),
    ],
    "choices": lambda on, x, v, c: [
        on.select([x > 1, x > 0], [x, -x], 5.0), on.select([v > 0], [v]), on.piecewise(x, [x < 0, x > 1], [-1, abs, 2]),
        on.piecewise(x, [x < 0], [lambda y: y * y]), on.isin(x, x[0]), on.isin(x, [1.0, 2.0], invert=True),
        on.choose(np.array([[3, -1, 0, 1]]), [x, -x, 0.0], mode="wrap"), on.choose([5, 0, -3, 1], [v, -v], mode="clip"),
    ],
    "comparisons": lambda on, x, v, c: [
        on.isclose(x, x * (1 + 1e-6)), on.isclose(x, x + 1e-3, rtol=0, atol=1e-4), on.allclose(x, x), on.allclose(x, v),
        on.allclose(x, x + 1e-9), on.array_equal(x, x), on.array_equal(x, v), on.array_equal(x, -x),
        on.array_equiv(v, on.stack([v, v])), on.array_equiv(x, c[:, :2]), on.isreal(x), on.iscomplex(x),
        on.angle(x), on.angle(x, deg=True),
    ],
}  # fmt: skip


@pytest.mark.parametrize("family", PROGRAMS)
def test_compositions_are_numpys(family):
    check(PROGRAMS[family], x, v, c)


def test_compositions_compile():
    inputs = variables_like([x, v, c])
    found, expected = [], []
    for program in PROGRAMS.values():
        for one, wanted in zip(program(T, *inputs), program(np, x, v, c), strict=True):
            for part, truth in zip(*(r if isinstance(r, list | tuple) else [r] for r in (one, wanted)), strict=True):
                if isinstance(part, go.Variable):
                    found.append(part)
                    expected.append(truth)
    assert_like(go.function(inputs, found)(x, v, c), expected)


@pytest.mark.parametrize("family", sorted(PROGRAMS.keys() - {"made"}))
def test_numpys_own_functions_reach_them(family):
    inputs = variables_like([x, v, c])
    found = evaluated(inputs, flattened(PROGRAMS[family](np, *inputs)), [x, v, c])
    assert_like(found, flattened(PROGRAMS[family](np, x, v, c)))


NAN_FUNCTIONS = ("nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@given(st.data())
def test_what_passes_over_nan_is_numpys(data):
    dtype = data.draw(st.sampled_from(("float64", "float32", "int16")))
    shape = data.draw(hnp.array_shapes(max_dims=3, min_side=1, max_side=3))
    elements = st.sampled_from([0.0, 1.0, -2.0, 3.0] + ([np.nan, np.inf] if dtype != "int16" else []))
    array = data.draw(hnp.arrays("float64", shape, elements=elements)).astype(dtype)
    axis, keepdims = data.draw(st.none() | st.integers(-len(shape), len(shape) - 1)), data.draw(st.booleans())
    check(
        lambda on, a: [getattr(on, name)(a, axis=axis, keepdims=keepdims) for name in NAN_FUNCTIONS], array, rtol=1e-6
    )
    check(
        lambda on, a: [on.nanvar(a, axis, ddof=1), on.nan_to_num(a), on.nan_to_num(a, nan=7, posinf=1)],
        array,
        rtol=1e-6,
    )


@given(st.data())
def test_elements_are_close_as_numpy_says(data):
    numbers = st.sampled_from([0.0, -0.0, 1.0, 1 + 1e-9, 1.001, np.inf, -np.inf, np.nan])
    a, b = data.draw(hnp.arrays("float64", 3, elements=numbers)), data.draw(hnp.arrays("float64", 3, elements=numbers))
    same = data.draw(st.booleans())
    check(lambda on, a, b: [on.isclose(a, b, equal_nan=same), on.allclose(a, b, equal_nan=same),
                            on.array_equal(a, b, equal_nan=same), on.array_equiv(a, b)], a, b)  # fmt: skip
    integers = data.draw(hnp.arrays("int32", 3, elements=st.integers(-2, 2)))
    check(lambda on, a, k: [on.isclose(k, k), on.isclose(k, a), on.isin(k, [1, 2]), on.ptp(k), on.gradient(k),
                            on.average(k), on.average(k, weights=k * k + 1), on.vander(k), on.ediff1d(k)],
          a, integers)  # fmt: skip


@given(st.data())
def test_arrays_of_any_shape_are_joined_and_taken_apart(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    dtypes = st.sampled_from(("float32", "int8", "bool", "uint64"))
    a, b = (RNG.integers(0, 2, shape).astype(data.draw(dtypes)) for _ in range(2))
    parts, axis = data.draw(st.integers(1, 5)), data.draw(st.integers(-len(shape), len(shape) - 1))
    symbolic = data.draw(st.booleans())
    check(lambda on, a, b: [on.hstack([a, b]), on.vstack([a, b]), on.dstack([a, b]), on.append(a, b),
                            on.array_split(a, parts, axis), on.flipud(a), on.atleast_3d(a), on.block([[a], [b]]),
                            on.rollaxis(a, axis), on.broadcast_arrays(a, b)], a, b, symbolic=symbolic)  # fmt: skip


def test_named_sizes_are_enough_where_no_length_is_needed():
    check(PROGRAMS["statistics"], x, v, c, symbolic=True)
    check(PROGRAMS["choices"], x, v, c, symbolic=True)
    check(lambda on, x, v, c: [on.gradient(x), on.trapezoid(x, v), on.ediff1d(x), on.hstack([x, x]),
                               on.meshgrid(v, x[0]), on.column_stack([v, v]), on.rot90(x), on.cov(x, v)],
          x, v, c, symbolic=True)  # fmt: skip


def test_numbers_without_a_choice_are_found_by_the_call():
    k = go.variable("k", "int64[n]")
    f = go.function([k], np.choose(k, [1.0, 2.0]), target="numpy")
    np.testing.assert_array_equal(f([0, 1, 0]), [1.0, 2.0, 1.0])
    with pytest.raises(go.CheckFailed, match="outside 0 to 1"):
        f([0, 2])


def test_methods_are_functions():
    (y,) = variables_like([c])
    found = [
        y.mT, y.real, y.imag, y.argmax(1), y.argmin(), y.clip(0, 1), y.clip(max=0.5), y.round(), y.repeat(2, 0),
        y.ravel(), y.flatten(), y.swapaxes(0, 2), y.diagonal(1, 0, 2), y.trace(0, 1, 2), y.conj(), y.squeeze(),
        y.var(0, ddof=1),
    ]  # fmt: skip
    assert_like(evaluated([y], found, [c]), [
        c.mT, c.real, c.imag, c.argmax(1), c.argmin(), c.clip(0, 1), c.clip(max=0.5), c.round(), c.repeat(2, 0),
        c.ravel(), c.flatten(), c.swapaxes(0, 2), c.diagonal(1, 0, 2), c.trace(0, 1, 2), c.conj(), c.squeeze(),
        c.var(0, ddof=1),
    ])  # fmt: skip


def test_theanos_names_move_axes():
    y, row, n = go.variable("y", "float64[2, 3, 4]"), go.variable("r", "float64[1, 5]"), go.dim("n")
    assert y.dimshuffle(2, "x", 0, 1).shape == (4, 1, 2, 3) == y.dimshuffle([2, "x", 0, 1]).shape
    assert row.dimshuffle(1).shape == (5,) and T.dimshuffle(row, "x", -1, 0).shape == (1, 5, 1)
    assert go.variable("s", "float64").dimshuffle("x", "x").shape == (1, 1)
    assert T.flatten(y, 2).shape == (2, 12) and y.flatten(3).shape == (2, 3, 4)
    assert T.flatten(go.variable("z", "float64[n, 2]")).shape == (2 * n,)
    assert T.shape_padleft(y, 2).shape == (1, 1, 2, 3, 4) and T.shape_padright(y).shape == (2, 3, 4, 1)
    assert T.shape_padaxis(y, 1).shape == T.shape_padaxis(y, -3).shape == (2, 1, 3, 4)
    with pytest.raises(ShapeMismatch, match="not 1"):
        y.dimshuffle(0, 1)
    with pytest.raises(InvalidArgument, match="twice"):
        y.dimshuffle(0, 0, 1, 2)


def test_dtypes_are_known():
    f32, f64, i8 = (go.variable("a", dtype) for dtype in ("float32[2]", "float64", "int8"))
    assert T.result_type(f32, 1.0) == T.result_type(f32, i8) == np.dtype("float32") == T.float32
    assert T.result_type(f32, f64) == np.result_type(f32, f64) == np.dtype("float64")
    assert T.can_cast(i8, "float32") and not T.can_cast(f64, "float32") and T.isdtype(T.int8, "integral")
    assert T.finfo(f32).eps == np.finfo("float32").eps and T.iinfo(i8).max == 127
    assert T.astype(f64, T.int8).dtype == "int8" == T.asarray([1, 2], dtype="int8").dtype
    assert T.broadcast_shapes((2, 1), (3,)) == (2, 3) and (T.pi, T.newaxis) == (np.pi, None)


def test_derivatives_agree_with_differences():
    inputs = variables_like([x, v])
    a, b = inputs
    costs = [
        T.square(T.gradient(a, 0.5)[0]).sum(), T.square(T.trapezoid(a, b)).sum(), T.average(a, 1, T.square(b)).sum(),
        T.nanmean(T.square(a)), T.corrcoef(a).sum(), T.square(T.block([[a, a], [b, b]])).sum(), T.ptp(a),
        T.select([a > 0], [a * a], 1.0).sum(), T.square(T.vander(b)).sum(), T.square(T.diag(b)[1:]).sum(),
    ]  # fmt: skip
    check_gradients(costs, inputs, [x, v])


Y = go.variable("y", "float64[n, 3]")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [(lambda: T.unstack(Y), UnsupportedExpression, "must be known"), (lambda: T.vander(Y), ShapeMismatch, "a vector"),
     (lambda: T.vander(Y[:, 0]), UnsupportedExpression, "give N"), (lambda: T.fliplr(Y[0]), ShapeMismatch, "2 axes"),
     (lambda: T.block([Y, [Y]]), InvalidArgument, "different depths"), (lambda: T.block([]), InvalidArgument, "empty"),
     (lambda: T.meshgrid(Y), ShapeMismatch, "vectors"),
     (lambda: T.meshgrid(Y[0], indexing="no"), InvalidArgument, "'ij'"),
     (lambda: T.indices((go.dim("n"), 2)), UnsupportedExpression, "known while"),
     (lambda: T.geomspace(1, Y[0, 0]), UnsupportedExpression, "geomspace takes numbers"),
     (lambda: T.array_split(Y, 0), InvalidArgument, "at least 1"), (lambda: T.dsplit(Y, 1), ShapeMismatch, "3 axes"),
     (lambda: T.select([], []), InvalidArgument, "0 conditions"),
     (lambda: T.select([Y], [Y]), InvalidArgument, "boolean"),
     (lambda: T.choose(Y, [1]), InvalidArgument, "takes integers"),
     (lambda: T.choose([1], [1, 2], mode="no"), InvalidArgument, "'wrap' or 'clip'"),
     (lambda: T.piecewise(Y, [Y > 0], []), InvalidArgument, "1 conditions and 0"),
     (lambda: T.average(Y, weights=Y[0]), ShapeMismatch, "expected its shape"),
     (lambda: T.cov(T.zeros((2, 2, 2))), ShapeMismatch, "a vector or a matrix"),
     (lambda: T.gradient(Y[0], 1.0, 2.0), InvalidArgument, "2 spacings for 1"),
     (lambda: T.gradient(Y[0, :1]), ShapeMismatch, "at least 2"),
     (lambda: T.gradient(Y, edge_order=3), InvalidArgument, "1 or 2"),
     (lambda: T.rollaxis(Y, 0, 4), InvalidArgument, "outside"), (lambda: T.flatten(Y, 3), InvalidArgument, "of 3 axes"),
     (lambda: T.var(Y, ddof=1, correction=1), InvalidArgument, "both")],
)  # fmt: skip
def test_what_does_not_fit_gets_one_clear_error(call, error, words):
    with pytest.raises(error, match=words):
        call()
