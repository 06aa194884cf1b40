"""Replace formulas that lose accuracy, overflow or underflow by ops that do not.

Contract: afterwards no rule of the tables matches: `stabilize_elementary` (log1p, expm1, softplus, sigmoid, logaddexp,
the error functions), `stabilize_tails` (log erfc), `stabilize_softmax` (log-sum-exp, softmax, log-softmax),
`stabilize_hyperbolic` (sinh, cosh, tanh and their inverses, written
out), `stabilize_trigonometric` (half angles, differences of sines), `stabilize_differences` (conjugates, common
denominators), `stabilize_series` (x - sin x and its kin), `stabilize_powers` (powers, gamma functions, norms),
`stabilize_quadratic` (the roots of a quadratic) and `stabilize_branches` (masked products). Every rule is at least as
accurate as what it replaces (`Improves`) or accurate within a stated bound wherever the result is representable
(`Stabilizes`).

The patterns are written for the form that `canonicalize` reaches, and one replacement can make another match: let the
two alternate, `fix{stabilize,canonicalize}`. Constants must not be folded before. After `lower` this pass may not run,
or it would recognize what `lower` took apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from graphopt.passes import (
    canonical_facts,
    stabilize_branches,
    stabilize_differences,
    stabilize_elementary,
    stabilize_hyperbolic,
    stabilize_powers,
    stabilize_quadratic,
    stabilize_series,
    stabilize_softmax,
    stabilize_tails,
    stabilize_trigonometric,
)
from graphopt.rewrite import Rule, RulePass
from graphopt.rewrite.measures import Measure, decreasing
from graphopt.rewrite.standard_measures import HAZARDS, MASKS, OPERATIONS

SHORTER = (stabilize_elementary, stabilize_hyperbolic, stabilize_trigonometric, stabilize_differences, stabilize_powers)
LONGER = (
    stabilize_tails, stabilize_hyperbolic, stabilize_trigonometric, stabilize_differences, stabilize_series,
    stabilize_powers, stabilize_quadratic, stabilize_branches, stabilize_softmax,
)  # fmt: skip
"""Tables of rules that write a function out at greater length, and so decrease no measure. They come to an end because
none of them matches in what another writes, or because a condition sees that an operand is held already."""

RULES = (
    *decreasing(HAZARDS, *canonical_facts.STABLE, *stabilize_softmax.RULES),
    *decreasing((HAZARDS, OPERATIONS), *(rule for part in SHORTER for rule in part.RULES)),
    *(rule for part in LONGER for rule in part.LONGER),
    *decreasing(MASKS, *stabilize_branches.RULES),
)


@dataclass(frozen=True)
class Stabilize(RulePass):
    """Replace unstable formulas by stable ops."""

    name: ClassVar[str] = "stabilize"
    excludes: ClassVar[frozenset[str]] = frozenset({"lowered"})
    rules: ClassVar[Sequence[Rule]] = RULES
    order: ClassVar[Sequence[Measure]] = (HAZARDS, OPERATIONS, MASKS)
