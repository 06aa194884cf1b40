"""Equality saturation: all that some rules can make of a graph at once, and the cheapest of it put back.

The worklist engine (`graphopt.rewrite.engine`) takes one rewrite and forgets what was there before, so the order of
rules decides what it finds. Here every rewrite only adds an equality, and the choice is made at the end
(R. Tate et al., "Equality saturation: a new approach to optimization", POPL 2009).

Values that are made equal are linked by a chain of rules, each within its claim; errors add up along the chain.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphopt.arithmetics import Native
from graphopt.errors import InvalidArgument
from graphopt.graph.graph import Graph
from graphopt.op import Attributes
from graphopt.ops.arithmetic import divide, multiply, negative
from graphopt.ops.leaves import constant
from graphopt.rewrite.claims import Reassociates
from graphopt.rewrite.egraph import EGraph, Snapshot, head_of
from graphopt.rewrite.equations import equations, trait_rules
from graphopt.rewrite.extraction import COSTS, Node, cheaper, cheapest, weight
from graphopt.rewrite.instantiation import Head, Heads, instances
from graphopt.rewrite.passes import Context
from graphopt.rewrite.rules import Rule
from graphopt.types import is_float
from graphopt.variable import Variable, literal

__all__ = ["Saturation", "saturate"]

FOLDED = (multiply, divide, negative)
"""Ops of constants that are computed on the way. Sums are not: log(1 + c) must stay what stabilization can see."""


@dataclass(frozen=True)
class Saturation:
    """What a saturation did.

    Attributes
    ----------
    nodes, rounds
        The size of the e-graph at the end, and how many rounds of rewriting were begun.
    ended
        Why it ended: "saturated", "rounds", "nodes", or "too large" if the graph alone is over the limit.
    left_out
        The rules that an e-graph cannot use, each with the reason.
    changed
        How many outputs were replaced.
    """

    nodes: int
    rounds: int
    ended: str
    left_out: dict[str, str]
    changed: int


def saturate(
    graph: Graph,
    rules: Sequence[Rule],
    context: Context | None = None,
    *,
    nodes: int = 10_000,
    iters: int = 10,
    cost: str = "flops",
    improves: bool = False,
    traits: bool = True,
) -> Saturation:
    """Replace outputs by the cheapest equal programs that rules give, if the graph gets cheaper by it.

    Parameters
    ----------
    graph
        What is rewritten, through its door: one replacement for each output that changes.
    rules
        Data rules; exact ones, those within ulps and those that reassociate are used in both directions.
    context
        Keeps the log; a new one unless given.
    nodes, iters
        Bounds on the e-graph's nodes and on rounds of rewriting.
    cost
        "flops", "bytes" or "both". The graph is left as it is unless this falls, for every size of its dimensions.
    improves
        Whether rules that improve or stabilize take part.
    traits
        Whether commutativity and associativity of ops take part.

    Raises
    ------
    TargetUnavailable
        If egglog is not installed.
    InvalidArgument
        If there is no such cost.
    """
    if cost not in COSTS:
        raise InvalidArgument(f"there is no cost {cost!r}; there are: {', '.join(COSTS)}")
    context = context or Context(graph)
    found, left_out = equations((*rules, *trait_rules()) if traits else rules, improves, oriented=not traits)
    if len(graph.order()) > nodes:
        return Saturation(0, 0, "too large", left_out, 0)
    egraph = EGraph(graph)
    rounds, ended = 0, "rounds"
    while rounds < iters:
        egraph.unite(list(_folded(egraph.snapshot(), egraph.heads)) if egraph.size < nodes else [])
        for number, equation in enumerate(found):
            egraph.add_rewrites(number, instances(equation, egraph.heads))
        rounds += 1
        result = egraph.round(nodes)
        if result.cut or not result.changed:
            ended = "nodes" if result.cut else "saturated"
            break
    changed = _write_back(graph, egraph, context, cost)
    return Saturation(egraph.size, rounds, ended, left_out, changed)


def _folded(snapshot: Snapshot, heads: Heads) -> Iterator[tuple[str, str]]:
    """Products and quotients of scalar constants, and the constants that they are."""
    values: dict[str, int] = {}
    for name, alternatives in snapshot.classes.items():
        for node in alternatives:
            head = heads.known[node.head]
            if head.op is constant and head.type.ndim == 0 and is_float(head.type.dtype):
                values[name] = node.head
    for name, alternatives in snapshot.classes.items():
        for node in alternatives:
            head = heads.known[node.head]
            if name in values or head.op not in FOLDED or any(operand not in values for operand in node.operands):
                continue
            numbers = [values[operand] for operand in node.operands]
            value = _computed(head, [heads.known[number].attributes["value"] for number in numbers])
            if math.isfinite(value) and abs(value) >= np.finfo(head.type.dtype).tiny:  # nothing over- or underflowed
                leaf = literal(value, head.type.dtype)
                folded = heads.number(Head(constant, leaf.attributes, leaf.type, ()))
                terms = " ".join(f"(n0 {number})" for number in numbers)
                yield f"(n{len(numbers)} {node.head} {terms})", f"(n0 {folded})"


def _computed(head: Head, values: Sequence[Any]) -> float:
    arrays = tuple(np.asarray(value, type.dtype) for value, type in zip(values, head.operands, strict=True))
    with np.errstate(all="ignore"):
        return float(Native().apply(head.op, arrays, Attributes(), head.type))


# --- writing back -------------------------------------------------------------------------------------------------


def _write_back(graph: Graph, egraph: EGraph, context: Context, cost: str) -> int:
    """Put the cheapest program into the graph if it is cheaper; returns how many outputs were replaced."""
    snapshot = egraph.snapshot()
    used = {node.head for alternatives in snapshot.classes.values() for node in alternatives}
    weights = {number: weight(egraph.heads.known[number], cost) for number in used}
    chosen = cheapest(snapshot.classes, weights, snapshot.roots.values())
    if chosen is None:
        return 0
    trial = graph.copy()
    made = _add(trial, egraph.heads, chosen)
    changes = {node: made[name] for node, name in snapshot.roots.items() if made[name] != node}
    for old, new in changes.items():
        trial.replace(old, new)
    few = context.remaining is not None and context.remaining < len(changes)
    if few or not cheaper(trial, graph, cost):
        return 0
    made = _add(graph, egraph.heads, chosen)
    for old in changes:
        context.replace(old, made[snapshot.roots[old]], "saturate", claim=Reassociates())
    return len(changes)


def _add(graph: Graph, heads: Heads, chosen: dict[str, Node]) -> dict[str, int]:
    """A node of the graph for each class chosen: one that is there already, or a new one."""
    present = {(heads.number(head_of(graph, node)), graph.operands(node)): node for node in reversed(graph.order())}
    made: dict[str, int] = {}
    for name, node in chosen.items():
        operands = tuple([made[operand] for operand in node.operands])
        known = present.get((node.head, operands))
        if known is None:
            head = heads.known[node.head]
            handles = tuple([graph.handle(operand) for operand in operands])
            known = graph.add(Variable(head.type, head.op, handles, head.attributes))
        made[name] = known
    return made
