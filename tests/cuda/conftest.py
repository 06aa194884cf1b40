"""A GPU for machines without one: the driver's library is pretended, and kernels run by the emulator.

The tests run over ctypes. Where PyCUDA is installed, `test_gpu_bindings.py` runs them again over it, in a process whose
`GRAPHOPT_TEST_BINDING` says so; there the pretended library stands in the place of the real one.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pretended import OVER_PYCUDA, Pretended, emulated, pretended_library

from graphopt.errors import TargetUnavailable
from graphopt.runtime import cuda_binding, cuda_driver, devices
from graphopt.runtime.cuda_driver import CudaDriver
from graphopt.runtime.emulator import load_emulator


@pytest.fixture(scope="session", autouse=True)
def needs_a_compiler() -> None:
    try:
        load_emulator((), None)
    except TargetUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretended_library(tmp_path_factory.mktemp("pretended"))


@pytest.fixture
def gpu(library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretended]:
    """The pretended driver without a fault, which target "cuda" finds."""
    if not OVER_PYCUDA:
        monkeypatch.setitem(sys.modules, "pycuda", None)  # nothing but the library is needed
        monkeypatch.setattr(cuda_binding, "LIBRARY", str(library))
    monkeypatch.setattr(devices, "_drivers", {})
    monkeypatch.setattr(cuda_driver, "find_compiler", lambda driver: emulated)
    pretended = Pretended(library)
    pretended.reset()
    yield pretended
    assert pretended.depth == 0, "a context is still current"
    pretended.reset()


@pytest.fixture
def driver(gpu: Pretended) -> CudaDriver:
    return CudaDriver()
