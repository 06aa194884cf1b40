"""A row softmax by hand, with the block reductions that generated kernels will use: one block a row, two levels."""

import numpy as np
import pytest

from graphopt.errors import DeviceFailed
from graphopt.runtime.emulation import EmulatedDriver
from graphopt.runtime.nvcc import compile_cubin, find_nvcc

SOURCE = r"""
struct Largest {
  __device__ static float start() { return -__int_as_float(0x7f800000); }
  __device__ static float join(float a, float b) { return fmaxf(a, b); }
};

struct Total {
  __device__ static float start() { return 0.0f; }
  __device__ static float join(float a, float b) { return a + b; }
};

// Every thread gets the result. `partial` has a place for each warp and must not be in use.
template <class Reduction>
__device__ float reduce_block(float value, float* partial) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  for (int step = 16; step > 0; step /= 2) value = Reduction::join(value, __shfl_xor_sync(0xffffffffu, value, step));
  if (lane == 0) partial[warp] = value;
  __syncthreads();
  value = lane < warps ? partial[lane] : Reduction::start();
  for (int step = 16; step > 0; step /= 2) value = Reduction::join(value, __shfl_xor_sync(0xffffffffu, value, step));
  return value;
}

extern "C" __global__ void __launch_bounds__(256)
softmax(const float* __restrict__ x, float* __restrict__ y, int columns) {
  __shared__ float partial_max[32];
  __shared__ float partial_sum[32];
  GO_DYNAMIC_SHARED(float, row);
  x += (size_t)blockIdx.x * columns;
  y += (size_t)blockIdx.x * columns;
  float largest = Largest::start();
  for (int i = threadIdx.x; i < columns; i += blockDim.x) {
    row[i] = x[i];
    largest = fmaxf(largest, row[i]);
  }
  largest = reduce_block<Largest>(largest, partial_max);
  float sum = 0.0f;
  for (int i = threadIdx.x; i < columns; i += blockDim.x) {
    row[i] = expf(row[i] - largest);
    sum += row[i];
  }
  sum = reduce_block<Total>(sum, partial_sum);
  for (int i = threadIdx.x; i < columns; i += blockDim.x) y[i] = row[i] / sum;
}
"""

ROWS = 3


@pytest.fixture(scope="module")
def source(cuda_templates):
    return cuda_templates.get_template("cuda/dialect.cuh.j2").render() + SOURCE


def run(launch, source, columns, *, seed=0, guard="end", threads=256):
    x = np.random.default_rng(columns).normal(0, 20, (ROWS, columns)).astype(np.float32)
    y = launch(
        source, "softmax", [x, np.zeros_like(x), np.int32(columns)],
        grid=(ROWS, 1, 1), block=(threads, 1, 1), shared=4 * columns, driver=EmulatedDriver(seed, guard),
    )[1]  # fmt: skip
    shifted = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    return y, shifted / shifted.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("columns", [1, 31, 33, 1000, 4097])
@pytest.mark.parametrize(("seed", "guard"), [(0, "end"), (1, "end"), (2, "start"), (3, "end")])
def test_a_row_softmax_is_right_for_ragged_sizes_and_schedules(launch, source, columns, seed, guard):
    for threads in (32, 256):
        y, expected = run(launch, source, columns, seed=seed, guard=guard, threads=threads)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize(
    ("correct", "planted"),
    [
        ("i < columns; i += blockDim.x) y[i]", "i <= columns; i += blockDim.x) y[i]"),
        ("  __syncthreads();\n  value = lane", "  value = lane"),
        ("lane < warps ?", "lane <= warps ?"),
        ("reduce_block<Total>(sum, partial_sum)", "reduce_block<Total>(sum, partial_max)"),
        ("if (lane == 0) partial[warp]", "if (lane == 1) partial[lane]"),
        ("columns;\n  float largest", "columns + 1;\n  float largest"),
    ],
)
def test_a_planted_mistake_is_found_by_one_of_few_schedules(launch, source, correct, planted):
    mutant = source.replace(correct, planted)
    assert mutant != source

    def is_found(seed, columns):
        try:
            y, expected = run(launch, mutant, columns, seed=seed)
        except DeviceFailed:
            return True
        return not np.allclose(y, expected, rtol=1e-5)

    assert any(is_found(seed, columns) for seed in range(4) for columns in (33, 1000))


@pytest.mark.skipif(find_nvcc() is None, reason="there is no nvcc")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_nvcc_takes_the_same_text_without_warnings_or_spills(source, architecture):
    compiled = compile_cubin(source, architecture)
    assert compiled.cubin.startswith(b"\x7fELF")
    assert 0 < compiled.registers["softmax"] <= 64
    assert compiled.spills == {"softmax": 0} and compiled.shared == {"softmax": 256}
