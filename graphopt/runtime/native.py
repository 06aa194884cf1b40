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
from graphopt.runtime.forking import let_go_before_fork
from graphopt.runtime.host import ENTRY, Settling, host_entry
from graphopt.runtime.toolchain import default_flags, find_compiler
from graphopt.schedule.program import Buffer, Program
from graphopt.schedule.steps import MatrixProduct, leaves

__all__ = ["NativeProgram"]

Array = Any
SETTLE = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int32, ctypes.c_int64)
"""The type `go_settle` of generated text: number of the step, what was counted."""


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

    Attributes
    ----------
    address
        Of the entry point `go_run`.
    threads
        How many it is told to use.

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
        products = any(isinstance(step, MatrixProduct) for step in leaves(program.steps))
        blas = find_blas() if products else None
        source = c_source(
            program,
            templates=options.templates,
            blas=blas.prefix if blas is not None else None,
        )
        self.source: CSource = source if text is None else CSource(text, source.headers, source.uses_blas)
        link: tuple[str, ...] = ()
        if source.uses_blas:
            assert blas is not None
            prepare()
            link = tuple(blas.link_flags)
        self.library: Library = build_library(
            self.source.files(program.name),
            compiler=compiler,
            flags=flags,
            extra_flags=tuple(options.extra_flags),
            link=link,
        )
        let_go_before_fork(self.library.handle)
        self._entry = self.library.handle.go_run
        self._entry.restype = ctypes.c_int32
        self._entry.argtypes = [
            ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32,
            *([ENTRY] if program.host_calls else []), *([SETTLE] if program.settles else []),
        ]  # fmt: skip
        self._passed = passed_buffers(program)
        self.threads = options.threads or len(os.sched_getaffinity(0))
        self.address = ctypes.cast(self._entry, ctypes.c_void_p).value or 0

    def run(
        self,
        arrays: Mapping[str, Array],
        sizes: dict[str, int],
        into: Mapping[str, Array] | None = None,
        settle: Settling | None = None,
    ) -> dict[str, Array]:
        """The outputs, by name, for contiguous arrays of the inputs' dtypes and known sizes.

        Parameters
        ----------
        settle
            Is told what the program counts, and enters it into `sizes`.

        Raises
        ------
        MemoryError
            If a temporary cannot be allocated; no output is returned then.
        Exception
            Whatever a host call or `settle` raises.
        """
        program = self.program
        by_buffer: dict[str, Array] = {buffer: arrays[name] for name, buffer in program.inputs.items()}
        by_buffer |= {program.outputs[name]: array for name, array in (into or {}).items()}
        by_buffer |= {buffer.name: buffer.value for buffer in program.of_role("constant")}
        for buffer in program.early("output"):
            if buffer.name not in by_buffer:
                by_buffer[buffer.name] = _empty(buffer, sizes)
        pointers = (ctypes.c_void_p * max(len(self._passed), 1))(
            *[by_buffer[b.name].ctypes.data if b.name in by_buffer else None for b in self._passed]
        )
        extents = (ctypes.c_int64 * max(len(program.sizes), 1))(*[sizes.get(name, 0) for name in program.sizes])
        calls: list[Any] = []
        errors: list[BaseException] = []
        if program.host_calls:
            entry, errors = host_entry(program, sizes)
            calls.append(entry)
        if program.settles:
            calls.append(self._settle_entry(by_buffer, pointers, sizes, settle, errors))
        failed = self._entry(pointers, extents, self.threads, *calls)
        if errors:
            raise errors[0]
        if failed:
            raise MemoryError(f"function {program.name} found no memory for temporary arrays of sizes {dict(sizes)}")
        return {name: by_buffer[buffer] for name, buffer in program.outputs.items()}

    def _settle_entry(
        self,
        by_buffer: dict[str, Array],
        pointers: Any,
        sizes: dict[str, int],
        settle: Settling | None,
        errors: list[BaseException],
    ) -> Any:
        """The function that one run calls as `settle`: it makes the arrays whose sizes are known now."""
        place = {buffer.name: number for number, buffer in enumerate(self._passed)}

        def run(number: int, count: int) -> int:
            step = self.program.settles[number]
            try:
                assert settle is not None, f"{self.program.name} counts; whoever runs it has to be told"
                settle(step.node, count)
                for buffer in self.program.settled_by[step.name]:
                    made = by_buffer[buffer.name] = _empty(buffer, sizes)
                    pointers[place[buffer.name]] = made.ctypes.data
            except BaseException as error:  # an interrupt, too: nothing may be raised through C
                errors.append(error)
                return 1
            return 0

        return SETTLE(run)


def _empty(buffer: Buffer, sizes: Mapping[str, int]) -> Array:
    return np.empty([evaluate(size, sizes) for size in buffer.type.shape], buffer.type.dtype)
