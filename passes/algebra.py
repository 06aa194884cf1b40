"""Do less: gather constants, take factors out of sums, multiply powers out, find matrix products in broadcast ones.

Contract: afterwards no rule of the two tables matches: `algebra_elementwise` and `algebra_reductions`. No rule adds
work. Sums and products may be taken in another order (`Reassociates`, `Ulps`), which is why this pass is in no named
pipeline: it is asked for, `Pipeline.named("default").with_(Algebra(), after="stabilize")`. Let it alternate with
`canonicalize`, whose form its patterns are written for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from graphopt.passes import algebra_elementwise, algebra_reductions
from graphopt.rewrite import Rule, RulePass
from graphopt.rewrite.measures import Measure
from graphopt.rewrite.standard_measures import HAZARDS, NEGATIONS, OPERATIONS, STRETCHES, SUMMANDS

RULES = (*algebra_elementwise.RULES, *algebra_reductions.RULES)


@dataclass(frozen=True)
class Algebra(RulePass):
    """Do the same with fewer operations, in another order."""

    name: ClassVar[str] = "algebra"
    excludes: ClassVar[frozenset[str]] = frozenset({"lowered"})
    rules: ClassVar[Sequence[Rule]] = RULES
    order: ClassVar[Sequence[Measure]] = (HAZARDS, STRETCHES, OPERATIONS, NEGATIONS, SUMMANDS)
