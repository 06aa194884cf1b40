"""Products by vectors are loops that fuse, and a matrix that is reduced along rows and columns is read once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.graph import Graph
from graphopt.schedule.schedule import schedule

A, B = go.variable("A", "float64[m, n]"), go.variable("B", "float64[m, n]")
p, r, Q = go.variable("p", "float64[n]"), go.variable("r", "float64[m]"), go.variable("Q", "float64[m, m]")
S, K = go.variable("S", "float64[b, m, n]"), go.variable("K", "int32[m, n]")
INPUTS = [A, B, p, r, Q, S, K]


def crossed(A, B, p, r, Q, S, K, np=np):
    """Programs that are one kernel, which reads each of their matrices once."""
    yield (A @ p) @ A  # AᵀAp
    yield r @ A, A @ p
    yield r @ Q, Q @ r
    yield A.sum(0), A.sum(1)
    yield K.max(axis=0), K.sum(axis=1)
    yield np.sum(np.tanh(A @ p)[:, None] * A, axis=0), np.tanh(A @ p)
    scaled = A - np.max(A, axis=1, keepdims=True)
    yield np.sum(scaled * B, axis=0), np.sum(B, axis=0), scaled
    yield (S * np.sum(S, axis=-1, keepdims=True)).sum((0, 1))


def single(A, B, p, r, Q, S, K, np=np):
    """Programs that are one kernel of another form."""
    yield 2.0 * A @ p + 3.0 * B @ p
    yield np.exp(A) @ p
    yield np.tanh(r @ (A + r[:, None] * p))
    yield p @ p
    yield S @ p
    yield np.exp(-(K @ K[0]) / 4)
    yield (A[:, 1:] @ p[1:]) + r
    yield A - 0.5 * (r[:, None] @ p[None])


def outputs(program, **options):
    """What a program computes, as a list."""
    return list(program) if isinstance(program, tuple) else [program]


def forms(program, **options):
    return [kernel.form for kernel in go.lower(INPUTS, outputs(program), **options).kernels]


def inputs_read(program):
    (kernel,) = go.lower(INPUTS, outputs(program)).program.steps
    loads = [s.buffer for s in kernel.stages[0].lane if type(s).__name__ == "Load"]
    return [name for name in loads if name[0] in "ABQSK"]


@pytest.mark.parametrize("number", range(8))
def test_what_is_reduced_both_ways_is_read_once(number):
    program = list(crossed(*INPUTS, np=T))[number]
    assert forms(program) == ["crossed"]
    loads = inputs_read(program)
    assert len(loads) == len(set(loads))
    for apart in (forms(program, pipeline="canonicalize,cse,fuse{crossing=false}"), forms(program, target="cuda")):
        assert "crossed" not in apart and len(apart) > 1


@pytest.mark.parametrize("number", range(8))
def test_a_product_by_a_vector_fuses_with_what_is_around_it(number):
    assert len(forms(list(single(*INPUTS, np=T))[number])) == 1


def test_rows_that_do_not_run_along_memory_are_not_crossed():
    assert forms((A.T @ r) @ A.T) == ["columns", "rows"]
    assert forms((A.T @ r, p @ A.T)) == ["crossed"]  # the same as bicg's, written the other way


def test_what_was_summed_over_rows_is_used_by_a_later_kernel_only():
    total = (A @ p) @ A
    assert forms(A * total) == ["crossed", "map"]
    g = Graph.from_outputs([A, p], A * total)
    g.fusion.group([node for node in g.order() if g.op(node).arity])
    assert [step.form for step in schedule(g).steps] == ["crossed", "map"]


def test_products_of_different_matrices_stay_apart():
    assert sorted(forms((r @ A, B @ p))) == ["columns", "rows"]


@pytest.fixture(scope="module")
def compiled():
    results = [each for family in (crossed, single) for program in family(*INPUTS, np=T) for each in outputs(program)]

    def function(**options):
        return go.function(INPUTS, results, options=go.Options(**options))

    return [function(threads=1), function(threads=3), function(threads=2, extra_flags=("-fno-openmp",))]


lengths = st.one_of(st.integers(1, 4), st.integers(60, 70), st.just(300))


@settings(max_examples=25, deadline=None)
@given(st.tuples(lengths, lengths, st.integers(0, 2)), st.data())
def test_values_are_numpys_for_every_size_and_number_of_threads(compiled, sizes, data):
    agree(data.draw(st.sampled_from(compiled)), *sizes)


def test_results_repeat_bit_for_bit(compiled):
    arrays = arguments(301, 203, 2)
    for function in compiled:
        for one, other in zip(function(*arrays), function(*arrays), strict=True):
            np.testing.assert_array_equal(one, other)


def test_nothing_sums_to_nothing():
    f = go.function([A, p, r], [(A @ p) @ A, r @ A, A @ p])
    for m, n in ((0, 3), (3, 0), (0, 0)):
        found = f(np.ones((m, n)), np.ones(n), np.ones(m))
        for result, length in zip(found, (n, n, m), strict=True):
            np.testing.assert_array_equal(result, np.zeros(length))


def arguments(m, n, b):
    sizes = {"m": m, "n": n, "b": b}
    generator = np.random.default_rng([m, n, b])
    shapes = [[sizes[str(size)] for size in each.shape] for each in INPUTS]
    return [*(generator.normal(size=shape) for shape in shapes[:-1]), generator.integers(-9, 9, shapes[-1], "int32")]


def agree(function, *sizes):
    arrays = arguments(*sizes)
    wanted = [each for family in (crossed, single) for program in family(*arrays) for each in outputs(program)]
    for number, (found, value) in enumerate(zip(function(*arrays), wanted, strict=True)):
        assert found.shape == np.shape(value) and found.dtype == np.asarray(value).dtype, number
        np.testing.assert_allclose(found, value, rtol=1e-9, atol=1e-9, err_msg=f"result {number} of {sizes}")
