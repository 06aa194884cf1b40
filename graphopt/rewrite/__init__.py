"""Rewriting: patterns, rules and their claims, the engine that applies them, passes, pipelines and their log.

The passes themselves are in `graphopt.passes`.
"""

from graphopt.rewrite.bisection import Bisection, bisect
from graphopt.rewrite.blame import Blame, blame
from graphopt.rewrite.claims import Claim, Exact, Improves, RealOnly, Reassociates, Stabilizes, Ulps
from graphopt.rewrite.conditions import (
    clear_sign,
    finite,
    negative,
    nonnegative,
    nonpositive,
    nonzero,
    number,
    positive,
)
from graphopt.rewrite.explanation import explain
from graphopt.rewrite.hooks import Dump, StepThrough, ValueCheck
from graphopt.rewrite.lint import LintFinding, lint
from graphopt.rewrite.log import Firing, Log
from graphopt.rewrite.match import Match
from graphopt.rewrite.passes import Context, Pass, RulePass
from graphopt.rewrite.pattern import AnyOp, Attr, V, floating, integral
from graphopt.rewrite.pipeline import Event, Fix, Pipeline
from graphopt.rewrite.registry import available_passes
from graphopt.rewrite.rules import Refusal, Rule, refuse, rule
from graphopt.rewrite.shrinking import reduce
from graphopt.rewrite.through import Seen, through

__all__ = [
    "AnyOp", "Attr", "Bisection", "Blame", "Claim", "Context", "Dump", "Event", "Exact", "Firing", "Fix",
    "Improves", "LintFinding", "Log", "Match", "Pass", "Pipeline", "RealOnly", "Reassociates", "Refusal", "Rule",
    "RulePass", "Seen", "Stabilizes", "StepThrough", "Ulps", "V", "ValueCheck", "available_passes", "bisect",
    "blame", "clear_sign", "explain", "finite", "floating", "integral", "lint", "negative", "nonnegative",
    "nonpositive", "nonzero", "number", "positive", "reduce", "refuse", "rule", "through",
]  # fmt: skip
