"""The numbers and names that are written down here are those of the toolkit's cuda.h."""

import re

import pytest

from graphopt.runtime import cuda_binding, cuda_ctypes, cuda_faults
from graphopt.runtime.nvrtc import toolkits

HEADERS = [path for folder in toolkits() if (path := folder / "include" / "cuda.h").is_file()]

pytestmark = pytest.mark.skipif(not HEADERS, reason="there is no cuda.h; the CUDA toolkit has it")

NUMBERS = {
    "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR": cuda_binding.CAPABILITY_MAJOR,
    "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR": cuda_binding.CAPABILITY_MINOR,
    "CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT": cuda_binding.MULTIPROCESSORS,
    "CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN": cuda_faults.SHARED_OPTIN,
    "CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK": cuda_faults.THREADS_OF_BLOCK,
    "CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES": cuda_faults.STATIC_SHARED,
    "CU_FUNC_ATTRIBUTE_NUM_REGS": cuda_faults.REGISTERS,
    "CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES": cuda_ctypes.DYNAMIC_SHARED,
    "CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL": cuda_ctypes.DEVICE_OF_POINTER,
    "CUDA_ERROR_INVALID_VALUE": cuda_faults.INVALID_VALUE,
    "CUDA_ERROR_OUT_OF_MEMORY": cuda_faults.OUT_OF_MEMORY,
    "CUDA_ERROR_NOT_INITIALIZED": cuda_faults.NOT_INITIALIZED,
    "CUDA_ERROR_DEINITIALIZED": cuda_faults.DEINITIALIZED,
    "CUDA_ERROR_NOT_FOUND": cuda_faults.NOT_FOUND,
    "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES": cuda_faults.OUT_OF_RESOURCES,
}


@pytest.fixture(scope="module")
def header() -> str:
    return HEADERS[0].read_text(encoding="utf-8", errors="replace")


def test_numbers_are_those_of_the_header(header):
    found = {name: int(number) for name, number in re.findall(r"^\s+(CU\w+)\s*=\s*(\d+)\s*,", header, re.MULTILINE)}
    assert {name: found[name] for name in NUMBERS} == NUMBERS
    statuses = {number for name, number in found.items() if name.startswith("CUDA_ERROR_")}
    assert {*cuda_faults.LOST, *cuda_faults.OPENING, *cuda_faults.REFUSED_IMAGE} <= statuses


def test_functions_have_as_many_parameters_as_in_the_header(header):
    declared = dict(re.findall(r"CUresult CUDAAPI (cu\w+)\(([^)]*)\);", header))
    for name, parameters in cuda_ctypes.PARAMETERS.items():
        assert re.search(rf"\b{name}\b", header), name
        said = declared[name.removesuffix("_v2")]
        assert len(parameters) == (0 if said == "void" else said.count(",") + 1), name
