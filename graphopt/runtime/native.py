"""Running a program's C: compiled through the cache, called through ctypes.

Buffers are passed as an array of pointers and sizes as an array of integers, so that one signature serves every
program. ctypes releases the interpreter's lock during the call.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphopt.codegen.c import CSource, c_source, passed_buffers
from graphopt.dimensions import evaluate
from graphopt.options import Options
from graphopt.runtime.blas import find_blas, prepare
from graphopt.runtime.compile import Library, build_library
from graphopt.runtime.host import ENTRY, host_entry
from graphopt.runtime.toolchain import default_flags, find_compiler
from graphopt.schedule.program import Program

__all__ = ["NativeProgram"]

Array = Any


class NativeProgram:
    """A compiled program. `run(arrays, sizes)` computes its outputs.

    Parameters
    ----------
    program
        What to run.
    options
        Compiler, flags, threads.
    text
        C text to run in place of the generated one.

    Raises
    ------
    CompilerNotFound, CompilationFailed
        If there is no compiler, or it rejects the text.
    """

    def __init__(self, program: Program, options: Options, text: str | None = None) -> None:
        self.program = program
        self.options = options
        compiler = find_compiler(options.compiler)
        flags = tuple(options.flags) if options.flags is not None else default_flags(compiler)
        blas = find_blas()
        source = c_source(
            program,
            templates=options.templates,
            openmp="-fopenmp" in (*flags, *options.extra_flags),
            blas=blas.prefix if blas is not None else None,
        )
        self.source: CSource = source if text is None else CSource(text, source.headers, source.uses_blas)
        link: tuple[str, ...] = ()
        if source.uses_blas:
            assert blas is not None
            prepare()
            link = tuple(blas.link_flags)
        self.library: Library = build_library(
            {f"{program.name}.c": self.source.text, **self.source.headers},
            compiler=compiler,
            flags=flags,
            extra_flags=tuple(options.extra_flags),
            link=link,
        )
        self._entry = self.library.handle.go_run
        self._entry.restype = ctypes.c_int32
        self._entry.argtypes = [
            ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32, *([ENTRY] if program.host_calls else []),
        ]  # fmt: skip
        self._passed = passed_buffers(program)
        self._threads = options.threads or len(os.sched_getaffinity(0))

    def run(
        self, arrays: Mapping[str, Array], sizes: Mapping[str, int], into: Mapping[str, Array] | None = None
    ) -> dict[str, Array]:
        """The outputs, by name, for contiguous arrays of the inputs' dtypes and known sizes.

        Raises
        ------
        MemoryError
            If a temporary cannot be allocated; no output is returned then.
        Exception
            Whatever a host call raises.
        """
        program = self.program
        results: dict[str, Array] = {}
        by_buffer: dict[str, Array] = {buffer: arrays[name] for name, buffer in program.inputs.items()}
        for name, buffer in program.outputs.items():
            if into is not None and name in into:
                results[name] = into[name]
            else:
                type = program.buffers[buffer].type
                results[name] = np.empty([evaluate(size, sizes) for size in type.shape], type.dtype)
            by_buffer[buffer] = results[name]
        pointers = (ctypes.c_void_p * max(len(self._passed), 1))(
            *[(b.value if b.role == "constant" else by_buffer[b.name]).ctypes.data for b in self._passed]
        )
        extents = (ctypes.c_int64 * max(len(program.sizes), 1))(*[sizes[name] for name in program.sizes])
        if program.host_calls:
            entry, errors = host_entry(program, sizes)
            failed = self._entry(pointers, extents, self._threads, entry)
            if errors:
                raise errors[0]
        else:
            failed = self._entry(pointers, extents, self._threads)
        if failed:
            raise MemoryError(f"function {program.name} found no memory for temporary arrays of sizes {dict(sizes)}")
        return results
