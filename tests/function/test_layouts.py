"""Arguments that are not contiguous: their blocks, when they are read where they lie, and that results are the same."""

from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

import graphopt as go
import graphopt.tensor as T
from graphopt import layouts
from graphopt.graph import Graph
from graphopt.graph.build import topological
from graphopt.layouts import Layout, block_of, layout_of
from graphopt.runtime.process import compiler_runs
from graphopt.testing import strategies

A, B, v = T.matrix("A"), T.matrix("B"), T.vector("v")


@contextmanager
def reading_at_once():
    """Arguments of any size are read where they lie from the first call on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layouts, "LARGE", 0)
        patch.setattr(layouts, "WORTH_COMPILING", -1)
        patch.setattr(layouts, "MOST", 100)
        yield


@pytest.fixture
def at_once():
    with reading_at_once():
        yield


@st.composite
def parts(draw, ndim):
    """A view of an array: its axes exchanged, cut off, with steps of any sign, or stretched."""
    shape = draw(st.tuples(*[st.integers(1, 9)] * ndim))
    array = np.arange(np.prod(shape), dtype=float).reshape(shape)
    array = array.transpose(draw(st.permutations(range(ndim))))
    for axis in range(ndim):
        step = draw(st.sampled_from([1, 1, 2, 3, -1]))
        last = draw(st.integers(1, array.shape[axis]))
        array = array[(slice(None),) * axis + (slice(0, last),)][(slice(None),) * axis + (slice(None, None, step),)]
    return array


@given(parts(3))
def test_the_part_of_a_block_is_the_array(array):
    layout = layout_of(array)
    assume(layout is not None)
    block = block_of(array)
    assert block.flags.c_contiguous and block.ctypes.data == array.ctypes.data
    sizes = [array.shape[axis] for axis in layout.order]
    for axis, (size, longer) in enumerate(zip(sizes[1:], layout.longer, strict=True), 1):
        assert (block.shape[axis] > size) == longer
    steps = [stride for stride, size in zip(array.strides, array.shape, strict=True) if size > 1]
    inside = block.transpose(np.argsort([*layout.order, *([array.ndim] if layout.step != 1 else [])]))
    found = [stride for stride, size in zip(inside.strides, array.shape, strict=False) if size > 1]
    assert found == steps


@pytest.mark.parametrize(
    "array",
    [np.ones((3, 4))[::-1], np.broadcast_to(np.ones(4), (3, 4)), sliding_window_view(np.ones(9), 3), np.ones((0, 3)),
     np.ones(5, ">f8"), np.frombuffer(b"x" * 17, "u1")[1:].view("f8")],
)  # fmt: skip
def test_what_is_no_part_of_a_block_has_no_layout(array):
    assert layout_of(array) is None


def test_layouts_say_what_differs_and_no_sizes():
    matrix = np.ones((6, 8))
    assert layout_of(matrix.T) == Layout((1, 0), (False,), 1) == layout_of(np.ones((20, 30)).T)
    assert layout_of(matrix[:, :5]) == Layout((0, 1), (True,), 1)
    assert layout_of(matrix[:, ::2]) == Layout((0, 1), (False,), 2)


PROGRAMS = {
    "elementwise": ([A, B], T.exp(A) * 2 + B),
    "a transpose": ([A, B], A.T + B.T),
    "rows": ([A, B], T.softmax(A, axis=1) * B),
    "columns": ([A, B], T.sum(A * B, axis=0)),
    "everything": ([A, B], T.sum(A * A) + T.max(B)),
    "a product": ([A, B], A @ B.T),
    "a part": ([A, B], A[1:, ::2] - B[1:, ::2]),
    "an output that is an argument": ([A, B], [A, B * 1.0]),
    "a gradient": ([A, B], go.grad(T.sum(T.tanh(A) * B), [A, B])),
}


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("name", PROGRAMS)
def test_results_are_those_of_contiguous_arguments(name):
    inputs, outputs = PROGRAMS[name]
    function, expected = (go.function(inputs, outputs, target=target) for target in ("c", "numpy"))
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(40, 40))
    for first, second in [
        (whole[:12, :9].T, whole[20:29, 3:15]), (whole[:24:2, :9].T, whole[:9, :36:3]), (whole.T, whole[::1]),
        (np.asfortranarray(whole[:5, :6]), np.ascontiguousarray(whole[:5, :6])), (whole[:1].T, whole[:, :1]),
    ]:  # fmt: skip
        found = function(first, second)
        wanted = expected(np.ascontiguousarray(first), np.ascontiguousarray(second))
        pairs = zip(found, wanted, strict=True) if isinstance(found, list) else [(found, wanted)]
        for one, other in pairs:
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_one_form_serves_all_sizes_and_copies_nothing(at_once, monkeypatch):
    function = go.function([A], T.exp(A) + 1)
    function(np.ones((4, 5)))
    before = compiler_runs()
    copied = []
    monkeypatch.setattr("graphopt.variant.contiguous", lambda array, name: copied.append(name) or array)
    for rows, columns in [(3, 4), (100, 7), (8, 200)]:
        given = np.random.default_rng(0).normal(size=(columns, rows)).T
        np.testing.assert_allclose(function(given), np.exp(given) + 1, rtol=1e-15)
    assert compiler_runs() <= before + 1
    assert copied == []


def test_arguments_may_be_called_anything(at_once):
    """Sizes are identifiers, and names of arguments need not be."""
    first, second = go.variable("λ 1", "float64[m, n]"), go.variable("a-b", "float64[m, n]")
    function = go.function([first, second], first - second)
    given = np.arange(80.0).reshape(8, 10)
    np.testing.assert_array_equal(function(given[:, :7], given[:, 3:]), given[:, :7] - given[:, 3:])


def test_arguments_are_copied_until_that_has_cost_as_much_as_compiling(monkeypatch):
    monkeypatch.setattr(layouts, "WORTH_COMPILING", 3 * 80_000)
    function = go.function([A], A + 1)
    given = np.ones((100, 100)).T
    for _ in range(3):
        function(given)
    assert len(function._variants) == 1
    np.testing.assert_array_equal(function(given), given + 1)
    assert len(function._variants) == 2
    np.testing.assert_array_equal(function(given), given + 1)
    small = np.ones((10, 10)).T
    for _ in range(100):
        function(small)
    assert len(function._variants) == 2


def test_a_result_may_lie_behind_an_argument_in_its_block(at_once):
    """The block of two rows has a gap behind the second one; what lies there is not read."""
    memory = np.zeros((2, 100))
    function = go.function([A], T.sum(A, axis=1))
    given, out = memory[:, :5], memory[1, 50:52]
    given[...] = 3
    function.into(out, given)
    np.testing.assert_array_equal(out, [15, 15])


@settings(max_examples=30)
@given(parts(2), parts(2))
def test_any_views_give_what_their_copies_do(first, second):
    rows, columns = min(first.shape[0], second.shape[0]), min(first.shape[1], second.shape[1])
    first, second = first[:rows, :columns], second[:rows, :columns]
    with reading_at_once():
        found = FOLLOWED(first, second)
    np.testing.assert_array_equal(found, first * 2 + second)


FOLLOWED = go.function([A, B], A * 2 + B, name="followed")


def spread(array, how):
    """The same values elsewhere in memory: transposed, with gaps behind rows, or every second element."""
    if how == "transposed" or not array.ndim:
        return np.array(array, order="F")
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1] + 1), array.dtype)
    view = wide[..., : array.shape[-1]] if how == "gaps" else wide[..., : 2 * array.shape[-1] : 2]
    view[...] = array
    return view


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.data(), st.sampled_from(["transposed", "gaps", "steps"]))
def test_random_programs_compute_the_same_wherever_arguments_lie(data, how):
    outputs = data.draw(st.lists(strategies.expressions(dtypes=("float64",)), min_size=1, max_size=3))
    inputs = [v for v in topological(outputs) if v.op.name == "input"]
    arrays = data.draw(strategies.inputs_for(Graph.from_outputs(inputs, outputs)))
    function = go.function(inputs, outputs)
    expected = function(**arrays)
    with reading_at_once():
        found = function(**{name: spread(array, how) for name, array in arrays.items()})
    for one, other in zip(found, expected, strict=True):
        scale = np.abs(other[np.isfinite(other)]).max(initial=1.0)
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-9 * scale)
