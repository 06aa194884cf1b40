"""Which function of a launch a call takes: what sizes, alignment and the device's shared memory leave open."""

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.dimensions import dim, evaluate
from graphopt.runtime.device import DeviceProgram
from graphopt.runtime.emulation import EmulatedDriver
from graphopt.schedule.instance import choose
from graphopt.schedule.launch import launches, sequence
from graphopt.schedule.statements import Index, Load, Local, Store
from graphopt.schedule.steps import Axis, Kernel, Stage

KIB = 1024
WIDTH = 30_000  # of float32: 117 KiB


def softmax(shape):
    x = go.variable("x", f"float32[{shape}]")
    return go.lower([x], T.softmax(x, axis=1), target="cuda").program


@pytest.mark.parametrize("shape", ["n, m", f"n, {WIDTH}"])
@pytest.mark.parametrize(("shared", "body"), [(227 * KIB, "shared"), (163 * KIB, "shared"), (99 * KIB, "online")])
def test_a_row_lies_in_shared_memory_only_where_a_block_can_have_so_much(shape, shared, body):
    (launch,) = launches(softmax(shape))
    addresses = dict.fromkeys(launch.buffers, 0)
    assert choose(launch.instances, {"n": 2, "m": WIDTH}, addresses, shared).body == body


def test_what_a_kernel_declares_counts_as_well():
    (launch,) = launches(softmax("n, m"))
    addresses, sizes = dict.fromkeys(launch.buffers, 0), {"n": 2, "m": WIDTH}
    assert choose(launch.instances, sizes, addresses, 4 * WIDTH).body == "online"  # two reductions, 32 warps each
    assert choose(launch.instances, sizes, addresses, 4 * WIDTH + 2 * 32 * 4).body == "shared"


def test_the_driver_says_what_a_block_can_have():
    driver = EmulatedDriver()
    driver.shared_memory = 99 * KIB
    taken = []
    launched, driver.launch = driver.launch, lambda kernel, *rest: (taken.append(kernel.name), launched(kernel, *rest))
    run = DeviceProgram(softmax("n, m"), driver, go.Options()).run
    x = np.random.default_rng(0).normal(size=(1, WIDTH)).astype(np.float32)
    (result,) = run({"x": x}, {"n": 1, "m": WIDTH}).values()
    np.testing.assert_allclose(result, np.exp(x) / np.exp(x).sum(), rtol=1e-4)
    assert taken[0].endswith("long_wide")


@pytest.mark.parametrize("axis", [0, 1])
def test_a_reduction_that_is_not_in_parts_takes_no_memory_for_them(axis):
    x = go.variable("x", "float32[n, m]")
    split, join = launches(go.lower([x], T.sum(x, axis=axis), target="cuda").program)
    (memory,) = split.scratch
    assert join.scratch == split.scratch
    few, many = {"n": 4, "m": 2**20}, {"n": 2**20, "m": 4}
    split_sizes, whole_sizes = (few, many) if axis == 1 else (many, few)
    assert evaluate(memory.count, whole_sizes) == 0 < evaluate(memory.count, split_sizes)
    assert evaluate(memory.count, split_sizes) == evaluate(split.parts, split_sizes) * 4


def test_a_map_counts_in_32_bits_only_where_even_the_sum_of_all_steps_fits():
    n, s = dim("n"), dim("s")
    window = Index(0, (("i", s), ("j", s)))  # both axes take equal steps
    load, store = Load("a", "float32", "x", window), Store("y", Index(0, (("i", n), ("j", 1))), Local("a"), "float32")
    kernel = Kernel("k", "map", (Axis("i", n),), (Axis("j", n),), (Stage((), (load, store)),), ("x",), ("y",))
    (launch,) = sequence([kernel])
    sizes = {"n": 1000, "s": 1_200_000}
    assert 2 * 999 * sizes["s"] > 2**31  # what is read last
    assert choose(launch.instances, sizes, {"x": 0, "y": 0}).name == "k_large"
    assert choose(launch.instances, {"n": 1000, "s": 3}, {"x": 0, "y": 0}).name == "k_wide"
