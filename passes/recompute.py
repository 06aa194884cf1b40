"""What passes between kernels through memory, looked at once more: computed again where that is cheaper.

A value that one group stores and others load costs a store, and a load each. Where it is a few cheap operations away
from what those others load anyway, or from rows of far fewer elements, they compute it again. Not a pass of its own:
`fuse` does this to its groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphopt.analysis.iteration import IterationSpace
from graphopt.analysis.views import is_view
from graphopt.ops.gather import gather

if TYPE_CHECKING:
    from graphopt.graph import Graph
    from graphopt.passes.fuse import Group

__all__ = ["Recomputing", "base_of", "is_cheap"]

FLOPS_A_BYTE = 4
"""Operations that take as long as a byte on its way to or from memory: two cores of 2023 do some 100 GFLOP/s of simple
arithmetic while 25 GB move."""
CONE = 16
"""The most nodes that are computed again for one value."""
LARGEST = 512
"""Groups with more nodes are left as they are: each attempt looks at all of them."""


def base_of(graph: Graph, node: int) -> int:
    """The node that a chain of views looks at."""
    while is_view(graph, node):
        (node,) = graph.operands(node)
    return node


def is_cheap(graph: Graph, node: int) -> bool:
    """Whether a node is elementwise and no elementary function."""
    traits = graph.op(node).traits
    return "elementwise" in traits and "transcendental" not in traits and "host" not in traits


@dataclass(frozen=True)
class Cone:
    """The nodes that compute a value, and what they start from: nodes that lie in memory then."""

    nodes: tuple[int, ...]
    leaves: tuple[int, ...]


class Recomputing:
    """Groups in which values are computed again.

    Parameters
    ----------
    groups
        In an order in which they can run.
    of
        The group of every computed node.
    limit
        The most nodes of a group.
    """

    def __init__(self, graph: Graph, groups: list[Group], of: dict[int, Group], limit: int) -> None:
        self.graph = graph
        self.limit = min(limit, LARGEST)
        self.all = groups
        self.of = of
        self.number = {node: k for k, node in enumerate(graph.order())}
        self.readers: dict[int, list[Group]] = {}
        for group in groups:
            for node in group.reads:
                self.readers.setdefault(node, []).append(group)
        self.pinned = {base_of(graph, node) for node in graph.outputs.values()}
        self.pinned |= {node for group in groups if group.closed for node in group.reads}
        self.pinned |= {
            base_of(graph, graph.operands(node)[0]) for node in of if graph.op(node) is gather
        }  # what is read at any position

    def groups(self) -> list[Group]:
        """The groups that are still needed, in an order in which they can run."""
        for value in sorted(self.readers, key=self.number.__getitem__):
            if value in self.of and not self.of[value].closed:
                self._consider(value)
        return self._needed()

    def _consider(self, value: int) -> None:
        cone = self._cone(value)
        if cone is None:
            return
        readers = [reader for reader in self.readers[value] if value in reader.reads]
        if value not in self.pinned and readers:
            gain = self._bytes(value, value) + sum(self._gain(reader, value, cone) for reader in readers)
            if gain > 0 and self._joined(readers, value, cone):
                return
        for reader in readers:
            if self._gain(reader, value, cone) > 0:
                self._joined([reader], value, cone)

    def _cone(self, value: int) -> Cone | None:
        """The cheap nodes of its own group that compute a value; None if it is none, or they are too many."""
        graph, group = self.graph, self.of[value]
        if not is_cheap(graph, value):
            return None
        nodes, leaves, waiting = {value: None}, dict[int, None](), [value]
        while waiting:
            for operand in graph.operands(waiting.pop()):
                base = base_of(graph, operand)
                same = self.of.get(base) is group and self._share(base, value) == 1
                if same and is_cheap(graph, base):
                    if base not in nodes:
                        nodes[base] = None
                        waiting.append(base)
                elif graph.op(base).arity != 0 or graph.type(base).ndim:
                    leaves[base] = None
            if len(nodes) > CONE:
                return None
        return Cone(tuple(nodes), tuple(leaves))

    def _gain(self, reader: Group, value: int, cone: Cone) -> float:
        """Bytes for each element of a value that a reader saves by computing it again, its store left aside."""
        graph = self.graph
        cost = sum(graph.op(node).cost for node in cone.nodes) / FLOPS_A_BYTE
        for leaf in cone.leaves:
            if leaf in reader.reads or leaf in reader.space:
                continue
            cost += self._bytes(leaf, value)
            if leaf in self.of and leaf not in self.readers and leaf not in self.pinned:
                cost += self._bytes(leaf, value)  # it lived in a register
        return self._bytes(value, value) - cost

    def _bytes(self, node: int, value: int) -> float:
        """Bytes of a node for each element of a value; an array that is made of one number takes none."""
        graph = self.graph
        if graph.op(node).arity == 0 and node not in graph.inputs.values():
            return 0.0
        return graph.type(node).itemsize * self._share(node, value)

    def _share(self, node: int, value: int) -> float:
        """Elements of a node for each of a value; where sizes are not known, an axis more is as good as many."""
        mine, other = self.graph.type(node), self.graph.type(value)
        if mine.size == other.size:
            return 1.0
        if isinstance(mine.size, int) and isinstance(other.size, int):
            return mine.size / max(other.size, 1)
        axes = [size for size in mine.shape if size != 1]
        return 0.0 if len(axes) < other.ndim and all(size in other.shape for size in axes) else 1.0

    def _joined(self, readers: list[Group], value: int, cone: Cone) -> bool:
        """Let groups compute a value again, all of them or none."""
        spaces = []
        for reader in readers:
            members = sorted({*reader.space.place, *cone.nodes}, key=self.number.__getitem__)
            space = IterationSpace.of(self.graph, members) if len(members) <= self.limit else None
            if space is None:
                return False
            spaces.append(space)
        for reader, space in zip(readers, spaces, strict=True):
            reader.space = space
            reader.reads = {node for node in (*reader.reads, *cone.leaves) if node not in space}
            for leaf in cone.leaves:
                self.readers.setdefault(leaf, []).append(reader)
        return True

    def _needed(self) -> list[Group]:
        """The groups without those whose values nobody reads any more."""
        wanted = set(self.pinned)
        kept = []
        for group in reversed(self.all):
            if group.closed or any(node in wanted and self.of[node] is group for node in group.space.place):
                kept.append(group)
                wanted |= group.reads
        return kept[::-1]
