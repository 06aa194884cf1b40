"""Compiling with nvcc, and reading its assembler's report."""

import pytest

from graphopt.errors import CompilationFailed, TargetUnavailable
from graphopt.runtime import nvcc
from graphopt.runtime.nvcc import compile_cubin, find_nvcc, read_resources
from graphopt.runtime.process import compiler_runs

needs_nvcc = pytest.mark.skipif(find_nvcc() is None, reason="there is no nvcc")

LOG = """\
ptxas info    : 24 bytes gmem
ptxas info    : Compiling entry function 'second' for 'sm_80'
ptxas info    : Function properties for second
    64 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 4096 bytes smem, 380 bytes cmem[0]
ptxas info    : Compiling entry function 'first' for 'sm_80'
ptxas info    : Function properties for first
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 8 registers, 380 bytes cmem[0]
ptxas info    : Function properties for helper
    16 bytes stack frame, 4 bytes spill stores, 4 bytes spill loads
"""


def test_the_assemblers_report_is_read_for_each_kernel():
    registers, spills, shared = read_resources(LOG)
    assert registers == {"second": 255, "first": 8}
    assert spills == {"second": 20, "first": 8}
    assert shared == {"second": 4096, "first": 0}


@needs_nvcc
def test_a_kernel_is_compiled_once():
    text = 'extern "C" __global__ void twice(float* x) { x[threadIdx.x] *= 2.0f; }\n'
    first = compile_cubin(text)
    runs = compiler_runs()
    assert compile_cubin(text) == first
    assert compiler_runs() == runs
    assert first.cubin.startswith(b"\x7fELF") and first.registers.keys() == {"twice"}


@needs_nvcc
def test_a_warning_is_an_error():
    with pytest.raises(CompilationFailed, match="never referenced"):
        compile_cubin("__global__ void k() { int unused; }\n")


@needs_nvcc
def test_products_and_sums_are_not_contracted():
    text = 'extern "C" __global__ void k(float* x) { x[0] = x[1] * x[2] + x[3]; }\n'
    assert compile_cubin(text).cubin != compile_cubin(text, extra=["--fmad=true"]).cubin


def test_without_nvcc_there_is_one_clear_message(monkeypatch):
    monkeypatch.setenv("NVCC", "no-such-compiler")
    assert nvcc.find_nvcc() is None
    with pytest.raises(TargetUnavailable, match="There is no nvcc: looked at"):
        compile_cubin("")
