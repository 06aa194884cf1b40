"""What follows a matrix product runs over panels of its rows: fewer buffers, and NumPy's values for every size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.graph import Graph
from graphopt.schedule.schedule import schedule

x, w, b = go.variable("x", "float64[n, k]"), go.variable("w", "float64[k, m]"), go.variable("b", "float64[m]")
y, u, v = go.variable("y", "float64[n, m]"), go.variable("u", "float64[n, 20]"), go.variable("v", "float64[20, m]")
S, R = go.variable("S", "float64[h, n, k]"), go.variable("R", "float64[h, k, m]")
I, J = go.variable("I", "int64[n, k]"), go.variable("J", "int64[k, m]")
INPUTS = [x, w, b, y, u, v, S, R, I, J]
NEITHER = "lower,cse,fuse{epilogues=false}"


def programs(x, w, b, y, u, v, S, R, I, J, np=np):
    """Each of them is one product with what follows it."""

    def softmax(z):
        e = np.exp(z)
        return e / np.sum(e, axis=-1, keepdims=True)

    yield np.maximum(x @ w + b, 0)
    yield softmax(0.1 * (x @ w) + y)
    yield np.sum((x @ w - y) ** 2, axis=1)
    yield (x @ w) * np.sum(y, axis=1)[:, None] + np.exp(y)
    yield np.tanh(w.T @ x.T) + y.T
    yield softmax(np.tanh(S @ R) / 8)
    yield np.sum(S @ w + b, axis=-1)
    yield (I @ J + 3) // 2
    yield np.tanh(x @ w + u @ v + b)


def lowered(outputs, pipeline="default", **options):
    return go.lower(INPUTS, outputs, pipeline=pipeline, **options)


def forms(outputs, **options):
    return [kernel.form for kernel in lowered(outputs, **options).kernels]


@pytest.mark.parametrize("number", range(8))
def test_what_follows_a_product_row_by_row_is_its_epilogue(number):
    output = list(programs(*INPUTS, np=T))[number]
    found = lowered(output).program
    assert [step.form for step in found.steps] == ["product+epilogue"]
    assert not found.of_role("temporary")  # the product itself is nowhere as a whole
    assert len(forms(output, pipeline=NEITHER)) > 1


@pytest.mark.parametrize("number", range(8))
def test_on_a_device_it_is_if_it_is_done_element_by_element(number):
    output = list(programs(*INPUTS, np=T))[number]
    found = lowered(output, target="cuda").program
    by_element = number in (0, 4, 7)
    assert [step.form for step in found.steps][:1] == ["product+epilogue" if by_element else "product"]
    assert (len(found.steps) == 1) == by_element


def test_one_of_two_products_that_are_added_waits_for_the_other():
    assert forms(T.tanh(x @ w + u @ v + b)) == ["product", "product+epilogue"]
    assert forms(T.tanh(x @ w + T.max(T.exp(y), axis=0))) == ["columns", "product+epilogue"]


def test_a_product_that_is_wanted_itself_is_stored_and_its_epilogue_reads_it_from_there():
    (step,) = lowered([x @ w, T.tanh(x @ w)]).program.steps
    assert step.writes == (step.result, step.epilogue.writes[0]) and step.result not in step.reads


def test_what_an_epilogue_saves_is_counted():
    fused, apart = (lowered(T.tanh(x @ w + b), pipeline) for pipeline in ("default", NEITHER))
    saved = sum(k.bytes for k in apart.kernels) - sum(k.bytes for k in fused.kernels)
    assert saved == 2 * 8 * go.dim("n") * go.dim("m")
    assert sum(k.flops for k in apart.kernels) == sum(k.flops for k in fused.kernels)


def test_the_text_says_which_nodes_are_an_epilogue():
    text = lowered(T.tanh(x @ w + b)).source
    assert "3 nodes: matmul, add, tanh; for rows of the product" in text and text.count("dgemm(") == 1


def test_sums_over_rows_and_products_by_themselves_have_no_epilogue():
    assert forms(T.sum(x @ w, axis=0)) == ["product", "columns"]
    assert forms(T.sum(x @ w)) == ["product", "total"]
    assert forms((x.T @ x) / 3) == ["product", "map"]


def test_a_plan_that_asks_for_the_impossible_is_split():
    g = Graph.from_outputs([x, w, v], T.exp(T.exp(x) @ w))
    g.fusion.group([node for node in g.order() if g.op(node).arity])
    assert [step.form for step in schedule(g).steps] == ["map", "product", "map"]
    g = Graph.from_outputs([x, w, u, v], x @ w + u @ v)
    g.fusion.group([node for node in g.order() if g.op(node).arity])
    assert [step.form for step in schedule(g).steps] == ["product", "product", "map"]


@pytest.fixture(scope="module")
def compiled():
    def function(**options):
        return go.function(INPUTS, list(programs(*INPUTS, np=T)), options=go.Options(**options))

    return [function(threads=1), function(threads=3), function(threads=2, extra_flags=("-fno-openmp", "-DLARGEST=5"))]


lengths = st.one_of(st.integers(0, 4), st.integers(15, 40))


@settings(max_examples=30, deadline=None)
@given(sizes=st.tuples(lengths, lengths, st.one_of(st.integers(1, 4), st.just(300)), st.integers(0, 3)), data=st.data())
def test_values_are_numpys_for_every_size_and_number_of_threads(compiled, sizes, data):
    agree(data.draw(st.sampled_from(compiled)), *sizes)


def test_values_are_numpys_over_many_panels(compiled):
    for function in compiled:
        agree(function, 500, 30, 700, 2)


def test_results_repeat_bit_for_bit(compiled):
    arrays = arguments(300, 40, 500, 2)
    for function in compiled:
        for one, other in zip(function(*arrays), function(*arrays), strict=True):
            np.testing.assert_array_equal(one, other)


def arguments(n, k, m, h):
    sizes = {"n": n, "k": k, "m": m, "h": h}
    generator = np.random.default_rng([n, k, m, h])
    shapes = [[go.dimensions.evaluate(size, sizes) for size in each.shape] for each in INPUTS]
    drawn = [generator.normal(size=shape) for shape in shapes[:-2]]
    return [*drawn, *(generator.integers(-9, 9, size=shape) for shape in shapes[-2:])]


def agree(function, *sizes):
    arrays = arguments(*sizes)
    for found, wanted in zip(function(*arrays), programs(*arrays), strict=True):
        assert found.shape == wanted.shape and found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
