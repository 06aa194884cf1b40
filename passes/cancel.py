"""Cancel numerators with denominators, and terms with their opposites. It holds over the reals alone.

Contract: afterwards no rule of the table matches. NaN, infinities and the last bits may change: x·y/y is NaN at y = 0.
No named pipeline has this pass; ask for it, `Pipeline.named("fast").with_(Cancel(), after="fast-math")`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import graphopt.tensor as T
from graphopt.ops.reduction import prod, sum_
from graphopt.rewrite import Attr, Match, RealOnly, Rule, RulePass, V, floating, positive
from graphopt.rewrite.measures import Measure, decreasing
from graphopt.rewrite.standard_measures import HAZARDS, NEGATIONS, OPERATIONS

x, y, z, w = (V(name, dtype=floating) for name in "xyzw")
p, q = (V(name, dtype=floating, where=positive) for name in "pq")
axis = Attr("axis")


def _is_of_one_shape(match: Match) -> bool:
    """Nothing is broadcast: z·y would be computed before it is, on no elements or with others' derivatives."""
    return all(match[name].shape == match.root.shape for name in match.variables)


TABLE = (
    Rule("product-over-factor", (x * y) / y, x, claim=RealOnly()),                    # x·y/y = x
    Rule("quotient-times-divisor", (x / y) * y, x, claim=RealOnly()),                 # (x/y)·y = x
    Rule("factor-over-product", x / (x * y), 1 / y, claim=RealOnly()),                # x/(x·y) = 1/y
    Rule("product-over-product", (x * z) / (y * z), x / y, claim=RealOnly()),         # x·z/(y·z) = x/y
    Rule("over-quotient", x / (y / z), (x * z) / y, claim=RealOnly()),                # x/(y/z) = x·z/y
    Rule("over-itself", x / x, 1, claim=RealOnly()),                                  # x/x = 1
    Rule("minus-itself", x - x, 0, claim=RealOnly()),                                 # x - x = 0
    Rule("sum-minus-term", (x + y) - y, x, claim=RealOnly()),                         # (x + y) - y = x
    Rule("difference-plus-term", (x - y) + y, x, claim=RealOnly()),                   # (x - y) + y = x
    Rule("term-minus-sum", x - (x + y), -y, claim=RealOnly()),                        # x - (x + y) = -y
    Rule("term-minus-difference", x - (x - y), y, claim=RealOnly()),                  # x - (x - y) = y
    Rule("plus-zero", x + 0, x, claim=RealOnly()),                                    # x + 0 = x
    Rule("zero-minus", 0 - x, -x, claim=RealOnly()),                                  # 0 - x = -x
    Rule("times-zero", x * 0, 0, claim=RealOnly()),                                   # x·0 = 0
    Rule("negative-difference", -(x - y), y - x, claim=RealOnly()),                   # -(x - y) = y - x
    Rule("common-factor", (x * z) + (y * z), (x + y) * z, claim=RealOnly()),          # x·z + y·z = (x + y)·z
    # (a/x + b/y)·x·y = a·y + b·x in two firings; each adds one node at most
    Rule("distributed-divisor", (x / y + z) * y, x + z * y, claim=RealOnly(), where=_is_of_one_shape),
    Rule(
        "distributed-divisor-of-term", ((x / y) * w + z) * y, x * w + z * y, claim=RealOnly(), where=_is_of_one_shape
    ),
    Rule("sum-of-logs", T.log(x) + T.log(y), T.log(x * y), claim=RealOnly()),         # log x + log y = log(x·y)
    Rule("product-of-roots", T.sqrt(p) * T.sqrt(q), T.sqrt(p * q), claim=RealOnly()), # √p·√q = √(p·q); at 0 no slope
    Rule("product-of-exps", prod(T.exp(x), axis=axis), T.exp(sum_(x, axis=axis)), claim=RealOnly()),  # Πeˣ = e^Σx
)  # fmt: skip

RULES = decreasing((HAZARDS, OPERATIONS, NEGATIONS), *TABLE)


@dataclass(frozen=True)
class Cancel(RulePass):
    """Cancel what cancels over the reals."""

    name: ClassVar[str] = "cancel"
    excludes: ClassVar[frozenset[str]] = frozenset({"lowered"})
    rules: ClassVar[Sequence[Rule]] = RULES
    order: ClassVar[Sequence[Measure]] = (HAZARDS, OPERATIONS, NEGATIONS)
