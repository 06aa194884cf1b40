"""A rival of graphopt's `fuse`: only chains of elementwise ops, and only short ones.

A plan is an annotation beside the graph; the schedule obeys it where it is legal. So nothing here knows about loops.
"""

from dataclasses import dataclass
from typing import ClassVar

from graphopt.rewrite import Pass


@dataclass(frozen=True)
class FuseShort(Pass):
    """Contract: every group of `graph.fusion` is a chain of at most `k` elementwise nodes, each used by the next."""

    name: ClassVar[str] = "fuse-short"
    k: int = 4

    def run(self, graph, context):
        """Let every node join the chain that ends in its operand, if it is that operand's only user."""
        graph.fusion.clear()
        chain_of = {}
        for node in graph.order():
            if "elementwise" not in graph.op(node).traits:
                continue
            chain = next(filter(None, (self._open(graph, chain_of, node, u) for u in graph.operands(node))), [])
            chain.append(node)
            chain_of[node] = chain
        for chain in {id(chain): chain for chain in chain_of.values()}.values():
            if len(chain) > 1:
                graph.fusion.group(chain)

    def _open(self, graph, chain_of, node, operand):
        """The chain that ends in an operand, if there is one and the node may join it."""
        chain = chain_of.get(operand)
        alone = set(graph.users(operand)) == {node} and operand not in graph.outputs.values()
        fits = chain is not None and len(chain) < self.k and graph.type(operand).shape == graph.type(node).shape
        return chain if fits and alone else None
