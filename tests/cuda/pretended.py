"""The pretended driver: how it is built, what it is to do wrong, and what it was asked for."""

import ctypes
import os
import sys
from pathlib import Path

from graphopt.runtime.compile import build_library
from graphopt.runtime.cuda_compiler import CompiledImage
from graphopt.runtime.emulator import compile_kernels, load_emulator

BINDING = "GRAPHOPT_TEST_BINDING"
OVER_PYCUDA = os.environ.get(BINDING) == "pycuda"
FLAGS = ("-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror")
LIBCUDA = "libcuda.so.1"

if OVER_PYCUDA:
    sys.setdlopenflags(os.RTLD_LAZY)  # PyCUDA names functions that the pretended library does not have


def pretended_library(folder: Path) -> Path:
    """The pretended driver's library, under the real one's name."""
    source = (Path(__file__).parent / "pretended_driver.c").read_text(encoding="utf-8")
    link = (f"-Wl,-soname,{LIBCUDA}", "-ldl", "-lpthread")
    built = build_library(source, flags=FLAGS, link=link)
    assert built.handle  # it is there, and is kept
    path = folder / LIBCUDA
    path.symlink_to(built.path)
    return path


def emulated(source: str, capability: int) -> CompiledImage:
    """What the pretended driver loads: the text compiled for the CPU, and what runs such a text."""
    kernels, emulator = compile_kernels(source), load_emulator((), None)
    assert kernels.handle
    return CompiledImage(f"{kernels.library.path}\n{emulator._name}\0".encode(), "the emulator", 13000)


class Pretended:
    """The pretended driver: what it is to do wrong, and what it was asked for."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._library = ctypes.CDLL(self.path)
        self._library.pretend_memory_of.argtypes = (ctypes.c_int, ctypes.c_size_t)
        self._library.pretend_memory_of.restype = ctypes.c_uint64
        for name in ("pretend_calls", "pretend_used", "pretend_depth"):
            getattr(self._library, name).restype = ctypes.c_long

    def fault(self, function: str, status: int, after: int = 0) -> None:
        self._library.pretend_fault(function.encode(), status, ctypes.c_long(after))

    def set(self, **settings: int) -> None:
        for name, value in settings.items():
            self._library.pretend_set(name.encode(), ctypes.c_long(value))

    def calls(self, function: str) -> int:
        return int(self._library.pretend_calls(function.encode()))

    def memory_of(self, device: int, nbytes: int) -> int:
        return int(self._library.pretend_memory_of(device, nbytes))

    @property
    def used(self) -> int:
        return int(self._library.pretend_used())

    @property
    def depth(self) -> int:
        return int(self._library.pretend_depth())

    def reset(self) -> None:
        self._library.pretend_reset()
