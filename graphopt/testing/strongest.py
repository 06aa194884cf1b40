"""The strongest oracle that applies to a program at a point, and is not too dear there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from graphopt.errors import UnsupportedExpression
from graphopt.interpret import interpret
from graphopt.testing.jacobians import PROJECTIONS, WHOLE
from graphopt.testing.oracles import Oracle
from graphopt.testing.subjects import Point, Subject

__all__ = ["strongest"]

EFFORT = 200_000
"""How many elements may be computed in exact arithmetic at a point: some seconds."""


def strongest(oracles: Iterable[Oracle], subject: Subject, point: Point) -> Oracle:
    """The first of some oracles, the strongest first, that applies; the last one if none before it does."""
    *stronger, last = oracles
    direction = {name: np.ones(np.shape(point[name])) for name in subject.wrt}
    for oracle in stronger:
        if oracle.name == "exact" and _effort(subject, point) > EFFORT:
            continue
        if oracle.name == "complex-step" and subject.graph is None:
            continue  # whether a Python function is analytic, its author alone can say
        try:
            oracle.slopes(subject, point, direction)
        except UnsupportedExpression:
            continue
        return oracle
    return last


def _effort(subject: Subject, point: Point) -> float:
    """How many elements are computed, terms of products counted one by one, by all evaluations at a point."""
    graph = subject.graph
    if graph is None:
        return 0.0
    computed, shapes = 0.0, dict[int, tuple[int, ...]]()

    def count(node: int, value: Any) -> None:
        nonlocal computed
        shapes[node] = np.shape(value)
        inner = 1
        if graph.op(node).traits & {"contraction", "factorization"}:
            inner = max((shapes[k][-1] for k in graph.operands(node) if shapes[k]), default=1)
        computed += np.size(value) * inner

    interpret(graph, point, on_node=count)
    columns = sum(int(np.size(point[name])) for name in subject.wrt)
    return 3 * computed * (columns if columns <= WHOLE else PROJECTIONS)
