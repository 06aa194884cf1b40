"""The diagnosis names everything, never raises, and says what to do."""

import ctypes
import shutil
import sys

import pytest

from graphopt.runtime import blas, doctor
from graphopt.runtime.cache import Cache
from graphopt.runtime.doctor import Finding, diagnose

TOPICS = ("Python", "cache directory", "C compiler", "C++ compiler", "BLAS", "nvcc", "NVRTC", "CUDA driver", "PyCUDA",
          "target 'cuda'")  # fmt: skip


def by_name() -> dict[str, Finding]:
    return {finding.name: finding for finding in diagnose()}


def test_everything_is_looked_at():
    found = by_name()
    assert set(TOPICS) <= set(found)
    assert found["Python"].status == "found" and "numpy" in found["packages"].detail
    assert all(finding.status in ("found", "missing", "broken") for finding in found.values())


def test_whatever_is_not_found_comes_with_advice_and_what_is_found_without():
    for finding in diagnose():
        assert bool(finding.advice) == (finding.status != "found"), finding


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_compilers_features_are_listed():
    found = by_name()
    assert found["C compiler"].status == "found"
    for feature in ("flags", "OpenMP", "native code", "libmvec"):
        assert f"C compiler: {feature}" in found


def test_the_cache_is_described():
    finding = by_name()["cache directory"]
    assert finding.status == "found" and str(Cache().directory) in finding.detail and "MiB" in finding.detail


def test_an_empty_machine_is_diagnosed_too(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GRAPHOPT_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(doctor, "toolkits", list)
    monkeypatch.setattr(doctor, "find_blas", lambda: None)
    monkeypatch.setattr(doctor, "_PACKAGES", ("numpy", "no-such-package"))

    def refuse(name: str, *_: object) -> None:
        raise OSError(f"{name}: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    found = by_name()
    assert found["cache directory"].status == "broken" and "GRAPHOPT_CACHE" in found["cache directory"].advice
    for name in ("C compiler", "C++ compiler", "BLAS", "nvcc", "CUDA driver", "packages"):
        assert found[name].status == "missing" and found[name].advice, name
    assert "apt install gcc" in found["C compiler"].advice
    assert "no-such-package" in found["packages"].advice


def test_a_broken_installation_is_a_finding_and_not_an_exception(monkeypatch):
    def explode() -> None:
        raise RuntimeError("unexpected")

    for check in ("find_blas", "find_nvrtc", "Cache"):
        monkeypatch.setattr(doctor, check, explode)
    found = by_name()
    for name in ("BLAS", "NVRTC", "cache directory"):
        assert found[name].status == "broken" and "unexpected" in found[name].detail


def test_a_compiler_that_only_fails_is_broken(script, monkeypatch):
    monkeypatch.setenv("CC", str(script("failing", '[ "$1" = --version ] && echo gcc && exit 0; exit 1')))
    finding = by_name()["C compiler"]
    assert finding.status == "broken" and "cannot compile and run" in finding.detail


def test_a_compiler_that_is_killed_is_broken(script, monkeypatch):
    monkeypatch.setenv("CC", str(script("killed", '[ "$1" = --version ] && echo gcc && exit 0; kill -9 $$')))
    assert by_name()["C compiler: features"].status == "broken"


def test_nvcc_is_found_in_cuda_home_and_a_broken_one_is_reported(script, monkeypatch, tmp_path):
    program = script("nvcc", "echo 'Cuda compilation tools, release 99.1, V99.1.0'")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    (finding,) = doctor._nvcc()
    assert finding.status == "found" and str(program) in finding.detail and "99.1" in finding.detail
    script("nvcc", "exit 3")
    (finding,) = doctor._nvcc()
    assert finding.status == "broken" and "status 3" in finding.detail


class Driver:
    """A CUDA driver with one device, as seen through ctypes."""

    def __init__(self, status: int) -> None:
        self.status = status

    def cuInit(self, flags: int) -> int:
        return self.status

    def cuDriverGetVersion(self, version) -> int:
        version._obj.value = 12040
        return 0

    def cuDeviceGetCount(self, count) -> int:
        count._obj.value = 1
        return 0

    def cuDeviceGet(self, device, number: int) -> int:
        return 0

    def cuDeviceGetName(self, name, size: int, device) -> int:
        name.value = b"Imaginary 3000"
        return 0

    def cuDeviceGetAttribute(self, value, attribute: int, device) -> int:
        value._obj.value = {75: 9, 76: 0}[attribute]
        return 0

    def cuDeviceTotalMem_v2(self, memory, device) -> int:
        memory._obj.value = 80 * 2**30
        return 0


def test_devices_are_described(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver(0))
    driver, device = doctor._driver()
    assert driver.status == "found" and "CUDA 12.4, 1 device" in driver.detail
    assert device.detail == "Imaginary 3000 (compute capability 9.0, 80 GiB)"


def test_a_driver_without_a_device_is_broken(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver(100))
    (finding,) = doctor._driver()
    assert finding.status == "broken" and "no GPU" in finding.detail and "nvidia-smi" in finding.advice


def test_pycuda_that_cannot_be_imported_is_broken(monkeypatch):
    monkeypatch.setattr(doctor.importlib.metadata, "version", lambda package: "2025.1")
    monkeypatch.setitem(sys.modules, "pycuda", None)
    (finding,) = doctor._pycuda()
    assert finding.status == "broken" and "2025.1" in finding.detail


def test_openblas_that_cannot_be_loaded_is_broken(monkeypatch, tmp_path):
    (tmp_path / "libscipy_openblas.so").write_bytes(b"not a library")
    bad = blas.Blas(tmp_path / "libscipy_openblas.so", tmp_path, "scipy_")
    monkeypatch.setattr(blas, "_prepared", [])
    monkeypatch.setattr(blas, "find_blas", lambda: bad)
    monkeypatch.setattr(doctor, "find_blas", lambda: bad)
    (finding,) = doctor._blas()
    assert finding.status == "broken" and "force-reinstall" in finding.advice
