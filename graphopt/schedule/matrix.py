"""The step of a matrix product, and how BLAS can read its operands in place."""

from __future__ import annotations

from graphopt.analysis.views import View, row_major
from graphopt.dimensions import DimLike
from graphopt.schedule.builder import ProgramBuilder
from graphopt.schedule.steps import Matrix, MatrixProduct

__all__ = ["matrix_base", "product"]


def matrix_base(builder: ProgramBuilder, operand: int) -> int:
    """What must lie in memory for BLAS to read an operand: what it is a view of, or itself where BLAS cannot step."""
    view = builder.views[operand]
    readable = blas_layout(builder.graph.type(operand).shape, view) is not None and all(map(_is_forward, view.strides))
    computed = builder.graph.op(view.base).arity != 0
    return view.base if readable and (computed or builder.is_stored(view.base)) else operand


def product(builder: ProgramBuilder, node: int) -> None:
    """Append the step of a product."""
    graph = builder.graph
    type = graph.type(node)
    left, right = graph.operands(node)
    batch = type.shape[:-2]
    builder.steps.append(
        MatrixProduct(
            name=builder.step_name([node]),
            dtype=type.dtype,
            result=builder.buffer_of[node],
            left=_matrix(builder, left, batch),
            right=_matrix(builder, right, batch),
            batch=batch,
            rows=type.shape[-2],
            columns=type.shape[-1],
            depth=graph.type(left).shape[-1],
            note=builder.note([node]),
        )
    )


def _matrix(builder: ProgramBuilder, operand: int, batch: tuple[DimLike, ...]) -> Matrix:
    shape = builder.graph.type(operand).shape
    base = matrix_base(builder, operand)
    view = builder.views[operand] if base != operand else View(operand, 0, row_major(shape))
    layout = blas_layout(shape, view)
    assert layout is not None
    leading, transposed = layout
    strides = (0,) * (len(batch) - len(view.strides) + 2) + view.strides[:-2]
    return Matrix(builder.buffer_of[base], view.offset, leading, transposed, strides)


def _is_forward(stride: DimLike) -> bool:
    """Whether a stride is known not to be negative, as that of a flipped axis is: BLAS takes no such matrix."""
    return stride >= 0 if isinstance(stride, int) else all(factor > 0 for _, factor in stride.terms)


def blas_layout(shape: tuple[DimLike, ...], view: View) -> tuple[DimLike, bool] | None:
    """Leading dimension and transposition with which BLAS can read a matrix in place; None if it cannot."""
    (rows, columns), (down, right) = shape[-2:], view.strides[-2:]
    if rows == 0 or columns == 0:
        return 1, False  # there is nothing to read
    if right == 1 or columns == 1:
        if rows == 1:
            return columns, False
        if down != 0:
            return down, False
    if down == 1 and right != 0:
        return right, True
    if rows == 1 and columns != 1 and right != 0:
        return right, True
    return None
