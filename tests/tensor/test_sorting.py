"""Orders, places in sorted vectors, medians and quantiles: NumPy's values in every target, and derivatives."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import graphopt as go
import graphopt.tensor as T
from graphopt.arithmetics import Exact, from_mpf
from graphopt.errors import InvalidArgument, ShapeMismatch
from graphopt.graph import Graph
from graphopt.interpret import interpret

TARGETS = ("numpy", "c", "cuda-emulated")
VALUES = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.5, 1e300, np.inf, -np.inf, np.nan])


def orders(on, x, stable):
    return [
        on.sort(x, **stable), on.sort(x, 0, **stable), on.sort(x, None, **stable), on.argsort(x, **stable),
        on.argsort(x, axis=0, **stable), on.argsort(x, axis=None, **stable),
        on.searchsorted(on.sort(x, None), x), on.searchsorted(on.sort(x, None), x, side="right"),
    ]  # fmt: skip


def middles(on, x):
    return [
        on.median(x), on.median(x, axis=0), on.median(x, axis=(0, 1), keepdims=True), on.median(x, 1, keepdims=True),
        on.quantile(x, 0.3), on.quantile(x, [0.0, 0.25, 1.0], axis=1), on.quantile(x, [[0.1], [0.7]], 0, keepdims=True),
        on.percentile(x, 90), on.percentile(x, [10.0, 50.0], axis=(1, 0)),
    ]  # fmt: skip


@functools.cache
def compiled(function, dtype, target):
    x = go.variable("x", f"{dtype}[n, m]")
    made = orders(T, x, {}) if function == "orders" else middles(T, x)
    return go.function([x], made, target=target)


def same(found, expected, **tolerance):
    for k, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert a.dtype == np.asarray(b).dtype and a.shape == np.shape(b), k
        np.testing.assert_allclose(a, b, err_msg=str(k), **tolerance)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float64", "int8"])
@settings(max_examples=12)
@given(st.data())
def test_orders_are_numpys(target, dtype, data):
    elements = VALUES if dtype == "float64" else st.integers(-3, 3)
    array = data.draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=5),
                                 elements=elements))  # fmt: skip
    found, expected = compiled("orders", dtype, target)(array), orders(np, array, {"stable": True})
    same(found, expected, rtol=0)
    np.testing.assert_array_equal(np.signbit(found[0]), np.signbit(expected[0]))  # the order of zeros is stable


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int8"])
@settings(max_examples=8)
@given(st.data())
def test_medians_and_quantiles_are_numpys(target, dtype, data):
    elements = st.integers(-3, 3) if dtype == "int8" else st.floats(-100, 100, width=32) | st.just(np.nan)
    array = data.draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=2, max_side=5), elements=elements))
    tolerance = 1e-12 if dtype != "float32" else 1e-5
    same(compiled("middles", dtype, target)(array), middles(np, array), rtol=tolerance, atol=100 * tolerance)


@settings(max_examples=25)
@given(hnp.arrays("float64", hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4), elements=VALUES),
       st.data())  # fmt: skip
def test_the_exact_meaning_agrees_along_every_axis(array, data):
    axis = data.draw(st.integers(-array.ndim, array.ndim - 1))
    x = go.variable("x", f"float64{list(array.shape)}")
    outputs = {"sort": T.sort(x, axis), "argsort": T.argsort(x, axis)}
    outputs["places"] = T.searchsorted(T.sort(x, axis=None), x)
    graph = Graph.from_outputs([x], outputs)
    found, exact = interpret(graph, {"x": array}), interpret(graph, {"x": array}, Exact(30))
    np.testing.assert_array_equal(found["sort"], from_mpf(exact["sort"], "float64"))
    np.testing.assert_array_equal(found["argsort"], exact["argsort"])
    np.testing.assert_array_equal(found["places"], exact["places"])
    np.testing.assert_array_equal(found["argsort"], np.argsort(array, axis, stable=True))


@pytest.mark.parametrize(("left", "right"), [("int64", "float32"), ("bool", "int8"), ("uint64", "int64")])
def test_places_are_looked_up_in_the_common_dtype(left, right):
    a, v = np.array([0, 1, 1, 1], left), np.array([1, 0, 0], right)
    x, y = go.variable("a", f"{left}[4]"), go.variable("v", f"{right}[3]")
    np.testing.assert_array_equal(
        go.function([x, y], T.searchsorted(x, y), target="numpy")(a, v), np.searchsorted(a, v)
    )


def test_a_sorter_puts_the_vector_in_order():
    x = go.variable("x", "float64[n]")
    f = go.function([x], T.searchsorted(x, x, sorter=T.argsort(x)), target="numpy")
    values = np.array([3.0, 1.0, 2.0])
    np.testing.assert_array_equal(f(values), [2, 0, 1])


def test_a_share_may_be_a_variable():
    x, q = go.variable("x", "float64[n]"), go.variable("q", "float64")
    f = go.function([x, q], T.quantile(x, q), target="numpy")
    for share in (0.0, 0.37, 1.0):
        np.testing.assert_allclose(f([3.0, 1.0, 2.0, 7.0], share), np.quantile([3.0, 1.0, 2.0, 7.0], share))


X = go.variable("x", "float64[2, 3]")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [(lambda: T.sort(X, 2), InvalidArgument, "axis 2 is outside"), (lambda: T.sort(1.0), InvalidArgument, "outside"),
     (lambda: T.sort(X, kind="bogo"), InvalidArgument, "kind is one of"),
     (lambda: T.searchsorted(X, X), ShapeMismatch, "sorted vector"),
     (lambda: T.searchsorted(X[0], X, side="top"), InvalidArgument, "left, right"),
     (lambda: T.quantile(X, 1.5), InvalidArgument, "between 0 and 1"),
     (lambda: T.percentile(X, [50.0, -1.0]), InvalidArgument, "between 0 and 100"),
     (lambda: T.median(T.zeros((0, 3)), axis=0), ShapeMismatch, "no elements"),
     (lambda: T.quantile(T.zeros((3, 0)), 0.5), ShapeMismatch, "no elements")],
)  # fmt: skip
def test_what_has_no_meaning_gets_one_clear_error(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_median_of_nothing_is_an_error_at_the_call():
    v = go.variable("v", "float64[n]")
    with pytest.raises(ShapeMismatch):
        go.function([v], T.median(v), target="numpy")(np.zeros(0))


def test_numpys_names_reach_them():
    f = go.function([X], [np.sort(X), np.argsort(X, kind="stable"), np.median(X, axis=1)], target="numpy")
    array = np.array([[3.0, 1.0, 2.0], [0.0, -1.0, 5.0]])
    for found, wanted in zip(f(array), (np.sort(array), np.argsort(array), np.median(array, axis=1)), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_what_orders_and_accumulates_is_a_method_as_of_arrays():
    x, v = go.variable("x", "float64[n, m]"), go.variable("v", "int64[k]")
    array, whole = np.array([[3.0, 1.0, 2.0], [0.0, -1.0, 5.0]]), np.array([1, 0, 1])

    def methods(x, v):
        return [
            x.cumsum(), x.cumsum(axis=0), x.cumprod(1), x.take([2, 0], axis=1), x.take(v), x.argsort(axis=0),
            v.cumsum(dtype="int32"), v.cumsum().searchsorted([1, 2], side="right"), v.choose([v, -v]),
        ]  # fmt: skip

    found = go.function([x, v], [*methods(x, v), x.sort(axis=0)], target="numpy")(array, whole)
    expected = [*methods(array, whole), np.sort(array, axis=0)]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
