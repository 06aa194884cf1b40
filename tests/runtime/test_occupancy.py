"""Occupancy: documented values, what NVIDIA's own calculator says where there is one, and laws."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphopt.errors import InvalidArgument
from graphopt.runtime.nvcc import find_nvcc
from graphopt.runtime.occupancy import LIMITS, MAX_REGISTERS, MAX_THREADS, occupancy, resident_blocks

architectures = st.sampled_from(sorted(LIMITS))
registers = st.integers(0, MAX_REGISTERS)
shared = st.integers(0, 240 * 1024)
threads = st.integers(1, MAX_THREADS)


@pytest.mark.parametrize(
    ("used", "block", "blocks", "share"),
    [
        # CUDA C++ Best Practices Guide, "Occupancy": 65,536 registers and 2,048 threads a multiprocessor.
        (37, 128, 12, 0.75),
        (37, 320, 4, 0.625),
        (32, 1024, 2, 1.0),  # "each thread can use at most 32 registers" for an occupancy of 100 %
        (33, 1024, 1, 0.5),
    ],
)
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_documented_values_come_out(used: int, block: int, blocks: int, share: float, architecture: str) -> None:
    assert resident_blocks(used, 0, block, architecture) == blocks
    assert occupancy(used, 0, block, architecture) == share


def test_shared_memory_bounds_the_blocks_and_a_kibibyte_of_each_is_the_systems() -> None:
    assert resident_blocks(16, 227 * 1024, 256, "sm_90") == 1
    assert resident_blocks(16, 227 * 1024 + 1, 256, "sm_90") == 0
    assert resident_blocks(16, 113 * 1024, 256, "sm_90") == 2  # 2 × (113 + 1) KiB are all there is
    assert resident_blocks(16, 113 * 1024 + 1, 256, "sm_90") == 1
    assert resident_blocks(16, 163 * 1024 + 1, 256, "sm_80") == 0


@given(registers, shared, threads, architectures)
def test_it_is_a_share_and_zero_only_where_no_block_fits(r: int, s: int, t: int, architecture: str) -> None:
    share = occupancy(r, s, t, architecture)
    assert 0 <= share <= 1
    assert (share == 0) == (resident_blocks(r, s, t, architecture) == 0)


@given(registers, shared, threads, architectures, st.integers(0, 64), st.integers(0, 4096), st.integers(0, 256))
def test_who_takes_more_never_has_more_blocks(
    r: int, s: int, t: int, architecture: str, more_r: int, more_s: int, more_t: int
) -> None:
    blocks = resident_blocks(r, s, t, architecture)
    assert resident_blocks(r + more_r, s, t, architecture) <= blocks
    assert resident_blocks(r, s + more_s, t, architecture) <= blocks
    assert resident_blocks(r, s, t + more_t, architecture) <= blocks
    assert occupancy(r + more_r, s + more_s, t, architecture) <= occupancy(r, s, t, architecture)


@given(registers, threads)
def test_the_larger_architecture_holds_no_less(r: int, t: int) -> None:
    assert resident_blocks(r, 0, t, "sm_90") >= resident_blocks(r, 0, t, "sm_89") >= resident_blocks(r, 0, t, "sm_86")


def test_an_unknown_architecture_and_impossible_blocks_are_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"sm_20.*sm_80, sm_86"):
        occupancy(32, 0, 256, "sm_20")
    for r, s, t in ((-1, 0, 1), (0, -1, 1), (0, 0, 0)):
        with pytest.raises(InvalidArgument, match="at least one thread"):
            occupancy(r, s, t)
    assert occupancy(32, 0, 256, "sm_90a") == occupancy(32, 0, 256, "sm_90") == 1


# NVIDIA's calculator is a header of the toolkit, plain C++ that needs no GPU.
ORACLE = """
#include <climits>
#include <cstdio>
#include <cuda_occupancy.h>
int main() {
  int major, minor, warps, shared, most, r, s, t;
  while (std::scanf("%d %d %d %d %d %d %d %d", &major, &minor, &warps, &shared, &most, &r, &s, &t) == 8) {
    cudaOccDeviceProp device;
    device.computeMajor = major;
    device.computeMinor = minor;
    device.maxThreadsPerBlock = 1024;
    device.maxThreadsPerMultiprocessor = 32 * warps;
    device.regsPerBlock = device.regsPerMultiprocessor = 65536;
    device.warpSize = 32;
    device.sharedMemPerBlock = 48 * 1024;
    device.sharedMemPerMultiprocessor = shared;
    device.sharedMemPerBlockOptin = most;
    device.reservedSharedMemPerBlock = 1024;
    device.numSms = 1;
    cudaOccFuncAttributes kernel;
    kernel.maxThreadsPerBlock = INT_MAX;
    kernel.numRegs = r;
    kernel.sharedSizeBytes = 0;
    kernel.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
    kernel.maxDynamicSharedSizeBytes = most;
    kernel.numBlockBarriers = 1;
    cudaOccDeviceState state;
    cudaOccResult result;
    if (cudaOccMaxActiveBlocksPerMultiprocessor(&result, &device, &kernel, &state, t, s) != CUDA_OCC_SUCCESS) return 1;
    std::printf("%d\\n", result.activeBlocksPerMultiprocessor);
  }
}
"""


def test_it_is_what_nvidias_calculator_says(tmp_path: Path) -> None:
    nvcc, compiler = find_nvcc(), shutil.which("g++")
    headers: list[Path] = []
    if nvcc:  # which may be a script that calls the toolkit's
        said = subprocess.run([nvcc, "--dryrun", "x.cu"], capture_output=True, text=True, check=False).stderr
        tops = [line.partition("TOP=")[2] for line in said.splitlines() if "TOP=" in line]
        headers = [header for top in tops for header in Path(top).glob("**/cuda_occupancy.h")]
    if not (headers and compiler):
        pytest.skip("NVIDIA's calculator comes with the CUDA toolkit, and needs g++")
    (tmp_path / "oracle.cpp").write_text(ORACLE)
    command = [compiler, "-w", f"-I{headers[0].parent}", "oracle.cpp", "-o", "oracle"]
    subprocess.run(command, cwd=tmp_path, check=True)
    cases = [
        (architecture, r, s, t)
        for architecture in LIMITS
        for r in (0, 1, 24, 32, 33, 37, 64, 65, 96, 128, 168, 255)
        for s in (0, 1, 128, 4096, 17_000, 48 * 1024, 99 * 1024, 100_001, 227 * 1024, 230 * 1024)
        for t in (1, 32, 33, 96, 128, 256, 320, 512, 992, 1024)
    ]
    lines = []
    for architecture, *rest in cases:
        limits, number = LIMITS[architecture], architecture.removeprefix("sm_")
        device = (number[:-1], number[-1], limits.warps, limits.shared, limits.shared_of_block)
        lines.append(" ".join(map(str, (*device, *rest))))
    told = subprocess.run([tmp_path / "oracle"], input="\n".join(lines), capture_output=True, text=True, check=True)
    expected = [int(line) for line in told.stdout.split()]
    found = [resident_blocks(r, s, t, architecture) for architecture, r, s, t in cases]
    assert len(expected) == len(cases)
    assert [case for case, a, b in zip(cases, found, expected, strict=True) if a != b] == []
