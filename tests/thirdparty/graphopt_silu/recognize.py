"""Rules about the SiLU, and the pass that applies them."""

from dataclasses import dataclass
from typing import ClassVar

import graphopt.tensor as T
from graphopt.rewrite import Improves, RealOnly, Rule, V
from graphopt.rewrite.engine import rewrite
from graphopt.rewrite.passes import Pass
from graphopt_silu.op import silu

x = V("x")

RECOGNIZE = (
    Rule("silu", x * T.sigmoid(x), silu(x), claim=Improves()),                # x·σ(x)
    Rule("silu-as-quotient", x / (1 + T.exp(-x)), silu(x), claim=Improves()),  # x/(1 + e⁻ˣ)
)  # fmt: skip
FAST = (
    Rule("silu-difference", silu(x) - silu(-x), x, claim=RealOnly()),         # x·σ(x) + x·σ(-x) = x
)  # fmt: skip
RULES = (*RECOGNIZE, *FAST)


@dataclass(frozen=True)
class RecognizeSilu(Pass):
    """Contract: no x·sigmoid(x) and no x/(1 + exp(-x)) is left in a canonical graph. `fast` allows RealOnly rules."""

    name: ClassVar[str] = "recognize-silu"
    fast: bool = False

    def run(self, graph, context):
        """Apply the rules until none fires."""
        rewrite(graph, RULES if self.fast else RECOGNIZE, context)
