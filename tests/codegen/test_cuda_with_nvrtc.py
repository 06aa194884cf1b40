"""Every generated kernel of the corpus compiles with NVRTC, which reads no headers and is what runs on a GPU."""

import pytest
from test_cuda_with_nvcc import COMPILED, PROGRAMS

from graphopt.errors import TargetUnavailable
from graphopt.runtime.cuda_compiler import compile_with_nvrtc
from graphopt.runtime.nvrtc import find_nvrtc

try:
    NVRTC = find_nvrtc()
except TargetUnavailable:
    NVRTC = None

pytestmark = pytest.mark.skipif(NVRTC is None, reason="there is no NVRTC; pip install nvidia-cuda-nvrtc")


@pytest.mark.parametrize(("name", "architecture"), COMPILED)
def test_kernels_compile(name, architecture):
    image = compile_with_nvrtc(NVRTC, PROGRAMS[name]().source.flat, int(architecture.removeprefix("sm_")))
    assert image.code[:4] == b"\x7fELF"
