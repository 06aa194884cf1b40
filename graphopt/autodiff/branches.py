"""The derivative of a conditional: a conditional of derivatives, so that a branch that is not taken takes no part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.autodiff.accumulate import accumulate
from graphopt.autodiff.push import push
from graphopt.graph.body import BRANCHES, Body, Side, captures_of, joined
from graphopt.graph.graph import Graph
from graphopt.op import Applied, Attributes
from graphopt.ops.control import cond
from graphopt.ops.leaves import input_
from graphopt.types import TensorType, is_float
from graphopt.variable import Variable, literal

__all__ = ["pull_back", "push_forward"]


def pull_back(cotangent: Any, node: Applied) -> Sequence[Any]:
    """The cotangents of a conditional's operands; zeros from a branch that does not use one."""
    condition, *captures = node.operands
    then, otherwise = (_Derivatives(node.attributes[name], (*captures, cotangent)) for name in BRANCHES)
    result: list[Any] = [None]
    for position, capture in enumerate(captures):
        if then.depends(position) or otherwise.depends(position):
            operands, attributes = joined(then.side(position), otherwise.side(position))
            result.append(Variable(capture.type, cond, (condition, *operands), attributes))
        else:
            result.append(None)
    return result


def push_forward(tangents: Sequence[Any], node: Applied) -> Any:
    """The tangent of a conditional, None where no branch varies; zeros from a branch that does not."""
    condition, *captures = node.operands
    sides = [_tangent(node.attributes[name], captures, tangents[1:]) for name in BRANCHES]
    if all(side is None for side in sides):
        return None
    then, otherwise = (_zeros(node.attributes[BRANCHES[0]].type) if side is None else side for side in sides)
    operands, attributes = joined(then, otherwise)
    return Variable(node.attributes[BRANCHES[0]].type, cond, (condition, *operands), attributes)


def _tangent(body: Body, captures: Sequence[Variable], tangents: Sequence[Variable | None]) -> Side[Variable] | None:
    """The tangent of a body's result, over what the body takes and the tangents of that."""
    graph = body.graph.copy()
    given, seeds = captures_of(body, captures), dict[int, int]()
    for node, tangent in zip(list(given), tangents, strict=True):
        if tangent is not None:
            type = graph.type(node)
            attributes = Attributes(dtype=type.dtype, shape=type.shape)
            seeds[node] = graph._add_node(input_, (), attributes, type)
            given[seeds[node]] = tangent
    found = push(graph, seeds, [body.output])
    return Side(graph, found[body.output], given) if found else None


class _Derivatives:
    """A body and the cotangents of what it takes, in one graph, over what it takes and the cotangent of its result."""

    def __init__(self, body: Body, given: Sequence[Variable]) -> None:
        self.graph = body.graph.copy()
        self.taken = list(self.graph.inputs.values())
        attributes = Attributes(dtype=body.type.dtype, shape=body.type.shape)
        seed = self.graph._add_node(input_, (), attributes, body.type)
        self.captures = captures_of(body, given[:-1]) | {seed: given[-1]}
        wrt = {node for node in self.taken if is_float(self.graph.type(node).dtype)}
        self.found = accumulate(self.graph, {body.output: [seed]}, wrt)

    def depends(self, position: int) -> bool:
        """Whether the result varies with what is taken at a position."""
        return self.taken[position] in self.found

    def side(self, position: int) -> Side[Variable]:
        """The cotangent of what is taken at a position."""
        node = self.found.get(self.taken[position])
        return _zeros(self.graph.type(self.taken[position])) if node is None else Side(self.graph, node, self.captures)


def _zeros(type: TensorType) -> Side[Variable]:
    graph = Graph()
    return Side(graph, graph.add(literal(0.0, type.dtype, type.shape)), {})
