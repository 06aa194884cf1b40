"""Threads that wait for one another, or ought to."""

import numpy as np
import pytest

from graphopt.errors import DeviceFailed
from graphopt.runtime.emulation import EmulatedDriver

SOURCE = r"""
// The sum of a block's numbers, by halving. Without the barrier in the loop, thread order still gives the right result.
template <bool barrier>
__device__ float block_sum(float value) {
  __shared__ float partial[256];
  partial[threadIdx.x] = value;
  __syncthreads();
  for (int step = blockDim.x / 2; step > 0; step /= 2) {
    float sum = 0.0f;
    if (threadIdx.x < step) sum = partial[threadIdx.x] + partial[threadIdx.x + step];
    if (threadIdx.x < step) partial[threadIdx.x] = sum;
    if (barrier) __syncthreads();
  }
  __syncthreads();
  return partial[0];
}

extern "C" __global__ void sum_with_barriers(const float* x, float* y) {
  const float sum = block_sum<true>(x[threadIdx.x]);
  if (threadIdx.x == 0) *y = sum;
}

extern "C" __global__ void sum_without_barriers(const float* x, float* y) {
  __shared__ float partial[256];
  partial[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  // Each thread leaves its running sum for the next one, which is right only if they run in order.
  if (threadIdx.x > 0) partial[threadIdx.x] += partial[threadIdx.x - 1];
  __syncthreads();
  if (threadIdx.x == 0) *y = partial[blockDim.x - 1];
}

extern "C" __global__ void shift_without_second_barrier(const float* x, float* y) {
  __shared__ float tile[64];
  for (int round = 0; round < 3; round++) {
    tile[threadIdx.x] = x[threadIdx.x] + round;
    __syncthreads();
    y[round * 64 + threadIdx.x] = tile[threadIdx.x == 0 ? 0 : threadIdx.x - 1];
    // A barrier belongs here: the next round overwrites what a neighbour may not have read yet.
  }
}

extern "C" __global__ void divergent(float* y) {
  if (threadIdx.x < 12)
#line 40 "templates/rows.cuh"
    __syncthreads();
  else
    __syncthreads();
  y[threadIdx.x] = 1.0f;
}

extern "C" __global__ void return_before_barrier(int n) {
  if (threadIdx.x >= n) return;
  __syncthreads();
}

extern "C" __global__ void barrier_against_shuffle() {
  if (threadIdx.x < 8) __syncthreads();
  __shfl_sync(0xffffffffu, 1, 0);
}

extern "C" __global__ void count(int* y) {
  const int odd = threadIdx.x & 1;
  const int many = __syncthreads_count(odd);
  const int any = __syncthreads_or(threadIdx.x == 7);
  const int all = __syncthreads_and(threadIdx.x < 7);
  if (threadIdx.x == 0) {
    y[0] = many;
    y[1] = any;
    y[2] = all;
  }
}

extern "C" __global__ void stop_itself(int n) {
  if (threadIdx.x == 5) assert(n > 3);
}
"""

x = np.arange(1, 65, dtype=np.float32)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_a_block_sum_with_its_barriers_is_right_for_every_schedule(launch, seed):
    _, y = launch(
        SOURCE, "sum_with_barriers", [x, np.zeros(1, np.float32)], block=(64, 1, 1), driver=EmulatedDriver(seed)
    )
    assert y[0] == x.sum()


def test_a_missing_barrier_passes_in_thread_order_and_fails_in_shuffled_ones(launch):
    def run(seed):
        arguments = [x, np.zeros(1, np.float32)]
        return launch(SOURCE, "sum_without_barriers", arguments, block=(64, 1, 1), driver=EmulatedDriver(seed))[1][0]

    assert run(0) == x.sum()
    assert all(run(seed) != x.sum() for seed in (1, 2, 3))


def test_a_missing_barrier_between_reading_and_the_next_write_is_found(launch):
    expected = np.concatenate([np.concatenate([x[:1], x[:-1]]) + k for k in range(3)])

    def run(seed):
        arguments = [x, np.zeros(192, np.float32)]
        driver = EmulatedDriver(seed)
        return launch(SOURCE, "shift_without_second_barrier", arguments, block=(64, 1, 1), driver=driver)[1]

    assert any(not np.array_equal(run(seed), expected) for seed in (1, 2, 3))


def test_the_same_seed_gives_the_same_schedule(launch):
    arguments = [x, np.zeros(1, np.float32)]
    driver = EmulatedDriver(5)
    runs = {launch(SOURCE, "sum_without_barriers", arguments, block=(64, 1, 1), driver=driver)[1][0] for _ in range(3)}
    assert len(runs) == 1


@pytest.mark.parametrize("seed", [0, 1])
def test_a_divergent_barrier_is_reported_with_its_template_lines_and_the_process_survives(launch, seed):
    driver = EmulatedDriver(seed)
    with pytest.raises(DeviceFailed) as caught:
        launch(SOURCE, "divergent", [np.zeros(32, np.float32)], driver=driver)
    message = str(caught.value)
    assert "'divergent', block (0, 0, 0)" in message and "different barriers" in message
    assert "templates/rows.cuh:40" in message and "templates/rows.cuh:42" in message
    _, y = launch(SOURCE, "sum_with_barriers", [x, np.zeros(1, np.float32)], block=(64, 1, 1), driver=driver)
    assert y[0] == x.sum()


def test_threads_that_return_before_a_barrier_are_reported(launch):
    with pytest.raises(DeviceFailed, match=r"(?s)returned before a barrier.*threads 0–9.*returned: threads 10–31"):
        launch(SOURCE, "return_before_barrier", [np.int32(10)])
    launch(SOURCE, "return_before_barrier", [np.int32(32)])


def test_a_deadlock_names_who_waits_where(launch):
    with pytest.raises(DeviceFailed, match=r"(?s)deadlock.*__syncthreads.*threads 0–7.*__shfl_sync.*threads 8–31"):
        launch(SOURCE, "barrier_against_shuffle", [])


def test_barriers_count_votes(launch):
    (y,) = launch(SOURCE, "count", [np.zeros(3, np.int32)], block=(50, 1, 1))
    assert y.tolist() == [25, 1, 0]


def test_a_failed_assertion_ends_the_launch_only(launch):
    with pytest.raises(DeviceFailed, match=r"assertion failed: n > 3\n.*: thread 5\n"):
        launch(SOURCE, "stop_itself", [np.int32(3)])
    launch(SOURCE, "stop_itself", [np.int32(4)])
