"""Matrix products with their epilogues under emulation: every route, ragged sizes, shuffled threads."""

import cuda_corpus as corpus
import numpy as np
import pytest
from cuda_support import DRIVERS, Case, normal

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import DeviceFailed
from graphopt.runtime.device import DeviceProgram
from graphopt.runtime.emulation import EmulatedDriver
from graphopt.schedule import device_product

SIZES = [
    (1, 1, 1, 1),
    (31, 2, 33, 2),
    (33, 31, 1, 2),
    (2, 127, 65, 1),
    (65, 17, 64, 1),
    (3, 1000, 2, 1),
    (4, 3, 1000, 1),
]
EMPTY = [(0, 3, 4, 2), (3, 1, 0, 2), (3, 1, 4, 0), (33, 1, 40, 1)]
"""Sizes n, k, m, g; with a depth of 1, the product of views that leave out a column has none."""


@pytest.fixture
def large_tiles(monkeypatch):
    """Large tiles however little fills them."""
    monkeypatch.setattr(device_product, "MANY_TILES", 0)
    monkeypatch.setattr(device_product, "HALF", 0)


def arrays(n, k, m, g):
    shapes = {"a": (n, k), "b": (k, m), "c": (m,), "r": (n,), "p": (g, n, k), "y": (g, n, m)}
    return {name: normal(shape, seed=seed) for seed, (name, shape) in enumerate(shapes.items())}


def whole_numbers(n, k, m, g):
    """Small integers, of which every order of adding makes the same."""
    return {name: np.rint(2 * array) for name, array in arrays(n, k, m, g).items()}


@pytest.mark.parametrize("sizes", [*SIZES, *EMPTY])
def test_large_tiles_agree_at_ragged_sizes(sizes, large_tiles):
    corpus.product_epilogues().check(arrays(*sizes), DRIVERS[1:4], tolerance=128)


@pytest.mark.parametrize("sizes", SIZES[::2] + EMPTY)
def test_small_tiles_agree_at_ragged_sizes(sizes):
    corpus.product_epilogues().check(arrays(*sizes), DRIVERS[4:7], tolerance=128)


def test_large_tiles_multiply_every_dtype(large_tiles, monkeypatch):
    case = corpus.products()
    monkeypatch.setattr(case, "multiplies", ())
    given = {name: array for name, array in arrays(35, 70, 66, 2).items() if name in "abp"}
    given["i"] = np.random.default_rng(0).integers(-1000, 1000, (35, 70)).astype(np.int32)
    case.check(given, DRIVERS[4:6], tolerance=128)


def test_the_library_and_what_follows_it_agree(monkeypatch):
    monkeypatch.setattr(device_product, "LARGE", 2)
    seen = []
    original = EmulatedDriver.multiply
    monkeypatch.setattr(EmulatedDriver, "multiply", lambda self, todo: (seen.append(todo), original(self, todo))[1])
    case = corpus.product_epilogues(multiplies=("float32",))
    for sizes in (SIZES[1], SIZES[4], (3, 4, 5, 6)):
        case.check(arrays(*sizes), DRIVERS[2:4], tolerance=128)
    assert {todo.dtype for todo in seen} == {"float32"} and {1, 2, 6, 31} <= {todo.batch for todo in seen}


def test_tilings_make_the_same_bits(monkeypatch):
    case, given = corpus.product_epilogues(), arrays(40, 50, 70, 2)
    small = case.run(given, seed=1)
    monkeypatch.setattr(device_product, "MANY_TILES", 0)
    large = case.run(given, seed=2)
    assert {name for name in small if small[name].tobytes() != large[name].tobytes()} == set()


@pytest.mark.parametrize(("least", "k"), [(512, 1300), (8, 33), (8, 24), (8, 1)])
def test_a_long_depth_in_parts_agrees(least, k, monkeypatch):
    monkeypatch.setattr(device_product, "PART", least)
    monkeypatch.setattr("graphopt.codegen.cuda.PART", least)
    a, b = go.variable("a", "float32[n, k]"), go.variable("b", "float32[k, m]")
    c, p = go.variable("c", "float32[m]"), go.variable("p", "float32[g, n, k]")
    outputs = {"dense": T.tanh(a @ b + c), "product": a @ b, "softmax": T.softmax(p @ b, axis=-1)}
    case = Case([a, b, c, p], outputs, multiplies=())
    assert "product_join" in case.forms()
    given = arrays(18, k, 7, 2)
    del given["r"], given["y"]
    case.check(given, DRIVERS[1:4], tolerance=256)
    again = [case.run(given, seed)["dense"].tobytes() for seed in (0, 1, 2)]
    assert again == again[:1] * 3


def test_a_call_takes_large_tiles_when_there_are_many():
    a, b = go.variable("a", "float32[n, k]"), go.variable("b", "float32[k, m]")
    case = Case([a, b], a @ b, multiplies=())
    case.check({"a": normal((450, 3)), "b": normal((3, 500))}, [(1, "end")], tolerance=64)


def test_batches_of_several_axes_reach_the_library_as_even_stacks(monkeypatch):
    monkeypatch.setattr(device_product, "LARGE", 2)
    x, w = go.variable("x", "float64[g, h, n, k]"), go.variable("w", "float64[h, k, m]")
    outputs = {"broadcast": x @ w, "swapped": T.transpose(x, (1, 0, 2, 3)) @ T.expand_dims(w, 1), "tanh": T.tanh(x @ w)}
    case = Case([x, w], outputs)
    for g, h in ((2, 3), (1, 4), (3, 1), (0, 2)):
        given = {"x": normal((g, h, 3, 4), "float64"), "w": normal((h, 4, 5), "float64")}
        case.check(given, DRIVERS[2:3], tolerance=64)


class Passing:
    """A driver that leaves everything to another, as one that counts or takes turns does."""

    def __init__(self, driver):
        self.driver, self.asked = driver, []

    def __getattr__(self, name):
        self.asked.append(name)
        return getattr(self.driver, name)


class Plain(Passing):
    """A driver without a library."""

    def __getattr__(self, name):
        if name.startswith("multipl"):
            raise AttributeError(name)
        return super().__getattr__(name)


def test_any_driver_that_multiplies_is_asked_to_and_one_that_does_not_needs_no_part_of_it():
    a = go.variable("a", "float64[n, n]")
    case, given = Case([a], a @ a), normal((64, 64), "float64")
    for kind, asked in ((Passing, True), (Plain, False)):
        driver = kind(EmulatedDriver())
        (found,) = DeviceProgram(case.program, driver, case.options).run({"a": given}, {"n": 64}).values()
        np.testing.assert_allclose(found, given @ given, rtol=1e-12, atol=1e-12)
        assert ("multiply" in driver.asked) == asked


def test_a_product_that_the_driver_refuses_leaves_nothing_behind(monkeypatch):
    a = go.variable("a", "float64[n, n]")
    f = go.function([a], T.exp(a @ a), target="cuda-emulated")
    given = np.zeros((70, 70))
    np.testing.assert_array_equal(f(given), 1)
    driver = next(iter(f._variants.values())).runner.driver
    held = len(driver._live)

    def refuse(todo):
        raise DeviceFailed("cuBLAS failed")

    with monkeypatch.context() as patched:
        patched.setattr(driver, "multiply", refuse)
        with pytest.raises(DeviceFailed, match="cuBLAS failed"):
            f(given)
    assert len(driver._live) <= held
    np.testing.assert_array_equal(f(given), 1)


def test_whole_numbers_of_floats_come_out_exactly(large_tiles):
    case = corpus.product_epilogues()
    given = whole_numbers(70, 9, 66, 1)
    found = case.run(given, seed=3)
    np.testing.assert_array_equal(found["whole"], (given["a"] @ given["b"]).astype(np.int64) + 1)
    np.testing.assert_array_equal(found["stack"], given["p"] @ given["b"] + given["y"])
