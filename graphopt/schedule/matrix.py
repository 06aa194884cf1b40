"""The step of a matrix product, and how BLAS can read its operands in place."""

from __future__ import annotations

from dataclasses import replace

from graphopt import dimensions
from graphopt.analysis.views import View, row_major
from graphopt.dimensions import DimLike
from graphopt.schedule.builder import ProgramBuilder
from graphopt.schedule.stages import PANEL
from graphopt.schedule.statements import Index, Load, Statement
from graphopt.schedule.steps import Kernel, Matrix, MatrixProduct, Stage

__all__ = ["matrix_base", "product", "with_elements", "with_epilogue"]

PANEL_ROW, PANEL_ELEMENT = "panel_row", "panel_element"
"""The axes of rows and of elements within a panel."""


def matrix_base(builder: ProgramBuilder, operand: int) -> int:
    """What must lie in memory for BLAS to read an operand: what it is a view of, or itself where BLAS cannot step."""
    view = builder.views[operand]
    readable = blas_layout(builder.graph.type(operand).shape, view) is not None and all(map(_is_forward, view.strides))
    computed = builder.graph.op(view.base).arity != 0
    return view.base if readable and (computed or builder.is_stored(view.base)) else operand


def product(builder: ProgramBuilder, node: int) -> None:
    """Append the step of a product."""
    builder.steps.append(_product(builder, node, builder.step_name([node]), builder.note([node])))


def with_epilogue(builder: ProgramBuilder, node: int, epilogue: Kernel, name: str, note: str) -> MatrixProduct:
    """The step of a product and of what is computed from its rows.

    A product that nobody else needs is in no buffer: the epilogue reads a panel, whose rows count from its first, or
    whose elements, if all rows are one loop.
    """
    columns = builder.graph.type(node).shape[-1]
    outer = {axis.name for axis in epilogue.outer}

    def within(index: Index) -> Index:
        if not outer:
            return Index(0, ((PANEL_ELEMENT, 1),))
        return Index(0, ((PANEL_ROW, columns), *((axis, by) for axis, by in index.terms if axis not in outer)))

    def moved(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        return tuple(
            replace(s, index=within(s.index)) if isinstance(s, Load) and s.buffer == PANEL else s for s in statements
        )

    epilogue = replace(
        epilogue,
        form="rows" if outer else "map",
        stages=tuple(Stage(moved(stage.row), moved(stage.lane)) for stage in epilogue.stages),
        reads=tuple(name for name in epilogue.reads if name != PANEL),
    )
    return replace(_product(builder, node, name, note), epilogue=epilogue)


def with_elements(builder: ProgramBuilder, node: int, epilogue: Kernel, name: str, note: str) -> MatrixProduct:
    """The step of a product and of what is computed from each of its elements: that of a device.

    The outer axes of the epilogue are those of rows, of all matrices of a batch, and its inner one is that of columns.
    A product that nobody else needs is read from `PANEL`, where it lies as a whole.
    """
    step = _product(builder, node, name, note)
    if not epilogue.writes:
        return step
    return replace(step, epilogue=replace(epilogue, reads=tuple(name for name in epilogue.reads if name != PANEL)))


def _product(builder: ProgramBuilder, node: int, name: str, note: str) -> MatrixProduct:
    graph = builder.graph
    left, right = graph.operands(node)
    *batch, rows, columns = graph.type(node).shape
    step = MatrixProduct(
        name=name,
        dtype=graph.type(node).dtype,
        result=builder.buffer_of.get(node),
        left=_matrix(builder, left, tuple(batch)),
        right=_matrix(builder, right, tuple(batch)),
        batch=tuple(batch),
        rows=rows,
        columns=columns,
        depth=graph.type(left).shape[-1],
        note=note,
    )
    return _as_one_matrix(step)


def _as_one_matrix(step: MatrixProduct) -> MatrixProduct:
    """A stack of matrices by one matrix is one product, if the rows of the stack follow each other in memory."""
    left, batch = step.left, step.batch
    chained = all(
        stride == dimensions.product((*batch[k + 1 :], step.rows)) * left.leading
        for k, stride in enumerate(left.batch_strides)
    )
    if not batch or left.transposed or not chained or any(stride != 0 for stride in step.right.batch_strides):
        return step
    rows = dimensions.product((*batch, step.rows))
    one = (replace(matrix, batch_strides=()) for matrix in (left, step.right))
    return replace(step, left=next(one), right=next(one), batch=(), rows=rows)


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
