"""Arrays put together from parts: a buffer to which the operands are moved, one after another."""

from __future__ import annotations

from graphopt.analysis.views import row_major
from graphopt.dimensions import DimLike
from graphopt.schedule.builder import Place, ProgramBuilder

__all__ = ["join", "write_part"]


def join(builder: ProgramBuilder, node: int) -> None:
    """Append the moves of a concatenation: every operand behind the one before."""
    graph, buffer, whole = builder.graph, builder.buffer_of[node], row_major(builder.graph.type(node).shape)
    (axis,) = graph.attributes(node)["axis"]
    begin: DimLike = 0
    for operand in graph.operands(node):
        builder.move(operand, builder.views[operand], Place(buffer, begin * whole[axis], whole))
        begin = begin + graph.type(operand).shape[axis]


def write_part(builder: ProgramBuilder, node: int) -> None:
    """Append the moves of `put`: everything, then the part."""
    graph, buffer, whole = builder.graph, builder.buffer_of[node], row_major(builder.graph.type(node).shape)
    attributes, (base, part) = graph.attributes(node), graph.operands(node)
    start = sum((first * s for first, s in zip(attributes["start"], whole, strict=True)), 0)
    strides = tuple(s * by for s, by in zip(whole, attributes["step"], strict=True))
    builder.move(base, builder.views[base], Place(buffer, 0, whole))
    builder.move(part, builder.views[part], Place(buffer, start, strides))
