"""Calls of NumPy from a compiled program, for ops that have no text: what both C and CUDA do in the middle of a run."""

from __future__ import annotations

import ctypes
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphopt.arithmetics import Native
from graphopt.dimensions import evaluate
from graphopt.errors import ShapeMismatch
from graphopt.interpret import resolve
from graphopt.schedule.program import Program
from graphopt.schedule.steps import HostCall
from graphopt.types import TensorType

__all__ = ["ENTRY", "Settling", "compute", "host_entry"]

Array = Any
Settling = Callable[[int, int], None]
"""Takes a node that counted, and the number; enters it into the sizes of the call, or raises."""

ENTRY = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p)
"""The type `go_host` of generated text: number of the call, operands, result."""


def compute(step: HostCall, operands: tuple[Array, ...], result: Array, sizes: Mapping[str, int]) -> None:
    """Do a step: operands and result are arrays of the step's types.

    Raises
    ------
    Exception
        Whatever the op's NumPy meaning raises, with a note that names the op and the user's line.
    """
    try:
        value = Native().apply(step.op, operands, resolve(step.attributes, sizes), step.type)
        if value.shape != result.shape:
            raise ShapeMismatch(f"op {step.op.name} gave an array of shape {value.shape}, expected {result.shape}")
        result[...] = value
    except BaseException as error:
        where = f", made at {step.origin}" if step.origin else ""
        error.add_note(f"while computing {step.op.name}{where}")
        raise


def host_entry(program: Program, sizes: Mapping[str, int]) -> tuple[Any, list[BaseException]]:
    """The function that one run of a C program calls as `host`, and where it leaves the error that made it fail.

    Made anew for every run, so that runs in several threads, and runs within host calls, do not meet.
    """
    steps, errors = program.host_calls, list[BaseException]()

    def run(number: int, operands: Any, result: int | None) -> int:
        step = steps[number]
        try:
            compute(
                step,
                tuple(_array(operands[k], type, sizes) for k, type in enumerate(step.types)),
                _array(result, step.type, sizes, writeable=True),
                sizes,
            )
        except BaseException as error:  # an interrupt, too: nothing may be raised through C
            # Locals of the frames below are views of memory that the program is about to free.
            traceback.clear_frames(error.__traceback__)
            errors.append(error)
            return 1
        return 0

    return ENTRY(run), errors


def _array(address: int | None, type: TensorType, sizes: Mapping[str, int], *, writeable: bool = False) -> Array:
    """Memory as an array that does not own it."""
    shape = tuple(evaluate(size, sizes) for size in type.shape)
    count = int(np.prod(shape, dtype=np.int64)) * np.dtype(type.dtype).itemsize
    if not count or address is None:
        return np.empty(shape, type.dtype)
    memory: Any = (ctypes.c_char * count).from_address(address)
    array: Array = np.frombuffer(memory, type.dtype).reshape(shape)
    array.flags.writeable = writeable
    return array
