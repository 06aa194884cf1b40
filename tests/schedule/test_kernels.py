"""Which loops a program becomes: how many kernels, of what form, and that they compute the right values."""

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.graph import Graph
from graphopt.ops.shape import stack
from graphopt.runtime.compile import compiler_runs
from graphopt.schedule.kernels import make_kernel
from graphopt.schedule.schedule import schedule
from graphopt.schedule.segments import LIMIT, is_long, live_slots, segments
from graphopt.schedule.statements import Index, Load, Local, Store
from graphopt.schedule.steps import Kernel, MatrixProduct, Stage

n, m, k = go.dim("n"), go.dim("m"), go.dim("k")
PIPELINE = "lower,cse,fuse"


def forms(inputs, outputs, pipeline=PIPELINE):
    """The form of each kernel, in order; "product" for a matrix product."""
    return [fact.form for fact in go.lower(inputs, outputs, pipeline=pipeline).kernels]


def matrix(name="x", dtype="float64"):
    return go.variable(name, f"{dtype}[n, m]")


def agrees(inputs, outputs, sizes, pipeline=PIPELINE, seed=0):
    """Whether C and interpreter agree on random arguments."""
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal([go.dimensions.evaluate(s, sizes) for s in v.shape]).astype(v.dtype) for v in inputs]
    f = go.function(inputs, outputs, pipeline=pipeline)
    expected = go.function(inputs, outputs, pipeline="lower", target="numpy")(*arrays)
    for result, reference in zip(f(*arrays), expected, strict=True):
        np.testing.assert_allclose(result, reference, rtol=1e-12, atol=1e-12)
    return f


def layer_normalization(x):
    centred = x - T.mean(x, axis=1, keepdims=True)
    return centred / T.sqrt(T.mean(centred * centred, axis=1, keepdims=True) + 1e-5)


def test_an_elementwise_chain_over_a_matrix_is_one_flat_loop():
    x = matrix()
    (kernel,) = go.lower([x], T.exp(x) * 2 + x, pipeline=PIPELINE).program.kernels
    assert kernel.form == "map" and not kernel.outer and len(kernel.inner) == 1
    assert kernel.inner[0].extent == n * m


def test_what_is_the_same_for_all_elements_may_come_after_them_in_a_kernel():
    x, scale = go.variable("x", "float64[n]"), go.variable("scale", "float64")
    outputs = T.log(T.square(x)) + T.square(scale) * x
    assert forms([x, scale], outputs) == ["map"]
    agrees([x, scale], [outputs], {"n": 100})


@pytest.mark.parametrize("stable", [T.softmax, T.log_softmax, layer_normalization], ids=lambda f: f.__name__)
def test_normalizing_rows_is_one_kernel_whatever_its_stages(stable):
    x = matrix()
    assert forms([x], stable(x)) == ["rows"]
    agrees([x], [stable(x)], {"n": 5, "m": 1000})


def test_normalizing_columns_is_one_kernel_that_steps_down_the_rows():
    x = matrix()
    assert forms([x], T.softmax(x, axis=0)) == ["columns"]
    agrees([x], [T.softmax(x, axis=0)], {"n": 33, "m": 130})


def test_the_middle_axis_of_three_is_reduced_along_columns():
    x = go.variable("x", "float64[n, m, k]")
    assert forms([x], T.sum(x, axis=1)) == ["columns"]
    agrees([x], [T.sum(x, axis=1), T.sum(x, axis=(0, 2)), T.sum(x, axis=(0, 1)), T.max(x)], {"n": 3, "m": 5, "k": 70})


def test_a_whole_vector_is_normalized_by_kernels_that_are_each_parallel():
    x = go.variable("x", "float64[n]")
    assert forms([x], T.softmax(x)) == ["total", "total", "map"]


@pytest.mark.parametrize("length", [1, 16383, 16384, 16385, 100_000])
def test_a_vector_longer_than_any_chunk_is_normalized_to_one(length):
    x = go.variable("x", "float64[n]")
    result = go.function([x], T.softmax(x))(np.random.default_rng(1).standard_normal(length))
    assert abs(result.sum() - 1) < 1e-12


def test_full_reductions_repeat_bit_for_bit():
    x = go.variable("x", "float32[n]")
    f = go.function([x], T.sum(x))
    values = np.random.default_rng(2).standard_normal(300_000).astype("float32")
    assert len({f(values).tobytes() for _ in range(5)}) == 1


def test_a_matrix_and_its_transpose_are_read_in_one_kernel():
    x = go.variable("x", "float64[n, n]")
    assert forms([x], x + x.T) == ["map"]
    agrees([x], [x + x.T], {"n": 7})


def test_a_computed_value_needed_in_two_orders_is_stored_once():
    x = go.variable("x", "float64[n, n]")
    e = T.exp(x)
    assert forms([x], e + e.T) == ["map", "map"]
    agrees([x], [e + e.T], {"n": 7})


def test_a_transposed_result_is_written_by_the_kernel_that_computes_it():
    x = matrix()
    assert forms([x], T.exp(x).T) == ["map"]
    agrees([x], [T.exp(x).T], {"n": 3, "m": 5})


def test_bias_and_activation_follow_a_product_in_one_kernel():
    x, w, b = matrix(), go.variable("w", "float64[m, k]"), go.variable("b", "float64[k]")
    out = T.tanh(x @ w + b)
    assert forms([x, w, b], out) == ["product+epilogue"]
    agrees([x, w, b], [out], {"n": 4, "m": 6, "k": 5})


def test_products_read_transposed_operands_in_place():
    a, b = matrix("a"), go.variable("b", "float64[k, m]")
    program = go.lower([a, b], a @ b.T, pipeline=PIPELINE).program
    (product,) = program.steps
    assert isinstance(product, MatrixProduct) and product.right.transposed and not product.left.transposed
    agrees([a, b], [a @ b.T, T.matmul(b, a.T)], {"n": 4, "m": 6, "k": 5})


def test_batched_products_broadcast_their_batches():
    a, b = go.variable("a", "float64[k, n, m]"), go.variable("b", "float64[m, n]")
    agrees([a, b], [a @ b, T.matmul(b, a)], {"k": 3, "n": 4, "m": 5})


def test_products_of_vectors_and_empty_sums_are_right():
    a, b = matrix("a"), go.variable("b", "float64[m]")
    agrees([a, b], [a @ b, T.dot(b, b), T.outer(b, b)], {"n": 4, "m": 5})
    agrees([a, b], [a @ b], {"n": 4, "m": 0})


def test_integer_products_wrap_around_like_numpys():
    a = go.variable("a", "int32[n, m]")
    values = np.array([[2**30, 3], [5, -7]], np.int32)
    np.testing.assert_array_equal(go.function([a], a @ a.T)(values), values @ values.T)


def test_two_results_from_one_input_share_a_loop():
    x = matrix()
    assert forms([x], [T.sin(x), T.cos(x)]) == ["map"]
    assert forms([x], [T.sum(x, axis=1), T.max(x, axis=1)]) == ["rows"]


def test_a_reshape_of_a_computed_value_moves_nothing():
    x = matrix()
    assert forms([x], T.exp(x).reshape((-1,))) == ["map"]


def test_without_fusion_every_node_is_a_kernel():
    x = matrix()
    assert forms([x], T.softmax(x), "lower,cse") == ["rows", "map", "map", "map", "map", "rows", "map"]
    agrees([x], [T.softmax(x)], {"n": 3, "m": 4}, "lower,cse")


def test_the_size_of_fusion_groups_can_be_bounded():
    x = go.variable("x", "float64[n]")
    y = x
    for _ in range(10):
        y = T.sin(y)
    assert forms([x], y, "fuse{max=5}") == ["map", "map"]


def test_a_plan_that_no_loops_can_follow_is_split_and_still_right():
    x = matrix()
    e = T.exp(x)
    g = Graph.from_outputs([x], [T.sum(e, axis=0) * 2, T.sum(e, axis=1)])
    g.fusion.group([node for node in g.order() if g.op(node).arity])
    program = schedule(g)
    assert [kernel.form for kernel in program.kernels] == ["columns", "rows"]


def test_a_plan_whose_groups_need_each_other_is_dissolved():
    x = go.variable("x", "float64[n]")
    a = T.sin(x)
    b = T.sum(a)
    c = T.cos(a * b)
    g = Graph.from_outputs([x], c)
    sine, total, product, cosine = (
        next(n for n in g.order() if g.op(n).name == op) for op in ("sin", "sum", "multiply", "cos")
    )
    g.fusion.group([sine, product, cosine])  # the product needs the sum, the sum needs the sine
    g.fusion.group([total])
    assert len(schedule(g).steps) >= 2


def test_composite_ops_must_be_expanded_before_scheduling():
    x = matrix()
    with pytest.raises(go.UnsupportedExpression, match="lower"):
        schedule(Graph.from_outputs([x], T.softmax(x)))


def test_kernels_know_their_bytes_and_operations():
    x = matrix(dtype="float32")
    (fact,) = go.lower([x], T.softmax(x), pipeline=PIPELINE).kernels
    assert fact.bytes == 8 * n * m
    assert (fact.loads, fact.stores) == (1, 1)


def test_zero_sized_arrays_give_empty_results_and_the_sums_of_nothing():
    x = matrix()
    f = go.function([x], [T.exp(x), T.sum(x, axis=1), T.sum(x, axis=0), T.sum(x), x.T])
    for shape in [(0, 3), (3, 0), (0, 0)]:
        empty = np.zeros(shape)
        results = f(empty)
        for result, reference in zip(results, [empty, empty.sum(1), empty.sum(0), empty.sum(), empty.T], strict=True):
            np.testing.assert_array_equal(result, reference)


# --- long bodies -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_kernel() -> Kernel:
    x = go.variable("x", "float64[n]")
    values = [x]
    for step in range(LIMIT * 5 // 2):
        values.append(values[-1] * 0.5 + values[step // 3])
    (kernel,) = go.lower([x], values[-1], pipeline="cse,fuse").program.kernels
    return kernel


def test_a_long_body_is_cut_into_segments_that_hold_all_its_statements(long_kernel):
    assert is_long(long_kernel)
    parts = segments(long_kernel)
    stores = [[s for group in part.stores for s in group.statements] for part in parts]
    pieces = [
        (*(load for load, _ in part.loads), *part.statements, *written)
        for part, written in zip(parts, stores, strict=True)
    ]
    assert sorted(map(repr, sum(pieces, ()))) == sorted(map(repr, long_kernel.stages[0].lane))
    assert all(len(piece) <= LIMIT for piece in pieces)
    assert [part.buffers() for part in parts[1:-1]] == [set()] * (len(parts) - 2)


def test_segments_take_only_what_earlier_ones_left_in_the_same_slot(long_kernel):
    held: dict[tuple[str, int], str] = {}
    for part in segments(long_kernel):
        held |= {(live.dtype, live.slot): live.name for _, live in part.loads}
        for live in part.takes:
            assert held[live.dtype, live.slot] == live.name
        held |= {(live.dtype, live.slot): live.name for live in part.leaves}
        for live in (live for group in part.stores for live in group.takes):
            assert held[live.dtype, live.slot] == live.name
    assert live_slots(segments(long_kernel))["float64"] < len(long_kernel.stages[0].lane) / 2


def test_results_side_by_side_are_stored_one_by_one_and_others_as_vectors():
    """A matrix for each element: its entries lie beside those of the same matrix."""
    x = go.variable("x", "float64[n]")
    values = [x]
    for step in range(LIMIT):
        values.append(values[-1] * 0.5 + values[step // 3])
    results = [stack(*values[-4:], shape=(2, 2)), values[-5]]
    (kernel,) = go.lower([x], results, pipeline="cse,fuse").program.kernels
    groups = [group for part in segments(kernel) for group in part.stores]
    found = [(group.scattered, len(group.statements), len(group.takes)) for group in groups]
    assert sorted(found) == [(False, 1, 1), (True, 4, 4)]


@pytest.mark.parametrize("length", [0, 1, 127, 128, 1000])
def test_a_long_body_computes_what_the_interpreter_does(length):
    x = go.variable("x", "float64[n]")
    values = [x]
    for step in range(LIMIT):
        values.append(T.sin(values[-1]) * 0.5 + values[step // 3])
    data = np.linspace(-1, 1, length)
    f = go.function([x], values[-1], pipeline="cse,fuse")
    expected = go.function([x], values[-1], pipeline="none", target="numpy")(data)
    np.testing.assert_allclose(f(data), expected, rtol=1e-12)


def mixed_body(operations: int):
    """A long body that loads, gathers, divides whole numbers and stores in its midst, in four dtypes."""
    x, i, y = go.variable("x", "float32[n]"), go.variable("i", "int32[n]"), go.variable("y", "float64[7]")
    values, counts, outputs = [x], [i, i + 1], []
    for step in range(operations // 4):
        counts.append((counts[-1] // counts[step // 2] + T.arange(x.shape[0]).astype("int32")) % (step % 5 + 3))
        values.append(values[-1] * 0.5 + values[step // 3] / (counts[-1] + 1.5).astype("float32"))
        if step % 60 == 30:
            values.append(T.where(values[-1] > 0.25, y[(counts[-1] % 7).astype("int64")], 0.25).astype("float32"))
            outputs.append(values[-1] * 2)
    return [x, i, y], [*outputs, values[-1], counts[-1]]


def test_lanes_without_an_element_do_no_harm_whatever_a_long_body_does():
    inputs, outputs = mixed_body(2 * LIMIT)
    f = go.function(inputs, outputs, pipeline="lower,cse,fuse", options=go.Options(check_bounds=False))
    parts = [part for kernel in f.program.kernels if is_long(kernel) for part in segments(kernel)]
    assert any(part.whole for part in parts) and not all(part.whole for part in parts)
    reference = go.function(inputs, outputs, pipeline="none", target="numpy")
    rng = np.random.default_rng(0)
    for length in (0, 1, 15, 17, 129, 700):
        arguments = rng.normal(size=length).astype("f4"), rng.integers(-9, 9, length, dtype="i4"), rng.normal(size=7)
        for result, expected in zip(f(*arguments), reference(*arguments), strict=True):
            np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)


def test_a_long_body_of_scalars_is_cut_too():
    x, y = T.scalar("x"), T.scalar("y")
    value = x
    for step in range(2 * LIMIT):
        value = value * (0.5 + step / 1e4) + y
    f = go.function([x, y], value, pipeline="cse,fuse")
    assert "_segment_2" in f.source
    assert f(1.0, 2.0) == pytest.approx(float(go.function([x, y], value, target="numpy")(1.0, 2.0)), rel=1e-14)


def test_a_very_long_body_is_compiled_as_several_units_side_by_side_and_an_edited_text_as_one():
    x = go.variable("x", "float64[n]")
    value = x
    for step in range(LIMIT * 9 // 2):
        value = value * (0.9 + step / 1e5) + x
    go.function([x], x + 1)  # so that the compiler has been asked what it can do
    before = compiler_runs()
    f = go.function([x], value, name="very_long")
    units = len(f._variants[()].runner.source.units)
    assert units == 2 and compiler_runs() - before in (0, units + 1)  # and one that links
    data = np.linspace(-1, 1, 300)
    expected = go.function([x], value, target="numpy")(data)
    np.testing.assert_allclose(f(data), expected, rtol=1e-10)
    np.testing.assert_allclose(f.with_source(f.source)(data), expected, rtol=1e-10)


@pytest.mark.parametrize(
    "through_memory",
    [
        lambda x: stack(x, x * 2, x + 1, T.sin(x), shape=(2, 2)) + x,
        lambda x: T.exp(T.broadcast_to(x, (6,)) * 2).reshape((2, 3)) + 1,
    ],
    ids=["a stack", "a reshape"],
)
@pytest.mark.parametrize("target", ["c", "cuda-emulated"])
def test_no_kernel_reads_from_memory_what_it_is_still_writing(through_memory, target):
    x = T.scalar("x")
    out = through_memory(x)
    everything = Graph.from_outputs([x], out)
    everything.fusion.group([node for node in everything.order() if everything.op(node).arity])
    apart = {"inplace": False}  # what is written over is read before, at the same place
    for program in (schedule(everything, **apart), go.lower([x], out, options=go.Options(schedule=apart)).program):
        assert all(not set(kernel.reads) & set(kernel.writes) for kernel in program.kernels)
    expected = go.function([x], out, target="numpy")(2.0)
    for seed in range(3):
        np.testing.assert_allclose(go.function([x], out, target=target, options=go.Options(seed=seed))(2.0), expected)


def test_an_input_that_is_an_output_is_copied_once_and_never_written():
    x = T.vector("x")
    program = go.lower([x], [x, x.reshape((-1, 1))]).program
    assert len(program.steps) == 2
    inputs = {buffer.name for buffer in program.of_role("input")}
    assert all(not inputs & set(step.writes) for step in program.steps)


def test_a_kernel_computes_nothing_that_nobody_uses():
    at = Index(0, (("a", 1),))
    load, other = Load("v", "float64", "x_in", at), Load("w", "float64", "y_in", at)
    store = Store("z_out", at, Local("v"), "float64")
    kernel = make_kernel("copy", (Stage((), (load, other, store)),), [("a", 10)], None, "")
    assert [type(s) for s in kernel.statements()] == [Load, Store] and kernel.reads == ("x_in",)
