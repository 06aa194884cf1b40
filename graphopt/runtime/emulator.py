"""The emulator's compiled parts: the library that runs kernels, and kernels themselves, with their C interface.

Not for memory and launches; those are `emulation.py`.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.resources
import re
from dataclasses import dataclass, field

from graphopt.errors import CompilerNotFound, InvalidArgument, TargetUnavailable
from graphopt.runtime.cache import Cache
from graphopt.runtime.compile import Library, build_library

__all__ = ["EmulatedKernel", "EmulatedModule", "Report", "Request", "compile_kernels", "load_emulator"]

EMULATOR_HEADERS = ("machine.hpp", "fibres.hpp", "memory.hpp", "schedule.hpp", "block.hpp", "launch.hpp")
KERNEL_HEADERS = ("machine.hpp", "functions.hpp", "language.hpp")
KERNEL_FILE = "kernel.cu"  # what messages call a text that has no #line directives

EMULATOR_FLAGS = ("-std=c++20", "-O2", "-fvisibility=hidden")
KERNEL_FLAGS = (
    "-std=c++20",
    "-O0",  # most of the time of a test is the compiler's
    "-g1",  # line numbers, for messages
    "-gdwarf-4",  # (in version 5, some assemblers name the wrong file after #line)
    "-fstack-clash-protection",  # an overflowing stack meets its guard page
    "-fvisibility=hidden",
    "-fno-exceptions",
    "-fno-strict-aliasing",
    "-ffp-contract=off",
    # Unaligned vector accesses and indices outside fixed-size arrays stop the kernel.
    "-fsanitize=alignment,bounds",
    "-fsanitize-undefined-trap-on-error",
)


_KERNEL = re.compile(r'extern\s+"C"\s+__global__\s+(?:__launch_bounds__\s*\([^()]*\)\s*)?void\s+'
                     r"(?:__launch_bounds__\s*\([^()]*\)\s*)?(\w+)\s*\(")  # fmt: skip
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


# The C interface of templates/cuda/emulation/emulator.hpp ------------------------------------------------------------

SUCCEEDED, FAILED, FAULTED, TOO_LONG, NO_MEMORY = range(5)
ELSEWHERE, IN_DYNAMIC_SHARED, IN_STACK_GUARD = range(3)


class _Parameter(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_char), ("size", ctypes.c_uint))


class Request(ctypes.Structure):
    """What a launch wants; the C structure of the same name."""

    _fields_ = (
        ("kernel", ctypes.c_void_p),
        ("parameters", ctypes.POINTER(ctypes.c_void_p)),
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared_bytes", ctypes.c_uint64),
        ("static_shared_begin", ctypes.c_void_p),
        ("static_shared_size", ctypes.c_ulong),
        ("seed", ctypes.c_uint64),
        ("seconds", ctypes.c_double),
        ("poison", ctypes.c_int),
    )


class Report(ctypes.Structure):
    """What became of a launch; the C structure of the same name."""

    _fields_ = (
        ("outcome", ctypes.c_int),
        ("signal", ctypes.c_int),
        ("is_write", ctypes.c_int),
        ("where", ctypes.c_int),
        ("address", ctypes.c_uint64),
        ("code_offset", ctypes.c_uint64),
        ("block", ctypes.c_uint * 3),
        ("thread", ctypes.c_uint * 3),
        ("module", ctypes.c_char * 512),
        ("message", ctypes.c_char * 2048),
    )


def _template(name: str) -> str:
    folder = importlib.resources.files("graphopt.templates").joinpath("cuda", "emulation")
    return folder.joinpath(name).read_text(encoding="utf-8")


@functools.lru_cache(maxsize=4)
def load_emulator(definitions: tuple[str, ...], cache: Cache | None) -> ctypes.CDLL:
    """The library that runs kernels, built or found in the cache, with its functions' types declared.

    Raises
    ------
    TargetUnavailable
        There is no C++ compiler.
    """
    sources = {name: _template(name) for name in EMULATOR_HEADERS}
    sources["emulator.cpp"] = _template("emulator.hpp")
    try:
        library = build_library(
            sources, language="c++", flags=(*EMULATOR_FLAGS, *definitions), link=("-lrt", "-ldl"), cache=cache
        )
    except CompilerNotFound as error:
        raise TargetUnavailable(
            f"The target 'cuda-emulated' runs CUDA C through a C++ compiler, g++ 12 or newer. {error}"
        ) from None
    handle = library.handle
    handle.graphopt_machine.restype = ctypes.c_void_p
    handle.graphopt_launch.argtypes = (ctypes.POINTER(Request), ctypes.c_void_p, ctypes.POINTER(Report))
    handle.graphopt_launch.restype = None
    handle.graphopt_memory_create.argtypes = (ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int, ctypes.c_int)
    handle.graphopt_memory_create.restype = ctypes.c_void_p
    handle.graphopt_memory_data.argtypes = (ctypes.c_void_p,)
    handle.graphopt_memory_data.restype = ctypes.c_void_p
    handle.graphopt_memory_owns.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    handle.graphopt_memory_stray_write.argtypes = (ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64))
    for name in ("graphopt_memory_retire", "graphopt_memory_destroy"):
        getattr(handle, name).argtypes = (ctypes.c_void_p,)
        getattr(handle, name).restype = None
    return handle


# Modules and kernels -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class EmulatedKernel:
    """A kernel that was compiled for the CPU.

    Attributes
    ----------
    name : str
        Its name in the text.
    parameters : tuple of (str, int)
        For each parameter its kind (``"p"`` pointer, ``"f"`` floating, ``"i"`` integer, ``"s"`` structure) and bytes.
    """

    name: str
    parameters: tuple[tuple[str, int], ...]
    module: EmulatedModule = field(repr=False)
    address: int = field(repr=False)


class EmulatedModule:
    """A text of CUDA C that was compiled for the CPU.

    Attributes
    ----------
    source : str
        The text.
    names : tuple of str
        Its kernels.
    """

    def __init__(self, source: str, names: tuple[str, ...], library: Library) -> None:
        self.source = source
        self.names = names
        self.library = library
        self.handle = library.handle
        self.handle.graphopt_attach.argtypes = (ctypes.c_void_p,)
        self.handle.graphopt_attach.restype = ctypes.c_void_p

    def kernel(self, name: str) -> EmulatedKernel:
        """The kernel of that name.

        Raises
        ------
        InvalidArgument
            There is none, or it is not declared ``extern "C" __global__``.
        """
        if name not in self.names:
            raise InvalidArgument(f"There is no kernel {name!r} here, only {', '.join(self.names) or 'none at all'}.")
        describe = getattr(self.handle, f"graphopt_parameters_{name}")
        describe.restype = ctypes.POINTER(_Parameter)
        parameters = []
        for parameter in describe():
            if parameter.size == 0:
                break
            parameters.append((parameter.kind.decode("ascii"), int(parameter.size)))
        address = ctypes.cast(getattr(self.handle, f"graphopt_call_{name}"), ctypes.c_void_p).value
        assert address is not None
        return EmulatedKernel(name, tuple(parameters), self, address)


def compile_kernels(source: str, cache: Cache | None = None) -> EmulatedModule:
    """Compile a text of CUDA C for the CPU. Its kernels are what it declares as ``extern "C" __global__ void name(…)``.

    Raises
    ------
    CompilationFailed
        The compiler rejects it. Its messages honour ``#line`` directives.
    """
    from graphopt.codegen.environment import environment

    names = tuple(dict.fromkeys(_KERNEL.findall(_COMMENT.sub(" ", source))))
    template = environment().get_template("cuda/emulation/kernels.cpp.j2")
    text = template.render(file=KERNEL_FILE, source=source, names=names)
    sources = {name: _template(name) for name in KERNEL_HEADERS}
    sources["kernel.cpp"] = text
    library = build_library(sources, language="c++", flags=KERNEL_FLAGS, link=("-Wl,-Bsymbolic",), cache=cache)
    return EmulatedModule(source, names, library)
