"""Basic indexing and what is put together from parts: NumPy's values, shapes and dtypes, in every target."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument, ShapeMismatch, TypeMismatch, UnsupportedExpression
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.ops import gather as ops
from graphopt.rewrite import V

TARGETS = ("numpy", "c", "cuda-emulated")
SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)


def keys(shape):
    """Keys that NumPy takes: slices with bounds beyond the ends and negative steps, integers, None, an ellipsis."""
    return hnp.basic_indices(shape, allow_newaxis=True, max_dims=5) | st.tuples(
        *[st.slices(max(size, 1) + 2) for size in shape]
    )


def values(shape, dtype="float64"):
    return (np.arange(np.prod(shape, dtype=int)) % 7 + 1).astype(dtype).reshape(shape)


def variables(shape, dtype="float64"):
    """The same array with known sizes, and with sizes that have names."""
    yield go.variable("x", f"{dtype}[{', '.join(map(str, shape))}]")
    yield go.variable("x", f"{dtype}[{', '.join('nmk'[: len(shape)])}]")


def compared(targets, x, expressions, array, expected):
    for target in targets:
        results = go.function([x], list(expressions), target=target, on_unused_input="ignore")(array)
        for result, wanted in zip(results, expected, strict=True):
            assert result.dtype == wanted.dtype and result.shape == wanted.shape
            np.testing.assert_array_equal(result, wanted)


@settings(max_examples=60)
@given(st.data())
def test_a_part_is_the_part_that_numpy_takes(data):
    shape = data.draw(SHAPES)
    array, key = values(shape), data.draw(keys(shape))
    for x in variables(shape):
        (result,) = interpret(Graph.from_outputs([x], x[key]), {"x": array}).values()
        assert result.shape == array[key].shape
        np.testing.assert_array_equal(result, array[key])


@settings(max_examples=6)
@given(st.data())
def test_parts_are_the_same_in_c_and_cuda(data):
    shape = data.draw(SHAPES)
    chosen = data.draw(st.lists(keys(shape), min_size=8, max_size=8))
    array = values(shape, "float32")
    for x in variables(shape, "float32"):
        expressions = [part for key in chosen for part in (x[key], T.sqr(x)[key] + 1)]
        expected = [part for key in chosen for part in (array[key], array[key] ** 2 + 1)]
        compared(("c", "cuda-emulated"), x, expressions, array, expected)


@settings(max_examples=30)
@given(st.data())
def test_what_is_put_in_stands_where_numpy_puts_it(data):
    shape = data.draw(SHAPES)
    array, key = values(shape), data.draw(keys(shape))
    replaced, increased = array.copy(), array.copy()
    replaced[key] = 50 + array[key]
    increased[key] += 3
    for x in variables(shape):
        outputs = [T.set_subtensor(x[key], 50 + x[key]), T.inc_subtensor(x[key], 3), x.at[key].add(3)]
        results = interpret(Graph.from_outputs([x], outputs), {"x": array}).values()
        for result, wanted in zip(results, (replaced, increased, increased), strict=True):
            np.testing.assert_array_equal(result, wanted)


A = values((4, 5))
SELECTED = {
    "set": lambda x: x.at[1:, 0].set(7),
    "reversed": lambda x: T.inc_subtensor(x[::-2, ::2], x[:2, :3]),
    "multiply": lambda x: x.at[:, -1].multiply([1, 2, 3, 4]),
    "max": lambda x: x.at[0].max(3),
    "min": lambda x: x.at[0].min(3),
    "whole": lambda x: T.set_subtensor(x[:], 2),
}


def in_numpy(name, a):
    a = a.copy()
    match name:
        case "set":
            a[1:, 0] = 7
        case "reversed":
            a[::-2, ::2] += a[:2, :3].copy()
        case "multiply":
            a[:, -1] *= [1, 2, 3, 4]
        case "max":
            a[0] = np.maximum(a[0], 3)
        case "min":
            a[0] = np.minimum(a[0], 3)
        case "whole":
            a[:] = 2
    return a


def test_parts_may_be_set_added_to_multiplied_and_bounded_in_every_target():
    for x in variables((4, 5)):
        compared(TARGETS, x, [make(x) for make in SELECTED.values()], A, [in_numpy(name, A) for name in SELECTED])


JOINED = {
    "concatenate": (lambda x, on: on.concatenate([x, x[:1] * 2, x[:0]], axis=0)),
    "concatenate columns": (lambda x, on: on.concatenate([x, x + 1], axis=-1)),
    "concatenate all": (lambda x, on: on.concatenate([x, x], axis=None)),
    "stack": (lambda x, on: on.stack([x, x + 1, x], axis=1)),
    "split": (lambda x, on: on.split(x, 2)[1]),
    "split at": (lambda x, on: on.split(x, [1, 3], axis=1)[1]),
    "flip": (lambda x, on: on.flip(x)),
    "flip rows": (lambda x, on: on.flip(x, axis=0)),
    "diff": (lambda x, on: on.diff(x, axis=0)),
    "second diff": (lambda x, on: on.diff(x, n=2)),
    "pad": (lambda x, on: on.pad(x, ((1, 2), (0, 1)), constant_values=3)),
    "pad all": (lambda x, on: on.pad(x, 1)),
}


def test_joined_and_rearranged_arrays_are_numpys_in_every_target():
    for x in variables((4, 5)):
        compared(TARGETS, x, [make(x, T) for make in JOINED.values()], A, [make(A, np) for make in JOINED.values()])
    known = go.variable("x", "float64[4, 5]")
    rolls = [(1, 0), (-2, 1), (9, 1), (3, None), (0, 0)]
    compared(TARGETS, known, [T.roll(known, *roll) for roll in rolls], A, [np.roll(A, *roll) for roll in rolls])


def test_joined_arrays_have_the_dtype_that_numpy_gives_them():
    x = go.variable("x", "int32[n]")
    array = np.arange(3, dtype="int32")
    compared(("c",), x, [T.concatenate([x, x * 0.5]), T.stack([x, x > 1])], array,
             [np.concatenate([array, array * 0.5]), np.stack([array, array > 1])])  # fmt: skip


@pytest.mark.parametrize("name", [*JOINED, *(name for name in SELECTED if name != "whole")])
def test_derivatives_reach_parts(name):
    make = (lambda x: JOINED[name](x, T)) if name in JOINED else SELECTED[name]
    x = go.variable("x", "float64[4, 5]")
    y = make(x)
    weights = np.random.default_rng(0).normal(size=y.size).reshape(y.shape)
    cost = T.sum(T.sqr(y) * weights)
    cost_of, slope_of = (Graph.from_outputs([x], value) for value in (cost, go.grad(cost, x)))

    def at(graph, point):
        return next(iter(interpret(graph, {"x": point}).values()))

    point, step = A + 0.25, 2.0**-10
    for k in np.ndindex(point.shape):  # a quadratic: central differences are exact but for rounding
        moved = np.zeros_like(point)
        moved[k] = step
        central = (at(cost_of, point + moved) - at(cost_of, point - moved)) / (2 * step)
        np.testing.assert_allclose(at(slope_of, point)[k], central, rtol=1e-8, atol=1e-8)


def test_a_sum_of_differences_is_one_program_for_every_length():
    x = go.variable("x", "float64[n]")
    total = go.function([x], T.sum(T.sqr(x[1:] - x[:-1])))
    for n in (0, 1, 2, 5, 1000):
        array = np.random.default_rng(n).normal(size=n)
        np.testing.assert_allclose(total(array), np.sum(np.diff(array) ** 2), rtol=1e-12)


@pytest.mark.parametrize(
    ("key", "error", "words"),
    [(np.s_[4], IndexError, "outside axis 0 of 4"), (np.s_[-5], IndexError, "outside axis 0"),
     (np.s_[0, 0, 0], IndexError, "3 indices"), (np.s_[..., ...], IndexError, "more than one ellipsis"),
     (np.s_[::0], InvalidArgument, "step"), (np.s_[1.5], TypeMismatch, "made of integers"),
     (np.s_[True], UnsupportedExpression, "truth value"), (np.s_[[0, 4]], IndexError, "outside axis 0 of 4")],
)  # fmt: skip
def test_what_is_no_part_is_refused_where_it_is_written(key, error, words):
    with pytest.raises(error, match=words):
        go.variable("x", "float64[4, 5]")[key]


def test_an_element_that_is_not_there_is_named_by_the_call():
    x = go.variable("x", "float64[n]")
    for target in TARGETS:
        f = go.function([x], [x[3], x[-2]], target=target)
        np.testing.assert_array_equal(f([1.0, 2, 3, 4]), [4, 3])
        with pytest.raises(ShapeMismatch, match="size n is 3: there is no element at index 3"):
            f([1.0, 2, 3])


def test_what_does_not_fit_is_not_put_in():
    x = go.variable("x", "float64[4, 5]")
    with pytest.raises(ShapeMismatch):
        T.set_subtensor(x[0], np.zeros(4))
    with pytest.raises(TypeMismatch, match="cast it first"):
        T.set_subtensor(go.variable("i", "int32[3]")[0], x[0, 0])
    with pytest.raises(ShapeMismatch):
        T.concatenate([x, x.T], axis=0)
    with pytest.raises(TypeMismatch, match="rank"):
        V("x")[0]


def test_a_variable_of_known_length_can_be_iterated_over():
    x = go.variable("x", "float64[3, n]")
    assert [str(row.type) for row in x] == ["float64[n]"] * 3
    first, second = go.variable("p", "float64[2]")
    assert first.ndim == second.ndim == 0
    with pytest.raises(InvalidArgument, match="unknown length"):
        iter(go.variable("y", "float64[n]"))


def test_a_part_of_an_input_is_read_where_it_lies():
    x = go.variable("x", "float64[n, m]")
    f = go.function([x], T.exp(x[1:, ::-2]))
    assert len(f.kernels) == 1 and f.kernels[0].loads == 1


@pytest.mark.parametrize("target", ["numpy", "c"])
def test_where_there_are_no_positions_an_axis_may_be_empty(target):
    m = T.matrix("m")
    rows, second = T.arange(m.shape[0]), 1
    outputs = [ops.gather(m, rows, second), ops.scatter(m, rows * 1.0, rows, second, mode="set")]
    f = go.function([m], outputs, target=target)
    assert [found.shape for found in f(np.zeros((0, 0)))] == [(0,), (0, 0)]
    picked, written = f(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert picked.tolist() == [2.0, 4.0] and written.tolist() == [[1.0, 0.0], [3.0, 1.0]]
