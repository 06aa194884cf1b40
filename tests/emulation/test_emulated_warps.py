"""Shuffles, votes, atomics and built-in variables."""

import numpy as np
import pytest

from graphopt.errors import DeviceFailed
from graphopt.runtime.emulation import EmulatedDriver

SOURCE = r"""
extern "C" __global__ void shuffles(const double* x, double* y) {
  const unsigned all = 0xffffffffu;
  const int lane = threadIdx.x;
  const double value = x[lane];
  y[0 * 32 + lane] = __shfl_sync(all, value, 5);
  y[1 * 32 + lane] = __shfl_sync(all, value, lane + 1, 8);
  y[2 * 32 + lane] = __shfl_up_sync(all, value, 3);
  y[3 * 32 + lane] = __shfl_down_sync(all, value, 3, 16);
  y[4 * 32 + lane] = __shfl_xor_sync(all, value, 7);
  y[5 * 32 + lane] = __ballot_sync(all, value > 10.0);
  y[6 * 32 + lane] = __any_sync(all, value > 40.0) + 2 * __all_sync(all, value >= 0.0);
  if (lane % 2 == 0) y[7 * 32 + lane] = __shfl_xor_sync(0x55555555u, value, 2);
}

extern "C" __global__ void warp_sums(const int* x, int* y) {
  int sum = x[blockIdx.x * blockDim.x + threadIdx.x];
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  if (threadIdx.x % 32 == 0) y[(blockIdx.x * blockDim.x + threadIdx.x) / 32] = sum;
}

extern "C" __global__ void read_missing_lane(float* y) {
  y[threadIdx.x] = __shfl_down_sync(0xffffffffu, 1.0f, 8);
}

extern "C" __global__ void foreign_mask() { __shfl_sync(0x0000ffffu, 1, 0); }

extern "C" __global__ void different_collectives() {
  if (threadIdx.x < 16)
    __ballot_sync(0xffffffffu, 1);
  else
    __syncwarp();
}

extern "C" __global__ void atomics(int* i, unsigned* u, float* f, double* d, unsigned long long* w) {
  const int thread = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(i + 0, thread);
  atomicMax(i + 1, thread);
  atomicMin(i + 2, -thread);
  atomicOr(u, 1u << (thread % 32));
  atomicAdd(f, 0.5f);
  atomicAdd(d, 0.25);
  atomicAdd(w, 1ull << 33);
  int seen = i[3];
  while (true) {
    const int found = atomicCAS(i + 3, seen, seen + 2);
    if (found == seen) break;
    seen = found;
  }
}

extern "C" __global__ void where_am_i(int* y) {
  const int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  y[block * (blockDim.x * blockDim.y * blockDim.z) + thread] = 1000 * block + thread;
}

extern "C" __global__ void vectors(const float4* x, float4* y, const double2* p, double2* q, const int2* i, int2* j) {
  const float4 v = __ldg(x + threadIdx.x);
  y[threadIdx.x] = make_float4(v.w, v.z, v.y, v.x);
  q[threadIdx.x] = make_double2(p[threadIdx.x].y, p[threadIdx.x].x);
  j[threadIdx.x] = int2{i[threadIdx.x].y, __popc(i[threadIdx.x].x)};
}
"""


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_shuffles_and_votes_do_what_cuda_says(launch, seed):
    x = np.arange(32.0)
    y = launch(SOURCE, "shuffles", [x, np.zeros(256)], driver=EmulatedDriver(seed))[1].reshape(8, 32)
    lane = np.arange(32)
    assert np.all(y[0] == 5)
    assert np.array_equal(y[1], lane // 8 * 8 + (lane + 1) % 8)
    assert np.array_equal(y[2], np.where(lane < 3, lane, lane - 3))
    assert np.array_equal(y[3], np.where(lane % 16 + 3 < 16, lane + 3, lane))
    assert np.array_equal(y[4], lane ^ 7)
    assert np.all(y[5] == 0xFFFFF800)
    assert np.all(y[6] == 2)
    assert np.array_equal(y[7, ::2], lane[::2] ^ 2)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_warps_sum_independently_in_many_blocks(launch, seed):
    x = np.arange(5 * 96, dtype=np.int32)
    arguments = [x, np.zeros(15, np.int32)]
    y = launch(SOURCE, "warp_sums", arguments, grid=(5, 1, 1), block=(96, 1, 1), driver=EmulatedDriver(seed))[1]
    assert np.array_equal(y, x.reshape(15, 32).sum(axis=1))


def test_a_lane_that_does_not_exist_gives_nan(launch):
    (y,) = launch(SOURCE, "read_missing_lane", [np.zeros(20, np.float32)], block=(20, 1, 1))
    assert np.array_equal(np.isnan(y), np.arange(20) + 8 >= 20)


def test_a_lane_outside_its_own_mask_is_reported(launch):
    with pytest.raises(DeviceFailed, match=r"not in the mask that it gives\n.*: thread 16\n"):
        launch(SOURCE, "foreign_mask", [])


def test_lanes_in_different_collectives_are_reported(launch):
    with pytest.raises(DeviceFailed, match=r"(?s)different collectives.*__ballot_sync.*__syncwarp"):
        launch(SOURCE, "different_collectives", [])


@pytest.mark.parametrize("seed", [0, 3])
def test_atomics_lose_nothing(launch, seed):
    arguments = [
        np.zeros(4, np.int32),
        np.zeros(1, np.uint32),
        np.zeros(1, np.float32),
        np.zeros(1),
        np.zeros(1, np.uint64),
    ]
    i, u, f, d, w = launch(SOURCE, "atomics", arguments, grid=(3, 1, 1), block=(40, 1, 1), driver=EmulatedDriver(seed))
    assert i.tolist() == [sum(range(120)), 119, -119, 240]
    assert (u[0], f[0], d[0], w[0]) == (0xFFFFFFFF, 60.0, 30.0, 120 << 33)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_indices_have_three_dimensions(launch, seed):
    y = np.full(2 * 3 * 2 * 24, -1, np.int32)
    (y,) = launch(SOURCE, "where_am_i", [y], grid=(2, 3, 2), block=(4, 3, 2), driver=EmulatedDriver(seed))
    assert np.array_equal(y, (1000 * np.arange(12)[:, None] + np.arange(24)).ravel())


def test_vector_types_have_cudas_layout(launch):
    x, p = np.arange(16, dtype=np.float32), np.arange(8.0)
    i = np.array([3, 1, 7, 2, 255, 3, 0, 4], np.int32)
    results = launch(SOURCE, "vectors", [x, x * 0, p, p * 0, i, i * 0], block=(4, 1, 1))
    assert np.array_equal(results[1].reshape(4, 4), x.reshape(4, 4)[:, ::-1])
    assert np.array_equal(results[3].reshape(4, 2), p.reshape(4, 2)[:, ::-1])
    assert results[5].tolist() == [1, 2, 2, 3, 3, 8, 4, 0]
