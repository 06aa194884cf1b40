"""Bodies: programs that an op runs, as values of its attributes.

A body is a graph with one output that nobody edits any more. What it takes from outside are operands of the op, in
the order of the body's inputs; sizes have the names that they have outside. Bodies are equal if their texts are.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Generic, NamedTuple, TypeVar

from graphopt.graph.graph import Graph
from graphopt.op import Attributes
from graphopt.ops.leaves import input_
from graphopt.types import TensorType

__all__ = ["BRANCHES", "Body", "Side", "bodies", "captures_of", "joined", "transplant"]

RESULT = "result"
BRANCHES = ("then", "otherwise")
"""The attributes of `cond` that are bodies."""

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, eq=False)
class Body:
    """A program inside a program.

    Attributes
    ----------
    graph
        What it computes, with the output "result" and the inputs "c0", "c1", …. To be copied before it is changed.
    """

    graph: Graph

    @property
    def output(self) -> int:
        """The node of its result."""
        return self.graph.outputs[RESULT]

    @property
    def type(self) -> TensorType:
        """The type of its result."""
        return self.graph.type(self.output)

    @property
    def inputs(self) -> tuple[TensorType, ...]:
        """The types of what it takes."""
        return tuple([self.graph.type(node) for node in self.graph.inputs.values()])

    @cached_property
    def sizes(self) -> frozenset[str]:
        """The names of the sizes that it mentions."""
        return self.graph.mentioned()

    @cached_property
    def digest(self) -> str:
        """A number made of its text, by which it is compared: a text would grow with the square of the depth."""
        from graphopt.graph.text import graph_text

        return sha256(graph_text(self.graph, origins=False, digests=True).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Body) and self.digest == other.digest)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"<body: {len(self.graph)} nodes, {self.type}>"

    def __reduce__(self) -> tuple[object, ...]:
        return (Body, (self.graph,))


def bodies(attributes: Attributes) -> dict[str, Body]:
    """Those attributes that are bodies."""
    return {name: value for name, value in attributes.items() if isinstance(value, Body)}


class Side(NamedTuple, Generic[Key]):
    """A program that is to become a body.

    Attributes
    ----------
    graph
        What it is part of.
    output
        The node of its result.
    captures
        For each input of the graph, and maybe other nodes, what it stands for outside.
    """

    graph: Graph
    output: int
    captures: Mapping[int, Key]


def joined(then: Side[Key], otherwise: Side[Key]) -> tuple[list[Key], Attributes]:
    """What two branches need from outside, each once, and the two bodies over that: operands, attributes of `cond`."""
    sides = (then, otherwise)
    orders = [_needed(side) for side in sides]
    types = {
        side.captures[node]: side.graph.type(node)
        for side, order in zip(sides, orders, strict=True)
        for node in order
        if node in side.captures
    }
    made = [_body(side, order, types) for side, order in zip(sides, orders, strict=True)]
    return list(types), Attributes(dict(zip(BRANCHES, made, strict=True)))


def _needed(side: Side[Key]) -> list[int]:
    """The nodes that the result needs, operands first; nothing below what is taken from outside."""
    found: set[int] = set()
    stack = [side.output]
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            if node not in side.captures:
                stack.extend(side.graph.operands(node))
    return [node for node in side.graph.order([side.output]) if node in found]


def _body(side: Side[Key], order: Sequence[int], types: Mapping[Key, TensorType]) -> Body:
    graph = Graph()
    given: dict[Key, int] = {}
    for position, (key, type) in enumerate(types.items()):
        attributes = Attributes(dtype=type.dtype, shape=type.shape)
        given[key] = graph.inputs[f"c{position}"] = graph._add_node(input_, (), attributes, type)
    nodes = {node: given[side.captures[node]] for node in order if node in side.captures}
    transplant(side.graph, order, graph, nodes)
    graph._set_output(RESULT, nodes[side.output])
    graph.journal.clear()
    return Body(graph)


def captures_of(body: Body, operands: Sequence[Key]) -> dict[int, Key]:
    """What the inputs of a body stand for, given the values it takes."""
    return dict(zip(body.graph.inputs.values(), operands, strict=True))


def transplant(source: Graph, order: Iterable[int], target: Graph, nodes: dict[int, int]) -> None:
    """Copy nodes of a graph, in an order in which operands come first, into another.

    `nodes` says where nodes of the source are in the target, and is added to; inputs have to be in it. Groups of the
    fusion plan that are copied whole come along.
    """
    fresh: set[int] = set()
    for node in order:
        if node not in nodes:
            operands = tuple([nodes[operand] for operand in source.operands(node)])
            nodes[node] = target._add_node(
                source.op(node), operands, source.attributes(node), source.type(node), source.name(node)
            )
            target._data[nodes[node]]["origins"] = source.origins(node)
            fresh.add(node)
    for group in source.fusion.groups:
        if group <= fresh:
            target.fusion.group([nodes[node] for node in group])
