"""Holding a pass or a pipeline to its claims: values before and after, on every target.

The tolerance follows from the claims of the rules that fired. If all are `Exact` the bits are the same, and so they are
if none fired: merging, deleting and fusing change no values. Expanding a composite op may, and counts as inexact.

Otherwise an element may differ by `UNITS` units in the last place of the largest value met on the way, the allowance of
`mode="check"`; plus, for each firing of `Ulps(k)`, k units, and of `Stabilizes(bound)`, `bound` units; a hundred times
that if a `RealOnly` rule fired, which promises nothing in floating point. Where the program as written gives NaN or
infinity, a finite result is a repair that `Stabilizes`, `Improves` and `RealOnly` allow and the others do not. A
compiled target gets `UNITS` on top in any case: its elementary functions are good to 4 units, and its sums are in
another order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies as st

from graphopt.arithmetics import Native
from graphopt.check import UNITS
from graphopt.errors import GraphoptError, VerificationFailed
from graphopt.function import function
from graphopt.graph import Graph
from graphopt.graph.export import to_variables
from graphopt.interpret import interpret
from graphopt.rewrite import Exact, Improves, Log, Pass, Pipeline, Rule, RulePass, Stabilizes, Ulps
from graphopt.testing import strategies
from graphopt.types import is_float

__all__ = ["PassReport", "verify_pass"]

Array = Any
REAL_ONLY_FACTOR = 100
"""How many times the usual allowance a rule gets that is equal over the reals only."""


@dataclass
class PassReport:
    """What a verification saw.

    Attributes
    ----------
    steps
        The pass or pipeline, as text.
    programs, points, firings
        How many programs were run, elements of results compared, and rewrites done.
    exact
        How many programs had to keep their bits in the interpreter, and did.
    idempotent
        On how many programs a second run changed nothing: reported, not demanded.
    worst
        The largest difference, as a fraction of what was allowed.
    """

    steps: str
    programs: int = 0
    points: int = 0
    firings: int = 0
    exact: int = 0
    idempotent: int = 0
    worst: float = 0.0


def verify_pass(
    steps: Pass | Rule | Pipeline | str,
    programs: Graph | st.SearchStrategy[Graph] | None = None,
    *,
    targets: Sequence[str] = ("numpy", "c"),
    examples: int = 10,
    seed: int = 0,
) -> PassReport:
    """Check that a pass or pipeline keeps the values of programs, and the invariants of their graphs.

    Parameters
    ----------
    steps
        A pass, a rule, a pipeline or its text.
    programs
        A graph, a strategy of graphs, or None for `strategies.graphs()`. Inputs are drawn by
        `strategies.inputs_for`.
    targets
        Where the rewritten program is run: "numpy", "c", "cuda-emulated". Those other than "numpy" also run what the
        compiler needs after the steps.
    examples
        How many programs (or, for one graph, sets of values) are drawn.
    seed
        Makes the draw reproducible.

    Returns
    -------
    PassReport
        How much was seen.

    Raises
    ------
    VerificationFailed
        With the graph's text and the inputs, if values differ by more than the claims of what fired allow, or the
        rewritten graph breaks an invariant, or running the steps or a target fails.
    """
    pipeline = Pipeline.parse(steps) if isinstance(steps, str) else steps
    pipeline = pipeline if isinstance(pipeline, Pipeline) else Pipeline([pipeline])
    report = PassReport(str(pipeline))
    if programs is None:
        programs = strategies.graphs()
    drawn = st.just(programs) if isinstance(programs, Graph) else programs

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples, database=None, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    @hypothesis.given(st.data())
    def check(data: st.DataObject) -> None:
        graph = data.draw(drawn, label="program")
        arguments = data.draw(strategies.inputs_for(graph), label="inputs")
        _Trial(pipeline, graph, arguments, report).run(targets)

    check()
    return report


@dataclass
class _Trial:
    """One program with one set of values."""

    pipeline: Pipeline
    graph: Graph
    arguments: Mapping[str, Array]
    report: PassReport

    def run(self, targets: Sequence[str]) -> None:
        after = self.graph.copy()
        try:
            log = self.pipeline.run(after, verify=True)
            after.verify()
        except GraphoptError as error:
            raise self.failed(f"rewriting fails: {error}") from error
        report = self.report
        report.programs += 1
        report.firings += len(log)
        again = after.copy()
        self.pipeline.run(again)
        report.idempotent += str(again) == str(after)
        scale, expected = _reference(self.graph, self.arguments)
        allowance = _Allowance.of(self.pipeline, log)
        report.exact += not allowance.units
        for target in targets:
            found = self.results(after, target)
            units = allowance.units if target == "numpy" else allowance.units + UNITS
            for name, reference in expected.items():
                self.compare(target, name, reference, found[name], units * scale, allowance.repairs)

    def results(self, after: Graph, target: str) -> Mapping[str, Array]:
        if target == "numpy":
            return interpret(after, self.arguments, Native())
        names = list(self.graph.inputs)
        inputs = [self.graph.variables[self.graph.inputs[name]] for name in names]
        outputs = to_variables(self.graph, list(self.graph.outputs.values()))
        named = dict(zip(self.graph.outputs, outputs, strict=True))
        try:
            compiled = function(inputs, named, target=target, pipeline=self.complete(), on_unused_input="ignore")
            result: Mapping[str, Array] = compiled(*[self.arguments[name] for name in names])
        except GraphoptError as error:
            raise self.failed(f"target {target} fails: {error}") from error
        return result

    def complete(self) -> Pipeline:
        """The pipeline, followed by the mandatory `lower` if it lacks it."""
        if any(step.name == "lower" for step in self.pipeline):
            return self.pipeline
        return Pipeline([*self.pipeline.steps, *Pipeline.named("none").steps])

    def compare(self, target: str, name: str, reference: Array, found: Array, allowed: float, repairs: bool) -> None:
        """Hold one output to what is allowed, in units in the last place of 1 times the scale."""
        reference, found = np.asarray(reference), np.asarray(found)
        if reference.shape != found.shape or reference.dtype != found.dtype:
            raise self.failed(
                f"output {name} on {target} is {found.dtype}{list(found.shape)}; "
                f"expected {reference.dtype}{list(reference.shape)}"
            )
        self.report.points += reference.size
        same = _same(reference, found)
        if is_float(str(reference.dtype)) and allowed:
            distance = np.zeros(reference.shape)
            finite = np.isfinite(reference) & np.isfinite(found)
            bound = allowed * float(np.finfo(reference.dtype).eps)
            distance[finite] = np.abs(reference[finite].astype(float) - found[finite].astype(float)) / bound
            self.report.worst = max(self.report.worst, float(distance.max(initial=0.0)))
            same |= (finite & (distance <= 1)) | (np.isnan(reference) & np.isnan(found)) | (reference == found)
            same |= ~np.isfinite(reference) & repairs
        if not same.all():
            index = tuple(int(k) for k in np.argwhere(~same)[0])
            raise self.failed(
                f"output {name}{list(index)} on {target} is {found[index]!r}, but {reference[index]!r} as written; "
                f"allowed: {'the same bits' if not allowed else f'{allowed:g} units of rounding'}"
            )

    def failed(self, what: str) -> VerificationFailed:
        values = {name: np.asarray(value).tolist() for name, value in self.arguments.items()}
        return VerificationFailed(f"pipeline {self.pipeline}: {what}\ninputs: {values}\nprogram:\n{self.graph}")


@dataclass(frozen=True)
class _Allowance:
    """Units of rounding, and whether infinities and NaNs may be repaired."""

    units: float
    repairs: bool

    @staticmethod
    def of(pipeline: Pipeline, log: Log) -> _Allowance:
        claims = {(step.name, rule.name): rule.claim for step in pipeline for rule in _rules(step)}
        fired = [claims[found.step, found.rule] for found in log if (found.step, found.rule) in claims]
        inexact = [claim for claim in fired if not isinstance(claim, Exact)]
        expanded = any("composite" in found.before[0].op.traits for found in log if found.before)
        units = float(UNITS) if inexact or expanded else 0.0
        units += sum(
            claim.k if isinstance(claim, Ulps) else claim.bound
            for claim in inexact
            if isinstance(claim, Ulps | Stabilizes)
        )
        units += sum(claim.ulps - 1 for claim in inexact if isinstance(claim, Improves))
        names = {type(claim).__name__ for claim in inexact}
        factor = REAL_ONLY_FACTOR if "RealOnly" in names else 1
        return _Allowance(units * factor, bool(names & {"Stabilizes", "Improves", "RealOnly"}))


def _rules(step: Pass) -> Sequence[Rule]:
    if isinstance(step, RulePass):
        return step.rules
    rule = getattr(step, "rule", None)
    return (rule,) if isinstance(rule, Rule) else ()


def _reference(graph: Graph, arguments: Mapping[str, Array]) -> tuple[float, Mapping[str, Array]]:
    """The program's results as written, and the largest finite magnitude met on the way, at least 1."""
    scale = 1.0

    def remember(node: int, value: Array) -> None:
        nonlocal scale
        if is_float(graph.type(node).dtype):
            values = np.abs(np.asarray(value, np.float64))
            scale = max(scale, float(values[np.isfinite(values)].max(initial=0.0)))

    results = interpret(graph, arguments, Native(), on_node=remember)
    return scale, results


def _same(a: Array, b: Array) -> Array:
    """Per element, the same bits; NaN is NaN."""
    if a.dtype.kind != "f":
        return a == b
    return ((a == b) & (np.signbit(a) == np.signbit(b))) | (np.isnan(a) & np.isnan(b))
