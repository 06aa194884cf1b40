"""Comparing callables so that a sceptic believes the result.

Contestants are validated before and after they are timed, take turns in random order, and are judged by paired ratios
with confidence intervals. The baseline runs twice in every comparison: what it scores against itself bounds what any
verdict may claim.
"""

from graphopt.bench.comparison import NothingMeasured, compare
from graphopt.bench.record import Change, Comparison, Row, Timing
from graphopt.bench.variations import vary, without_each
from graphopt.bench.worker import Worker, WorkerFailed

__all__ = ["Change", "Comparison", "NothingMeasured", "Row", "Timing", "Worker", "WorkerFailed", "compare", "vary",
           "without_each"]  # fmt: skip
