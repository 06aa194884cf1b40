"""From conditional expressions to conditional nodes: what is computed in any case, and what in a branch alone.

In an expression, `if_else(condition, then, otherwise)` is an op like any other, so that derivatives, substitutions
and names of sizes need not know of it. In a graph it becomes a `cond`, whose bodies hold what is needed for one of
the branches alone. A value is computed outside if something outside needs it, or both branches of a conditional that
is; the bodies take it as an operand. Inputs are there in any case, and constants are copied. Sizes are known in any
case, too: what counts one is computed outside, whoever needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from graphopt.graph.body import Side, joined
from graphopt.graph.checks import Check, attach, made_of
from graphopt.graph.counts import COUNTING
from graphopt.graph.graph import Graph
from graphopt.graph.handle import Handle
from graphopt.graph.unify import at_least_one, broken
from graphopt.op import Attributes
from graphopt.ops.control import check, cond, if_else
from graphopt.ops.leaves import dimension, input_
from graphopt.types import TensorType
from graphopt.variable import Variable, as_variable, literal

__all__ = ["Laziness"]

PROGRAM = 0
"""The place of what is computed in any case."""

Renamed = Callable[[Variable], tuple[TensorType, Attributes]]


class Laziness:
    """The conditionals of an expression: where each value is computed.

    A place is the whole program, or one side of a condition within another place. A value belongs in the places where
    something needs it; in the place around, if both sides of a condition do.

    Parameters
    ----------
    targets
        What is computed in any case.
    order
        Everything the targets are made of, operands first.
    """

    def __init__(self, targets: Sequence[Variable], order: Sequence[Variable]) -> None:
        self._position = {v: k for k, v in enumerate(order)}
        self._around: list[int] = [PROGRAM]
        self._sides: dict[tuple[int, Variable], tuple[int, int]] = {}
        self._other: dict[int, int] = {}
        self._places: dict[Variable, set[int]] = {v: set() for v in order}
        for v in targets:
            self._places[v].add(PROGRAM)
        for v in reversed(order):
            places = self._settled(self._places[v])
            if COUNTING in v.op.traits:
                places = {PROGRAM}
            self._places[v] = places
            if _is_lazy(v):
                condition, *branches = v.operands
                self._places[condition] |= places
                for side, branch in enumerate(branches):
                    self._places[branch] |= {self._within(place, condition)[side] for place in places}
            else:
                for operand in v.operands:
                    self._places[operand] |= places

    def is_eager(self, v: Variable) -> bool:
        """Whether a value is computed whatever the conditions turn out to be."""
        return PROGRAM in self._places[v]

    def _within(self, place: int, condition: Variable) -> tuple[int, int]:
        """The two sides of a condition within a place."""
        found = self._sides.get((place, condition))
        if found is None:
            then = len(self._around)
            found = self._sides[place, condition] = (then, then + 1)
            self._around += [place, place]
            self._other |= {then: then + 1, then + 1: then}
        return found

    def _settled(self, places: set[int]) -> set[int]:
        """Places without those that lie within others; two sides of a condition make the place around it."""
        if len(places) < 2:
            return places
        left = set(places)
        for place in sorted(places, reverse=True):  # what lies within a place was found after it
            while place in left and self._other.get(place) in left:
                left -= {place, self._other[place]}
                place = self._around[place]
                left.add(place)
        return {place for place in left if not any(outer in left for outer in self._outwards(place))}

    def _outwards(self, place: int) -> Iterator[int]:
        """The places around a place, the nearest first."""
        while place != PROGRAM:
            place = self._around[place]
            yield place

    def place(
        self, graph: Graph, v: Variable, node_of: Callable[[Variable], int], renamed: Renamed, where: int = PROGRAM
    ) -> tuple[int, list[tuple[int, Check]]]:
        """Add a conditional to a graph, and the conditions of its branches' checks, which count if a branch is taken.

        Parameters
        ----------
        graph
            Where it is wanted.
        v
            The conditional.
        node_of
            The node, in that graph, of anything that the graph computes or takes.
        renamed
            The type and the attributes that a variable has in the graph.
        where
            The place that the graph is the program of.

        Returns
        -------
        int
            The node.
        list
            The nodes of the conditions, with what the checks say: to be attached.
        """
        condition, *branches = v.operands
        within = self._within(where, condition)
        then, otherwise = (self._side(b, renamed, side) for b, side in zip(branches, within, strict=True))

        def add(then: Side[Variable], otherwise: Side[Variable], type: TensorType, name: str | None) -> int:
            captures, attributes = joined(then, otherwise)
            operands = tuple([node_of(operand) for operand in (condition, *captures)])
            return graph._add_node(cond, operands, attributes, type, name, v.origin)

        holds, boolean = _holds(), TensorType("bool")
        checks: list[tuple[int, Check]] = []
        for name, said in then.graph.checks.items():
            checked = then._replace(output=then.graph.outputs[name])
            checks.append((add(checked, holds, boolean, None), said))
        for name, said in otherwise.graph.checks.items():
            checked = otherwise._replace(output=otherwise.graph.outputs[name])
            checks.append((add(holds, checked, boolean, None), said))
        return add(then, otherwise, renamed(v)[0], v.name), checks

    def _side(self, root: Variable, renamed: Renamed, where: int) -> Side[Variable]:
        """What a branch computes, as a graph over what it takes from the places around."""
        graph = Graph()
        nodes: dict[Variable, int] = {}
        captures: dict[int, Variable] = {}

        def node_of(v: Variable) -> int:
            if v not in nodes:
                type, _ = renamed(v)
                attributes = Attributes(dtype=type.dtype, shape=type.shape)
                nodes[v] = graph.inputs[f"c{len(captures)}"] = graph._add_node(input_, (), attributes, type)
                captures[nodes[v]] = v
            return nodes[v]

        for v in self._region(root, where):
            if _is_lazy(v):
                nodes[v], checks = self.place(graph, v, node_of, renamed, where)
                for condition, said in checks:
                    attach(graph, condition, said)
            elif v.op is check:
                nodes[v], condition = map(node_of, v.operands)
                attach(graph, condition, made_of(v))
            else:
                type, attributes = renamed(v)
                operands = tuple([node_of(operand) for operand in v.operands])
                nodes[v] = graph._add_node(v.op, operands, attributes, type, v.name, v.origin)
            for size in v.nonempty:
                type, attributes = renamed(as_variable(size))
                positive = graph.handle(graph._add_node(dimension, (), attributes, type)) > 0
                message = broken(at_least_one(attributes["value"]), 0, 1)
                attach(graph, graph.add(positive), Check(message, v.origin))
        return Side(graph, node_of(root), captures)

    def _region(self, root: Variable, where: int) -> list[Variable]:
        """What a value needs that belongs in a place or deeper, and is computed in that place; operands first."""
        outer = set(self._outwards(where))
        seen: set[Variable] = set()
        stack = [root]
        while stack:
            v = stack.pop()
            if v not in seen and not self._is_taken(v, outer):
                seen.add(v)
                stack.extend(v.operands)
        here = [v for v in seen if where in self._places[v] or v.op.arity == 0]
        return sorted(here, key=self._position.__getitem__)

    def _is_taken(self, v: Variable, outer: set[int]) -> bool:
        """Whether a body takes a value from outside: not a constant, which is copied into it."""
        if v.op.arity == 0:
            return v.op is input_
        return isinstance(v, Handle) or not outer.isdisjoint(self._places[v])


def _is_lazy(v: Variable) -> bool:
    return v.op is if_else and not isinstance(v, Handle)


def _holds() -> Side[Variable]:
    graph = Graph()
    return Side(graph, graph.add(literal(True, "bool")), {})
