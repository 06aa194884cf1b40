"""NVRTC, the CUDA compiler that is a library: ten times as fast as nvcc on a small text, and a `pip install` away.

Not for caching or for choosing between compilers; that is `cuda_compiler.py`.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import glob
import os
import re
import sys
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_void_p
from dataclasses import dataclass, field
from pathlib import Path

from graphopt.errors import CompilationFailed, TargetUnavailable

__all__ = ["Nvrtc", "find_nvrtc", "toolkits"]

COMPILATION_FAILED = 6  # of the type nvrtcResult
SHOWN_LINES = 30  # of the compiler's complaints

_FILE = re.compile(r"libnvrtc\.so(?:\.(\d+)[\d.]*)?$")
_PROGRAM = c_void_p
_PARAMETERS = {
    "nvrtcVersion": (POINTER(c_int), POINTER(c_int)),
    "nvrtcCreateProgram": (POINTER(_PROGRAM), c_char_p, c_char_p, c_int, c_void_p, c_void_p),
    "nvrtcCompileProgram": (_PROGRAM, c_int, POINTER(c_char_p)),
    "nvrtcDestroyProgram": (POINTER(_PROGRAM),),
    "nvrtcGetNumSupportedArchs": (POINTER(c_int),),
    "nvrtcGetSupportedArchs": (POINTER(c_int),),
    **{f"nvrtcGet{what}Size": (_PROGRAM, POINTER(c_size_t)) for what in ("CUBIN", "PTX", "ProgramLog")},
    **{f"nvrtcGet{what}": (_PROGRAM, c_char_p) for what in ("CUBIN", "PTX", "ProgramLog")},
}


@dataclass(frozen=True)
class Nvrtc:
    """A loaded NVRTC.

    Attributes
    ----------
    path : str
        The library.
    version : int
        The CUDA version it belongs to; 13000 is 13.0.
    capabilities : tuple of int
        The compute capabilities it makes machine code for, in ascending order; 90 is 9.0.
    """

    path: str
    version: int
    capabilities: tuple[int, ...]
    library: ctypes.CDLL = field(repr=False, compare=False)

    def compile(self, source: str, options: Sequence[str], *, file: str = "kernel.cu", ptx: bool = False) -> bytes:
        """Machine code, or PTX, of a text.

        Raises
        ------
        CompilationFailed
            It is rejected. Messages honour ``#line`` directives.
        """
        program = _PROGRAM()
        self._call("nvrtcCreateProgram", byref(program), source.encode(), file.encode(), 0, None, None)
        try:
            encoded = [option.encode() for option in options]
            status = self.library.nvrtcCompileProgram(program, len(encoded), (c_char_p * len(encoded))(*encoded))
            if status == COMPILATION_FAILED:
                said = self._text(program, "ProgramLog").rstrip(b"\0").decode(errors="replace").strip().splitlines()
                shown = "\n".join(said[:SHOWN_LINES])
                raise CompilationFailed(f"NVRTC rejected the text.\n{shown}\noptions: {' '.join(options)}")
            if status != 0:
                raise CompilationFailed(f"NVRTC failed: {self._error(status)}\noptions: {' '.join(options)}")
            return self._text(program, "PTX" if ptx else "CUBIN")
        finally:
            self.library.nvrtcDestroyProgram(byref(program))

    def _text(self, program: c_void_p, what: str) -> bytes:
        size = c_size_t()
        self._call(f"nvrtcGet{what}Size", program, byref(size))
        text = ctypes.create_string_buffer(size.value)
        self._call(f"nvrtcGet{what}", program, text)
        return text.raw

    def _call(self, function: str, *arguments: object) -> None:
        status = getattr(self.library, function)(*arguments)
        if status != 0:
            raise CompilationFailed(f"{function} failed: {self._error(status)}")

    def _error(self, status: int) -> str:
        return str(self.library.nvrtcGetErrorString(status).decode(errors="replace"))


def toolkits() -> list[Path]:
    """Where CUDA toolkits are, the one that the environment names first."""
    named = [os.environ.get(variable, "") for variable in ("CUDA_HOME", "CUDA_PATH", "CUDA_ROOT")]
    return [Path(folder) for folder in [*named, "/usr/local/cuda"] if folder and os.path.isdir(folder)]


def find_nvrtc(newest: int | None = None) -> Nvrtc:
    """NVRTC from the system, a toolkit, or the package ``nvidia-cuda-nvrtc``, that of the highest version.

    Parameters
    ----------
    newest : int, optional
        The version of the driver that is to load what it makes: one of a newer major version only if there is no other.

    Raises
    ------
    TargetUnavailable
        There is none, or none that can be loaded.
    """
    return _loaded(tuple(_candidates(newest)))


def _candidates(newest: int | None) -> list[str]:
    folders = [str(folder / lib) for folder in toolkits() for lib in ("lib64", "lib")]
    folders += [folder for place in sys.path if place for folder in glob.glob(f"{place}/nvidia/*/lib")]
    found = [path for folder in folders for path in glob.glob(f"{folder}/libnvrtc.so*") if _FILE.search(path)]
    if system := ctypes.util.find_library("nvrtc"):
        found.append(system)
    major = newest // 1000 if newest else sys.maxsize

    def preference(path: str) -> tuple[bool, int]:
        match = _FILE.search(path)
        own = int(match[1] or 0) if match else 0
        return own <= major, own

    return list(dict.fromkeys(sorted(found, key=preference, reverse=True)))


@functools.lru_cache(maxsize=8)
def _loaded(candidates: tuple[str, ...]) -> Nvrtc:
    failures = []
    for path in candidates:
        try:
            return _load(path)
        except (OSError, AttributeError) as error:
            failures.append(f"{path}: {error}")
    raise TargetUnavailable("; ".join(failures) or "no libnvrtc.so")


def _load(path: str) -> Nvrtc:
    for builtins in sorted(glob.glob(os.path.join(os.path.dirname(path) or ".", "libnvrtc-builtins.so*"))):
        ctypes.CDLL(builtins, mode=ctypes.RTLD_GLOBAL)  # which NVRTC looks for by name, but not beside itself
    library = ctypes.CDLL(path)
    for name, parameters in _PARAMETERS.items():
        getattr(library, name).argtypes = parameters
    library.nvrtcGetErrorString.restype = c_char_p
    major, minor, count = c_int(), c_int(), c_int()
    if library.nvrtcVersion(byref(major), byref(minor)) or library.nvrtcGetNumSupportedArchs(byref(count)):
        raise OSError("it does not say its version")
    capabilities = (c_int * count.value)()
    library.nvrtcGetSupportedArchs(capabilities)
    return Nvrtc(path, 1000 * major.value + 10 * minor.value, tuple(sorted(capabilities)), library)
