"""Whether the order of rules and nodes matters: the graphs that shuffled orders of trial lead to.

A set of rules that comes to an end is confluent on a program if every order ends in the same graph. That is measured
here, not proved: a sample of orders is tried. Graphs count as the same if they differ in nothing but the order of the
operands of commutative ops, which no rule prescribes (save for constants) and which changes no bit of a value.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphopt.dimensions import evaluate, symbols
from graphopt.graph.graph import Graph
from graphopt.interpret import interpret
from graphopt.ops.leaves import ArrayConstant
from graphopt.rewrite.log import Log
from graphopt.rewrite.pipeline import Pipeline

__all__ = ["SEEDS", "NormalForm", "apart", "arguments", "digest", "excess", "normal_forms"]

SEEDS = range(20)
"""The orders that are tried unless others are given."""
ROUNDINGS = 4
"""How many ulps of its result a node's evaluation may be off in NumPy."""
TERMS = 64
"""More than any sum has terms for `arguments`: what a reassociation may cost, in ulps of the largest operand."""


@dataclass(frozen=True)
class NormalForm:
    """A graph that some orders end in.

    Attributes
    ----------
    graph
        The graph.
    log
        What led there, in the first of these orders.
    seeds
        The orders; None is the one in which rules are listed.
    """

    graph: Graph
    log: Log
    seeds: tuple[int | None, ...]


def normal_forms(graph: Graph, pipeline: Pipeline, seeds: Iterable[int] = SEEDS) -> list[NormalForm]:
    """The graphs that a pipeline makes of a graph when rules and nodes are tried in different orders.

    Parameters
    ----------
    graph
        Where all start; it stays as it is.
    pipeline
        Passes that work until nothing is left to do, such as `fix{stabilize,cse,canonicalize}`: one that stops early
        ends in different graphs for no fault of its rules.
    seeds
        Of the shuffled orders; the stable order comes first in any case.

    Returns
    -------
    list of NormalForm
        One entry if the rules are confluent on this graph as far as was tried; the first is that of the stable order.

    Raises
    ------
    RewriteFailed
        If an order does not come to an end.
    """
    found: dict[str, NormalForm] = {}
    for seed in (None, *seeds):
        reached = graph.copy()
        log = pipeline.run(reached, seed=seed)
        what = digest(reached)
        first = found.get(what, NormalForm(reached, log, ()))
        found[what] = NormalForm(first.graph, first.log, (*first.seeds, seed))
    return list(found.values())


def digest(graph: Graph) -> str:
    """What a graph computes, as a short text: the same for graphs that differ in the order of commuting operands."""
    of: dict[int, str] = {}
    inputs = {node: name for name, node in graph.inputs.items()}
    for node in graph.order():
        op, operands = graph.op(node), [of[operand] for operand in graph.operands(node)]
        if "commutative" in op.traits:
            operands.sort()
        value = graph.attributes(node).get("value")
        constant = value.array.tobytes() if isinstance(value, ArrayConstant) else graph.attributes(node)
        parts = (op.name, inputs.get(node), str(graph.type(node)), constant, operands)
        of[node] = hashlib.sha256(repr(parts).encode()).hexdigest()
    return " ".join(f"{name}:{of[node]}" for name, node in graph.outputs.items())


def apart(first: NormalForm, second: NormalForm) -> list[str]:
    """The rules that fired more often on the way to one graph than on the way to the other, by name."""
    one, other = (Counter(firing.rule for firing in form.log) for form in (first, second))
    return sorted(rule for rule in one | other if one[rule] != other[rule])


# --- values -----------------------------------------------------------------------------------------------------------


def excess(written: Graph, form: NormalForm, arguments: Mapping[str, Any]) -> float:
    """How far a normal form's values are from those of the graph as written, over what the claims on the way allow.

    A claim bounds one firing's error by so many ε, relative to its operands or its result. Errors add up, and so the
    values may differ by ε · (the bounds of all firings + `ROUNDINGS` for each node of both graphs), relative to the
    largest magnitude that occurs in either evaluation. Claims do not bound what later operations make of an error:
    an excess above 1 on well-conditioned arguments (see `arguments`) is a fault of some rule, or of the program.

    Returns
    -------
    float
        The largest quotient over all elements of all outputs that are finite as written; infinite where a value that
        was finite is not, or a truth value or an integer differs.
    """
    scale = 1.0

    def seen(node: int, value: Any) -> None:
        nonlocal scale
        if value.dtype.kind == "f" and np.isfinite(value).any():
            scale = max(scale, float(np.abs(value[np.isfinite(value)]).max()))

    before, after = (interpret(graph, arguments, on_node=seen) for graph in (written, form.graph))
    allowed = _claimed(form.log) + ROUNDINGS * (len(written) + len(form.graph))
    worst = 0.0
    for name, expected in before.items():
        found = after[name]
        if expected.dtype.kind != "f":
            worst = worst if np.array_equal(expected, found) else np.inf
            continue
        known = np.isfinite(expected)
        if not np.isfinite(found[known]).all():
            return np.inf
        epsilon = float(np.finfo(expected.dtype).eps)
        worst = max(worst, float(np.abs(found - expected)[known].max(initial=0)) / (epsilon * scale * allowed))
    return worst


def _claimed(log: Log) -> float:
    """The bounds of all firings of a log, in ε. What only holds over the reals counts as one rounding."""
    total = 0.0
    for record in log.rules.values():
        number = re.search(r"\((.+?)[,)]", record.claim)
        kinds = {"Exact": 0.0, "Improves": 1.0, "RealOnly": 1.0, "Reassociates": float(TERMS)}
        total += record.fired * (float(number[1]) if number else kinds.get(record.claim, 1.0))
    return total


def arguments(graph: Graph, seed: int, low: float, high: float) -> dict[str, Any]:
    """Arrays for a graph's inputs, floats between two bounds, each named size a small number of its own."""
    generator = np.random.default_rng(seed)
    types = {name: graph.type(node) for name, node in graph.inputs.items()}
    names = sorted({symbol for type in types.values() for size in type.shape for symbol in symbols(size)})
    sizes = {name: 2 + position % 3 for position, name in enumerate(names)}
    drawn = {}
    for name, type in types.items():
        values = generator.uniform(low, high, tuple(evaluate(size, sizes) for size in type.shape))
        drawn[name] = (values > (low + high) / 2 if type.dtype == "bool" else np.rint(4 * values) if "int" in type.dtype
                       else values).astype(type.dtype)  # fmt: skip
    return drawn
