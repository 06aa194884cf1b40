"""The driver interface: what is checked before anything runs."""

import threading

import numpy as np
import pytest

from graphopt.errors import CompilationFailed, InvalidArgument, TargetUnavailable
from graphopt.runtime.driver import Driver, Event, Kernel, Module
from graphopt.runtime.emulation import EmulatedDriver
from graphopt.runtime.emulator import load_emulator

SOURCE = r"""
// extern "C" __global__ void not_this_one(int n) {}
extern "C" __global__ void __launch_bounds__(128) fill(float* y, const int n, double value) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) y[i] = value;
}

extern "C" __global__ __launch_bounds__(32, 2) void nothing() {}
"""


@pytest.fixture(scope="module")
def driver():
    return EmulatedDriver()


@pytest.fixture(scope="module")
def fill(driver):
    return driver.compile(SOURCE).kernel("fill")


def test_the_emulation_is_a_driver(driver):
    module = driver.compile(SOURCE)
    assert isinstance(driver, Driver) and isinstance(module, Module)
    assert isinstance(module.kernel("fill"), Kernel) and isinstance(driver.record(), Event)
    assert not driver.times_mean_something


def test_kernels_are_found_and_their_parameters_known(driver):
    module = driver.compile(SOURCE)
    assert module.names == ("fill", "nothing")
    assert module.kernel("fill").parameters == (("p", 8), ("i", 4), ("f", 8))
    assert module.kernel("nothing").parameters == ()
    with pytest.raises(InvalidArgument, match="no kernel 'full' here, only fill, nothing"):
        module.kernel("full")


def test_a_round_trip_fills_an_array(driver, fill):
    buffer = driver.allocate(4000, "y")
    start = driver.record()
    driver.launch(fill, (3, 1, 1), (128, 1, 1), 0, [buffer, np.int32(1000), np.float64(2.5)])
    driver.synchronize()
    assert driver.record().seconds_since(start) > 0
    y = np.zeros(1000, np.float32)
    driver.copy_out(buffer, y)
    assert np.all(y == 2.5)
    driver.free(buffer)


@pytest.mark.parametrize(
    ("grid", "block", "shared", "message"),
    [
        ((0, 1, 1), (32, 1, 1), 0, "empty"),
        ((1, 1, 1), (32, 0, 1), 0, "empty"),
        ((1, 1, 1), (32, 32, 2), 0, "at most 1024 threads"),
        ((1, 1, 1), (1, 1, 65), 0, "exceeds the limits"),
        ((1, 65536, 1), (1, 1, 1), 0, "exceeds the limits"),
        ((-1, 1, 1), (1, 1, 1), 0, "exceeds the limits"),
        ((1, 1), (1, 1, 1), 0, "three dimensions"),
        ((1, 1, 1), (1, 1, 1), 300_000, "shared memory"),
    ],
)
def test_an_impossible_launch_is_rejected(driver, fill, grid, block, shared, message):
    with pytest.raises(InvalidArgument, match=message):
        driver.launch(fill, grid, block, shared, [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([np.int32(1), np.float64(1)], "takes 3 arguments, and was given 2"),
        ([np.float32(0), np.int32(1), np.float64(1)], "a buffer as argument 0, not float32"),
        (["y", np.int64(1), np.float64(1)], "an integer of 32 bits as argument 1, not int64"),
        (["y", np.int32(1), np.float32(1)], "a float64 as argument 2, not float32"),
        (["y", np.float32(1), np.float64(1)], "an integer of 32 bits as argument 1, not float32"),
        (["y", 1, np.float64(1)], "an integer of 32 bits as argument 1, not int"),
        (["y", "y", np.float64(1)], "an integer of 32 bits as argument 1, not a buffer"),
    ],
)
def test_arguments_of_the_wrong_kind_are_rejected(driver, fill, arguments, message):
    buffer = driver.allocate(16, "y")
    with pytest.raises(InvalidArgument, match=message):
        driver.launch(fill, (1, 1, 1), (1, 1, 1), 0, [buffer if a == "y" else a for a in arguments])


def test_copies_are_checked(driver):
    buffer = driver.allocate(16, "y")
    with pytest.raises(InvalidArgument, match="16 bytes, the array 24"):
        driver.copy_in(buffer, np.zeros(3))
    with pytest.raises(InvalidArgument, match="contiguous"):
        driver.copy_in(buffer, np.zeros(4, np.float32)[::2])
    frozen = np.zeros(2)
    frozen.setflags(write=False)
    with pytest.raises(InvalidArgument, match="read-only"):
        driver.copy_out(buffer, frozen)
    with pytest.raises(InvalidArgument, match="not in buffer"):
        buffer.part(8, 12)


def test_a_text_that_does_not_compile_says_where(driver):
    with pytest.raises(CompilationFailed, match=r"rows\.cuh:7"):
        driver.compile('#line 7 "rows.cuh"\nextern "C" __global__ void k() { undeclared(); }')


def test_without_a_compiler_there_is_one_clear_message(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    load_emulator.cache_clear()
    with pytest.raises(
        TargetUnavailable, match=r"'cuda-emulated' runs CUDA C through a C\+\+ compiler.*no-such-compiler"
    ):
        EmulatedDriver()


@pytest.mark.parametrize("arguments", [{"seed": -1}, {"guard": "both"}])
def test_impossible_drivers_are_rejected(arguments):
    with pytest.raises(InvalidArgument):
        EmulatedDriver(**arguments)


def test_python_threads_take_turns(fill):
    results = []

    def work(value):
        driver = EmulatedDriver(value)
        buffer, y = driver.allocate(400), np.zeros(100, np.float32)
        for _ in range(20):
            driver.launch(fill, (1, 1, 1), (64, 1, 1), 0, [buffer, np.int32(100), np.float64(value)])
            driver.copy_out(buffer, y)
            results.append(bool(np.all(y == value)))

    threads = [threading.Thread(target=work, args=(value,)) for value in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 80 and all(results)
