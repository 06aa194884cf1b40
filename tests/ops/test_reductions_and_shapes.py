"""Reductions, shape ops, products and composites against NumPy and SciPy, over dtypes, shapes and axes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from op_support import DTYPE, FLOAT, assert_same, evaluate, inputs_like
from scipy import special

import graphopt.tensor as T
from graphopt.arithmetics import Exact, from_mpf
from graphopt.errors import InvalidArgument, ShapeMismatch, TypeMismatch
from graphopt.graph import Graph
from graphopt.ops import TABLE
from graphopt.ops import shape as shape_ops
from graphopt.ops.reduction import sum_to
from graphopt.tensor.shape import canonical_axes

SMALL = st.floats(-8, 8, width=32, allow_subnormal=False)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
NONEMPTY = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3)


@st.composite
def array_and_axis(draw, dtypes=DTYPE, shapes=SHAPES):
    """An array and a form of `axis` that NumPy takes."""
    dtype, shape = draw(dtypes), draw(shapes)
    array = draw(hnp.arrays(dtype, shape, elements=SMALL if dtype[0] == "f" else None))
    axes = st.lists(st.integers(-array.ndim, array.ndim - 1), unique_by=lambda a: a % array.ndim, max_size=array.ndim)
    forms = [st.none(), axes.map(tuple)] if array.ndim else [st.none(), st.just(())]
    if array.ndim:
        forms.append(st.integers(-array.ndim, array.ndim - 1))
    return array, draw(st.one_of(forms))


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "any", "all"])
@given(case=array_and_axis(), keepdims=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_reduction_equals_numpys(name, case, keepdims):
    array, axis = case
    (x,) = inputs_like(array)
    try:
        with np.errstate(all="ignore"):
            expected = getattr(np, name)(array, axis=axis, keepdims=keepdims)
    except ValueError:  # the largest of no elements
        with pytest.raises(ShapeMismatch, match=r"no largest|no smallest"):
            getattr(T, name)(x, axis, keepdims)
        return
    assert_same(evaluate(getattr(T, name)(x, axis, keepdims), array), expected, ulps=4)


@pytest.mark.parametrize("name", ["mean", "var", "std"])
@given(case=array_and_axis(shapes=NONEMPTY), keepdims=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_statistic_is_numpys(name, case, keepdims):
    array, axis = case
    (x,) = inputs_like(array)
    wide = array.astype("float64") if array.dtype.kind != "f" else array
    found = evaluate(getattr(T, name)(x, axis, keepdims=keepdims), array)
    expected = np.asarray(getattr(np, name)(wide, axis=axis, keepdims=keepdims))
    assert found.dtype == expected.dtype
    scale = np.max(np.abs(wide), initial=1.0) ** (2 if name == "var" else 1)
    tolerance = 16 * np.finfo(found.dtype).eps * scale
    if name == "std":
        tolerance = np.sqrt(np.finfo(found.dtype).eps) * scale  # where the variance is nearly zero
    np.testing.assert_allclose(found, expected, rtol=16 * np.finfo(found.dtype).eps, atol=tolerance)


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
@given(case=array_and_axis(dtypes=st.just("float64")))
@settings(max_examples=40, deadline=None)
def test_a_reduction_in_exact_arithmetic_agrees(name, case):
    array, axis = case
    (x,) = inputs_like(array)
    y = TABLE[name](x, axis=canonical_axes(axis, array.ndim, name))
    found = evaluate(y, array)
    truth = from_mpf(evaluate(y, array, arithmetic=Exact(40)), "float64")
    np.testing.assert_allclose(found, truth, rtol=1e-14, atol=1e-13)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
@given(case=array_and_axis(dtypes=FLOAT, shapes=NONEMPTY))
@settings(max_examples=60, deadline=None)
def test_a_composite_equals_scipys_its_expansion_and_the_truth(name, case):
    array, axis = case
    if axis == ():
        axis = None
    (x,) = inputs_like(array)
    y = getattr(T, name)(x, axis)
    op, axes = y.op, y.attributes["axis"]
    found = evaluate(y, array)
    eps = np.finfo(found.dtype).eps
    close = {"rtol": 32 * eps, "atol": 32 * eps}
    np.testing.assert_allclose(found, getattr(special, name)(array, axis=axis), **close)
    np.testing.assert_allclose(found, evaluate(op.expand(x, axis=axes), array), **close)
    truth = from_mpf(evaluate(y, array, arithmetic=Exact(40)), found.dtype.name)
    np.testing.assert_allclose(found, truth, **close)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
@pytest.mark.parametrize(
    "row", [[1000.0, 999.0], [-1000.0, -1001.0], [-np.inf, 0.0], [-np.inf, -np.inf], [np.inf, 0.0], [np.nan, 1.0]]
)
def test_a_composite_and_its_expansion_agree_at_extremes(name, row):
    array = np.array(row)
    (x,) = inputs_like(array)
    y = getattr(T, name)(x)
    np.testing.assert_allclose(
        evaluate(y, array), evaluate(y.op.expand(x, axis=y.attributes["axis"]), array), rtol=1e-14
    )


def test_composites_need_floats_at_the_op_and_convert_in_the_function():
    with pytest.raises(TypeMismatch, match="cast it first"):
        TABLE["softmax"](T.lvector("x"), axis=(0,))
    assert T.softmax(T.lvector("x")).dtype == "float64"
    with pytest.raises(InvalidArgument, match="softmax: axis -1 is outside"):
        T.softmax(T.scalar("x"))
    with pytest.raises(InvalidArgument, match="softmax needs an axis"):
        T.softmax(T.scalar("x"), axis=None)


# --- shapes ------------------------------------------------------------------------------------------------------


@given(st.data(), DTYPE, SHAPES)
@settings(max_examples=80, deadline=None)
def test_shape_functions_equal_numpys(data, dtype, shape):
    array = data.draw(hnp.arrays(dtype, shape))
    (x,) = inputs_like(array)
    order = tuple(data.draw(st.permutations(range(array.ndim))))
    assert_same(evaluate(T.transpose(x, order), array), np.transpose(array, order))
    assert_same(evaluate(x.T, array), array.T)
    assert_same(evaluate(T.ravel(x) if array.size else x.reshape((array.size,)), array), array.ravel())
    axis = data.draw(st.integers(-array.ndim - 1, array.ndim))
    assert_same(evaluate(T.expand_dims(x, axis), array), np.expand_dims(array, axis))
    assert_same(evaluate(T.squeeze(x), array), np.squeeze(array))
    stretched = tuple(3 if size == 1 else size for size in shape)
    assert_same(evaluate(T.broadcast_to(x, (2, *stretched)), array), np.broadcast_to(array, (2, *stretched)))
    if array.ndim >= 2:
        assert_same(evaluate(T.swapaxes(x, 0, -1), array), np.swapaxes(array, 0, -1))
        assert_same(evaluate(T.moveaxis(x, 0, -1), array), np.moveaxis(array, 0, -1))
        assert_same(evaluate(T.moveaxis(x, -1, 0), array), np.moveaxis(array, -1, 0))


def test_reshape_works_out_one_unknown_size():
    x = T.constant(np.arange(12.0))
    assert T.reshape(x, (3, -1)).shape == (3, 4)
    assert T.reshape(T.tensor("y", "float64", (5, 4)), (-1, 2)).shape == (10, 2)
    with pytest.raises(ShapeMismatch):
        T.reshape(x, (5, -1))
    with pytest.raises(InvalidArgument):
        T.reshape(x, (-1, -1))
    with pytest.raises(ShapeMismatch):
        T.reshape(x, (5, 2))


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_stack_lays_values_out_on_new_last_axes_and_pick_takes_them_back(data):
    inner, outer = data.draw(SHAPES), data.draw(st.sampled_from([(1,), (2,), (2, 2), (1, 3)]))
    arrays = [data.draw(hnp.arrays("float64", inner, elements=SMALL)) for _ in range(int(np.prod(outer)))]
    variables = inputs_like(*arrays)
    stacked = shape_ops.stack(*variables, shape=outer)
    expected = np.stack(arrays, axis=-1).reshape((*inner, *outer))
    assert_same(evaluate(stacked, *arrays), expected)
    last = data.draw(st.integers(0, outer[-1] - 1))
    assert_same(evaluate(shape_ops.pick(stacked, index=last), *arrays), expected[..., last])


def test_pick_outside_the_axis_is_refused():
    with pytest.raises(ShapeMismatch, match="outside the last axis"):
        shape_ops.pick(T.tensor("x", "float64", (3,)), index=3)
    with pytest.raises(ShapeMismatch, match="outside the last axis"):
        shape_ops.pick(T.vector("x"), index=0)


# --- products ----------------------------------------------------------------------------------------------------


@given(st.data(), DTYPE, DTYPE)
@settings(max_examples=80, deadline=None)
def test_matmul_equals_numpys(data, left, right):
    n, k, m = (data.draw(st.integers(0, 3)) for _ in range(3))
    batch = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=2)).input_shapes
    a, b = (
        data.draw(hnp.arrays(dtype, shape, elements=SMALL if dtype[0] == "f" else None))
        for dtype, shape in ((left, (*batch[0], n, k)), (right, (*batch[1], k, m)))
    )
    y = T.matmul(*inputs_like(a, b))
    expected = np.matmul(a, b)
    found = evaluate(y, a, b)
    assert found.dtype == expected.dtype
    if found.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected)
        return
    bound = np.matmul(np.abs(a.astype("float64")), np.abs(b.astype("float64"))) if expected.size else 0
    assert np.all(np.abs(found - expected) <= 4 * np.finfo(found.dtype).eps * bound)
    truth = from_mpf(evaluate(y, a, b, arithmetic=Exact(40)), found.dtype.name)
    assert np.all(np.abs(found - truth) <= 8 * np.finfo(found.dtype).eps * bound)


@pytest.mark.parametrize(
    "shapes", [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 2)), ((), (3,)), ((2,), ())]
)
def test_dot_equals_numpys(shapes):
    a, b = (np.arange(1.0, 1 + np.prod(shape)).reshape(shape) for shape in shapes)
    assert_same(evaluate(T.dot(*inputs_like(a, b)), a, b), np.dot(a, b))


def test_outer_equals_numpys():
    a, b = np.arange(2.0), np.arange(3.0)
    assert_same(evaluate(T.outer(*inputs_like(a, b)), a, b), np.outer(a, b))


@pytest.mark.parametrize("shapes", [((2, 3), (4, 2)), ((3,), (4,))])
def test_inner_sizes_that_differ_are_refused(shapes):
    with pytest.raises(ShapeMismatch, match=r"inner sizes \d and 4 differ"):
        T.matmul(*inputs_like(*(np.ones(shape) for shape in shapes)))


def test_the_op_matmul_refuses_vectors():
    with pytest.raises(ShapeMismatch, match="expected matrices"):
        TABLE["matmul"](T.vector("x"), T.matrix("y"))


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=3, max_dims=3), st.data())
@settings(max_examples=80, deadline=None)
def test_sum_to_undoes_broadcasting(shapes, data):
    target = shapes.input_shapes[0]
    array = data.draw(hnp.arrays("float64", shapes.result_shape, elements=SMALL))
    (g,) = inputs_like(array)
    found = evaluate(sum_to(g, target), array)
    lead = array.ndim - len(target)
    expected = array.sum(axis=tuple(range(lead)))
    axes = tuple(k for k, size in enumerate(target) if size == 1 and expected.shape[k] != 1)
    np.testing.assert_allclose(found, expected.sum(axis=axes, keepdims=True), rtol=1e-12, atol=1e-12)
    assert found.shape == target


def test_a_symbolic_program_runs_at_every_size():
    x = T.matrix("x")
    graph = Graph.from_outputs([x], T.softmax(x, axis=1).sum(axis=0))
    from graphopt.interpret import interpret

    for rows, columns in [(1, 1), (0, 3), (5, 2)]:
        (value,) = interpret(graph, {"x": np.ones((rows, columns))}).values()
        np.testing.assert_allclose(value, np.full(columns, rows / columns))
