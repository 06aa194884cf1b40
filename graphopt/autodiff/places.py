"""What flows to chosen places of an array alone is multiplied by the slopes there, and by no others.

The derivative of x[i] is an array of zeros with one number in it. Multiplied by the slopes of what x was computed from,
element by element, that would be much work for zeros, and NaN where another element's slope is infinite. So the rule of
an elementwise op is applied to the chosen elements of its operands, and what it gives is put in their places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphopt.autodiff.masks import is_zero
from graphopt.graph.graph import Graph
from graphopt.op import Attributes
from graphopt.ops.gather import gather, scatter
from graphopt.ops.indexing import put, slice_

__all__ = ["Places", "places"]


@dataclass(frozen=True, slots=True)
class Places:
    """An array that is 0 but for some places.

    Attributes
    ----------
    node
        Its node: `put`, or `scatter` that adds.
    """

    graph: Graph
    node: int

    @property
    def inner(self) -> int:
        """The node of what stands in the places."""
        return self.graph.operands(self.node)[1]

    def read(self, whole: int) -> int:
        """What stands in the same places of another array; of a scalar, itself."""
        graph, x = self.graph, self.graph.handle(whole)
        if not x.ndim:
            return whole
        if graph.op(self.node) is put:
            return graph.add(slice_(x, **self._attributes, shape=graph.type(self.inner).shape), graph.origins(whole))
        return graph.add(gather(x, *self._indices), graph.origins(whole))

    def written(self, part: Any) -> Any:
        """An array that has the part in the places, and else is 0."""
        whole = self.graph.handle(self.graph.operands(self.node)[0])
        op = self.graph.op(self.node)
        return op(whole, part, *self._indices, **self._attributes)

    @property
    def _indices(self) -> list[Any]:
        return [self.graph.handle(index) for index in self.graph.operands(self.node)[2:]]

    @property
    def _attributes(self) -> Attributes:
        return self.graph.attributes(self.node)


def places(graph: Graph, value: int, node: int) -> Places | None:
    """The places outside of which a cotangent or a tangent of a node is 0; None if the op is not elementwise."""
    op, shape = graph.op(value), graph.type(node).shape
    is_written = op is put or (op is scatter and graph.attributes(value)["mode"] == "add")
    if not is_written or not shape or not is_zero(graph, graph.operands(value)[0]):
        return None
    fits = all(graph.type(operand).shape in ((), shape) for operand in graph.operands(node))
    return Places(graph, value) if fits and "elementwise" in graph.op(node).traits else None
