"""Compiled texts on a GPU, their kernels, and moments in time.

How arguments are laid out for a launch is found out once for each kernel and sequence of types.

Not for launching; that is `cuda_driver.py`.
"""

from __future__ import annotations

import struct
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt.errors import InvalidArgument
from graphopt.runtime.cuda_compiler import CompiledImage
from graphopt.runtime.cuda_context import CudaContext
from graphopt.runtime.cuda_faults import NOT_FOUND, CudaError
from graphopt.runtime.driver import Argument, Buffer

__all__ = ["CudaEvent", "CudaKernel", "CudaModule"]


class CudaEvent:
    """A moment in the device's stream."""

    def __init__(self, context: CudaContext) -> None:
        self._context = context
        self._held = [context.do(context.binding.record)]
        weakref.finalize(self, context.release, self._held).atexit = False

    def seconds_since(self, earlier: CudaEvent) -> float:
        """Seconds on the device from an earlier event of the same driver to this one; waits for both.

        Raises
        ------
        DeviceFailed
            A kernel before this moment has failed.
        """
        context = self._context
        return context.do(context.binding.seconds, earlier._held[0], self._held[0])


class CudaKernel:
    """A kernel of a module.

    Attributes
    ----------
    name : str
        Its name in the text.
    shared_allowed : int
        Bytes of dynamic shared memory that it has been allowed to have. (It may have some without; how many, depends on
        what its text declares.)
    module : CudaModule
        What it belongs to.
    """

    def __init__(self, name: str, function: Any, module: CudaModule) -> None:
        self.name = name
        self.function = function
        self.module = module
        self.shared_allowed = 0
        self._layouts: dict[tuple[type, ...], struct.Struct] = {}

    def pack(self, arguments: Sequence[Argument]) -> bytes:
        """The arguments as they lie in a launch. How, is found out once for each sequence of types."""
        kinds = tuple(map(type, arguments))
        layout = self._layouts.get(kinds)
        if layout is None:
            layout = self._layouts[kinds] = _layout(self.name, arguments)
        return layout.pack(*[a.address if isinstance(a, Buffer) else a for a in arguments])


class CudaModule:
    """A compiled text, loaded on a device. It is unloaded when nothing refers to it.

    Raises
    ------
    CudaError
        The driver does not load it.
    """

    def __init__(self, context: CudaContext, image: CompiledImage) -> None:
        self.context = context
        self._held = [context.attempt(context.binding.load, image.code)]
        weakref.finalize(self, context.release, self._held).atexit = False

    def kernel(self, name: str) -> CudaKernel:
        """The kernel of that name.

        Raises
        ------
        InvalidArgument
            There is none, or it is not declared ``extern "C" __global__``.
        """
        context = self.context
        try:
            return CudaKernel(name, context.attempt(context.binding.function, self._held[0], name), self)
        except CudaError as error:
            if error.status != NOT_FOUND:
                raise context.fault(error) from None
            raise InvalidArgument(f"There is no kernel {name!r} here ({error}).") from None


def _layout(kernel: str, arguments: Sequence[Argument]) -> struct.Struct:
    """How arguments of such types lie behind one another, each aligned as C has it."""
    codes = []
    for position, argument in enumerate(arguments):
        if isinstance(argument, Buffer):
            codes.append("P")
        elif isinstance(argument, np.generic) and argument.dtype.kind in "biuf" and argument.dtype.itemsize <= 8:
            codes.append(argument.dtype.char)
        else:
            raise InvalidArgument(
                f"Kernel {kernel!r}, argument {position}: {type(argument).__name__} is neither a buffer nor a number. "
                f"Give numbers as NumPy scalars of the right dtype."
            )
    return struct.Struct("@" + "".join(codes))
