"""Which firing cost accuracy: after each, the graph is run with rounded operations and held against exact arithmetic.

    print(go.rewrite.blame(go.Pipeline.named("fast"), graph, {"x": values}))

The truth is the graph as it was given, in mpmath. A firing is blamed for the error it added; one that made the
result better has a negative share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from graphopt.arithmetics import Arithmetic, Exact, Native, Rounded, from_mpf
from graphopt.graph.graph import Graph
from graphopt.interpret import interpret
from graphopt.rewrite.log import Firing
from graphopt.rewrite.pipeline import Pipeline
from graphopt.rewrite.steps import Event
from graphopt.types import is_float

__all__ = ["Blame", "Share", "blame"]


@dataclass(frozen=True)
class Share:
    """One firing's part in the error.

    Attributes
    ----------
    number
        Which firing, counted from 1.
    firing
        The firing itself.
    before, after
        The largest error of any output element before and after it, in ulps of the true value.
    """

    number: int
    firing: Firing
    before: float
    after: float

    @property
    def added(self) -> float:
        """The error it added; negative where it took some away."""
        return 0.0 if self.before == self.after else self.after - self.before


@dataclass(frozen=True)
class Blame:
    """Firings, the one that added most error first.

    Attributes
    ----------
    shares
        One for each firing; equal ones in the order of firing.
    before, after
        The error of the graph as it was given, and at the end.
    """

    shares: tuple[Share, ...]
    before: float
    after: float

    def __str__(self) -> str:
        lines = [f"error {self.before:.3g} ulp before, {self.after:.3g} ulp after {len(self.shares)} firings"]
        lines.append(f"{'added':>10}  {'after':>10}  firing")
        for share in self.shares:
            firing = share.firing
            made = f", {firing.origins[0]}" if firing.origins else ""
            what = f"{share.number}: {firing.rule} at %{firing.node} ({firing.step}{made})"
            lines.append(f"{share.added:>+10.3g}  {share.after:>10.3g}  {what}")
        return "\n".join(lines)


def blame(pipeline: Pipeline, graph: Graph, arguments: Mapping[str, Any], *, digits: int = 50) -> Blame:
    """The firings of a pipeline, ranked by the error they added on these arguments.

    The graph is evaluated once after each firing, so the cost is firings times size; take a small example
    (`reduce`). It is never changed. An op that is one node is rounded once: expanding it may add error, and is
    blamed for that.

    Parameters
    ----------
    pipeline
        What is judged.
    graph
        What it runs on. With one float dtype, every operation is correctly rounded to it; with several, NumPy computes.
    arguments
        An array for each input, by name.
    digits
        Decimal digits of the truth.

    Returns
    -------
    Blame
        Errors in units in the last place of the true value, or of 2**-p of the output's largest where that is more:
        an element that cancels to nothing is not held to its own size. Infinite where an element is not finite and
        should be, or differs where there is nothing to round.

    Raises
    ------
    MissingInput, ShapeMismatch
        If the arguments do not fit the graph.
    UnsupportedExpression
        If an op has no exact meaning.
    """
    truth = {name: np.asarray(value) for name, value in interpret(graph, arguments, Exact(digits)).items()}
    dtypes = {name: graph.type(node).dtype for name, node in graph.outputs.items()}
    arithmetic = _arithmetic(graph)

    def error(current: Graph) -> float:
        with np.errstate(all="ignore"):
            values = interpret(current, arguments, arithmetic)
        return max((_error(np.asarray(values[name]), truth[name], dtypes[name], digits) for name in truth), default=0.0)

    first = error(graph)
    errors = [first]
    firings: list[Firing] = []

    def listen(event: Event) -> None:
        if event.firing is not None:
            firings.append(event.firing)
            errors.append(error(event.graph))

    twin = graph.copy()
    pipeline.run(twin, hooks=(listen,))
    shares = [Share(k + 1, firing, errors[k], errors[k + 1]) for k, firing in enumerate(firings)]
    return Blame(tuple(sorted(shares, key=lambda share: -share.added)), first, errors[-1])


def _arithmetic(graph: Graph) -> Arithmetic:
    dtypes = {graph.type(node).dtype for node in graph if is_float(graph.type(node).dtype)}
    return Rounded(dtypes.pop()) if len(dtypes) == 1 else Native()


def _error(values: Any, truth: Any, dtype: str, digits: int) -> float:
    """The largest error of an output's elements, in ulps."""
    if not is_float(dtype):
        return 0.0 if np.array_equal(values, truth) else np.inf
    rounded = np.asarray(from_mpf(truth, dtype), float).reshape(-1)
    finite = np.abs(rounded[np.isfinite(rounded)])
    info = np.finfo(dtype)
    floor = max(float(finite.max(initial=0)) * float(info.eps), float(info.smallest_normal))
    worst = 0.0
    for value, exact, near in zip(np.asarray(values, float).reshape(-1), truth.reshape(-1), rounded, strict=True):
        if np.isnan(near):
            continue  # nothing is promised where the truth is no number
        if np.isfinite(value) and np.isfinite(near):
            worst = max(worst, _distance(value, exact, near, floor, dtype, digits))
        elif value != near:
            return np.inf
    return worst


def _distance(value: float, exact: Any, near: float, floor: float, dtype: str, digits: int) -> float:
    unit = float(np.spacing(np.dtype(dtype).type(max(abs(near), floor))))
    with mpmath.workdps(digits):
        return float(abs(mpmath.mpf(value) - exact) / mpmath.mpf(unit))
