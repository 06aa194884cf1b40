"""Indexing by arrays of integers and of truth values: read, written, differentiated and checked as NumPy does it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import IndexOutOfRange, InvalidArgument, ShapeMismatch, TypeMismatch, UnsupportedExpression
from graphopt.graph import Graph
from graphopt.interpret import interpret

TARGETS = ["numpy", "c", "cuda-emulated"]
RNG = np.random.default_rng(5)
WHOLE = RNG.permutation(60).reshape(3, 4, 5) / 8.0
ROWS = np.array([0, 2, -1, 1, -3, 0, 0])
PAIRS = RNG.integers(-3, 3, (2, 7)).astype("int32")
ONE = np.int64(-2)
ALL = slice(None)

# Each key is written once, for arrays and for variables; the comments say which rule of NumPy's it is about.
KEYS = {
    "rows": lambda i, j, s: i,
    "points": lambda i, j, s: (i, j),
    "inner axis": lambda i, j, s: (ALL, i),
    "apart: to the front": lambda i, j, s: (0, ALL, i),
    "side by side: in place": lambda i, j, s: (ALL, i, j),
    "apart by an ellipsis": lambda i, j, s: (i, ..., i),
    "apart by a new axis": lambda i, j, s: (i, None, i),
    "new axis first": lambda i, j, s: (None, i, slice(1, None, 2)),
    "scalar": lambda i, j, s: s,
    "two scalars": lambda i, j, s: (s, s),
    "flipped": lambda i, j, s: (slice(None, None, -1), s, i),
    "last axis": lambda i, j, s: (..., j),
    "every axis": lambda i, j, s: (i, i, i),
    "numbers among arrays": lambda i, j, s: (1, i, 2),
    "lists": lambda i, j, s: ([0, 1], ALL, [[1], [2]]),
    "a known mask": lambda i, j, s: (ALL, np.array([True, False, True, True])),
    "a mask of two axes": lambda i, j, s: np.array([[True, False, True, True]] * 3),
    "a slice between": lambda i, j, s: (i, slice(-2, None), s),
    "nothing": lambda i, j, s: ([],),
    "no pairs": lambda i, j, s: ([], i[:0]),
}  # fmt: skip


def everything(x, i, j, s):
    """For each key, what is read, set, added to and bounded: of variables."""
    results = {}
    for name, key in KEYS.items():
        part = x[key(i, j, s)]
        results[name] = [part, T.set_subtensor(part, part * 0.5), T.inc_subtensor(part, 2.0),
                         x.at[key(i, j, s)].max(3.0), x.at[key(i, j, s)].min(3.0)]  # fmt: skip
    return results


def everything_of_arrays(x, i, j, s):
    results = {}
    for name, key in KEYS.items():
        where = key(i, j, s)
        copies = [x.copy() for _ in range(4)]
        copies[0][where] = x[where] * 0.5
        for ufunc, value, copy in zip((np.add, np.maximum, np.minimum), (2.0, 3.0, 3.0), copies[1:], strict=True):
            ufunc.at(copy, where, value)
        results[name] = [x[where], *copies]
    return results


@pytest.mark.parametrize(
    ("target", "shape"), [("numpy", "3, 4, 5"), ("c", "3, 4, 5"), *((target, "a, b, c") for target in TARGETS)]
)
def test_every_kind_of_key_reads_and_writes_what_numpys_does(target, shape):
    x, i = go.variable("x", f"float64[{shape}]"), go.variable("i", "int64[k]")
    j, s = go.variable("j", "int32[2, k]"), go.variable("s", "int64")
    quick = go.Options(extra_flags=("-O1",))  # there are some 200 kernels
    function = go.function([x, i, j, s], everything(x, i, j, s), target=target, options=quick)
    expected = everything_of_arrays(WHOLE, ROWS, PAIRS, ONE)
    for name, found in function(WHOLE, ROWS, PAIRS, ONE).items():
        for one, other in zip(found, expected[name], strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name, strict=True)


@st.composite
def keys(draw, shape):
    """A key with at least one array, for an array of this shape without empty axes."""
    count = draw(st.integers(1, len(shape)))
    common = draw(st.sampled_from([(), (2,), (3, 2), (0,), (1,)]))
    key = []
    for size in shape[:count]:
        form = draw(st.sampled_from(["array", "slice", "number", "array"]))
        if form == "array":
            stretched = tuple(draw(st.sampled_from([n, 1])) if n else n for n in common)
            numbers = st.lists(st.integers(-size, size - 1), min_size=int(np.prod(stretched)),
                               max_size=int(np.prod(stretched)))  # fmt: skip
            key.append(np.array(draw(numbers), np.int64).reshape(stretched))
        else:
            key.append(draw(st.integers(-size, size - 1) if form == "number" else st.slices(size)))
    key.insert(draw(st.integers(0, len(key))), draw(st.sampled_from([None, ...])))
    return (*key, np.zeros(common, np.int64)) if count < len(shape) else tuple(key)


@settings(max_examples=150)
@given(st.data())
def test_a_key_of_arrays_slices_and_numbers_selects_what_numpy_selects(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    key = data.draw(keys(shape))
    array = np.arange(np.prod(shape)).reshape(shape)
    x = go.variable("x", f"int64[{', '.join(map(str, shape))}]")
    found = interpret(Graph.from_outputs([x], {"part": x[key]}), {"x": array})["part"]
    np.testing.assert_array_equal(found, array[key], strict=True)
    changed = array.copy()
    changed[key] = -1
    found = interpret(Graph.from_outputs([x], {"all": x.at[key].set(-1)}), {"x": array})["all"]
    np.testing.assert_array_equal(found, changed, strict=True)


def slope_by_differences(cost, arguments, position, step=1e-6):
    array = arguments[position]
    slope = np.zeros_like(array)
    for k in np.ndindex(array.shape):
        values = []
        for sign in (1, -1):
            moved = array.copy()
            moved[k] += sign * step
            values.append(cost(*arguments[:position], moved, *arguments[position + 1 :]))
        slope[k] = (values[0] - values[1]) / (2 * step)
    return slope


@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("mode", ["set", "add", "max", "min"])
def test_derivatives_of_reading_and_writing_hold_where_places_occur_twice(mode, target):
    x, v = go.variable("x", "float64[n, 3]"), go.variable("v", "float64[k, 3]")
    i = go.variable("i", "int64[k]")
    weights = np.linspace(1, 2, 3)
    cost = T.sum(T.sin(getattr(x.at[i], mode)(v)) * weights) + T.sum(x[i] ** 2)
    slopes = go.function([x, v, i], go.grad(cost, [x, v]), target=target)
    arguments = [RNG.normal(size=(4, 3)), RNG.normal(size=(5, 3)), np.array([0, 2, 2, -1, 0])]
    of_arrays = go.function([x, v, i], cost, target="numpy")
    for position, slope in enumerate(slopes(*arguments)):
        np.testing.assert_allclose(slope, slope_by_differences(of_arrays, arguments, position), rtol=1e-6, atol=1e-8)


def test_second_derivatives_pass_through_gathers_and_scatters():
    x, i = go.variable("x", "float64[n]"), go.variable("i", "int64[k]")
    slope = T.sum(T.cos(go.grad(T.sum(T.exp(x[i]) * x[i]), x)))
    second = go.function([x, i], go.grad(slope, x))
    arguments = [RNG.normal(size=4), np.array([3, 1, 1, 0])]
    cost = go.function([x, i], slope, target="numpy")
    np.testing.assert_allclose(second(*arguments), slope_by_differences(cost, arguments, 0), rtol=1e-6, atol=1e-8)


def test_a_gather_of_computed_positions_is_one_kernel_with_what_is_done_to_it():
    logits, labels = T.matrix("logits"), T.lvector("labels")
    picked = T.exp(logits[T.arange(logits.shape[0]), labels] * 2)
    function = go.function([logits, labels], picked, options=go.Options(check_bounds=False))
    assert len(function.kernels) == 1


@pytest.mark.parametrize("target", TARGETS)
def test_an_index_outside_its_axis_is_an_error_of_the_call_that_changes_nothing(target):
    table, count = go.shared(np.zeros(3), name="table"), go.shared(0, name="count")
    i = T.lvector("i")
    function = go.function([i], table[i], updates={table: table.at[i].add(1.0), count: count + 1}, target=target)
    for wrong in ([0, 3], [-4]):
        with pytest.raises(IndexError, match=r"outside axis 0 of 3 elements.*test_integer_arrays"):
            function(wrong)
    assert table.get_value().tolist() == [0, 0, 0] and count.get_value() == 0
    function([0, -1])
    assert table.get_value().tolist() == [1, 0, 1] and count.get_value() == 1


@pytest.mark.parametrize("target", TARGETS)
def test_without_the_check_an_index_outside_counts_as_the_nearest_one(target):
    x, i = T.vector("x"), T.lvector("i")
    function = go.function([x, i], x[i], target=target, options=go.Options(check_bounds=False))
    assert function([1.0, 2.0, 3.0], [7, -9, 1]).tolist() == [3, 1, 2]
    with pytest.raises(ShapeMismatch):
        function([], [0])
    assert function([], np.zeros(0, np.int64)).shape == (0,)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [(lambda x, i: x[np.array([0, 4])], IndexOutOfRange, "index 4 is outside axis 0 of 4"),
     (lambda x, i: x[T.vector("f")], TypeMismatch, "made of integers"),
     (lambda x, i: x[i, i, i], IndexOutOfRange, "3 indices"),
     (lambda x, i: x[T.scalar("s") > 0], UnsupportedExpression, "single truth value"),
     (lambda x, i: x[np.ones((4, 3), bool)[0]], IndexOutOfRange, "mask"),
     (lambda x, i: x.at[i].set(np.zeros((2, 2))), ShapeMismatch, "does not fit"),
     (lambda x, i: T.set_subtensor(3, 1.0), InvalidArgument, "indexing expression"),
     (lambda x, i: T.take(x, i, mode="nearest"), InvalidArgument, "'wrap'"),
     (lambda x, i: T.take_along_axis(x, i, 0), InvalidArgument, "rank")],
)  # fmt: skip
def test_what_selects_nothing_gets_one_clear_error(make, error, words):
    with pytest.raises(error, match=words):
        make(go.variable("x", "float64[4, 3]"), go.variable("i", "int64[5]"))


@pytest.mark.parametrize("target", TARGETS)
def test_take_and_its_modes_are_numpys(target):
    x, i, a = go.variable("x", "float64[n, m]"), go.variable("i", "int64[2, k]"), go.variable("a", "int64[n, j]")
    f = go.function([x, i, a], [T.take(x, i), T.take(x, i, 1), T.take(x, i, 0, "wrap"), T.take(x, i, 1, mode="clip"),
                                T.take_along_axis(x, a, 1), np.take(x, i, axis=0)], target=target)  # fmt: skip
    x, i, a = RNG.normal(size=(3, 4)), np.array([[0, 2, 1], [2, 2, 0]]), np.array([[0, -1], [2, 2], [1, 0]])
    expected = [np.take(x, i), np.take(x, i, 1), np.take(x, i, 0), np.take(x, i, 1), np.take_along_axis(x, a, 1),
                np.take(x, i, axis=0)]  # fmt: skip
    for one, other in zip(f(x, i, a), expected, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
    wild = i * 7 - 9
    found = go.function([], [T.take(x, wild, 0, "wrap"), T.take(x, wild, 1, "clip")], target=target)()
    np.testing.assert_array_equal(found[0], np.take(x, wild, 0, mode="wrap"))
    np.testing.assert_array_equal(found[1], np.take(x, wild, 1, mode="clip"))


def test_a_mask_that_varies_needs_no_shape_where_values_are_set():
    x, m = go.variable("x", "float64[n, 2]"), go.variable("m", "bool[n]")
    f = go.function([x, m], [x.at[m].set(0.0), x.at[m].add([1.0, 2.0]), x.at[x > 1].multiply(2.0), x.at[m].max(0.5)])
    array, mask = RNG.normal(size=(5, 2)), np.array([True, False, True, True, False])
    zeroed, added, doubled, bounded = (array.copy() for _ in range(4))
    zeroed[mask] = 0
    added[mask] += [1, 2]
    doubled[array > 1] *= 2
    bounded[mask] = np.maximum(bounded[mask], 0.5)
    for one, other in zip(f(array, mask), (zeroed, added, doubled, bounded), strict=True):
        np.testing.assert_array_equal(one, other)


def test_indices_into_nothing_are_an_error_that_says_which_size_is_0():
    x, i = go.variable("x", "float64[n]"), go.variable("i", "int64[k]")
    function = go.function([x, i], x[i], target="numpy")
    assert function(np.zeros(0), np.zeros(0, "int64")).shape == (0,)
    with pytest.raises(ShapeMismatch, match="size n is 0: indices pick no element along it"):
        function(np.zeros(0), np.array([0]))


def test_positions_take_no_memory():
    n, m = T.matrix("x").shape
    x = go.variable("x", go.TensorType("float64", (n, m)))
    i, j = T.arange(n), T.arange(m)
    function = go.function([x], [x * (i[:, None] >= j[::-1]), T.arange(n * m).reshape((m, n)).T + 1])
    assert not [b for b in function.program.buffers.values() if b.role == "temporary"]
    below, counted = function(np.ones((2, 3)))
    np.testing.assert_array_equal(below, np.arange(2)[:, None] >= np.arange(3)[::-1])
    np.testing.assert_array_equal(counted, np.arange(6).reshape(3, 2).T + 1)
