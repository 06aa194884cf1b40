"""Reading by masks that are computed: lengths that the program counts, in every target, as NumPy has them."""

import pickle
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import CheckFailed, IndexOutOfRange, InvalidArgument, ShapeMismatch
from graphopt.graph import Graph
from graphopt.interpret import interpret

TARGETS = ["numpy", "c", "cuda-emulated"]

# Each program is written once, for arrays and for variables: `x` a matrix, `v` as long as its columns, `w` as its rows.
READ = {
    "elements": lambda np, x, v, w: x[x > 0],
    "rows": lambda np, x, v, w: x[v > 0],
    "columns": lambda np, x, v, w: x[:, w > 0],
    "rows of a column": lambda np, x, v, w: x[v > 0, -1],
    "with a new axis": lambda np, x, v, w: x[None, v > 0, ...],
    "with a slice": lambda np, x, v, w: x[v > 0, 1:],
    "with an array": lambda np, x, v, w: x[v > 0, np.zeros_like(v[v > 0], dtype="int64")],
    "with one position": lambda np, x, v, w: x[v > 0, [1]],
    "rows, then columns": lambda np, x, v, w: x[v > 0][:, w > 0],
    "of what was chosen": lambda np, x, v, w: v[v > 0][v[v > 0] < 2],
    "from the back": lambda np, x, v, w: v[v > 0][::-1],
    "all but the first": lambda np, x, v, w: v[v > 0][1:],
    "differences": lambda np, x, v, w: np.diff(v[v > 0]),
    "two arrays": lambda np, x, v, w: v[v > 0] + x[v > 0, 0],
    "a transposed array": lambda np, x, v, w: x.T[x.T > 0],
    "a mask made of two": lambda np, x, v, w: x[(x > 0) & (x < 2)],
    "positions": lambda np, x, v, w: np.nonzero(x > 0)[1],
    "flat positions": lambda np, x, v, w: np.flatnonzero(x),
    "rows of positions": lambda np, x, v, w: np.argwhere(x > 0),
    "where, without values": lambda np, x, v, w: np.where(x > 1)[0],
    "compressed": lambda np, x, v, w: np.compress(w > 0, x, axis=1),
    "extracted": lambda np, x, v, w: np.extract(x > 0, x),
    "distinct": lambda np, x, v, w: np.unique(x),
    "how often": lambda np, x, v, w: np.unique(x, return_counts=True)[1],
    "joined": lambda np, x, v, w: np.concatenate([v[v > 0], w, v[v > 1]]),
    "sorted by the host": lambda np, x, v, w: np.sort(v[v > 0]) * 2,
    "running sums": lambda np, x, v, w: np.cumsum(v[v > 0]),
    "sum": lambda np, x, v, w: x[x > 0].sum(),
    "sums of columns": lambda np, x, v, w: x[v > 0].sum(axis=0),
    "how many": lambda np, x, v, w: np.ones_like(x[x > 0]).sum(),
    "only a shape": lambda np, x, v, w: np.zeros_like(x[v > 0]),
    "scalar product": lambda np, x, v, w: v[v > 0] @ v[v > 0],
    "matrix product": lambda np, x, v, w: x[v > 0].T @ x[v > 0],
    "outer product": lambda np, x, v, w: np.outer(v[v > 0], w[w > 0]),
    "centred": lambda np, x, v, w: v[v > 0] - v[v > 0].sum() / np.ones_like(v[v > 0]).sum(),
}  # fmt: skip


def shares(np, z):
    e = np.exp(z)
    return e / np.sum(e)


WRITTEN = {
    "chosen, changed and put back": lambda x, v, w: x.at[x > 0].set(x[x > 0] * 10),
    "rows put back": lambda x, v, w: x.at[v > 0].set(-x[v > 0]),
    "elements of another array": lambda x, v, w: v.at[v > 0].add(x[v > 0, 0]),
    "one value": lambda x, v, w: x.at[x > 0].set(7.0),
    "a row": lambda x, v, w: T.set_subtensor(x[v > 0], w),
    "of what was chosen, against itself": lambda x, v, w: v[v > 0].at[v[v > 0] > 1].add(v[v > 0]),
    "a part of a mask": lambda x, v, w: T.inc_subtensor(x[v > 0, :1], 2.0),
}


def written_in_place(x, v, w):
    a, b, c, d, e, f = x.copy(), x.copy(), v.copy(), x.copy(), x.copy(), x.copy()
    chosen = v[v > 0]
    a[x > 0] = x[x > 0] * 10
    b[v > 0] = -x[v > 0]
    c[v > 0] += x[v > 0, 0]
    d[x > 0] = 7
    e[v > 0] = w
    f[v > 0, :1] += 2
    return dict(zip(WRITTEN, (a, b, c, d, e, np.where(chosen > 1, 2 * chosen, chosen), f), strict=True))


def operands(**sizes):
    n, m = sizes.get("n", "n"), sizes.get("m", "m")
    return [
        go.variable("x", f"float64[{n}, {m}]"),
        go.variable("v", f"float64[{n}]"),
        go.variable("w", f"float64[{m}]"),
    ]


@cache
def compiled(target):
    given = operands()
    programs = {name: program(T, *given) for name, program in READ.items()}
    programs["shares"] = shares(T, given[1][given[1] > 0])
    programs |= {name: program(*given) for name, program in WRITTEN.items()}
    return go.function(given, programs, target=target)


def numpys(x, v, w):
    with np.errstate(all="ignore"):
        found = {name: program(np, x, v, w) for name, program in READ.items()}
        return found | {"shares": shares(np, v[v > 0])} | written_in_place(x, v, w)


def held(target, arrays):
    found, expected = compiled(target)(*arrays), numpys(*arrays)
    assert found.keys() == expected.keys()
    for name, wanted in expected.items():
        np.testing.assert_allclose(found[name], wanted, rtol=1e-12, err_msg=name)
        assert found[name].shape == np.shape(wanted), name
        assert found[name].dtype == np.asarray(wanted).dtype, name


@st.composite
def drawn_operands(draw):
    """Arrays of any size whose masks choose nothing, something or everything."""
    n, m = draw(st.integers(0, 5)), draw(st.integers(2, 4))
    pool = draw(st.sampled_from([(-1.0, -0.5), (0.0, 1.0, 2.0, -1.0, 0.25), (3.0, 0.5)]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return tuple(random.choice(pool, shape) for shape in ((n, m), (n,), (m,)))


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=12)
@given(drawn_operands())
@example((np.zeros((0, 2)), np.zeros(0), np.ones(2)))
@example((-np.ones((3, 2)), -np.ones(3), -np.ones(2)))
@example((np.ones((3, 2)), np.ones(3), np.ones(2)))
def test_one_compiled_program_chooses_what_numpy_chooses_however_much_it_is(target, arrays):
    held(target, arrays)


@settings(max_examples=30)
@given(st.data())
def test_masks_of_any_axes_beside_other_keys_select_what_numpy_selects(data):
    shape = tuple(data.draw(st.lists(st.integers(2, 3), min_size=1, max_size=4)))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    first = data.draw(st.integers(0, len(shape) - 1))
    rank = data.draw(st.integers(1, len(shape) - first))
    mask = random.random(shape[first : first + rank]) < data.draw(st.sampled_from([0.0, 0.5, 1.0]))
    others = st.sampled_from([slice(None), slice(None, None, -1), 1, -1])
    before, after = ([data.draw(others) for _ in range(k)] for k in (first, len(shape) - first - rank))
    array = random.normal(size=shape)
    x, m = go.variable("x", go.TensorType("float64", shape)), go.variable("m", go.TensorType("bool", mask.shape))
    results = {"read": x[(*before, m, *after)], "set": T.set_subtensor(x[(*before, m, *after)], 3.0)}
    graph = Graph.from_outputs([x, m], results)
    graph.verify()
    found = interpret(graph, {"x": array, "m": mask})
    np.testing.assert_array_equal(found["read"], array[(*before, mask, *after)], strict=True)
    changed = array.copy()
    changed[(*before, mask, *after)] = 3
    np.testing.assert_array_equal(found["set"], changed, strict=True)


COSTS = {
    "squares": lambda np, x, v: (x[v > 0] ** 2).sum(),
    "elements": lambda np, x, v: (x[x > 0] ** 3).sum() * v.sum(),
    "products": lambda np, x, v: (x[v > 0].T @ x[v > 0]).sum(),
    "running": lambda np, x, v: (np.cumsum(v[v > 0]) * v[v > 0]).sum(),
    "mean": lambda np, x, v: v[v > 0].sum() / np.ones_like(v[v > 0]).sum() * x.sum(),
    "shares": lambda np, x, v: (shares(np, v[v > 0]) * x[v > 0, 0]).sum(),
    "only a length": lambda np, x, v: (v[v > 0] - x[0, 0]).sum(),
    "distinct": lambda np, x, v: (np.unique(v) * np.unique(v)[::-1]).sum(),
    "twice": lambda np, x, v: (x[v > 0][:, 1][v[v > 0] < 1] ** 2).sum(),
}


@pytest.mark.parametrize("target", TARGETS)
def test_derivatives_agree_with_finite_differences(target):
    x, v, _ = operands()
    gradients = {name: go.grad(cost(T, x, v), [x, v], disconnected_inputs="ignore") for name, cost in COSTS.items()}
    function = go.function([x, v], gradients, target=target)
    random = np.random.default_rng(3)
    arrays = random.normal(size=(4, 2)), np.array([0.5, -1.0, 2.0, 0.75])
    for name, found in function(*arrays).items():
        for position, slope in enumerate(found):
            differences = np.zeros_like(slope)
            for place in np.ndindex(slope.shape):
                moved = [[a.copy() for a in arrays] for _ in range(2)]
                moved[0][position][place] -= 1e-6
                moved[1][position][place] += 1e-6
                low, high = (COSTS[name](np, *each) for each in moved)
                differences[place] = (high - low) / 2e-6
            np.testing.assert_allclose(slope, differences, rtol=1e-6, atol=1e-7, err_msg=name)


def test_second_derivatives_are_of_the_same_elements():
    x = T.vector("x")
    slope = go.grad(T.sum(x[x > 0] ** 3), x)
    curvature = go.grad(T.sum(slope[x > 0]), x)
    assert go.function([x], curvature)([1.0, -2.0, 3.0]).tolist() == [6, 0, 18]


def test_equal_masks_are_counted_once():
    x, y = go.variable("x", "float64[n]"), go.variable("y", "float64[n]")
    function = go.function([x, y], [x[x > 0].sum() + y[x > 0].sum(), y[y > 0]])
    assert function.program.counts == ("count_0", "count_1")
    assert len(function.program.settles) == 2
    assert [value.tolist() for value in function([1, -1, 2], [3, 4, -5])] == [1, [3, 4]]


def test_what_a_length_alone_is_needed_for_is_counted_too():
    x, mean = T.vector("x"), T.scalar("mean")
    slope = go.grad(T.sum(x[x > 0] - mean), mean)
    chosen = x[x > 0].shape[0]
    function = go.function([x], [slope, T.zeros((chosen, 2)), T.arange(chosen), x[:chosen]], on_unused_input="ignore")
    found = function([3.0, -1.0, 2.0])
    assert [value.tolist() for value in found] == [-2, [[0, 0]] * 2, [0, 1], [3, -1]]


def test_a_mask_of_something_given_counts_anew():
    x, y = T.vector("x"), T.vector("y")
    function = go.function([y], [x[x > 1], T.ones_like(x[x > 1])], givens={x: y * 2})
    assert [value.tolist() for value in function([1.0, 0.5, 3.0])] == [[2, 6], [1, 1]]


@pytest.mark.parametrize("target", TARGETS)
def test_lengths_that_must_be_equal_are_compared_by_the_call(target):
    x, y, k = go.variable("x", "float64[n]"), go.variable("y", "float64[n]"), go.variable("k", "float64[k]")
    f = go.function([x, y], x[x > 0] + y[y > 0], target=target)
    assert f([1, -1, 2], [-1, 10, 20]).tolist() == [11, 22]
    with pytest.raises(
        ShapeMismatch, match=r"test_masks.py:\d+ chooses 1 elements, expected count_0 = 2; needed by add"
    ):
        f([1, -1, 2], [-1, -1, 1])
    f = go.function([x, k], T.set_subtensor(x[x > 0], k), target=target)
    assert f([1, -1, 2], [8, 9]).tolist() == [8, -1, 9]
    with pytest.raises(ShapeMismatch, match="chooses 1 elements, expected k = 2"):
        f([1, -1, -2], [8, 9])
    f = go.function([x], [x[x > 0] * np.array([2.0, 3.0]), x[x > 0].reshape((2, -1))], target=target)
    assert [value.tolist() for value in f([1, -1, 2])] == [[2, 6], [[1], [2]]]
    with pytest.raises(ShapeMismatch, match="chooses 3 elements, expected 2"):
        f([1, 1, 2])


def test_a_length_is_compared_even_if_nothing_but_the_length_is_used():
    x, k, m = T.vector("x"), T.vector("k"), np.array([True, False, True])
    f = go.function([x, k], T.ones_like(x[x > 0]) + k)
    assert f([1, -1, 2], [3, 4]).tolist() == [4, 5]
    with pytest.raises(ShapeMismatch, match="chooses 1 elements, expected k_0 = 2"):
        f([1, -1, -2], [3, 4])
    shifted = T.where(x > 0, T.constant(m), m)  # known only once it was simplified
    with pytest.raises(ShapeMismatch, match="chooses 2 elements, expected 3"):
        go.function([x], x[shifted] * np.ones(3))([1, 1, 1])


@pytest.mark.parametrize("target", TARGETS)
def test_a_mask_that_turns_out_to_be_constant_still_chooses(target):
    x = go.variable("x", "float64[n]", domain="positive")
    assert go.function([x], x[x > 0], target=target)([1.0, 2.0]).tolist() == [1, 2]
    assert go.function([x], x[T.zeros_like(x, dtype="bool")], target=target)([1.0, 2.0]).tolist() == []


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_asked_of_nothing_is_an_error_that_names_the_mask(target):
    x = T.vector("x")
    f = go.function([x], [x[x > 0].max(), x[x > 0][1]], target=target)
    assert [value.tolist() for value in f([5, -1, 2])] == [5, 2]
    with pytest.raises(
        ShapeMismatch, match=r"count_0 is 0.*\(count_0 = 0 is how many elements the mask at .*needed by"
    ):
        f([-1])
    with pytest.raises(ShapeMismatch, match="no element at index 1"):
        f([1])


@pytest.mark.parametrize("target", TARGETS)
def test_branches_use_what_is_counted_whichever_is_taken(target):
    x, s = T.vector("x"), T.scalar("s")
    chosen = T.cond(s > 0, x[x > 0] * 2, x[x > 0])
    outputs = [chosen, T.cond(s > 0, x[x > 1].max(), s), T.cond(s > 0, T.ones_like(x[x > 1]).sum(), s)]
    outputs.append(go.grad(T.cond(s > 0, (x[x > 0] ** 2).sum(), x.sum()), x))
    f = go.function([x, s], outputs, target=target)
    assert [value.tolist() for value in f([1, -1, 2], 1)] == [[2, 4], 2, 1, [2, 0, 4]]
    assert [value.tolist() for value in f([1, -1, 1], -1)] == [[1, 1], -1, -1, [1, 1, 1]]
    with pytest.raises(CheckFailed, match="count_1 is 0"):
        f([1, -1, 1], 1)


def test_names_of_counts_do_not_depend_on_what_was_built_before():
    def text():
        x, y = T.vector("x"), T.vector("y")
        first, second = x[y > 0] + x[y > 0], y[x > 0]
        return str(Graph.from_outputs([x, y], [first.sum() + second.sum(), y[y > 0] * 2])).replace(" ", "")

    assert len({text() for _ in range(12)}) == 1


def test_a_call_that_fails_over_a_length_changes_nothing():
    total, x = go.shared(np.float64(0.0), name="total"), T.vector("x")
    f = go.function([x], x[x > 0].max(), updates={total: total + x.sum()})
    with pytest.raises(ShapeMismatch):
        f([-1.0])
    assert total.get_value() == 0
    f([4.0, -1.0])
    assert total.get_value() == 3


def test_mistakes_get_one_clear_error():
    x, m = go.variable("x", "float64[4, 3]"), go.variable("m", "bool[n]")
    with pytest.raises(IndexOutOfRange, match="a mask of 3 elements along axis 0 of 4 elements"):
        x[x[0] > 0]
    with pytest.raises(IndexOutOfRange, match="a mask of n elements along axis 0 of 1 elements, which is not known"):
        x[:1][m]
    with pytest.raises(InvalidArgument, match="both x and y"):
        T.where(m, 1.0)
    with pytest.raises(InvalidArgument, match="the condition is a vector"):
        T.compress(x, x)
    with pytest.raises(ShapeMismatch, match="argument m has shape"):
        go.function([x, m], x[m])(np.ones((4, 3)), [True])
    with pytest.raises(CheckFailed, match="outside axis 0"):
        go.function([x, m], T.compress(m, x, axis=0))(np.ones((4, 3)), [False] * 4 + [True])
    function = go.function([x, m], x[m])
    with pytest.raises(InvalidArgument, match="count_0 is counted by the call"):
        function.into(np.ones((1, 3)), np.ones((4, 3)), [True, False, False, False])


def test_memory_is_allocated_when_its_size_is_known():
    x = T.vector("x")
    program = go.function([x], T.outer(x[x > 0], x[x > 0])).program
    assert {buffer.name for buffer in program.late} >= {"output_out", "nonzero_tmp"}
    assert all(str(buffer.type.size) in ("1", "x_0") for buffer in program.early("temporary"))


def test_graphs_that_count_are_printed_read_back_and_pruned():
    x = T.vector("x")
    graph = Graph.from_outputs([x], {"chosen": x[x > 0], "ones": T.ones_like(x[x > 0])})
    text = str(graph)
    assert "nonzero(%2, count=count_0): int64[count_0]" in text
    assert str(Graph.parse(text)) == str(Graph.parse(str(Graph.parse(text))))
    assert interpret(Graph.parse(text), {"x": np.array([1.0, -1.0])})["ones"].tolist() == [1]
    graph.set_outputs({"ones": graph.outputs["ones"]})
    graph.prune()
    assert "nonzero" in {graph.op(node).name for node in graph}  # the size alone needs it
    graph.set_outputs({"x": graph.inputs["x"]})
    graph.prune()
    assert len(graph) == 1
    graph.verify()


def test_a_guard_keeps_what_counts_its_size():
    x = T.vector("x")
    graph = Graph.from_outputs([x], {"third": x[x > 0][2], "sum": T.sum(x)})
    graph.set_outputs({"sum": graph.outputs["sum"]})
    graph.prune()
    assert interpret(graph, {"x": np.array([1.0, 2.0, 3.0])})["sum"] == 6
    with pytest.raises(ShapeMismatch, match="no element at index 2"):
        interpret(graph, {"x": np.array([1.0, -2.0, 3.0])})


def test_text_shows_the_mask():
    x = T.vector("x")
    assert str(x[x > 0]) == "x[x > 0]"
    assert str(T.flatnonzero(x > 0) + 1) == "flatnonzero(x > 0) + 1"
    shown = go.function([x], x[x > 0].mean())._repr_mimebundle_()["text/plain"].splitlines()
    assert shown[-2:] == ["count_0 = sum(x > 0)", "output output: float64 = sum(x[x > 0]) / count_0"]


@pytest.mark.parametrize("mode", ["check", "debug", "nan"])
def test_every_mode_counts(mode):
    x = T.vector("x")
    assert go.function([x], x[x > 0] * 2, mode=mode)([1.0, -1.0, 3.0]).tolist() == [2, 6]


def test_a_function_that_counts_is_pickled():
    x = T.vector("x")
    function = pickle.loads(pickle.dumps(go.function([x], [x[x > 0].max(), T.ones_like(x[x > 0])])))
    assert [value.tolist() for value in function([1.0, -1.0, 3.0])] == [3, [1, 1]]
    with pytest.raises(ShapeMismatch, match="count_0 is 0"):
        function([-1.0])


def test_distinct_elements_come_with_their_places_and_counts():
    x = go.variable("x", "float64[n, 2]")
    function = go.function([x], list(T.unique(x, return_index=True, return_inverse=True, return_counts=True)))
    for array in (np.array([[3, 1], [1, np.nan], [np.nan, 2]]), np.zeros((0, 2)), np.ones((2, 2))):
        expected = np.unique(array, return_index=True, return_inverse=True, return_counts=True)
        for found, wanted in zip(function(array), expected, strict=True):
            np.testing.assert_array_equal(found, wanted, strict=True)
