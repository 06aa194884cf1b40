"""Matrix products that a driver does itself, through a library such as cuBLAS: an optional part of what drivers do.

Everything is told in row-major terms, in elements. Whoever implements `MultipliesMatrices` sees to what its library
wants instead. Not for deciding which products go there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from graphopt.errors import DeviceFailed, InvalidArgument
from graphopt.runtime.driver import Buffer

__all__ = ["Multiplication", "MultipliesMatrices", "Operand", "check_multiplication"]


@dataclass(frozen=True)
class Operand:
    """A matrix in a buffer, or a stack of matrices.

    Attributes
    ----------
    buffer : Buffer
        Where it is.
    offset : int
        The element of the buffer with which it begins.
    leading : int
        Elements from one stored row to the next.
    transposed : bool
        Whether what is stored is the transpose of what is multiplied.
    stride : int
        Elements from one matrix of the stack to the next; 0 repeats the same one.
    """

    buffer: Buffer
    offset: int
    leading: int
    transposed: bool = False
    stride: int = 0


@dataclass(frozen=True)
class Multiplication:
    """result = left @ right, `batch` times: [rows, depth] @ [depth, columns]. What was in the result is not read.

    A depth of 0 gives zeros.
    """

    dtype: str
    batch: int
    rows: int
    columns: int
    depth: int
    left: Operand
    right: Operand
    result: Operand


@runtime_checkable
class MultipliesMatrices(Protocol):
    """A driver that multiplies matrices without a kernel of ours.

    Attributes
    ----------
    multiplies : frozenset of str
        The dtypes that it does this for; empty where it lacks the library.
    """

    @property
    def multiplies(self) -> frozenset[str]: ...

    def multiply(self, todo: Multiplication) -> None:
        """Enter a product into the driver's stream.

        Raises
        ------
        DeviceFailed
            The library reports an error, or the product would leave a buffer.
        """
        ...


def check_multiplication(todo: Multiplication, dtypes: frozenset[str]) -> None:
    """Hold a product against its buffers, as nothing else would notice before values are wrong.

    Raises
    ------
    InvalidArgument
        The dtype is none of `dtypes`, a size is negative, a leading dimension is smaller than a stored row, or the
        matrices of the result lie over each other.
    DeviceFailed
        An operand or the result does not lie within its buffer.
    """
    if todo.dtype not in dtypes:
        raise InvalidArgument(
            f"There is no product of {todo.dtype} matrices here, only of {', '.join(sorted(dtypes))}."
        )
    if min(todo.batch, todo.rows, todo.columns, todo.depth) < 0:
        raise InvalidArgument(f"A matrix product has no negative sizes: {_sizes(todo)}.")
    sides = (
        ("left", todo.left, todo.rows, todo.depth),
        ("right", todo.right, todo.depth, todo.columns),
        ("result", todo.result, todo.rows, todo.columns),
    )
    itemsize = np.dtype(todo.dtype).itemsize
    for what, operand, rows, columns in sides:
        if not todo.batch or not rows or not columns:
            continue
        stored = (columns, rows) if operand.transposed else (rows, columns)
        if operand.leading < stored[1]:
            raise InvalidArgument(
                f"The {what} matrices of a product are stored in rows of {stored[1]} elements, but each begins only "
                f"{operand.leading} after the one before."
            )
        last = (stored[0] - 1) * operand.leading + stored[1]
        if what == "result" and todo.batch > 1 and operand.stride < last:
            raise InvalidArgument(f"The results of a batch lie over each other: {operand.stride} elements apart.")
        begin = operand.offset + min(0, (todo.batch - 1) * operand.stride)
        end = operand.offset + max(0, (todo.batch - 1) * operand.stride) + last
        if begin < 0 or end * itemsize > operand.buffer.nbytes:
            raise DeviceFailed(
                f"A matrix product {_sizes(todo)} would {'write' if what == 'result' else 'read'} elements {begin} to "
                f"{end} of buffer {operand.buffer.name!r}, which has {operand.buffer.nbytes // itemsize}."
            )


def _sizes(todo: Multiplication) -> str:
    return f"{todo.batch} × [{todo.rows}, {todo.depth}] @ [{todo.depth}, {todo.columns}]"
