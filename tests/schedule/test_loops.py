"""The loops of kernels in C against the interpreter, over sizes that no block, lane or tile divides."""

import re
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.schedule.statements import Compute, Store

PIPELINE = "lower,cse,fuse"
SIZES = [0, 1, 2, 3, 7, 10, 16, 17, 31, 33, 64, 100, 257, 1000, 4097]
X, Y = go.variable("x", "float32[n, m]"), go.variable("y", "float32[m, n]")
Z, TEN = go.variable("z", "float64[n, m, k]"), go.variable("ten", "float32[n, 10]")
SCALE, LONG = go.variable("scale", "float32[m]"), go.variable("long", "int64[n, m]")


def normalized(x):
    centred = x - T.mean(x, axis=1, keepdims=True)
    return centred / T.sqrt(T.mean(centred * centred, axis=1, keepdims=True) + 1e-5)


PROGRAMS = {
    "everything": ([X], [T.sum(X * X), T.sum(T.absolute(X[:, ::2]))]),
    "along rows": ([X], [T.sum(X, axis=1), T.var(X, axis=1), T.sqrt(T.sum(X * X, axis=1))]),
    "normalized rows": ([X], [T.log_softmax(X, axis=1), T.softmax(X, axis=1)]),
    "down columns": ([X], [T.sum(X * X, axis=0), T.var(X, axis=0)]),
    "normalized columns": ([X], [T.softmax(X, axis=0)]),
    "weighted columns": ([X, SCALE], [T.sum(X * SCALE, axis=0), T.sum(T.exp(X) * T.expand_dims(X[:, 0], 1), axis=0)]),
    "integers": ([LONG], [T.sum(LONG, axis=0), T.sum(LONG, axis=1), T.any(LONG > 5, axis=0), T.sum(LONG)]),
    "three axes": ([Z], [T.sum(Z, axis=1), T.sum(Z, axis=(0, 2)), T.sum(Z, axis=(0, 1)), T.sum(Z[:, :, ::2])]),
    "two orders": ([X, Y], [X + Y.T, (X * 2).T, T.exp(X).T + Y]),
    "permuted": ([Z], [T.transpose(Z, (2, 1, 0)), T.transpose(Z, (0, 2, 1)) + 1, T.transpose(Z, (2, 0, 1))]),
    "ten in a row": ([TEN], [T.softmax(TEN, axis=1), T.sum(TEN, axis=1), TEN.T, TEN + T.expand_dims(TEN[:, 0], 1)]),
    "gradient of normalized rows": ([X, SCALE], [*go.grad(T.sum(normalized(X) * SCALE * T.sin(X)), [X, SCALE])]),
}  # fmt: skip


@cache
def compiled(name, target="c", threads=2):
    inputs, outputs = PROGRAMS[name]
    options = go.Options(threads=threads) if target == "c" else go.Options()
    return go.function(inputs, outputs, pipeline=PIPELINE, target=target, options=options)


def arguments(name, sizes, seed):
    rng = np.random.default_rng(seed)
    shapes = [[go.dimensions.evaluate(size, sizes) for size in v.shape] for v in PROGRAMS[name][0]]
    values = [rng.standard_normal(shape) * 3 for shape in shapes]
    return [value.astype(v.dtype) for value, v in zip(values, PROGRAMS[name][0], strict=True)]


@pytest.mark.parametrize("name", PROGRAMS)
@settings(deadline=None, max_examples=12)
@given(st.data())
def test_loops_compute_what_the_interpreter_does_and_the_same_bits_again_also_with_other_threads(name, data):
    sizes = {size: data.draw(st.sampled_from(SIZES), label=size) for size in "nmk"}
    if name == "weighted columns":
        sizes["m"] = max(sizes["m"], 1)
    if name in ("three axes", "permuted"):
        sizes["k"] = min(sizes["k"], 70)
    while np.prod([max(size, 1) for size in sizes.values()][: 3 if "k" in str(PROGRAMS[name][0]) else 2]) > 500_000:
        largest = max(sizes, key=lambda size: sizes[size])
        sizes[largest] = sizes[largest] // 2 + 1
    args = arguments(name, sizes, data.draw(st.integers(0, 3)))
    with np.errstate(all="ignore"):
        expected = compiled(name, "numpy")(*args)
    results = compiled(name)(*args)
    for result, reference in zip(results, expected, strict=True):
        bound = 1e-4 if reference.dtype == np.float32 else 1e-10
        scale = np.abs(reference[np.isfinite(reference)]).max(initial=1) if reference.size else 1
        np.testing.assert_allclose(result, reference, rtol=bound, atol=bound * scale)
    crossed = any(kernel.form == "crossed" for kernel in compiled(name).kernels)  # each thread adds up a share of rows
    for threads in (2,) if crossed else (2, 1, 3):
        again = compiled(name, threads=threads)(*args)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(results, again, strict=True))


# --- what the text says ------------------------------------------------------------------------------------------


def text(inputs, outputs):
    return go.lower(inputs, outputs, pipeline=PIPELINE).source


def test_a_long_reduction_has_four_vectors_of_running_results():
    assert "float sum_1_lanes[64];" in text([X], T.sum(X * X))
    assert "double sum_0_lanes[32];" in text([Z], T.sum(Z))


def test_a_loop_that_computes_much_has_one_running_result():
    assert "_lanes[" not in text([X], T.sum(T.exp(X)))


def test_columns_take_four_rows_a_visit_and_whole_rows_where_they_lie_behind_one_another():
    source = text([X], T.sum(X, axis=0))
    assert "step < 4" in source and "run * columns" in source
    assert "run * columns" not in text([Z], T.sum(Z, axis=1))


def test_rows_are_written_twice_only_if_their_length_is_open():
    assert "_across" in text([X], T.softmax(X, axis=1))
    for known in (go.variable("x", "float32[n, 1000]"), TEN):
        assert "_across" not in text([known], T.softmax(known, axis=1))


def test_short_rows_are_fetched_once_for_all_stages():
    source = text([TEN], T.softmax(TEN, axis=1))
    assert len(re.findall(r"= ten_in\[", source)) == 1 and "ten_in_0_tile[10][BLOCK]" in source


@pytest.mark.parametrize(
    ("inputs", "output", "tile"),
    [
        ([X, Y], X + Y.T, "y_in"),
        ([X], T.exp(X).T, "x_in"),
        ([Z], T.transpose(Z, (2, 1, 0)), "z_in"),
    ],
    ids=["a sum with a transpose", "a transposed result", "three axes turned round"],
)  # fmt: skip
def test_what_runs_along_another_axis_is_brought_round_in_tiles(inputs, output, tile):
    (kernel,) = go.lower(inputs, output, pipeline=PIPELINE).program.kernels
    assert kernel.tile and kernel.form == "map"
    source = text(inputs, output)
    assert re.findall(r"(\w+)_\d+_tile\[HEIGHT\]", source) == [tile]


@pytest.mark.parametrize(
    ("inputs", "output"),
    [
        ([X], T.exp(X)),
        ([X, SCALE], X + SCALE),
        ([Z], T.transpose(Z, (1, 0, 2))),
        ([X], X / T.expand_dims(T.sum(X, axis=1), 1)),
    ],
    ids=["one matrix", "a row for all", "rows in another order", "normalized rows"],
)
def test_nothing_is_tiled_where_all_accesses_run_along_one_axis(inputs, output):
    assert not any(kernel.tile for kernel in go.lower(inputs, output, pipeline=PIPELINE).program.kernels)


def test_the_innermost_axis_of_a_copy_is_that_of_its_result():
    (kernel,) = go.lower([X], T.transpose(X) + 1, pipeline=PIPELINE).program.kernels
    (store,) = [s for s in kernel.statements() if isinstance(s, Store)]
    assert dict(store.index.terms)[kernel.inner[-1].name] == 1


def test_a_quotient_that_two_stages_need_is_computed_once_and_kept():
    centred = X / T.expand_dims(X[:, 0], 1)
    (kernel,) = go.lower([X], centred - T.mean(centred, axis=1, keepdims=True), pipeline=PIPELINE).program.kernels
    assert [s.op.name for s in kernel.statements() if isinstance(s, Compute)].count("divide") == 2  # the mean's too
    assert len(kernel.slots) == 1


def test_what_only_one_kernel_waits_for_is_computed_there():
    rows, columns = go.variable("rows", "float32[n, k]"), go.variable("columns", "float32[k, m]")
    u, v = go.variable("u", "float32[n]"), go.variable("v", "float32[m]")
    distances = T.expand_dims(u, 1) + v - rows @ columns
    forms = [
        [kernel.form for kernel in go.lower([rows, columns, u, v], distances, pipeline=pipeline).kernels]
        for pipeline in (PIPELINE, "lower,cse,fuse{epilogues=false}")
    ]
    assert forms == [["product+epilogue"], ["product", "map"]]


def test_a_map_and_row_reductions_that_meet_later_are_one_kernel():
    inputs = [X, SCALE, go.variable("w", "float32[n, m]")]
    weighted = inputs[2] * SCALE
    shifted = weighted / T.expand_dims(T.sqrt(T.sum(X * X, axis=1)), 1)
    out = shifted - T.mean(shifted, axis=1, keepdims=True)
    assert [k.form for k in go.lower(inputs, out, pipeline=PIPELINE).program.kernels] == ["rows"]
