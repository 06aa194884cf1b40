"""Choosing the cheapest program in an e-graph, with shared parts counted once.

Greedy, as extraction that knows of sharing is NP-hard (M. Stepp, "Equality saturation: engineering challenges and
applications", PhD thesis, 2011): each class of equal terms keeps the cheapest set of nodes found so far that computes
it, and a better set is handed on to the classes above until none changes. The result is no optimum, but it is a
program, and a set counts a shared part once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from graphopt.analysis.cost import Cost, graph_cost, node_cost
from graphopt.dimensions import DimLike, evaluate, symbols
from graphopt.graph.graph import Graph
from graphopt.op import Attributes, Op
from graphopt.rewrite.instantiation import Head
from graphopt.types import TensorType

__all__ = ["COSTS", "Node", "cheaper", "cheapest", "model", "weight"]

SIZE = 1000
"""What a size known only at the call counts as while choosing. That a graph gets cheaper is checked for every size."""

COSTS = ("flops", "bytes", "both")
"""The cost models: operations, bytes moved if every node is computed alone, and the sum of the two."""

_STEP = 1 << 24  # the cost comes first, the number of nodes second


@dataclass(frozen=True)
class Node:
    """A term whose operands are classes of equal terms."""

    head: int
    operands: tuple[str, ...]


@dataclass(frozen=True)
class _Alone:
    """One application as `node_cost` reads a graph: node 0 is the application, 1, 2, … are its operands."""

    head: Head

    def op(self, node: int) -> Op:
        return self.head.op

    def type(self, node: int) -> TensorType:
        return self.head.operands[node - 1] if node else self.head.type

    def attributes(self, node: int) -> Attributes:
        return self.head.attributes

    def operands(self, node: int) -> tuple[int, ...]:
        return tuple(range(1, len(self.head.operands) + 1))


def model(cost: Cost, name: str) -> DimLike:
    """A cost as one number or polynomial."""
    return {"flops": cost.flops, "bytes": cost.bytes, "both": cost.flops + cost.bytes}[name]


def weight(head: Head, name: str) -> int:
    """What an application adds to a program, a positive integer."""
    cost = model(node_cost(cast(Graph, _Alone(head)), 0), name)
    return evaluate(cost, dict.fromkeys(symbols(cost), SIZE)) * _STEP + 1


def cheaper(new: Graph, old: Graph, name: str) -> bool:
    """Whether a graph costs less than another for some sizes, and more for none."""
    gain: Any = model(graph_cost(old), name) - model(graph_cost(new), name)
    if isinstance(gain, int):
        return gain > 0
    return all(factor > 0 for _, factor in gain.terms)


def cheapest(
    classes: Mapping[str, Sequence[Node]], weights: Mapping[int, int], roots: Iterable[str]
) -> dict[str, Node] | None:
    """For each class that the roots need, operands first, the node that computes it.

    Parameters
    ----------
    classes
        The nodes of each class.
    weights
        The weight of each head.
    roots
        The classes to be computed.

    Returns
    -------
    dict or None
        None if the choices that were found do not fit together (they would go in a circle).
    """
    chosen = _choices(classes, weights)
    result: dict[str, Node] = {}
    open_classes: set[str] = set()
    for root in roots:
        stack = [root]
        while stack:
            current = stack[-1]
            if current in result:
                stack.pop()
                continue
            if current not in chosen:
                return None
            waiting = [operand for operand in chosen[current].operands if operand not in result]
            if not waiting:
                result[current] = chosen[current]
                stack.pop()
            elif current in open_classes:
                return None
            else:
                open_classes.add(current)
                stack.extend(reversed(waiting))
    return result


def _choices(classes: Mapping[str, Sequence[Node]], weights: Mapping[int, int]) -> dict[str, Node]:
    above: dict[str, list[tuple[str, Node]]] = {name: [] for name in classes}
    for name, nodes in classes.items():
        for node in nodes:
            for operand in set(node.operands):
                above[operand].append((name, node))
    totals: dict[str, int] = {}
    parts: dict[str, dict[str, int]] = {}  # the classes that the best program of a class computes, with their weights
    chosen: dict[str, Node] = {}
    queue = deque((name, node) for name, nodes in classes.items() for node in nodes if not node.operands)
    while queue:
        name, node = queue.popleft()
        if any(operand not in parts or name in parts[operand] for operand in node.operands):
            continue
        together: dict[str, int] = {}
        for operand in node.operands:
            together.update(parts[operand])
        together[name] = weights[node.head]
        total = sum(together.values())
        if name not in totals or total < totals[name]:
            totals[name], parts[name], chosen[name] = total, together, node
            queue.extend(above[name])
    return chosen
