"""What imported expressions are held against: mpmath, by way of SymPy's own evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mpmath
import numpy as np
import sympy as s

from graphopt.arithmetics import Exact
from graphopt.frontend import Importer
from graphopt.graph.graph import Graph
from graphopt.interpret import interpret

DIGITS = 40


def graph_of(expression: Any, **settings: Any) -> tuple[Graph, dict[Any, str]]:
    """The imported graph, and the name its inputs have for each SymPy leaf."""
    importer = Importer(**settings)
    output = importer.convert(expression)
    graph = Graph.from_outputs(list(importer.variables.values()), {"output": output})
    graph.verify()
    return graph, dict(zip(importer.variables, graph.inputs, strict=True))


def run(expression: Any, values: Mapping[Any, Any], arithmetic: Any = None, **settings: Any) -> Any:
    """Import, then interpret with a value for each leaf."""
    graph, names = graph_of(expression, **settings)
    return interpret(graph, {name: values[leaf] for leaf, name in names.items()}, arithmetic)["output"]


def exactly(expression: Any, values: Mapping[Any, Any], **settings: Any) -> Any:
    """The imported graph's value in exact arithmetic."""
    return run(expression, values, Exact(DIGITS), **settings)[()]


def truth(expression: Any, values: Mapping[Any, Any]) -> Any:
    """The value of a scalar SymPy expression, without touching its structure."""
    return mpmath.mpmathify(
        expression.evalf(DIGITS, subs={leaf: s.Rational(v) for leaf, v in values.items()}, maxn=400)
    )


def close(found: Any, expected: Any, digits: int = 30) -> bool:
    """Equal to that many digits."""
    with mpmath.workdps(DIGITS):
        if mpmath.isnan(found) or mpmath.isnan(expected):
            return bool(mpmath.isnan(found) and mpmath.isnan(expected))
        if mpmath.isinf(found) or mpmath.isinf(expected):
            return bool(found == expected)
        return bool(abs(found - expected) <= mpmath.mpf(10) ** -digits * (1 + abs(expected)))


def grid(*symbols: Any, seed: int = 0, low: float = 0.25, high: float = 2.0, count: int = 5) -> list[dict[Any, float]]:
    """Random points."""
    generator = np.random.default_rng(seed)
    return [
        dict(zip(symbols, map(float, generator.uniform(low, high, len(symbols))), strict=True)) for _ in range(count)
    ]
