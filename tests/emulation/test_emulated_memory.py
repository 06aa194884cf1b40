"""Accesses that a kernel has no right to, and memory that holds nothing yet."""

import faulthandler
import signal
import subprocess
import sys

import numpy as np
import pytest

from graphopt.errors import DeviceFailed, InvalidArgument
from graphopt.runtime.emulation import QUARANTINE, EmulatedDriver

SOURCE = r"""
extern "C" __global__ void copy(const float* x, float* y, int offset, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    y[i] = x[i + offset];
}

extern "C" __global__ void store(float* y, int at) {
  y[at] = 1.0f;
}

extern "C" __global__ void poisoned(float* y) {
  __shared__ float fixed[32];
  GO_DYNAMIC_SHARED(float, dynamic);
  y[blockIdx.x * 64 + threadIdx.x] = fixed[threadIdx.x];
  y[blockIdx.x * 64 + 32 + threadIdx.x] = dynamic[threadIdx.x];
  fixed[threadIdx.x] = dynamic[threadIdx.x] = 1.0f;
}

extern "C" __global__ void dynamic_shared(int at) {
  GO_DYNAMIC_SHARED(float, tile);
  tile[at] = 1.0f;
}

extern "C" __global__ void fixed_array(float* y, int at) {
  __shared__ float tile[4][8];
  tile[3][at] = 1.0f;
  y[0] = tile[3][at];
}

extern "C" __global__ void load_four(const float* x, float4* y) {
  y[0] = *reinterpret_cast<const float4*>(x);
}

extern "C" __global__ void large_frame(float* y, int at) {
  volatile float local[1 << 15];
  local[at] = 1.0f;
  y[0] = local[at];
}

extern "C" __global__ void divide(int* y, int by) { y[0] = 7 / by; }

extern "C" __global__ void endless(volatile float* y) {
  while (true) *y = 1.0f;
}

extern "C" __global__ void endless_with_barriers(float* y) {
  while (true) __syncthreads();
}
"""


def arrays(n):
    return [np.arange(n, dtype=np.float32), np.zeros(n, np.float32)]


def test_a_kernel_that_stays_inside_passes_with_both_guards(launch):
    for guard in ("end", "start"):
        x, y = launch(
            SOURCE, "copy", [*arrays(33), np.int32(0), np.int32(33)], block=(64, 1, 1), driver=EmulatedDriver(0, guard)
        )
        assert np.array_equal(x, y)


@pytest.mark.parametrize("n", [4, 64, 1000])
def test_a_read_past_the_end_is_reported_with_kernel_thread_line_and_buffer(launch, n):
    with pytest.raises(DeviceFailed) as caught:
        launch(SOURCE, "copy", [*arrays(n), np.int32(1), np.int32(n)], block=(1000, 1, 1), names=["input", "output"])
    message = str(caught.value)
    assert f"Kernel 'copy', block (0, 0, 0), thread ({n - 1}, 0, 0)" in message
    assert f"past the end of buffer 'input' ({4 * n} bytes)" in message and "kernel.cu:5" in message


def test_a_write_past_the_end_is_reported(launch):
    with pytest.raises(DeviceFailed, match=r"store.*wrote 36 bytes past the end of buffer 'a' \(64 bytes\)"):
        launch(SOURCE, "store", [np.zeros(16, np.float32), np.int32(25)], block=(1, 1, 1))


def test_a_write_far_outside_is_attributed_to_the_buffer_it_started_from(launch):
    with pytest.raises(DeviceFailed, match="before the start of buffer 'a'"):
        launch(SOURCE, "store", [np.zeros(16, np.float32), np.int32(-100_000)], block=(1, 1, 1))


def test_a_read_before_the_start_needs_the_other_guard(launch):
    arguments = [*arrays(16), np.int32(-1), np.int32(16)]
    with pytest.raises(DeviceFailed, match="4 bytes before the start of buffer 'a'"):
        launch(SOURCE, "copy", arguments, driver=EmulatedDriver(guard="start"))
    y = launch(SOURCE, "copy", arguments)[1]
    assert y[0] > 1e38  # what lies there shows


@pytest.mark.parametrize(
    ("guard", "at", "place"),
    [("end", 13, "4 bytes past the end"), ("start", 300, "past the end"), ("end", -1, "4 bytes before")],
)
def test_a_stray_write_between_buffer_and_guard_is_noticed_after_the_launch(launch, guard, at, place):
    driver = EmulatedDriver(guard=guard)
    with pytest.raises(DeviceFailed, match=f"store.*{place}.*after the launch"):
        launch(
            SOURCE,
            "store",
            [np.zeros(12 + (guard == "end" and at > 0), np.float32)[: 12 + (at > 0)], np.int32(at + (at == 13))],
            block=(1, 1, 1),
            driver=driver,
        )
    launch(SOURCE, "store", [np.zeros(4, np.float32), np.int32(0)], block=(1, 1, 1), driver=driver)


def test_memory_that_was_freed_is_out_of_bounds():
    driver = EmulatedDriver()
    buffer = driver.allocate(64, "old")
    driver.free(buffer)
    kernel = driver.compile(SOURCE).kernel("store")
    with pytest.raises(DeviceFailed, match="wrote in the freed buffer 'old'"):
        driver.launch(kernel, (1, 1, 1), (1, 1, 1), 0, [buffer, np.int32(3)])
    with pytest.raises(InvalidArgument, match="'old' is not in use"):
        driver.copy_in(buffer, np.zeros(4, np.float32))
    with pytest.raises(InvalidArgument, match="'old' is not in use"):
        driver.free(buffer)
    for _ in range(2 * QUARANTINE):
        driver.free(driver.allocate(64))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_shared_memory_and_fresh_buffers_are_poisoned_for_every_block(launch, seed):
    driver = EmulatedDriver(seed)
    (y,) = launch(SOURCE, "poisoned", [np.zeros(192, np.float32)], grid=(3, 1, 1), shared=128, driver=driver)
    fresh = np.empty(8, np.float32)
    driver.copy_out(driver.allocate(32), fresh)
    for values in (y, fresh):
        assert np.all(np.isnan(values) if seed == 0 else np.abs(values) > 1e38)


def test_dynamic_shared_memory_has_an_end(launch):
    launch(SOURCE, "dynamic_shared", [np.int32(15)], shared=64)
    with pytest.raises(DeviceFailed, match="outside its dynamic shared memory"):
        launch(SOURCE, "dynamic_shared", [np.int32(16)], shared=64)


def test_an_index_outside_a_fixed_array_is_reported(launch):
    launch(SOURCE, "fixed_array", [np.zeros(1, np.float32), np.int32(7)])
    with pytest.raises(DeviceFailed, match=r"kernel\.cu:\d+: an index outside a fixed-size array"):
        launch(SOURCE, "fixed_array", [np.zeros(1, np.float32), np.int32(8)])


def test_an_unaligned_vector_access_is_reported():
    driver = EmulatedDriver()
    kernel = driver.compile(SOURCE).kernel("load_four")
    x, y = driver.allocate(64, "x"), driver.allocate(16, "y")
    driver.launch(kernel, (1, 1, 1), (1, 1, 1), 0, [x.part(16, 48), y])
    with pytest.raises(DeviceFailed, match="not aligned"):
        driver.launch(kernel, (1, 1, 1), (1, 1, 1), 0, [x.part(4, 60), y])


def test_a_stack_that_overflows_is_reported(launch):
    with pytest.raises(DeviceFailed, match="local arrays are too large"):
        launch(SOURCE, "large_frame", [np.zeros(1, np.float32), np.int32(9)])


def test_division_by_zero_is_reported(launch):
    with pytest.raises(DeviceFailed, match="integer division by zero"):
        launch(SOURCE, "divide", [np.zeros(1, np.int32), np.int32(0)])


@pytest.mark.parametrize("kernel", ["endless", "endless_with_barriers"])
def test_an_endless_loop_is_ended(launch, kernel):
    with pytest.raises(DeviceFailed, match=r"not finished after 0\.1 s"):
        launch(SOURCE, kernel, [np.zeros(1, np.float32)], driver=EmulatedDriver(time_limit=0.1))


def test_faults_work_with_the_portable_switch_as_well(launch):
    driver = EmulatedDriver(1, use_ucontext=True)
    x, y = launch(SOURCE, "copy", [*arrays(50), np.int32(0), np.int32(50)], block=(64, 1, 1), driver=driver)
    assert np.array_equal(x, y)
    with pytest.raises(DeviceFailed, match="past the end of buffer 'a'"):
        launch(SOURCE, "copy", [*arrays(64), np.int32(1), np.int32(64)], block=(64, 1, 1), driver=driver)
    launch(SOURCE, "poisoned", [np.zeros(64, np.float32)], shared=128, driver=driver)


def test_signal_handlers_are_put_back_after_a_fault(launch):
    enabled = faulthandler.is_enabled()
    before = {number: signal.getsignal(number) for number in (signal.SIGSEGV, signal.SIGFPE, signal.SIGVTALRM)}
    for _ in range(50):
        with pytest.raises(DeviceFailed):
            launch(SOURCE, "store", [np.zeros(4, np.float32), np.int32(4)], block=(1, 1, 1))
    assert before == {number: signal.getsignal(number) for number in before}
    assert faulthandler.is_enabled() == enabled


@pytest.mark.parametrize("when", ["after a launch", "during a launch, in another thread"])
def test_a_fault_that_is_no_kernels_still_ends_the_process(when):
    program = f"""
import ctypes, threading
import numpy as np
from graphopt.runtime.emulation import EmulatedDriver
driver = EmulatedDriver(time_limit=20)
kernel = driver.compile('extern "C" __global__ void k(volatile float* y, int n) {{ while (n) *y = 1.0f; }}').kernel("k")
y = driver.allocate(4)
driver.launch(kernel, (1, 1, 1), (1, 1, 1), 0, [y, np.int32(0)])
if {when.startswith("during")}:
    threading.Timer(0.2, ctypes.string_at, (0,)).start()
    driver.launch(kernel, (1, 1, 1), (1, 1, 1), 0, [y, np.int32(1)])
ctypes.string_at(0)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert result.returncode == -signal.SIGSEGV, result.stderr
