"""Whether the order of rules and nodes matters: the graphs that shuffled orders of trial lead to.

A set of rules that comes to an end is confluent on a program if every order ends in the same graph. That is measured
here, not proved: a sample of orders is tried, and graphs are compared by their canonical text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from graphopt.graph.graph import Graph
from graphopt.graph.text import graph_text
from graphopt.rewrite.log import Log
from graphopt.rewrite.pipeline import Pipeline

__all__ = ["SEEDS", "NormalForm", "apart", "normal_forms"]

SEEDS = range(20)
"""The orders that are tried unless others are given."""


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
        text = graph_text(reached, origins=False)
        first = found.get(text, NormalForm(reached, log, ()))
        found[text] = NormalForm(first.graph, first.log, (*first.seeds, seed))
    return list(found.values())


def apart(first: NormalForm, second: NormalForm) -> list[str]:
    """The rules that fired more often on the way to one graph than on the way to the other, by name."""
    one, other = (Counter(firing.rule for firing in form.log) for form in (first, second))
    return sorted(rule for rule in one | other if one[rule] != other[rule])
