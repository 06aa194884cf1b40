"""Which firing broke it: binary search over the number of firings a pipeline is allowed.

    found = go.rewrite.bisect(go.Pipeline.named("default"), graph, lambda g: run(g) == expected)
    print(found)

Every trial runs the pipeline on a copy, and mandatory passes run to their end, so what is judged is always a graph
that could be compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphopt.errors import InvalidArgument
from graphopt.graph.graph import Graph
from graphopt.rewrite.log import Firing, Log
from graphopt.rewrite.pipeline import Pipeline

__all__ = ["Bisection", "bisect"]


@dataclass(frozen=True)
class Bisection:
    """The first firing after which a graph is wrong.

    Attributes
    ----------
    number
        Which firing, counted from 1 over those of passes that are not mandatory: a run with `limit=number` is
        wrong, one with `limit=number - 1` is right.
    firing
        The firing: `.rule`, `.nodes`, `.origins`, `.diff()`.
    before, after
        The graphs those two runs end with.
    firings
        How many such firings the whole run has.
    runs
        How often the pipeline was run.
    """

    number: int
    firing: Firing
    before: Graph
    after: Graph
    firings: int
    runs: int

    def __str__(self) -> str:
        return f"firing {self.number} of {self.firings} (found in {self.runs} runs)\n{self.firing}"


def bisect(
    pipeline: Pipeline,
    graph: Graph,
    ok: Callable[[Graph], bool],
    *,
    seed: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> Bisection:
    """The first firing of a pipeline after which `ok(graph)` is false.

    Runs the pipeline about log2(firings) + 3 times, on copies: the graph is never changed. If `ok` changes from true to
    false and back several times, one of the changes to false is found.

    Parameters
    ----------
    pipeline, seed, options
        What goes wrong, as for `Pipeline.run`.
    graph
        What it goes wrong on.
    ok
        Judges a graph. What it raises is not caught.

    Raises
    ------
    InvalidArgument
        If `ok` is false before anything ran or after the mandatory passes alone, true at the end, or made false by
        a pass that logs no firings.
    """
    if not ok(graph.copy()):
        raise InvalidArgument("bisect: ok(graph) is false before the pipeline ran: there is no firing to find")
    trial = _Trials(pipeline, graph, ok, seed, dict(options or {}))
    wrong, log = trial.run(None)
    total = len(trial.counted(log))
    if not wrong:
        raise InvalidArgument(f"bisect: ok(graph) is still true after all {total} firings: there is nothing to find")
    if trial.run(0)[0]:
        mandatory = ", ".join(sorted(trial.mandatory)) or "no pass"
        raise InvalidArgument(f"bisect: ok(graph) is false although no rule fired: mandatory passes ran ({mandatory})")
    if not trial.run(total)[0]:
        silent = dict.fromkeys(record.step for record in log.passes if not record.firings)
        raise InvalidArgument(
            f"bisect: ok(graph) is true after all {total} firings; a pass that logs no firings makes it false, one of: "
            f"{', '.join(silent)}"
        )
    right, wrong_at = 0, total
    while wrong_at - right > 1:
        middle = (right + wrong_at) // 2
        if trial.run(middle)[0]:
            wrong_at = middle
        else:
            right = middle
    firing = trial.counted(trial.logs[wrong_at])[wrong_at - 1]
    return Bisection(wrong_at, firing, trial.graphs[right], trial.graphs[wrong_at], total, trial.runs)


@dataclass
class _Trials:
    """Runs of one pipeline on copies of one graph."""

    pipeline: Pipeline
    graph: Graph
    ok: Callable[[Graph], bool]
    seed: int | None
    options: Mapping[str, Any]
    runs: int = 0
    graphs: dict[int | None, Graph] = field(default_factory=dict)
    logs: dict[int | None, Log] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.mandatory = {step.name for step in self.pipeline if step.mandatory}

    def run(self, limit: int | None) -> tuple[bool, Log]:
        """Whether the graph is wrong after so many firings, and the log."""
        twin = self.graph.copy()
        log = self.pipeline.run(twin, limit=limit, seed=self.seed, options=self.options)
        self.runs += 1
        self.graphs[limit], self.logs[limit] = twin, log
        return not self.ok(twin.copy()), log

    def counted(self, log: Log) -> list[Firing]:
        """The firings that count towards the limit."""
        return [firing for firing in log if firing.step not in self.mandatory]
