"""CUDA C to machine code for one GPU: by NVRTC where there is one, else by nvcc, and from the cache the second time.

Either way without contraction and without fast-math, as on every target.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from graphopt.errors import CompilationFailed, TargetUnavailable
from graphopt.runtime.cache import Cache, digest
from graphopt.runtime.cuda_faults import version_text
from graphopt.runtime.nvcc import compile_cubin, find_nvcc, nvcc_release
from graphopt.runtime.nvrtc import Nvrtc, find_nvrtc

__all__ = ["Compile", "CompiledImage", "compile_with_nvcc", "compile_with_nvrtc", "find_compiler"]

OPTIONS = (
    "-std=c++17",
    "--fmad=false",
    "--device-as-default-execution-space",  # generic lambdas in device functions would count as the host's
)
INT128 = ("--device-int128", 11050)  # for stores of 16 bytes; the option, and the version that has it first
IMAGE = "kernel.image"
INSTALL = (
    "pip install nvidia-cuda-nvrtc-cu12 (for a driver of CUDA 12; nvidia-cuda-nvrtc for a newer one), or install the "
    "CUDA toolkit."
)


@dataclass(frozen=True)
class CompiledImage:
    """What a GPU's driver loads.

    Attributes
    ----------
    code : bytes
        Machine code, or PTX for a device that is newer than the compiler.
    compiler : str
        What made it, for messages.
    version : int
        The CUDA version of what made it; 13000 is 13.0.
    """

    code: bytes
    compiler: str
    version: int


Compile = Callable[[str, int], CompiledImage]
"""Compiles a text for a compute capability; 90 is 9.0."""


def find_compiler(driver: int) -> Compile:
    """What compiles for a GPU whose driver is for a CUDA version (12040 is 12.4).

    It raises `CompilationFailed` for what it rejects; messages honour ``#line`` directives.

    Raises
    ------
    TargetUnavailable
        There is neither NVRTC nor nvcc.
    """
    try:
        return partial(compile_with_nvrtc, find_nvrtc(driver))
    except TargetUnavailable as error:
        if find_nvcc() is not None:
            return compile_with_nvcc
        raise TargetUnavailable(
            f"The target 'cuda' needs a CUDA compiler, NVRTC or nvcc, and there is neither. Looked for NVRTC in the "
            f"package nvidia-cuda-nvrtc, in CUDA_HOME and /usr/local/cuda ({error}), and for nvcc there and on the "
            f"PATH. {INSTALL} target='cuda-emulated' needs a C++ compiler only."
        ) from None


def compile_with_nvcc(source: str, capability: int, cache: Cache | None = None) -> CompiledImage:
    """Machine code by nvcc, or from the cache.

    Raises
    ------
    TargetUnavailable
        There is no nvcc.
    CompilationFailed
        The text is rejected.
    """
    made = compile_cubin(source, f"sm_{capability}", strict=False, cache=cache)
    release = nvcc_release()
    return CompiledImage(made.cubin, f"nvcc {version_text(release)}", release)


def compile_with_nvrtc(nvrtc: Nvrtc, source: str, capability: int, cache: Cache | None = None) -> CompiledImage:
    """Machine code by NVRTC, or from the cache; PTX, which the driver translates, for a device it does not know yet.

    Raises
    ------
    CompilationFailed
        The text is rejected.
    TargetUnavailable
        The device is older than all that the compiler knows.
    """
    known = capability in nvrtc.capabilities
    older = [each for each in nvrtc.capabilities if each <= capability]
    if not older:
        raise TargetUnavailable(
            f"The device has compute capability {capability / 10}, and NVRTC {version_text(nvrtc.version)} "
            f"({nvrtc.path}) compiles for {nvrtc.capabilities[0] / 10} and later. Install an older one, such as "
            f"nvidia-cuda-nvrtc-cu12."
        )
    options = [*OPTIONS, f"--gpu-architecture={'sm' if known else 'compute'}_{older[-1]}"]
    if nvrtc.version >= INT128[1]:
        options.append(INT128[0])
    cache = cache or Cache()
    key = digest("nvrtc 1", _identity(nvrtc), *options, source)
    folder = cache.get(key)
    if folder is None:
        code = nvrtc.compile(source, options, ptx=not known)
        folder = cache.put(key, {"kernel.cu": source.encode("utf-8"), IMAGE: code})
    try:
        code = (folder / IMAGE).read_bytes()
    except OSError:
        raise CompilationFailed(
            f"The cache directory {cache.directory} is being emptied as fast as it is filled."
        ) from None
    return CompiledImage(code, f"NVRTC {version_text(nvrtc.version)}", nvrtc.version)


@functools.cache
def _identity(nvrtc: Nvrtc) -> str:
    """Which compiler it is: patch releases have the same version."""
    try:
        status = Path(nvrtc.path).stat()
    except OSError:  # a name that the loader has found somewhere
        return f"{nvrtc.path} {nvrtc.version}"
    return f"{nvrtc.version} {status.st_size} {status.st_mtime_ns}"
