"""What kernels take on a GPU, by the assembler's report and the launches."""

import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.dimensions import evaluate
from graphopt.lowering import lower
from graphopt.runtime.nvcc import find_nvcc
from graphopt.runtime.occupancy import occupancy
from graphopt.runtime.resources import resources

x = go.variable("x", "float32[n, m]")
SIZES = {"n": 64, "m": 1000}

needs_nvcc = pytest.mark.skipif(find_nvcc() is None, reason="there is no nvcc")


@needs_nvcc
def test_work_stands_at_a_steps_first_kernel_and_totals_are_over_all() -> None:
    program = lower([x], [T.sum(x * x), T.exp(x) @ T.transpose(x)], target="cuda", pipeline="lower,fuse").program
    found = resources(program, SIZES)
    assert len(found.kernels) > len(program.steps)  # the sum is one step and two launches
    assert sum(kernel.bytes is not None for kernel in found.kernels) == len(program.steps)
    assert sum(kernel.bytes or 0 for kernel in found.kernels) == sum(
        evaluate(program.bytes(step), SIZES) for step in program.steps
    )
    for kernel in found.kernels:
        assert kernel.occupancy == occupancy(kernel.registers, kernel.shared, kernel.threads)
    assert found.registers == max(kernel.registers for kernel in found.kernels)
    assert found.shared == max(kernel.shared for kernel in found.kernels)
    assert found.occupancy == min(kernel.occupancy for kernel in found.kernels)
    smaller = resources(program, SIZES, architecture="sm_80")
    assert smaller.architecture == "sm_80" and len(smaller.kernels) == len(found.kernels)


def test_what_a_call_counts_is_not_known_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVCC", "no-such-compiler")
    program = lower([x], T.exp(x[x > 0]), target="cuda").program
    found = resources(program, SIZES)
    assert found.missing and found.registers is found.occupancy is None
    assert any(kernel.blocks is None for kernel in found.kernels)


@needs_nvcc
def test_a_text_that_nvcc_rejects_is_a_reason() -> None:
    program = lower([x], T.exp(x), target="cuda").program
    found = resources(program, SIZES, text="no CUDA at all")
    assert found.missing.startswith("nvcc rejected the text") and found.registers is None
