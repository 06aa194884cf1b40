"""Each thing that can go wrong on a GPU is one clear error, and what can go on goes on."""

import gc
import sys

import numpy as np
import pytest
from pretended import OVER_PYCUDA

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import DeviceFailed, InvalidArgument, TargetUnavailable
from graphopt.runtime import cuda_binding
from graphopt.runtime.cuda_driver import CudaDriver
from graphopt.runtime.devices import default_driver

WILD = """
extern "C" __global__ void stray(double* x, long long i) { x[i] = 1; }
extern "C" __global__ void fine(double* x, long long i) { x[i] = 2; }
"""
ONE = (1, 1, 1)


def doubled(**options):
    x = T.vector("x")
    return go.function([x], 2 * x, target="cuda", options=go.Options(**options))


# --- opening ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(OVER_PYCUDA, reason="PyCUDA needs the library to be imported")
def test_without_a_driver_it_says_what_it_looked_for_and_how_to_emulate(gpu, monkeypatch):
    monkeypatch.setattr(cuda_binding, "LIBRARY", "libnothing.so.1")
    with pytest.raises(TargetUnavailable) as caught:
        doubled()
    for word in ("PyCUDA: ", "libnothing.so.1: cannot open", "target='cuda-emulated'", "fallback='c'", "doctor"):
        assert word in str(caught.value)


@pytest.mark.skipif(OVER_PYCUDA, reason="PyCUDA needs the library to be imported")
def test_a_library_that_is_no_driver_is_not_taken_for_one(gpu, monkeypatch):
    monkeypatch.setattr(cuda_binding, "LIBRARY", "libm.so.6")
    with pytest.raises(TargetUnavailable, match="it is no CUDA driver"):
        doubled()


@pytest.mark.skipif(OVER_PYCUDA, reason="here it is there")
def test_pycuda_that_cannot_be_imported_is_done_without(gpu, monkeypatch):
    monkeypatch.setitem(sys.modules, "graphopt.runtime.cuda_pycuda", None)
    assert "through ctypes" in CudaDriver().description


OPENING = {100: "finds no GPU", 803: "different versions", 804: "older than", 46: "another process", 34: "stub"}


@pytest.mark.parametrize("status", OPENING)
def test_a_driver_that_does_not_start_says_why(gpu, status):
    gpu.fault("cuInit", status)
    with pytest.raises(TargetUnavailable, match=rf"{OPENING[status]}(.|\n)*cuInit says {status}(.|\n)*cuda-emulated"):
        doubled()
    gpu.fault("cuInit", 0)
    np.testing.assert_array_equal(doubled()([1.0]), [2.0])  # it is not remembered


def test_an_unknown_status_is_named_with_its_number(gpu):
    gpu.fault("cuDevicePrimaryCtxRetain", 999)
    with pytest.raises(TargetUnavailable, match="cuDevicePrimaryCtxRetain says"):
        doubled()


def test_a_driver_that_is_too_old_is_refused(gpu):
    gpu.set(version=10020)
    with pytest.raises(TargetUnavailable, match=r"for CUDA 10\.2, and 11\.2 is the oldest"):
        doubled()


def test_a_device_that_is_not_there_is_counted_off(gpu):
    with pytest.raises(TargetUnavailable, match=r"no device 3: this process sees 1 GPU, .*CUDA_VISIBLE_DEVICES"):
        doubled(device=3)
    gpu.set(devices=4)
    assert "Pretended 3" in repr(default_driver(3)) and "Pretended 0" in repr(default_driver())
    with pytest.raises(InvalidArgument, match="numbered from 0"):
        CudaDriver(-1)


# --- loading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 209, 218, 222])
def test_a_driver_older_than_the_compiler_is_told_so(gpu, status):
    gpu.set(version=12020)
    gpu.fault("cuModuleLoadData", status)
    with pytest.raises(TargetUnavailable, match=r"driver is for CUDA 12\.2(.|\n)*Update the driver(.|\n)*nvrtc-cu12"):
        doubled()


def test_machine_code_that_a_new_driver_refuses_is_another_fault(gpu):
    gpu.fault("cuModuleLoadData", 209)
    with pytest.raises(DeviceFailed, match=r"does not take what the emulator has compiled(.|\n)*209"):
        doubled()


# --- memory ----------------------------------------------------------------------------------------------------------


def test_what_is_kept_goes_back_before_memory_is_short(driver, gpu):
    gpu.set(memory=2**24)
    kept = [driver.allocate(2**20) for _ in range(3)]
    for buffer in kept:
        driver.free(buffer)
    driver.allocate(2**24 - 2**20)  # fits only without them
    assert gpu.calls("cuMemFree_v2") == 3


def test_memory_that_is_short_says_how_much_there_is(driver, gpu):
    driver.allocate(2**20)
    gpu.set(memory=2**22)
    with pytest.raises(DeviceFailed) as caught:
        driver.allocate(2**23, "weights")
    message = str(caught.value)
    assert "'weights' of 8.0 MiB" in message and "holds 1.0 MiB" in message and "3.0 MiB of" in message


def test_functions_and_shared_variables_stay_usable_when_memory_was_short(gpu):
    total, x = go.shared(np.zeros(4), name="total"), T.vector("x")
    add = go.function([x], (total + x).sum(), updates={total: total + x}, target="cuda")
    assert add(np.ones(4)) == 4
    long = doubled()
    gpu.fault("cuMemAlloc_v2", 2)
    with pytest.raises(DeviceFailed, match="no memory"):
        long(np.ones(10**5))
    gpu.fault("cuMemAlloc_v2", 0)
    np.testing.assert_array_equal(total.get_value(), np.ones(4))
    assert add(np.ones(4)) == 8
    np.testing.assert_array_equal(long(np.ones(10**5)), 2 * np.ones(10**5))


def test_a_call_that_fails_halfway_leaves_no_memory_behind(gpu):
    function = doubled()
    function(np.ones(100))
    driver = default_driver()
    used = driver._memory.used
    gpu.fault("cuMemcpyDtoH_v2", 2)
    with pytest.raises(DeviceFailed):
        function(np.ones(100))
    assert driver._memory.used <= used  # a failed call gives up its arena as well


# --- launching -------------------------------------------------------------------------------------------------------


def test_a_block_that_wants_too_much_is_told_what_it_could_have(driver, gpu):
    kernel, buffer = driver.compile(WILD).kernel("fine"), driver.allocate(8)
    gpu.set(threads=64)
    with pytest.raises(DeviceFailed, match=r"'fine' does not start .*128 threads with 40 registers .*could have 64"):
        driver.launch(kernel, ONE, (128, 1, 1), 0, [buffer, np.int64(0)])
    driver.launch(kernel, ONE, (64, 1, 1), 0, [buffer, np.int64(0)])  # that was all: nothing is lost
    driver.synchronize()


def test_shared_memory_that_the_device_does_not_have_is_refused(driver, gpu):
    kernel, buffer = driver.compile(WILD).kernel("fine"), driver.allocate(8)
    gpu.set(shared=100 * 1024)
    with pytest.raises(DeviceFailed, match=r"wants 150000 bytes of shared memory, and can have 102400"):
        driver.launch(kernel, ONE, ONE, 150_000, [buffer, np.int64(0)])
    driver.launch(kernel, ONE, ONE, 100_000, [buffer, np.int64(0)])
    driver.launch(kernel, ONE, ONE, 90_000, [buffer, np.int64(0)])
    assert gpu.calls("cuFuncSetAttribute") == 2  # the kernel was allowed to once


def test_what_a_kernel_declares_counts_for_what_it_may_have_without_being_allowed_to(driver, gpu):
    gpu.set(static=1024)
    kernel, buffer = driver.compile(WILD).kernel("fine"), driver.allocate(8)
    driver.launch(kernel, ONE, ONE, 48 * 1024 - 512, [buffer, np.int64(0)])
    driver.synchronize()


def test_an_impossible_launch_and_wrong_arguments_are_named(driver):
    kernel, buffer = driver.compile(WILD).kernel("fine"), driver.allocate(8)
    with pytest.raises(InvalidArgument, match=r"grid .* is empty"):
        driver.launch(kernel, (0, 1, 1), ONE, 0, [buffer, np.int64(0)])
    with pytest.raises(InvalidArgument, match="at most 1024 threads"):
        driver.launch(kernel, ONE, (1024, 2, 1), 0, [buffer, np.int64(0)])
    with pytest.raises(DeviceFailed, match="was given 8 bytes of arguments"):
        driver.launch(kernel, ONE, ONE, 0, [buffer])
    with pytest.raises(InvalidArgument, match="not compiled by this driver"):
        CudaDriver().launch(kernel, ONE, ONE, 0, [buffer, np.int64(0)])


@pytest.mark.parametrize("copies", [False, True])
def test_a_kernel_that_leaves_its_memory_ends_the_context_and_is_named(driver, gpu, copies):
    module, buffer = driver.compile(WILD), driver.allocate(8)
    stray, fine = module.kernel("stray"), module.kernel("fine")
    driver.launch(fine, ONE, ONE, 0, [buffer, np.int64(0)])
    if copies:  # either way it is waited for, and was not it
        driver.copy_out(buffer, np.empty(1))
    else:
        driver.synchronize()
    driver.launch(stray, ONE, ONE, 0, [buffer, np.int64(2**50)])
    with pytest.raises(DeviceFailed) as caught:
        driver.copy_out(buffer, np.empty(1))
    message = str(caught.value)
    assert "memory that is not its own" in message and "the latest first: 'stray'." in message
    assert "compute-sanitizer" in message and "cuda-emulated" in message and "700" in message
    gc.collect()  # what earlier tests have left is let go in contexts of their own
    calls = gpu.calls("cuCtxPushCurrent_v2")
    for again in (driver.synchronize, driver.record, lambda: driver.allocate(8), lambda: driver.compile(WILD)):
        with pytest.raises(DeviceFailed, match="started again"):
            again()
    driver.free(buffer)  # its memory has gone with the context
    del module, stray, fine, buffer
    gc.collect()
    assert gpu.calls("cuCtxPushCurrent_v2") == calls  # and nobody asks the device any more


@pytest.mark.parametrize("status", [716, 719])
def test_a_lost_context_is_a_target_that_is_not_there_any_more(gpu, status):
    function = doubled()
    gpu.set(pending=status)
    with pytest.raises(DeviceFailed, match=f"program|{status}"):
        function(np.ones(3))
    with pytest.raises(DeviceFailed, match="started again"):
        function(np.ones(3))
    with pytest.raises(TargetUnavailable, match="started again"):
        doubled()
    with pytest.warns(RuntimeWarning, match="started again"):
        assert doubled(fallback="c")(np.ones(3)).sum() == 6
