"""CUDA text under emulation gives what the interpreter gives: what is special about it, and the public interface.

Every form of kernel, in ragged sizes, is run by the tests of instances.
"""

import math
import re

import cuda_corpus as corpus
import numpy as np
import pytest
from cuda_corpus import matrix
from cuda_support import DRIVERS, FUSED, Case, normal

import graphopt as go
import graphopt.tensor as T
from graphopt.autodiff import grad
from graphopt.errors import DeviceFailed, InvalidArgument
from graphopt.runtime.device import DeviceProgram
from graphopt.runtime.emulation import EmulatedDriver

# --- maps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["c", "cuda-emulated"])
def test_a_symbol_may_have_the_beginning_of_a_macros_name(target):
    pi, x86 = go.variable("M_PI", "float64[n]"), go.variable("__x", "float64[n]")  # M_PI_2 and __x_86 are taken
    f = go.function([pi, x86], pi * pi + x86, target=target, pipeline=FUSED)
    np.testing.assert_array_equal(f(np.arange(3.0), np.ones(3)), [1, 2, 5])
    assert "M_PI_2" not in f.source.replace("vM_PI_2", "")


def test_a_launch_has_a_bounded_number_of_blocks():
    x = go.variable("x", "float32[n]")
    case = Case([x], x + 1)
    case.check({"x": normal((2048 * 256 + 257,))}, drivers=[(1, "end")])


def test_a_rows_own_result_is_stored_though_the_row_is_empty():
    x, p = matrix(), go.variable("p", "float32[n]")
    case = Case([x, p], {"row": T.exp(p), "both": x * T.expand_dims(T.exp(p), 1)})
    for shape in [(3, 0), (3, 5), (0, 5)]:
        case.check({"x": normal(shape), "p": normal(shape[:1])})


# --- what is counted -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [-9, 0, 9])
@pytest.mark.parametrize("shape", [(3, 33), (0, 3), (3, 0), (300, 3)])
def test_what_a_mask_chooses_agrees_however_much_it_is(shape, shift):
    case = corpus.chosen()
    assert "settle" in case.forms()
    case.check({"x": normal(shape) + np.float32(shift), "v": normal(shape[:1]) + np.float32(shift)}, DRIVERS[:4])


# --- rows ------------------------------------------------------------------------------------------------------------


def test_more_rows_than_blocks_share_the_shared_memory_safely():
    corpus.rows().check({"x": normal((2048 * 2 + 5, 40))}, drivers=[(1, "end"), (2, "end"), (3, "start")])


# --- full reductions -------------------------------------------------------------------------------------------------


def test_the_sum_of_nothing_is_zero_and_its_first_launch_is_left_out():
    x = matrix()
    case = Case([x], {"sum": T.sum(x), "all": T.all(x > 0), "row": T.sum(x, axis=1), "column": T.prod(x, axis=0)})
    for shape in [(0, 0), (0, 3), (3, 0)]:
        case.check({"x": normal(shape)})


def test_a_full_reduction_gives_the_same_bits_with_every_order_of_threads():
    arrays = {"x": normal((37, 1201)), "s": np.float32(0.1)}
    case = corpus.totals()
    first = case.run(arrays)
    for seed, guard in DRIVERS[1:]:
        again = case.run(arrays, seed, guard)
        for name, value in first.items():
            assert value.tobytes() == again[name].tobytes(), name


# --- reductions of every dtype ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (3, 33), (70, 100)])
def test_integers_and_truth_values_reduce_exactly(shape):
    rng = np.random.default_rng(1)
    arrays = {name: _integers(rng, name, shape) for name in corpus.INTEGERS}
    for share in (0.0, 0.001, 0.5, 0.999, 1.0):
        arrays["bool"] = rng.random(shape) < share
        corpus.reductions().check(arrays, drivers=[(1, "end"), (2, "start")])


def _integers(rng, dtype, shape):
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True) | np.array(1, dtype)


def test_extremes_spread_nan_wherever_it_stands():
    for place in [(0, 0), (5, 39), (9, 70)]:
        array = normal((10, 71))
        array[place] = np.nan
        corpus.extremes().check({"x": array}, drivers=[(0, "end"), (1, "end")])


# --- matrix products -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "k", "m", "g"),
    [(1, 1, 1, 1), (3, 31, 5, 2), (17, 33, 16, 3), (2, 0, 3, 1), (0, 4, 3, 2), (5, 100, 40, 1)],
)
def test_matrix_products_agree(n, k, m, g):
    arrays = {"a": normal((n, k)), "b": normal((k, m)), "p": normal((g, n, k))}
    arrays["i"] = np.random.default_rng(0).integers(-1000, 1000, (n, k)).astype(np.int32)
    corpus.products().check(arrays, drivers=DRIVERS[2:6], tolerance=64)


def test_as_many_accesses_go_through_tiles_as_every_device_has_room_for():
    along = [go.variable(f"a{k}", "float64[m, n]") for k in range(6)]
    across = [go.variable(f"x{k}", "float64[n, m]") for k in range(6)]
    case = Case([*along, *across], math.prod(along) + sum(map(T.transpose, across)))
    assert case.forms() == {"tiled"}
    (tiles,) = re.findall(r"\n( +__shared__ double tile_0.*?) +const", case.source.text, re.DOTALL)
    assert 0 < tiles.count("[32][33];") * 32 * 33 * 8 <= 48 * 1024
    shapes = dict.fromkeys([v.name for v in along], (37, 33)) | dict.fromkeys([v.name for v in across], (33, 37))
    case.check({name: normal(shape, "float64", k) for k, (name, shape) in enumerate(shapes.items())}, DRIVERS[1:3])


def test_more_tiles_than_blocks_are_done_in_turn():
    a = go.variable("a", "float64[g, 2, 2]")
    Case([a], a @ a).check({"a": normal((2050, 2, 2), "float64")}, drivers=[(1, "end")])


# --- pipelines, the public interface ---------------------------------------------------------------------------------


@pytest.mark.parametrize("pipeline", ["none", FUSED, "default"])
def test_log_softmax_and_its_gradient_agree_through_every_pipeline(pipeline):
    case = corpus.log_softmax(pipeline)
    for shape in [(1, 1), (3, 33), (2, 1000), (33, 5)]:
        case.check({"x": normal(shape), "w": normal(shape, seed=1)}, tolerance=256)
    assert ("map" in case.forms()) == (pipeline == "none")


def test_log_softmax_of_extreme_logits_is_finite_with_a_finite_gradient():
    x = matrix()
    value = corpus.naive_log_softmax(x)
    case = Case([x], {"value": value, "slope": grad(T.sum(value * value), x)}, "default")
    found = case.run({"x": np.array([[1000, 0, -1000], [-1000, -1000, -999]], np.float32)})
    np.testing.assert_allclose(found["value"][0], [0, -1000, -2000])
    assert np.isfinite(found["slope"]).all()


def test_a_function_runs_under_emulation_with_the_chosen_order_of_threads():
    x = matrix()
    for seed in (0, 3):
        f = go.function([x], T.softmax(x, axis=1), target="cuda-emulated", options=go.Options(seed=seed))
        given = normal((5, 70))
        np.testing.assert_allclose(f(given).sum(axis=1), 1, rtol=1e-6)
        out = np.empty_like(given)
        assert f.into(out, given) is out
        assert f.lowered.target == "cuda" and "__global__" in f.source


def test_the_text_needs_no_compiler_and_is_the_same_each_time():
    x = matrix()
    text = go.cuda_source([x], T.softmax(x, axis=0))
    assert text == go.cuda_source([x], T.softmax(x, axis=0))
    assert '#include "scalar.cuh"' in text and "go_exp_f32" in text


def test_a_hand_edited_text_runs_in_place_of_the_generated_one():
    x = go.variable("x", "float64[n]")
    f = go.function([x], x + 1, target="cuda-emulated")
    assert f.source.count("+ 1.0") == 1
    edited = f.with_source(f.source.replace("+ 1.0", "+ 2.0"))
    np.testing.assert_array_equal(edited(np.zeros(3)), [2, 2, 2])
    with pytest.raises(InvalidArgument, match="no kernel"):
        f.with_source("// nothing")


def test_messages_name_the_line_of_the_text():
    x = go.variable("x", "float64[n]")
    f = go.function([x], x + 1, target="cuda-emulated", name="increment")
    broken = f.source.replace("positions = n_size", "positions = n_size + 40")
    with pytest.raises(DeviceFailed) as raised:
        f.with_source(broken)(np.zeros(4))
    named = re.search(r"increment\.cu:(\d+)\b", str(raised.value))
    body = broken[broken.index("auto several") : broken.index("};")].count("\n")
    first = 1 + broken[: broken.index("auto several")].count("\n")
    assert named is not None and first < int(named[1]) <= first + body


def test_a_failed_call_frees_its_memory_and_the_function_stays_usable():
    x = go.variable("x", "float64[n]")
    driver = EmulatedDriver()
    options = go.Options(driver=driver)
    f = go.function([x], x + T.constant(np.array([1.0, 2.0, 3.0])), target="cuda-emulated", options=options)
    broken = f.with_source(f.source.replace("positions = 3", "positions = 3 + (x_in[0] > 5.0 ? 99 : 0)"))
    held = len(driver._live)
    for _ in range(3):
        with pytest.raises(DeviceFailed):
            broken(np.full(3, 6.0))
        assert len(driver._live) == held
    np.testing.assert_array_equal(broken(np.zeros(3)), [1, 2, 3])


def test_memory_that_cannot_be_had_is_one_clear_error_and_leaves_nothing_behind():
    x = go.variable("x", "float64[n]")
    case = Case([x], T.outer(x, x))

    class Small(EmulatedDriver):
        def allocate(self, nbytes, name=""):
            if nbytes > 1000:
                raise DeviceFailed(f"There is no memory for buffer {name!r} of {nbytes} bytes.")
            return super().allocate(nbytes, name)

    driver = Small()
    program = DeviceProgram(case.program, driver, case.options)
    with pytest.raises(DeviceFailed, match="no memory"):
        program.run({"x": np.zeros(100)}, {"n": 100})
    assert not driver._live
    assert next(iter(program.run({"x": np.zeros(2)}, {"n": 2}).values())).shape == (2, 2)
