"""NVRTC is found where it may be, in a version that the driver takes; nvcc stands in; what was compiled is kept."""

import shutil
from pathlib import Path

import pytest

from graphopt.errors import CompilationFailed, TargetUnavailable
from graphopt.runtime import cuda_compiler, nvcc, nvrtc
from graphopt.runtime.cache import Cache
from graphopt.runtime.compile import build_library
from graphopt.runtime.cuda_compiler import OPTIONS, compile_with_nvcc, compile_with_nvrtc, find_compiler
from graphopt.runtime.nvcc import find_nvcc
from graphopt.runtime.nvrtc import find_nvrtc

HERE = Path(__file__).parent
EMPTY = 'extern "C" __global__ void k() {}'


def built(major: int) -> Path:
    source = (HERE / "pretended_nvrtc.c").read_text(encoding="utf-8")
    flags = ("-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", f"-DVERSION={major}")
    library = build_library(source, flags=flags)
    assert library.handle
    return library.path


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with neither NVRTC nor nvcc; `machine(major, folder)` installs NVRTC in a folder of it."""
    for variable in ("CUDA_HOME", "CUDA_PATH", "CUDA_ROOT", "NVCC"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(nvrtc, "toolkits", lambda: [tmp_path / "toolkit"])
    monkeypatch.setattr(nvrtc.sys, "path", [str(tmp_path / "packages")])
    monkeypatch.setattr(nvrtc.ctypes.util, "find_library", lambda name: None)
    monkeypatch.setattr(cuda_compiler, "find_nvcc", lambda: None)

    def install(major: int, folder: str) -> Path:
        path = tmp_path / folder / f"libnvrtc.so.{major}"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(built(major), path)
        return path

    return install


def test_nvrtc_is_found_in_a_toolkit_and_in_packages(machine):
    with pytest.raises(TargetUnavailable, match=r"no libnvrtc\.so"):
        find_nvrtc()
    path = machine(12, "packages/nvidia/cuda_nvrtc/lib")
    found = find_nvrtc()
    assert found.path == str(path) and found.version == 12040 and found.capabilities == (75, 80, 90)
    newer = machine(13, "toolkit/lib64")
    assert find_nvrtc().path == str(newer)


def test_a_version_that_the_driver_takes_comes_first(machine):
    old, new = machine(12, "packages/nvidia/cuda_nvrtc/lib"), machine(13, "packages/nvidia/cu13/lib")
    assert find_nvrtc(12020).path == str(old)
    assert find_nvrtc(13010).path == str(new)
    old.unlink()
    assert find_nvrtc(12020).path == str(new)  # rather than none


def test_what_cannot_be_loaded_is_passed_over_and_named_if_it_is_all(machine):
    broken = machine(13, "toolkit/lib64")
    broken.write_bytes(b"not a library")
    with pytest.raises(TargetUnavailable, match=str(broken)):
        find_nvrtc()
    (broken.parent / "libnvrtc-builtins.so.13.0").write_bytes(b"is not NVRTC either")
    assert find_nvrtc_in(machine, 12).version == 12040


def find_nvrtc_in(machine, major):
    machine(major, "packages/nvidia/cuda_nvrtc/lib")
    return find_nvrtc(1000 * major)


def test_a_text_is_compiled_for_the_device_once(machine, tmp_path, monkeypatch):
    machine(13, "toolkit/lib64")
    compile, cache = find_compiler(13000), Cache(tmp_path / "cache")
    image = compile(EMPTY, 90, cache=cache)
    assert image.code.decode() == f"{' '.join(OPTIONS)} --gpu-architecture=sm_90 --device-int128 {EMPTY}"
    assert image.compiler == "NVRTC 13.4" and image.version == 13040
    monkeypatch.setattr(nvrtc.Nvrtc, "compile", None)
    assert compile(EMPTY, 90, cache=cache) == image
    with pytest.raises(TypeError):  # another text, device or compiler is another entry
        compile(EMPTY + " ", 90, cache=cache)
    with pytest.raises(TypeError):
        compile(EMPTY, 80, cache=cache)
    with pytest.raises(TypeError):
        compile_with_nvrtc(find_nvrtc_in(machine, 12), EMPTY, 90, cache)


def test_a_device_newer_than_the_compiler_gets_what_its_driver_translates(machine, tmp_path):
    found, cache = find_nvrtc_in(machine, 12), Cache(tmp_path / "cache")
    code = compile_with_nvrtc(found, EMPTY, 103, cache).code
    assert b"--gpu-architecture=compute_90 " in code and code.endswith(b"\0")
    assert b"--gpu-architecture=sm_90 " in compile_with_nvrtc(found, EMPTY, 90, cache).code
    with pytest.raises(TargetUnavailable, match=r"capability 7\.0, and NVRTC 12\.4 .* for 7\.5 and later"):
        compile_with_nvrtc(found, EMPTY, 70, cache)


def test_a_rejected_text_is_shown_with_its_lines(machine, tmp_path):
    found = find_nvrtc_in(machine, 12)
    with pytest.raises(CompilationFailed, match=r"rejected the text\.\nkernel\.cu\(7\): error: this is wrong\nop"):
        compile_with_nvrtc(found, "wrong", 90, Cache(tmp_path / "cache"))
    with pytest.raises(CompilationFailed, match="INVALID_OPTION"):
        found.compile(EMPTY, ["--unknown"])


def test_without_any_compiler_it_says_where_it_looked(machine):
    with pytest.raises(TargetUnavailable) as caught:
        find_compiler(12040)
    for word in ("NVRTC or nvcc", "nvidia-cuda-nvrtc-cu12", "CUDA_HOME", "cuda-emulated"):
        assert word in str(caught.value)


def test_nvcc_stands_in(machine, tmp_path, monkeypatch):
    program = tmp_path / "nvcc"
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --version ]; then echo "Cuda compilation tools, release 12.6, V12.6.1"; exit; fi\n'
        'case "$*" in *all-warnings*) exit 1;; esac\n'
        'for last; do :; done; echo "$*" > "$last"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("NVCC", str(program))
    monkeypatch.setattr(cuda_compiler, "find_nvcc", nvcc.find_nvcc)
    compile = find_compiler(12060)
    assert compile is compile_with_nvcc
    image = compile(EMPTY, 89, cache=Cache(tmp_path / "cache"))
    assert b"-arch=sm_89" in image.code and image.compiler == "nvcc 12.6" and image.version == 12060


def has_nvrtc():
    try:
        return bool(find_nvrtc())
    except TargetUnavailable:
        return False


@pytest.mark.skipif(not has_nvrtc() and find_nvcc() is None, reason="there is no CUDA compiler; the toolkit has two")
def test_a_compilers_message_honours_line_directives():
    text = '#line 41 "my.cu"\nextern "C" __global__ void k() { oops(); }'
    with pytest.raises(CompilationFailed, match=r'my\.cu\(41\): error: identifier "oops" is undefined'):
        find_compiler(99000)(text, 80)
