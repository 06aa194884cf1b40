"""What this machine offers for compiling and running generated code, and what to do about what is missing.

Each check looks for one thing and reports it; none raises. Asking the CUDA driver for devices initializes it, after
which a process cannot fork and use CUDA in the child, so this is for the command line and for people.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from graphopt.errors import CompilationFailed, CompilerNotFound, GraphoptError, TargetUnavailable
from graphopt.runtime.blas import find_blas, prepare
from graphopt.runtime.cache import Cache
from graphopt.runtime.cuda_faults import OPENING, version_text
from graphopt.runtime.features import Features
from graphopt.runtime.nvrtc import find_nvrtc, toolkits
from graphopt.runtime.toolchain import Compiler, find_compiler

__all__ = ["Finding", "diagnose"]

_PACKAGES = ("numpy", "scipy", "networkx", "sympy", "mpmath", "jinja2", "platformdirs", "typer", "rich")
_NO_GPU_NEEDED = "Without it, the target 'cuda' only generates text; 'cuda-emulated' runs it on the CPU."

Status = Literal["found", "missing", "broken"]


@dataclass(frozen=True)
class Finding:
    """What became of one check.

    Attributes
    ----------
    name : str
        What was looked for.
    status : str
        ``"found"``, ``"missing"`` or ``"broken"`` (there, but not usable).
    detail : str
        What was found: versions and places.
    advice : str
        What to do about it; empty where nothing needs doing.
    """

    name: str
    status: Status
    detail: str
    advice: str = ""


def diagnose() -> list[Finding]:
    """Look at everything that compiling and running generated code depends on. Never raises.

    Takes a second or so: compilers are tried anew rather than believed.
    """
    checks: list[tuple[str, Callable[[], list[Finding]]]] = [
        ("Python", _python),
        ("cache directory", _cache_directory),
        ("C compiler", lambda: _compiler("c")),
        ("C++ compiler", lambda: _compiler("c++")),
        ("BLAS", _blas),
        ("nvcc", _nvcc),
        ("NVRTC", _nvrtc),
        ("CUDA driver", _driver),
        ("PyCUDA", _pycuda),
        ("target 'cuda'", _target),
    ]
    return [finding for name, check in checks for finding in _guarded(name, check)]


def _guarded(name: str, check: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return check()
    except Exception as error:  # whatever a broken installation may throw is a finding
        return [Finding(name, "broken", f"{type(error).__name__}: {error}", "Please report this with its text.")]


def _python() -> list[Finding]:
    found = [Finding("Python", "found", f"{platform.python_version()} on {platform.platform()} ({sys.executable})")]
    versions, absent = [], []
    for package in _PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            absent.append(package)
    if absent:
        detail = f"without {', '.join(absent)}; with {', '.join(versions)}"
        found.append(Finding("packages", "missing", detail, f"pip install {' '.join(absent)}"))
    else:
        found.append(Finding("packages", "found", ", ".join(versions)))
    return found


def _cache_directory() -> list[Finding]:
    name, cache = "cache directory", Cache()
    try:
        with cache.workspace():
            entries = cache.entries()
    except CompilationFailed as error:
        return [Finding(name, "broken", str(cache.directory), str(error))]
    used = sum(entry.size for entry in entries)
    detail = f"{cache.directory}: {len(entries)} entries, {used / 2**20:.1f} of {cache.limit / 2**20:.0f} MiB"
    return [Finding(name, "found", detail)]


def _compiler(language: str) -> list[Finding]:
    name = f"{language.upper()} compiler"
    try:
        compiler = find_compiler(language=language)
    except CompilerNotFound as error:
        first, *rest = str(error).splitlines()
        return [Finding(name, "missing", first, "\n".join(rest))]
    found = Finding(name, "found", f"{' '.join(compiler.command)} ({compiler.family}: {compiler.version})")
    try:
        features = compiler.features(fresh=True)
    except (CompilationFailed, CompilerNotFound) as error:
        return [found, Finding(f"{name}: features", "broken", str(error), "Choose another compiler with CC or CXX.")]
    if not features.flags and not features.native and not features.openmp:
        advice = f"Choose another one with {'CC' if language == 'c' else 'CXX'}, or reinstall it with its C library."
        return [Finding(name, "broken", f"{found.detail} cannot compile and run an empty program", advice)]
    return [found, *_features(name, compiler, features)]


def _features(name: str, compiler: Compiler, features: Features) -> list[Finding]:
    libomp = "Install libomp (Debian and Ubuntu: libomp-dev)." if compiler.family == "clang" else "Install libgomp."
    wanted = [
        ("OpenMP", features.openmp, "-fopenmp", f"{libomp} Without it, generated code runs on one core."),
        (
            "native code",
            features.native,
            "-march=native",
            "Code will be made for the generic processor, and be slower.",
        ),
        (
            "libmvec",
            features.libmvec,
            "glibc's vector functions",
            "Needs gcc and glibc 2.35 or later. Without it, the templates' own polynomial forms are used.",
        ),
    ]
    found = [Finding(f"{name}: flags", "found", " ".join(features.flags))]
    for feature, works, detail, advice in wanted:
        found.append(Finding(f"{name}: {feature}", "found" if works else "missing", detail, "" if works else advice))
    return found


def _blas() -> list[Finding]:
    blas = find_blas()
    if blas is None:
        return [Finding("BLAS", "missing", "the package scipy-openblas32", "pip install scipy-openblas32")]
    try:
        prepare()
    except CompilationFailed as error:
        return [Finding("BLAS", "broken", str(blas.library), str(error))]
    return [Finding("BLAS", "found", f"OpenBLAS {blas.version} ({blas.library})")]


def _nvcc() -> list[Finding]:
    program = shutil.which("nvcc")
    for folder in toolkits():
        program = program or shutil.which("nvcc", path=str(folder / "bin"))
    if program is None:
        advice = f"Install the CUDA toolkit, or set CUDA_HOME to where it is. {_NO_GPU_NEEDED}"
        return [Finding("nvcc", "missing", "not on the PATH, nor in CUDA_HOME or /usr/local/cuda", advice)]
    try:
        ran = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return [Finding("nvcc", "broken", f"{program}: {error}", "Reinstall the CUDA toolkit.")]
    release = [line.strip() for line in ran.stdout.splitlines() if "release" in line]
    if ran.returncode != 0 or not release:
        detail = f"{program} --version: status {ran.returncode} {ran.stderr.strip()[:200]}".rstrip()
        return [Finding("nvcc", "broken", detail, "Reinstall the CUDA toolkit.")]
    return [Finding("nvcc", "found", f"{program} ({release[0]})")]


def _nvrtc() -> list[Finding]:
    try:
        nvrtc = find_nvrtc()
    except TargetUnavailable as error:
        advice = f"Install the CUDA toolkit, or pip install nvidia-cuda-nvrtc for your CUDA version. {_NO_GPU_NEEDED}"
        return [Finding("NVRTC", "broken" if ": " in str(error) else "missing", str(error), advice)]
    return [Finding("NVRTC", "found", f"{nvrtc.path} (version {version_text(nvrtc.version)})")]


def _driver() -> list[Finding]:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        status: Status = "missing" if "No such file" in str(error) else "broken"
        advice = f"Install the NVIDIA driver, on a machine with an NVIDIA GPU. {_NO_GPU_NEEDED}"
        return [Finding("CUDA driver", status, str(error), advice)]
    version, count = ctypes.c_int(), ctypes.c_int()
    status_code = driver.cuInit(0) or driver.cuDriverGetVersion(ctypes.byref(version))
    status_code = status_code or driver.cuDeviceGetCount(ctypes.byref(count))
    if status_code != 0:
        reason = f"error {status_code}: {OPENING.get(status_code, 'unknown')}"
        advice = f"Check 'nvidia-smi': the driver is there but finds no usable GPU. {_NO_GPU_NEEDED}"
        return [Finding("CUDA driver", "broken", f"libcuda.so.1 says {reason}", advice)]
    detail = f"libcuda.so.1 for CUDA {version_text(version.value)}, {count.value} device(s)"
    found = [Finding("CUDA driver", "found", detail)]
    return found + [_device(driver, number) for number in range(count.value)]


def _device(driver: ctypes.CDLL, number: int) -> Finding:
    device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    major, minor, memory = ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t()
    status = driver.cuDeviceGet(ctypes.byref(device), number)
    status = status or driver.cuDeviceGetName(name, len(name), device)
    status = status or driver.cuDeviceGetAttribute(ctypes.byref(major), 75, device)  # compute capability, major
    status = status or driver.cuDeviceGetAttribute(ctypes.byref(minor), 76, device)  # compute capability, minor
    status = status or driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    if status != 0:
        return Finding(f"CUDA device {number}", "broken", f"error {status}", "Check 'nvidia-smi'.")
    facts = f"compute capability {major.value}.{minor.value}, {memory.value / 2**30:.0f} GiB"
    return Finding(f"CUDA device {number}", "found", f"{name.value.decode(errors='replace')} ({facts})")


def _pycuda() -> list[Finding]:
    try:
        version = importlib.metadata.version("pycuda")
    except importlib.metadata.PackageNotFoundError:
        advice = "Nothing needs it; to share data with its arrays: pip install graphopt[cuda] (with the CUDA toolkit)."
        return [Finding("PyCUDA", "missing", "the package pycuda", advice)]
    try:
        importlib.import_module("pycuda.driver")
    except Exception as error:  # an extension module may fail in any way
        advice = "It needs the NVIDIA driver, and the CUDA version it was built for. The target 'cuda' does without it."
        return [Finding("PyCUDA", "broken", f"pycuda {version}: {error}", advice)]
    return [Finding("PyCUDA", "found", f"pycuda {version}")]


def _target() -> list[Finding]:
    """Whether functions run on the GPU, and through what."""
    from graphopt.runtime.devices import default_driver

    name = "target 'cuda'"
    try:
        driver = default_driver()
    except GraphoptError as error:
        advice = f"See what is missing above. Options(fallback='c') runs C in its place. {_NO_GPU_NEEDED}"
        return [Finding(name, "missing", str(error).splitlines()[0], advice)]
    return [Finding(name, "found", getattr(driver, "description", repr(driver)))]
