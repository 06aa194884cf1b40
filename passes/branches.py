"""Conditionals: leave out what need not be one, and compute in the branches only what they alone need.

Contract: afterwards no conditional has a constant condition or two equal branches; no branch takes a number from
outside, or computes what the graph computes anyway; and no value is taken that neither branch uses.

What the branches themselves compute is rewritten by every pass of a pipeline, before the graph around them is.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from graphopt.graph import Graph
from graphopt.graph.body import BRANCHES, Body, Side, captures_of, joined
from graphopt.graph.export import to_variables
from graphopt.ops.control import cond
from graphopt.ops.leaves import ArrayConstant, constant
from graphopt.rewrite.claims import Exact
from graphopt.rewrite.passes import Context, Pass
from graphopt.variable import Variable, literal


@dataclass(frozen=True)
class Branches(Pass):
    """Simplify conditionals. Linear in the graph and the bodies."""

    name: ClassVar[str] = "branches"

    def run(self, graph: Graph, context: Context) -> None:
        """One sweep, operands first, with a table of what the graph computes."""
        order = graph.order()
        if not any(graph.op(node) is cond for node in order):
            return
        seen = {_key(graph, node, graph.operands(node)): node for node in reversed(order)}
        for node in order:
            if graph.op(node) is cond:
                if context.exhausted:
                    return
                _simplify(graph, node, seen, context)


def _key(graph: Graph, node: int, operands: Sequence[int | None]) -> Hashable:
    return graph.op(node), tuple(operands), graph.attributes(node), graph.type(node)


def _simplify(graph: Graph, node: int, seen: Mapping[Hashable, int], context: Context) -> None:
    condition, *captures = graph.operands(node)
    then, otherwise = (graph.attributes(node)[name] for name in BRANCHES)
    if graph.op(condition) is constant:
        taken = then if graph.attributes(condition)["value"] else otherwise
        context.replace(node, _inlined(graph, taken, captures), "take the one branch", claim=Exact())
        return
    if then == otherwise:
        context.replace(node, _inlined(graph, then, captures), "two equal branches", claim=Exact())
        return
    operands, attributes = joined(_side(graph, then, captures, seen), _side(graph, otherwise, captures, seen))
    if operands != captures or attributes != graph.attributes(node):
        handles = tuple([graph.handle(operand) for operand in (condition, *operands)])
        new = Variable(graph.type(node), cond, handles, attributes)
        context.replace(node, new, "share with branches", claim=Exact())


def _inlined(graph: Graph, body: Body, captures: Sequence[int]) -> Variable:
    handles = [graph.handle(operand) for operand in captures]
    return to_variables(body.graph, [body.output], captures_of(body, handles))[0]


def _side(graph: Graph, body: Body, captures: Sequence[int], seen: Mapping[Hashable, int]) -> Side[int]:
    """A body with numbers written into it, which takes from outside what is computed there."""
    inner = body.graph.copy()
    outside = captures_of(body, captures)
    for node, operand in captures_of(body, captures).items():
        value = graph.attributes(operand).get("value")
        if graph.op(operand) is constant and not isinstance(value, ArrayConstant) and inner.uses(node):
            inner.replace(node, literal(value, inner.type(node).dtype, inner.type(node).shape))
    taken = dict(outside)
    for node in inner.order():
        found = seen.get(_key(inner, node, [outside.get(operand) for operand in inner.operands(node)]))
        if found is not None and found in graph and inner.op(node).arity != 0:
            outside[node] = found
            if "view" not in inner.op(node).traits:  # a view costs nothing where it is
                taken[node] = found
    return Side(inner, inner.outputs["result"], taken)
