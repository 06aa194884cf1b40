"""What nodes cost: floating-point operations and bytes, as integers or polynomials of dimensions.

Operations are counted as `Op.cost` says: per element of the result, of the operand for reductions, per multiplication
of a matrix product, and per element and order of matrices that are factored; an op with bodies costs what the dearest
of them does, and one. Bytes are what a node reads and writes if it is computed alone; views move nothing.
"""

from __future__ import annotations

from functools import partial, reduce
from typing import NamedTuple

from graphopt.dimensions import DimLike, opaque, product
from graphopt.graph import Graph
from graphopt.graph.body import bodies

__all__ = ["Cost", "graph_cost", "node_cost"]


class Cost(NamedTuple):
    """Floating-point operations and bytes."""

    flops: DimLike
    bytes: DimLike

    def __add__(self, other: object) -> Cost:
        """The sum, part by part."""
        if not isinstance(other, Cost):
            return NotImplemented
        return Cost(self.flops + other.flops, self.bytes + other.bytes)


def node_cost(graph: Graph, node: int) -> Cost:
    """The cost of computing one node from its operands in memory."""
    op, type = graph.op(node), graph.type(node)
    if "leaf" in op.traits or "view" in op.traits:
        return Cost(0, 0)
    branches = [graph_cost(body.graph).flops + 1 for body in bodies(graph.attributes(node)).values()]
    operands = [graph.type(operand) for operand in graph.operands(node)]
    if "contraction" in op.traits:
        elements = type.size * operands[0].shape[-1]
    elif "factorization" in op.traits:
        elements = sum((operand.size for operand in operands[1:]), operands[0].size) * operands[0].shape[-1]
    elif "reduction" in op.traits or "composite" in op.traits:
        elements = operands[0].size
    else:
        elements = type.size
    moved: DimLike = type.size * type.itemsize
    for operand in dict.fromkeys(graph.operands(node)):
        moved = moved + product(graph.type(operand).shape) * graph.type(operand).itemsize
    return Cost(reduce(partial(opaque, "max"), branches) if branches else elements * round(op.cost), moved)


def graph_cost(graph: Graph) -> Cost:
    """The cost of everything the outputs need, each node computed alone: an upper bound, which fusion lowers."""
    flops: dict[DimLike, int] = {}  # few sizes, many nodes: count the nodes of each size first
    moved: dict[DimLike, int] = {}
    for node in graph.order():
        cost = node_cost(graph, node)
        flops[cost.flops] = flops.get(cost.flops, 0) + 1
        moved[cost.bytes] = moved.get(cost.bytes, 0) + 1
    return Cost(_weighted(flops), _weighted(moved))


def _weighted(counts: dict[DimLike, int]) -> DimLike:
    total: DimLike = 0
    for size, count in counts.items():
        total = total + size * count
    return total
