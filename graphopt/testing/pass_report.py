"""What `verify_pass` says: how much it saw, or what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphopt.errors import VerificationFailed
from graphopt.graph import Graph
from graphopt.testing.gradients import GradientCounts

__all__ = ["PassFailed", "PassReport"]


class PassFailed(VerificationFailed):
    """A pass or pipeline does not do what it promises.

    Attributes
    ----------
    property
        Which promise is broken: "program" (that it runs as it is written), "rewriting", "no mutation", "inputs",
        "outputs", "types", "determinism", "values", "shuffled values", "idempotence" or "gradients".
    step
        The pass that breaks it; the whole pipeline where no pass does alone; empty where the program itself fails.
    target
        Where it was seen.
    output, index, found, expected
        The element and both its values, where there is one.
    graph, inputs
        The program as written, and the values of its inputs.
    drawn
        The program as Hypothesis left it, where `graph` is what `go.rewrite.reduce` made of that.
    seed
        `verify_pass(…, seed=seed, examples=1)` draws this program again.
    """

    def __init__(
        self, message: str, *, property: str, step: str, seed: int, graph: Graph, inputs: Mapping[str, Any],
        target: str = "numpy", output: str | None = None, index: tuple[int, ...] | None = None, found: Any = None,
        expected: Any = None, drawn: Graph | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.property, self.step, self.seed, self.target = property, step, seed, target
        self.graph, self.inputs, self.drawn = graph, inputs, graph if drawn is None else drawn
        self.output, self.index, self.found, self.expected = output, index, found, expected


@dataclass
class PassReport:
    """What a verification saw.

    Attributes
    ----------
    steps
        The pass or pipeline, as text.
    programs, points, firings
        How many programs were run, elements of results compared, and rewrites done.
    sets
        How many sets of values were compared in the interpreter, by where they come from: "drawn", "given", "special"
        and "edges" (only where bits have to be the same), "empty".
    refused
        Sets of values that a program as written refuses, such as nothing to find the largest element of.
    exact
        How many programs had to keep their bits in the interpreter, and did.
    idempotent
        On how many programs a second run changed nothing.
    worst
        The largest difference, as a fraction of what was allowed.
    targets
        How many programs were run on each compiled target.
    unrunnable
        Programs that a target cannot run even as they are written.
    gradients
        What was seen of derivatives.
    """

    steps: str = ""
    programs: int = 0
    points: int = 0
    firings: int = 0
    sets: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    exact: int = 0
    idempotent: int = 0
    worst: float = 0.0
    targets: dict[str, int] = field(default_factory=dict)
    unrunnable: int = 0
    gradients: GradientCounts = field(default_factory=GradientCounts)

    def add(self, other: PassReport) -> None:
        """Count what another verification of the same steps saw as well."""
        for name in ("programs", "points", "firings", "refused", "exact", "idempotent", "unrunnable"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.worst = max(self.worst, other.worst)
        for mine, others in ((self.sets, other.sets), (self.targets, other.targets)):
            for key, count in others.items():
                mine[key] = mine.get(key, 0) + count
        for name in vars(self.gradients):
            setattr(self.gradients, name, getattr(self.gradients, name) + getattr(other.gradients, name))
