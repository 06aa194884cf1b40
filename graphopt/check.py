"""mode="check": a compiled function's results against the expression as it was written, interpreted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphopt.errors import CheckFailed
from graphopt.graph.graph import Graph
from graphopt.interpret import interpret
from graphopt.types import is_float

__all__ = ["check_against_interpreter"]

Array = Any
UNITS = 256
"""How many units of rounding, relative to the largest value met on the way, results may differ by."""


def check_against_interpreter(
    name: str, graph: Graph, arrays: Mapping[str, Array], results: Mapping[str, Array]
) -> None:
    """Interpret a graph and compare.

    Where the written expression gives NaN or infinity, a finite result is accepted: rewrites may repair. Elsewhere
    results must agree within `UNITS` units of rounding of the largest finite value that took part.

    Raises
    ------
    CheckFailed
        Naming the output, the index and both values.
    """
    scale = 1.0

    def remember(node: int, value: Array) -> None:
        nonlocal scale
        if is_float(graph.type(node).dtype):
            finite = np.abs(np.asarray(value, np.float64)[np.isfinite(value)])
            scale = max(scale, float(finite.max(initial=0.0)))

    expected = interpret(graph, arrays, on_node=remember)
    for output, reference in expected.items():
        dtype = graph.type(graph.outputs[output]).dtype
        if output in graph.checks:
            continue
        result = results[output]
        if is_float(dtype):
            with np.errstate(invalid="ignore"):
                close = np.abs(result - reference) <= UNITS * np.finfo(dtype).eps * scale
            wrong = np.isfinite(reference) & ~close
        else:
            wrong = np.asarray(result != reference)
        if wrong.any():
            index = tuple(int(k) for k in np.argwhere(wrong)[0])
            raise CheckFailed(
                f"{name}: output {output}{list(index)} is {result[index]!r}, but interpreted as written it is "
                f"{reference[index]!r} ({int(wrong.sum())} of {wrong.size} elements differ)"
            )
