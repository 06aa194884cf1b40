"""A step of a program that the driver multiplies itself: with which sizes, strides and parts of buffers.

A driver knows stacks of matrices that lie evenly apart. Batches of several axes become one such stack where they can,
and else one for each position of the others.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from graphopt.dimensions import evaluate
from graphopt.runtime.driver import Buffer
from graphopt.runtime.multiplication import Multiplication, Operand
from graphopt.schedule.steps import Matrix, MatrixProduct

__all__ = ["multiplications"]


@dataclass(frozen=True)
class _Axis:
    """An axis of a batch: its extent, and the steps of left operand, right operand and result along it."""

    extent: int
    steps: tuple[int, ...]


def multiplications(
    step: MatrixProduct, buffers: Mapping[str, Buffer], sizes: Mapping[str, int]
) -> Iterator[Multiplication]:
    """What a driver is told, in order; nothing where the result has no elements.

    Parameters
    ----------
    step
        A product without an epilogue, whose result is one of the `buffers`.
    sizes
        Those of the call.
    """
    assert step.result is not None and step.epilogue is None
    rows, columns, depth = (evaluate(size, sizes) for size in (step.rows, step.columns, step.depth))
    axes = _axes(step, sizes)
    if not rows or not columns or any(axis.extent == 0 for axis in axes):
        return
    longest = max(range(len(axes)), key=lambda k: axes[k].extent, default=None)
    stack = _Axis(1, (0, 0, 0)) if longest is None else axes.pop(longest)
    left, right = (_operand(matrix, buffers, sizes) for matrix in (step.left, step.right))
    whole = Operand(buffers[step.result], 0, columns)
    for position in itertools.product(*(range(axis.extent) for axis in axes)):
        at = [sum(p * axis.steps[side] for p, axis in zip(position, axes, strict=True)) for side in range(3)]
        sides = (
            Operand(o.buffer, o.offset + offset, o.leading, o.transposed, stride)
            for o, offset, stride in zip((left, right, whole), at, stack.steps, strict=True)
        )
        yield Multiplication(step.dtype, stack.extent, rows, columns, depth, *sides)


def _operand(matrix: Matrix, buffers: Mapping[str, Buffer], sizes: Mapping[str, int]) -> Operand:
    offset, leading = evaluate(matrix.offset, sizes), evaluate(matrix.leading, sizes)
    return Operand(buffers[matrix.buffer], offset, leading, matrix.transposed)


def _axes(step: MatrixProduct, sizes: Mapping[str, int]) -> list[_Axis]:
    """The axes of the batch that are longer than 1, neighbours joined that all three sides run through as one."""
    axes: list[_Axis] = []
    behind = evaluate(step.rows, sizes) * evaluate(step.columns, sizes)
    strides = zip(step.batch, step.left.batch_strides, step.right.batch_strides, strict=True)
    for size, *steps in reversed(list(strides)):
        extent = evaluate(size, sizes)
        axis = _Axis(extent, (*(evaluate(by, sizes) for by in steps), behind))
        behind *= extent
        if extent == 1:
            continue
        if axes and axis.steps == tuple(by * axes[0].extent for by in axes[0].steps):
            axes[0] = _Axis(extent * axes[0].extent, axes[0].steps)
        else:
            axes.insert(0, axis)
    return axes
