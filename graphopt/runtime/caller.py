"""Calls without Python in between: a small CPython extension that repeats calls which went well before.

Checking arguments, binding sizes and allocating takes Python 20 microseconds. A `Caller` remembers dtypes and shapes of
the latest calls with what they came to: the program's entry point, sizes, constants, shapes of results. A call like
one of them is made in C; every other goes to the function's own `__call__`, and so does one that fails, which says what
is wrong. The extension knows nothing of dimensions, ufuncs or pipelines: those had their say when the call was
first made.

It is compiled from `templates/c/caller.c.j2` through the artifact cache, once on a machine. Where that fails (without
headers of Python, for one), calls take the usual road.
"""

from __future__ import annotations

import math
import os
import sysconfig
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
from typing import Any

import numpy as np

from graphopt.codegen.c import passed_buffers
from graphopt.codegen.environment import environment
from graphopt.dimensions import evaluate
from graphopt.errors import GraphoptError
from graphopt.interpret import bind_dimensions
from graphopt.runtime.compile import build_library
from graphopt.runtime.native import NativeProgram
from graphopt.schedule.program import Program
from graphopt.variant import Variant

__all__ = ["PATIENCE", "Call", "Shortcut", "caller_type"]

Array = Any
MODULE = "graphopt_caller"
REMEMBERED = 8  # calls of one function
PLACES = 64  # buffers, and sizes, of a program; one with more is called from Python
PATIENCE = 16
"""Calls like an earlier one, in a process, that are made from Python before the extension is looked for: it may have
to be compiled, and who calls a function twice should not wait for that."""
RECYCLED_FROM = 2**20  # bytes of a result whose memory is worth being kept for another
RECYCLED_KEPT = 2**29  # bytes that a process keeps for results to come
RELEASE_FROM = 4096  # elements in all buffers: below, releasing the interpreter's lock costs more than it gives others

_patience = PATIENCE
_turn = threading.Lock()


def _renew_after_fork() -> None:
    global _turn  # a lock held by another thread of the parent would never be released here
    _turn = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)


@cache
def caller_type() -> Any:
    """The extension's type `Caller`, or None where it cannot be built or loaded."""
    text = (
        environment()
        .get_template("c/caller.c.j2")
        .render(module=MODULE, remembered=REMEMBERED, places=PLACES, recycled_kept=RECYCLED_KEPT)
    )
    include = [f"-I{sysconfig.get_paths()['include']}", f"-I{np.get_include()}"]
    try:
        library = build_library({"caller.c": text}, flags=("-O2", "-fPIC", *include))
        loader = ExtensionFileLoader(MODULE, str(library.path))
        specification = spec_from_loader(MODULE, loader)
        assert specification is not None
        module = module_from_spec(specification)
        loader.exec_module(module)
    except (GraphoptError, ImportError, OSError):
        return None
    return module.Caller


@dataclass(frozen=True)
class Call:
    """A call that went well.

    Attributes
    ----------
    arguments
        What was passed, by position, and the values of shared variables behind.
    arrays
        The same by name and in the same order, as the program was given them: for a ufunc, vectors and scalars.
    variant
        The graph that was run, and its compiled program.
    results
        What is returned, by name and in the order of the graph's outputs.
    checks
        The outputs that had to be true.
    """

    arguments: Sequence[Any]
    arrays: Mapping[str, Array]
    variant: Variant
    results: Mapping[str, Array]
    checks: Sequence[str]

    @property
    def program(self) -> Program:
        return self.variant.program

    @cached_property
    def sizes(self) -> dict[str, int]:
        return bind_dimensions(self.variant.graph, self.arrays)

    @property
    def repeatable(self) -> bool:
        """Whether C can do it: on the very memory of arguments and results, and without anything of Python."""
        program, outputs = self.program, self.program.outputs
        return (
            len(self.arguments) == len(self.arrays)
            and all(map(_plain, self.arguments, self.arrays.values()))
            and not program.host_calls
            and not program.settles  # without which all sizes are known
            and all(array.size == self._size(outputs[name]) for name, array in self.results.items())
            and len(set(outputs.values())) == len(outputs)
            and all(program.buffers[buffer].role == "output" for buffer in outputs.values())
            and max(len(passed_buffers(program)), len(program.sizes)) <= PLACES
        )

    def remembered_by(self, caller: Any, given: int = 0) -> None:
        """Tell a `Caller` to make calls like this one; its last `given` results into memory that it may be given."""
        program, outputs, runner = self.program, self.program.outputs, self.variant.runner
        assert isinstance(runner, NativeProgram)
        places = {buffer.name: place for place, buffer in enumerate(passed_buffers(program))}

        def value(dtype: Any, shape: tuple[int, ...], buffer: str | None) -> tuple[int, tuple[int, ...], int, bool]:
            recycled = math.prod(shape) * np.dtype(dtype).itemsize >= RECYCLED_FROM and runner.options.kept_bytes > 0
            return np.dtype(dtype).num, shape, -1 if buffer is None else places[buffer], recycled

        elements = sum(self._size(buffer.name) for buffer in program.buffers.values())
        caller.remember(
            runner.address,
            runner.threads,
            int(elements >= RELEASE_FROM),
            given,
            tuple([self.sizes[name] for name in program.sizes]),
            tuple([(buffer.value.ctypes.data, places[buffer.name]) for buffer in program.of_role("constant")]),
            tuple([
                value(array.dtype, np.shape(argument), program.inputs.get(name))
                for argument, (name, array) in zip(self.arguments, self.arrays.items(), strict=True)
            ]),
            tuple([value(array.dtype, array.shape, outputs[name]) for name, array in self.results.items()]),
            tuple([value(bool, (), outputs[name]) for name in self.checks]),
        )  # fmt: skip

    def _size(self, buffer: str) -> int:
        return evaluate(self.program.buffers[buffer].type.size, self.sizes)


def _plain(argument: Any, array: Array) -> bool:
    """Whether an argument can be read where it lies: a contiguous array that was not broadcast, or a Python float."""
    if type(argument) is not np.ndarray:
        return array.ndim == 0 and type(argument) is float and array.dtype in ("float64", "float32")
    flags = argument.flags
    return (
        argument.dtype.num == array.dtype.num
        and argument.size == array.size
        and flags.c_contiguous
        and flags.aligned
        and argument.dtype.isnative
    )


class Shortcut:
    """Hands calls of a function that are like earlier ones to a `Caller`.

    Parameters
    ----------
    call
        The function's usual call.
    pack
        Makes its result of a list of arrays; None if the only array is the result.
    given
        For how many of the last results a call gives memory behind its arguments, or None.
    """

    def __init__(self, call: Callable[..., Any], pack: Callable[[Sequence[Array]], Any] | None, given: int = 0) -> None:
        self._call = call
        self._pack = pack
        self._given = given
        self._seen: deque[Any] = deque(maxlen=REMEMBERED)
        self.caller: Any = None
        """Called like the function, once there is one."""

    def saw(self, call: Call) -> None:
        """Remember a call that was made in Python, if it is like one that was seen lately."""
        shapes = tuple([array.shape for array in call.arrays.values()])
        if shapes not in self._seen:
            self._seen.append(shapes)
        elif call.repeatable and (self.caller is not None or self._made()):
            call.remembered_by(self.caller, self._given)

    def _made(self) -> bool:
        global _patience
        with _turn:
            _patience -= 1
            kind = caller_type() if _patience < 0 else None
        if kind is not None:
            self.caller = kind(self._call, self._pack)
        return kind is not None
