"""Search all rewrites at once for a cheaper graph, by equality saturation (needs the extra `saturate`).

Contract: afterwards every output is within the claims of the rules used of what it was, and the graph does not cost
more than before, whatever the sizes; it is left as it is unless it costs less.

The rules are those of `canonicalize` that are data, commutativity and associativity, and the table below, which greedy
rewriting could not use: which side of xy + xz = x(y + z) is better depends on what else is computed. Differences need
no rules of their own: x - y = x + (-y) is one of `canonicalize`. Rules that improve or stabilize take part with
`improves=true`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import graphopt.tensor as T
from graphopt.errors import InvalidArgument
from graphopt.graph import Graph
from graphopt.passes import canonicalize, stabilize
from graphopt.rewrite import Exact, Pass, Reassociates, Rule, V, floating
from graphopt.rewrite.extraction import COSTS
from graphopt.rewrite.passes import Context
from graphopt.rewrite.saturation import saturate

x, y, z = V("x"), V("y"), V("z")
f = V("x", dtype=floating)

TABLE = (
    Rule("factor-sum", x * y + x * z, x * (y + z), claim=Reassociates()),              # xy + xz = x(y + z)
    Rule("factor-one", f * y + f, f * (y + 1), claim=Reassociates()),                  # xy + x = x(y + 1)
    Rule("common-denominator", x / z + y / z, (x + y) / z, claim=Reassociates()),      # x/z + y/z = (x + y)/z
    Rule("twice", f + f, f * 2, claim=Exact()),                                        # x + x = 2x
    Rule("halve", f / 2, f * 0.5, claim=Exact()),                                      # x/2 = ½x
    Rule("product-over", x * (y / z), (x * y) / z, claim=Reassociates()),              # x(y/z) = (xy)/z
    Rule("over-over", (x / y) / z, x / (y * z), claim=Reassociates()),                 # (x/y)/z = x/(yz)
    Rule("square-of-product", T.square(x * y), T.square(x) * T.square(y), claim=Reassociates()),  # (xy)² = x²y²
)  # fmt: skip


@dataclass(frozen=True)
class Saturate(Pass):
    """Replace outputs by the cheapest equal programs found among at most `nodes` nodes in `iters` rounds."""

    name: ClassVar[str] = "saturate"
    excludes: ClassVar[frozenset[str]] = frozenset({"lowered"})
    rules: ClassVar[Sequence[Rule]] = (*canonicalize.RULES, *TABLE)
    nodes: int = 10_000
    iters: int = 10
    cost: str = "flops"
    improves: bool = False

    def __post_init__(self) -> None:
        if self.nodes < 1 or self.iters < 1:
            raise InvalidArgument(f"saturate: nodes and iters are at least 1, found {self.nodes} and {self.iters}")
        if self.cost not in COSTS:
            raise InvalidArgument(f"saturate: cost is one of {', '.join(COSTS)}; found {self.cost!r}")

    def run(self, graph: Graph, context: Context) -> None:
        """Saturate, extract, and write back what is cheaper."""
        rules = (*self.rules, *stabilize.RULES) if self.improves else self.rules
        saturate(graph, rules, context, nodes=self.nodes, iters=self.iters, cost=self.cost, improves=self.improves)
