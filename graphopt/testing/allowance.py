"""By how much a rewritten program may differ from the one as written: what the claims of the rules that fired allow.

If all claims are `Exact` the bits are the same, and so they are if no rule fired: merging, deleting and fusing change
no values. Expanding a composite op may, and counts as inexact.

Otherwise an element may differ by `UNITS` units in the last place of the largest value met on the way, the allowance of
`mode="check"`, in the coarsest float dtype that took part; plus, for each firing of `Ulps(k)`, k units, and of
`Stabilizes(bound)`, `bound` units; a hundred times that if a `RealOnly` rule fired, which promises nothing in floating
point. Where the program as written gives NaN or infinity, a finite result is a repair that `Stabilizes`, `Improves` and
`RealOnly` allow and the others do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphopt.check import UNITS
from graphopt.rewrite import Exact, Improves, Log, Pass, Pipeline, Rule, RulePass, Stabilizes, Ulps
from graphopt.types import is_float

__all__ = ["REAL_ONLY_FACTOR", "Allowance"]

Array = Any
REAL_ONLY_FACTOR = 100
"""How many times the usual allowance a rule gets that is equal over the reals only."""
_REPAIRING = ("Stabilizes", "Improves", "RealOnly")


@dataclass(frozen=True)
class Allowance:
    """Units of rounding, and whether infinities and NaNs may be repaired."""

    units: float
    repairs: bool

    @staticmethod
    def of(pipeline: Pipeline, log: Log) -> Allowance:
        """What the claims of the rules that fired allow."""
        claims = {(step.name, rule.name): rule.claim for step in pipeline for rule in _rules(step)}
        fired = [claims[found.step, found.rule] for found in log if (found.step, found.rule) in claims]
        inexact = [claim for claim in fired if not isinstance(claim, Exact)]
        expanded = any("composite" in found.before[0].op.traits for found in log if found.before)
        units = float(UNITS) if inexact or expanded else 0.0
        units += sum(claim.k for claim in inexact if isinstance(claim, Ulps))
        units += sum(claim.bound for claim in inexact if isinstance(claim, Stabilizes))
        units += sum(claim.ulps - 1 for claim in inexact if isinstance(claim, Improves))
        names = {type(claim).__name__ for claim in inexact}
        factor = REAL_ONLY_FACTOR if "RealOnly" in names else 1
        return Allowance(units * factor, not names.isdisjoint(_REPAIRING))

    def on(self, target: str) -> Allowance:
        """The allowance on a target: a compiled one gets `UNITS` on top.

        Its elementary functions are good to 4 units, and its sums are in another order.
        """
        return self if target == "numpy" else Allowance(self.units + UNITS, self.repairs)

    def __str__(self) -> str:
        return f"{self.units:g} units of rounding" if self.units else "the same bits"

    def share(self, expected: Array, found: Array, unit: float) -> tuple[Array, float]:
        """Per element whether it is allowed, and the largest difference as a fraction of what is allowed.

        Parameters
        ----------
        expected, found
            Arrays of one shape and dtype.
        unit
            One unit in the last place of the largest value met on the way, in the coarsest dtype met.
        """
        same, worst = _same(expected, found), 0.0
        if is_float(str(expected.dtype)) and self.units:
            distance = np.zeros(expected.shape)
            finite = np.isfinite(expected) & np.isfinite(found)
            bound = self.units * unit
            distance[finite] = np.abs(expected[finite].astype(float) - found[finite].astype(float)) / bound
            worst = float(distance.max(initial=0.0))
            same |= (finite & (distance <= 1)) | (np.isnan(expected) & np.isnan(found)) | (expected == found)
            same |= ~np.isfinite(expected) & self.repairs
        return same, worst


def _rules(step: Pass) -> Sequence[Rule]:
    if isinstance(step, RulePass):
        return step.rules
    rule = getattr(step, "rule", None)
    return (rule,) if isinstance(rule, Rule) else ()


def _same(a: Array, b: Array) -> Array:
    """Per element, the same bits; NaN is NaN."""
    if a.dtype.kind != "f":
        return np.asarray(a == b)
    return ((a == b) & (np.signbit(a) == np.signbit(b))) | (np.isnan(a) & np.isnan(b))
