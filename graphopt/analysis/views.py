"""Where the elements of view ops lie: an offset and a stride per axis into a value that is stored row-major.

A chain of transposes, broadcasts and inserted axes over a stored value never moves data: a kernel that reads it reads
the stored value at strided places. A reshape is such a view only of something contiguous; where it is not, its
operand has to be stored first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from graphopt.dimensions import DimLike
from graphopt.ops import shape as ops
from graphopt.ops.indexing import slice_

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["TRACKABLE", "View", "is_view", "row_major", "sized_by", "track", "view_of", "views"]

TRACKABLE = frozenset({ops.expand_dims, ops.squeeze, ops.transpose, ops.broadcast_to})
"""Views whose axes are axes of their operand, so that a kernel can compute the operand in place."""


class View(NamedTuple):
    """A value's place in the memory of the node `base`: element (i, j, …) lies at offset + i·strides[0] + …

    Offset and strides count elements; the stride of an axis of length 1, or of a stretched one, is 0.
    """

    base: int
    offset: DimLike
    strides: tuple[DimLike, ...]


def is_view(graph: Graph, node: int) -> bool:
    """Whether a node moves elements without computing."""
    return "view" in graph.op(node).traits


def row_major(shape: tuple[DimLike, ...]) -> tuple[DimLike, ...]:
    """The strides, in elements, of an array stored row by row; 0 for axes of length 1."""
    strides: list[DimLike] = []
    step: DimLike = 1
    for size in reversed(shape):
        strides.append(0 if size == 1 else step)
        step = step * size
    return tuple(reversed(strides))


def views(graph: Graph, order: list[int]) -> dict[int, View]:
    """The view each node is, computed ones being views of themselves. Linear."""
    found: dict[int, View] = {}
    for node in order:
        if not is_view(graph, node):
            found[node] = View(node, 0, row_major(graph.type(node).shape))
            continue
        (operand,) = graph.operands(node)
        below = found[operand]
        stored = View(operand, 0, row_major(graph.type(operand).shape))
        found[node] = _compose(graph, node, below) or _compose(graph, node, stored) or stored
    return found


def view_of(graph: Graph, node: int) -> View:
    """The view that one node is."""
    chain = [node]
    while is_view(graph, chain[-1]):
        chain += graph.operands(chain[-1])
    return views(graph, chain[::-1])[node]


def track(graph: Graph, node: int, axes: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """Which axis each dimension of a trackable view is, given its operand's; None where it is 1 long or stretched."""
    op, attributes = graph.op(node), graph.attributes(node)
    if op is ops.expand_dims:
        result = list(axes)
        for position in attributes["axis"]:
            result.insert(position, None)
        return tuple(result)
    if op is ops.squeeze:
        return tuple(axis for position, axis in enumerate(axes) if position not in attributes["axis"])
    if op is ops.transpose:
        return tuple(axes[position] for position in attributes["axes"])
    assert op is ops.broadcast_to
    return (None,) * (len(attributes["shape"]) - len(axes)) + axes


def _compose(graph: Graph, node: int, below: View) -> View | None:
    """A view op on top of a view; None for a reshape of something that is not contiguous."""
    op, attributes = graph.op(node), graph.attributes(node)
    shape = graph.type(node).shape
    (operand,) = graph.operands(node)
    below_shape = graph.type(operand).shape
    base, offset, strides = below
    if op is ops.expand_dims:
        widened = list(strides)
        for position in attributes["axis"]:
            widened.insert(position, 0)
        return View(base, offset, tuple(widened))
    if op is ops.squeeze:
        return View(base, offset, tuple(s for k, s in enumerate(strides) if k not in attributes["axis"]))
    if op is ops.transpose:
        return View(base, offset, tuple(strides[k] for k in attributes["axes"]))
    if op is ops.broadcast_to:
        lead = len(shape) - len(strides)
        stretched = tuple(0 if size == 1 else s for s, size in zip(strides, below_shape, strict=True))
        return View(base, offset, (0,) * lead + stretched)
    if op is slice_:
        moved = [first * stride for first, stride in zip(attributes["start"], strides, strict=True)]
        stepped = tuple(
            s * by if size != 1 else 0 for s, by, size in zip(strides, attributes["step"], shape, strict=True)
        )
        return View(base, sum(moved, offset), stepped)
    if op is ops.pick:
        return View(base, offset + attributes["index"] * strides[-1], strides[:-1])
    if op is ops.reshape and strides == row_major(below_shape):
        return View(base, offset, row_major(shape))
    return None


def sized_by(graph: Graph, node: int, settlers: Mapping[str, int]) -> list[int]:
    """The nodes that count the sizes in a node, and in the views through which it is read."""
    found = graph.awaited(node, settlers)
    while settlers and is_view(graph, node):
        (node,) = graph.operands(node)
        found += graph.awaited(node, settlers)
    return found
