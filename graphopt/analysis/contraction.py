"""What matrix products are to loops.

A product of a column by a row is elementwise, and a product by a vector a sum of products along one axis. A product of
two matrices, summed element by element, would read its operands from memory again and again, so it is left to BLAS; but
it can be the host of an *epilogue*: loops over its result that run while a panel of rows is in the cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from graphopt.analysis.views import View, view_of
from graphopt.dimensions import DimLike
from graphopt.ops.linear_algebra import matmul

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["SumOfProducts", "by_vector", "can_host", "is_outer"]


class SumOfProducts(NamedTuple):
    """Which products are summed.

    Attributes
    ----------
    shape
        The lengths of the axes along which products are formed.
    summed
        The axis that is summed.
    operands
        For each dimension of each operand, the axis that it runs along; None for one of length 1.
    result
        The same for each dimension of the result.
    """

    shape: tuple[DimLike, ...]
    summed: int
    operands: tuple[tuple[int | None, ...], ...]
    result: tuple[int | None, ...]


def is_outer(graph: Graph, node: int) -> bool:
    """Whether a node multiplies columns by rows, so that nothing is summed."""
    return graph.op(node) is matmul and graph.type(graph.operands(node)[0]).shape[-1] == 1


def by_vector(graph: Graph, node: int) -> SumOfProducts | None:
    """The sum of products that a node is, if it multiplies a matrix, or a stack of them, by vectors; None if not."""
    if graph.op(node) is not matmul or is_outer(graph, node):
        return None
    left, right = (graph.type(operand).shape for operand in graph.operands(node))
    *batch, rows, columns = graph.type(node).shape
    lead = tuple(range(len(batch)))
    down, along = len(batch), len(batch) + 1
    ends: tuple[tuple[int | None, ...], ...]
    if columns == 1:  # along the rows of the matrix
        ends = ((down, along), (along, None), (down, None))
        shape, summed = (*batch, rows, left[-1]), along
    elif rows == 1:  # down its columns
        ends = ((None, down), (down, along), (None, along))
        shape, summed = (*batch, left[-1], columns), down
    else:
        return None
    operands = tuple(
        _along((*lead[len(lead) - len(operand) + 2 :], *end), operand)
        for operand, end in zip((left, right), ends, strict=False)
    )
    return SumOfProducts(shape, summed, operands, _along((*lead, *ends[2]), graph.type(node).shape))


def _along(axes: tuple[int | None, ...], shape: tuple[DimLike, ...]) -> tuple[int | None, ...]:
    return tuple(None if size == 1 else axis for axis, size in zip(axes, shape, strict=True))


def can_host(graph: Graph, node: int) -> bool:
    """Whether a node is a product whose rows are complete one after another, as an epilogue needs them.

    A matrix by its own transpose is not: only half of it is computed, and the rest copied.
    """
    if graph.op(node) is not matmul or is_outer(graph, node) or by_vector(graph, node) is not None:
        return False
    rows, columns = graph.type(node).shape[-2:]
    left, right = (view_of(graph, operand) for operand in graph.operands(node))
    return rows != columns or left != View(right.base, right.offset, (*right.strides[:-2], *right.strides[:-3:-1]))
