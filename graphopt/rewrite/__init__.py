"""Rewriting: patterns, rules and their claims, the engine that applies them, passes, pipelines and their log.

The passes themselves are in `graphopt.passes`.
"""

from graphopt.rewrite.claims import Claim, Exact, Improves, RealOnly, Reassociates, Stabilizes, Ulps
from graphopt.rewrite.explanation import explain
from graphopt.rewrite.log import Firing, Log
from graphopt.rewrite.match import Match
from graphopt.rewrite.passes import Context, Pass, RulePass
from graphopt.rewrite.pattern import AnyOp, Attr, V, floating, integral
from graphopt.rewrite.pipeline import Event, Fix, Pipeline
from graphopt.rewrite.registry import available_passes
from graphopt.rewrite.rules import Refusal, Rule, refuse, rule

__all__ = [
    "AnyOp", "Attr", "Claim", "Context", "Event", "Exact", "Firing", "Fix", "Improves", "Log", "Match", "Pass",
    "Pipeline", "RealOnly", "Reassociates", "Refusal", "Rule", "RulePass", "Stabilizes", "Ulps", "V",
    "available_passes", "explain", "floating", "integral", "refuse", "rule",
]  # fmt: skip
