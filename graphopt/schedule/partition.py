"""Which nodes each kernel computes: the fusion plan, checked, and a kernel of its own for every other node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from graphopt.analysis.contraction import can_host
from graphopt.analysis.iteration import IterationSpace, fusible
from graphopt.analysis.views import View, is_view, sized_by, view_of
from graphopt.ops.control import cond

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["Part", "partition"]

LONGEST_EPILOGUE = 256
"""Nodes of a group with a product: longer bodies are cut into segments, which have a kernel of their own."""


class Part:
    """Nodes that one step computes.

    Attributes
    ----------
    members
        In topological order.
    space
        Their loops; None for a step without loops of its own: a matrix product, a branch.
    again
        Those that another part computes too, and stores if they are stored.
    """

    def __init__(self, members: list[int], space: IterationSpace | None) -> None:
        self.members = members
        self.space = space
        self.again: set[int] = set()

    def __repr__(self) -> str:
        return f"Part({self.members})"


def partition(graph: Graph, order: list[int], found: dict[int, View], keep: bool = True) -> list[Part]:
    """The parts in an order in which they can run.

    `keep` is that of `schedule`: without it, there are no reductions in epilogues of products, nor along both axes.

    A group of the plan that one nest of loops cannot compute is split where it fails; groups that need results of
    each other are dissolved. A node outside every group is a part of its own; conditionals of one condition are one
    part together, as far as none of them waits for another.
    """
    computed = [node for node in order if graph.op(node).arity != 0 and not is_view(graph, node)]
    parts: list[Part] = []
    covered: set[int] = set()
    for group in graph.fusion.groups:
        members = [node for node in computed if node in group]
        for part in _legal(graph, members, keep):
            parts += [*_apart(graph, part, covered), part]
            covered.update(part.members)
    conditionals = [node for node in computed if graph.op(node) is cond]
    parts += [_single(graph, node) for node in computed if node not in covered and graph.op(node) is not cond]
    ordered = _ordered(graph, [*parts, *_branches(graph, order, conditionals)], order, found)
    if ordered is None and conditionals:
        ordered = _ordered(graph, [*parts, *(Part([node], None) for node in conditionals)], order, found)
    if ordered is None:
        ordered = _ordered(graph, [_single(graph, node) for node in computed], order, found)
    assert ordered is not None, "parts of single nodes of an acyclic graph can be ordered"
    return ordered


def _branches(graph: Graph, order: list[int], conditionals: list[int]) -> list[Part]:
    """Conditionals by their conditions and by how many stand beneath one: those of equal depth cannot need another."""
    if not conditionals:
        return []
    depth: dict[int, int] = {}
    parts: dict[tuple[int, int], list[int]] = {}
    for node in order:
        operands = graph.operands(node)
        depth[node] = max([depth[operand] for operand in operands], default=0)
        if graph.op(node) is cond:
            parts.setdefault((operands[0], depth[node]), []).append(node)
            depth[node] += 1
    return [Part(members, None) for members in parts.values()]


def _single(graph: Graph, node: int) -> Part:
    if not fusible(graph, node):
        return Part([node], None)
    space = IterationSpace(graph)
    accepted = space.add(node)
    assert accepted, f"an iteration space holds any single fusible node, yet not {graph.op(node)}"
    return Part([node], space)


def _legal(graph: Graph, members: list[int], keep: bool) -> Iterable[Part]:
    hosts = [node for node in members if can_host(graph, node)]
    if len(hosts) == 1 and len(members) <= LONGEST_EPILOGUE and not _operands(graph, *hosts) & set(members):
        first = [*hosts, *(node for node in members if node not in hosts)]
        if keep:
            members, hosts = first, []
        elif (whole := IterationSpace.of(graph, first, crossing=False)) is not None and not whole.reductions:
            yield _part(first, whole)
            return
    space = IterationSpace(graph, crossing=keep)
    accepted: list[int] = []
    for node in members:
        if node in hosts or not (fusible(graph, node) or can_host(graph, node)):
            yield Part([node], None)
            continue
        if not space.add(node):
            if accepted:
                yield _part(accepted, space)
            space, accepted = IterationSpace(graph, crossing=keep), []
            space.add(node)
        accepted.append(node)
    if accepted:
        yield _part(accepted, space)


def _operands(graph: Graph, node: int) -> set[int]:
    """What the operands of a node are, or are views of."""
    return {view_of(graph, operand).base for operand in graph.operands(node)}


def _part(members: list[int], space: IterationSpace) -> Part:
    return Part(members, None if members == [space.host] else space)


def _apart(graph: Graph, part: Part, covered: set[int]) -> list[Part]:
    """A part of their own for the numbers that a part of many rows computes for each: to store them once, if at all."""
    if part.space is None or not part.space.outer:
        return []
    numbers = [node for node in part.members if not part.space.place[node]]
    space = IterationSpace.of(graph, numbers)
    return [Part(numbers, space)] if space is not None and not covered.issuperset(numbers) else []


def _ordered(graph: Graph, parts: list[Part], order: list[int], found: dict[int, View]) -> list[Part] | None:
    """A topological order of the parts, by the position of their first node; None if they form a cycle."""
    position = {node: k for k, node in enumerate(order)}
    owner: dict[int, Part] = {}
    for part in parts:
        part.again = {node for node in part.members if owner.setdefault(node, part) is not part}
    needs: dict[Part, set[Part]] = {part: set() for part in parts}
    settlers = graph.settlers()
    for part in parts:
        inside = set(part.members)
        for node in part.members:
            sources = sized_by(graph, node, settlers)
            for operand in graph.operands(node):
                source = operand
                sources += sized_by(graph, operand, settlers)
                while is_view(graph, source):
                    (source,) = graph.operands(source)
                sources.append(source)
            needs[part].update(owner[source] for source in sources if source not in inside and source in owner)
    waiting = sorted(parts, key=lambda part: position[part.members[-1]])
    result: list[Part] = []
    done: set[Part] = set()
    while waiting:
        ready = [part for part in waiting if needs[part] <= done]
        if not ready:
            return None
        result += ready
        done.update(ready)
        waiting = [part for part in waiting if part not in done]
    return result
