"""Shared variables, updates, givens, defaults and nested outputs: the functions of Theano's primer."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument, MissingInput, ShapeMismatch, TypeMismatch

TARGETS = ("c", "numpy", "cuda-emulated")
x = go.variable("x", "float64[n]")


# --- shared variables -------------------------------------------------------------------------------------------------


def test_a_shared_variable_keeps_a_copy_of_its_value():
    value = np.arange(3.0)
    w = go.shared(value, name="w")
    value[0] = 7
    taken = w.get_value()
    taken[1] = 9
    np.testing.assert_array_equal(w.get_value(), [0, 1, 2])
    with pytest.raises(ValueError, match="read-only"):
        w.get_value(borrow=True)[0] = 5
    assert str(w.type) == "float64[3]" and w.name == "w"


def test_a_function_finds_the_shared_variables_it_needs():
    w = go.shared(np.array([1.0, 2.0]), name="w")
    f = go.function([x], x * w)
    np.testing.assert_array_equal(f([3.0, 4.0]), [3, 8])
    w.set_value([10, 20])
    np.testing.assert_array_equal(f([3.0, 4.0]), [30, 80])


@pytest.mark.parametrize(
    ("value", "error"),
    [([1.0], ShapeMismatch), ([[1.0, 2.0]], ShapeMismatch), (3.0, ShapeMismatch), ([1j, 2], TypeMismatch),
     ([[1], [2, 3]], TypeMismatch), (["a", "b"], TypeMismatch)],
)  # fmt: skip
def test_a_refused_value_changes_nothing(value, error):
    w = go.shared(np.array([1.0, 2.0]), name="w")
    with pytest.raises(error):
        w.set_value(value)
    np.testing.assert_array_equal(w.get_value(), [1, 2])


def test_sizes_with_names_may_change_from_value_to_value():
    w = go.shared(np.ones((2, 3)), name="w", type="float64[n, m]")
    total = go.function([], T.sum(w))
    assert total() == 6
    w.set_value(np.ones((4, 5)))
    assert total() == 20
    square = go.shared(np.ones((2, 2)), type="float64[n, n]")
    with pytest.raises(ShapeMismatch, match=r"shape \(2, 3\); expected float64\[n, n\]"):
        square.set_value(np.ones((2, 3)))


@given(hnp.arrays(st.sampled_from(["float32", "int8", "bool", "uint64"]), hnp.array_shapes(min_dims=0, min_side=0)))
@settings(max_examples=20)
def test_a_value_comes_back_as_it_went_in(value):
    kept = go.shared(value).get_value()
    assert kept.dtype == value.dtype and kept.shape == value.shape
    np.testing.assert_array_equal(kept, value)


# --- updates ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_updates_see_the_old_values_and_land_together(target):
    a, b = go.shared(np.array([1.0, 2.0]), name="a"), go.shared(np.array([10.0, 20.0]), name="b")
    f = go.function([x], a + b + x, updates={a: b, b: a + x}, target=target)
    np.testing.assert_array_equal(f([0.5, 0.5]), [11.5, 22.5])
    np.testing.assert_array_equal(a.get_value(), [10, 20])
    np.testing.assert_array_equal(b.get_value(), [1.5, 2.5])


def test_a_function_of_updates_alone_returns_nothing():
    count = go.shared(0, name="count")
    tick = go.function([], updates=[(count, count + 1)])
    assert [tick() for _ in range(3)] == [[], [], []]
    assert count.get_value() == 3 and count.dtype == "int64"


@pytest.mark.parametrize("target", TARGETS)
def test_a_call_that_fails_changes_no_shared_variable(target):
    w = go.shared(np.zeros(3), name="w")
    f = go.function([x], T.sum(x), updates={w: w + x}, target=target)
    for wrong, error in (([1.0, 2.0], ShapeMismatch), ([[1.0]], ShapeMismatch), (["a", "b", "c"], TypeMismatch)):
        with pytest.raises(error):
            f(wrong)
    with pytest.raises(MissingInput):
        f()
    np.testing.assert_array_equal(w.get_value(), [0, 0, 0])
    f([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(w.get_value(), [1, 2, 3])


def test_a_result_never_shares_memory_with_a_shared_variable():
    w = go.shared(np.zeros(3), name="w")
    new = w + 1
    f = go.function([], [new, w], updates={w: new})
    first, old = f()
    first[:] = 100
    old[:] = 100
    np.testing.assert_array_equal(w.get_value(), [1, 1, 1])
    borrowed = w.get_value(borrow=True)
    f()
    np.testing.assert_array_equal(borrowed, [1, 1, 1])


@pytest.mark.parametrize(
    ("update", "error", "words"),
    [(lambda w: {w: T.cast(w, "float32")}, TypeMismatch, "new value of w is float32.3.; expected float64.3.: cast it"),
     (lambda w: {w: T.sum(w)}, ShapeMismatch, "new value of w is float64; expected"),
     (lambda w: {w: np.zeros(4)}, ShapeMismatch, "new value of w is float64.4.; expected"),
     (lambda w: {w: T.sum(w, keepdims=True)}, ShapeMismatch, "new value of w is float64.1."),
     (lambda w: [(w, w), (w, w + 1)], InvalidArgument, "updated twice"),
     (lambda w: {x: x + 1}, InvalidArgument, "made by go.shared; found"),
     (lambda w: [w], InvalidArgument, "pairs")],
)  # fmt: skip
def test_an_update_that_does_not_fit_is_refused_where_the_function_is_made(update, error, words):
    w = go.shared(np.zeros(3), name="w")
    with pytest.raises(error, match=words):
        go.function([], w, updates=update(w))


def test_a_shared_variable_is_no_input():
    w = go.shared(np.zeros(3), name="w")
    with pytest.raises(InvalidArgument, match="leave it out"):
        go.function([w], w + 1)


def test_checked_functions_check_updates_too():
    w = go.shared(np.ones(3), name="w")
    f = go.function([x], T.sum(w * x), updates={w: w * x}, mode="check")
    assert f([1.0, 2.0, 3.0]) == 6
    np.testing.assert_array_equal(w.get_value(), [1, 2, 3])


def test_text_without_compiling_knows_shared_variables():
    w = go.shared(np.ones(3), name="w")
    assert go.lower([x], T.sum(w * x)).kernels


def test_gradients_reach_shared_variables():
    w = go.shared(np.array([1.0, 2.0]), name="w")
    f = go.function([x], go.grad(T.sum(T.sqr(w * x)), w))
    np.testing.assert_allclose(f([3.0, 5.0]), [18, 100])


# --- the primer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ("c", "numpy"))
def test_linear_regression_learns_by_updates(target):
    chance = np.random.default_rng(0)
    data = chance.normal(size=(50, 3))
    wanted = data @ [1.0, -2.0, 0.5] + 0.25
    inputs, answers = T.matrix("inputs"), T.vector("answers")
    w, b = go.shared(np.zeros(3), name="w"), go.shared(0.0, name="b")
    cost = T.mean(T.sqr(T.dot(inputs, w) + b - answers))
    updates = [(value, value - 0.1 * slope) for value, slope in zip([w, b], go.grad(cost, [w, b]), strict=True)]
    train = go.function([inputs, answers], cost, updates=updates, target=target)
    costs = [float(train(data, wanted)) for _ in range(10)]

    weights, bias, expected = np.zeros(3), 0.0, []
    for _ in range(10):
        error = data @ weights + bias - wanted
        expected.append(np.mean(error**2))
        weights, bias = weights - 0.2 * data.T @ error / 50, bias - 0.2 * np.mean(error)
    np.testing.assert_allclose(costs, expected, rtol=1e-12)
    np.testing.assert_allclose(w.get_value(), weights, rtol=1e-12)
    np.testing.assert_allclose(b.get_value(), bias, rtol=1e-12)


# --- givens, defaults, forms ------------------------------------------------------------------------------------------


def test_givens_stand_for_variables_in_outputs_and_updates():
    data, w = go.shared(np.arange(6.0), name="data"), go.shared(0.0, name="w")
    start = T.lscalar("start")
    f = go.function([start], T.sum(x), updates={w: w + T.sum(x)}, givens={x: data * start})
    assert f(2) == 30 and w.get_value() == 30
    middle = T.exp(x)
    assert go.function([x], T.sum(middle), givens=[(middle, x)])([1.0, 2.0]) == 3


@pytest.mark.parametrize(
    ("givens", "error"),
    [({x: T.fvector("f")}, TypeMismatch), ({x: T.dmatrix("m")}, ShapeMismatch), ({"x": 1}, InvalidArgument),
     ([(x, x), (x, x)], InvalidArgument)],
)  # fmt: skip
def test_givens_that_do_not_fit_are_refused(givens, error):
    with pytest.raises(error):
        go.function([], T.sum(x), givens=givens)


def test_an_input_with_a_default_may_be_left_out():
    rate = T.dscalar("rate")
    f = go.function([x, go.In(rate, value=0.5)], x * rate)
    np.testing.assert_array_equal(f([2.0]), [1])
    np.testing.assert_array_equal(f([2.0], 3.0), [6])
    np.testing.assert_array_equal(f([2.0], rate=3), [6])
    first = go.function([go.In(rate, value=0.5), x], x * rate)
    np.testing.assert_array_equal(first(x=[2.0]), [1])
    with pytest.raises(MissingInput, match="x"):
        first(1.0)


def test_outputs_come_back_in_the_form_they_were_given_in():
    f = go.function([x], {"sums": [T.sum(x), (x + 1,)], "same": {"x": x, "two": 2.0}})
    result = f([1.0, 2.0])
    assert set(result) == {"sums", "same"} and result["sums"][0] == 3 and result["same"]["two"] == 2
    np.testing.assert_array_equal(result["sums"][1][0], [2, 3])
    outs = {"sums": [np.empty(()), [np.empty(2)]], "same": {"x": np.empty(2), "two": np.empty(())}}
    f.into(outs, [1.0, 2.0])
    np.testing.assert_array_equal(outs["same"]["x"], [1, 2])
    with pytest.raises(InvalidArgument, match="keys"):
        f.into({"sums": []}, [1.0, 2.0])
    with pytest.raises(InvalidArgument, match="list of 2 arrays"):
        f.into({**outs, "sums": []}, [1.0, 2.0])


@pytest.mark.parametrize(
    ("downcast", "value", "fits"),
    [(None, 0.1, True), (None, np.float64(0.1), False), (None, [1, 2], True), (True, np.array([0.1]), True),
     (True, np.array([3], "int64"), True), (False, 0.1, False), (False, 0.5, True), (False, np.float32(0.1), True)],
)  # fmt: skip
def test_arguments_lose_precision_only_where_it_is_allowed(downcast, value, fits):
    v = go.variable("v", f"float32{'' if np.ndim(value) == 0 else '[n]'}")
    f = go.function([v], v * 2, allow_input_downcast=downcast)
    if fits:
        np.testing.assert_array_equal(f(value), np.float32(value) * 2)
    else:
        with pytest.raises(TypeMismatch, match="float32"):
            f(value)


# --- copies and pickles -----------------------------------------------------------------------------------------------


def counter():
    count, step = go.shared(np.array([0.0, 10.0]), name="count"), T.dscalar("step")
    return count, go.function([go.In(step, value=1)], {"old": count}, updates={count: count + step}, name="counter")


def test_a_copy_may_have_shared_variables_of_its_own_and_no_updates():
    count, f = counter()
    other = go.shared(np.array([5.0, 5.0]), name="other")
    apart, still = f.copy(swap={count: other}, name="apart"), f.copy(delete_updates=True)
    np.testing.assert_array_equal(apart(2)["old"], [5, 5])
    np.testing.assert_array_equal(still()["old"], [0, 10])
    np.testing.assert_array_equal(count.get_value(), [0, 10])
    np.testing.assert_array_equal(other.get_value(), [7, 7])
    assert apart.name == "apart"
    with pytest.raises(InvalidArgument, match="does not use"):
        f.copy(swap={other: count})
    with pytest.raises(TypeMismatch, match="cannot stand for"):
        f.copy(swap={count: go.shared(1.0)})


def test_functions_pickled_together_go_on_sharing_their_variables():
    count, f = counter()
    f()
    g = go.function([], T.sum(count))
    f2, g2 = pickle.loads(pickle.dumps([f, g]))
    assert g2() == 12
    f2(step=4)
    assert g2() == 20 and g() == 12
    np.testing.assert_array_equal(count.get_value(), [1, 11])


def test_a_pickled_function_keeps_its_edited_source_and_its_ufunc():
    import sympy

    symbol = sympy.Symbol("a")
    f = go.function([symbol], symbol**2 + 1)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(f))([[1.0, 2.0]]), [[2, 5]])
    g = go.function([x], x + 3.0)
    edited = g.with_source(g.source.replace("3.0", "4.0"))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(edited))([1.0]), [5])
