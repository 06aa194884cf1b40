"""From a graph back to variables: the opposite of `graphopt.graph.build`.

Inputs become the user's own variables again, and dimensions get back the names that the user gave them, so that what
comes out can be combined with what the user still holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from graphopt.dimensions import Dim, DimLike
from graphopt.errors import ShapeMismatch
from graphopt.graph.body import BRANCHES, captures_of
from graphopt.graph.unify import rename_attributes
from graphopt.op import EMPTY, Attributes
from graphopt.ops.control import cond, if_else
from graphopt.ops.shape import broadcast_to
from graphopt.types import TensorType, agree
from graphopt.variable import Variable

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["to_variables"]


def to_variables(
    graph: Graph, nodes: Sequence[int], substitutions: Mapping[int, Variable] | None = None
) -> list[Variable]:
    """The values of nodes as variables built on the user's inputs; linear, without recursion.

    Parameters
    ----------
    graph
        Where the nodes are.
    nodes
        What to export, in the order of the result.
    substitutions
        Variables to stand for nodes instead; what only those nodes need is not exported.

    Returns
    -------
    list of Variable
        One for each node. Names and origins are kept; a shared node is one variable.
    """
    return _exported(graph, nodes, {**graph.variables, **(substitutions or {})}, user_dimensions(graph))


def _exported(
    graph: Graph, nodes: Sequence[int], made: dict[int, Variable], names: Mapping[str, DimLike]
) -> list[Variable]:
    """As `to_variables`, given what stands for nodes and the users' names of sizes."""
    renamed: dict[Attributes, Attributes] = {}
    for node in _needed(graph, nodes, made):
        operands = tuple([made[operand] for operand in graph.operands(node)])
        if graph.op(node) is cond:
            made[node] = _conditional(graph, node, operands, names)
            continue
        attributes, type = graph.attributes(node), graph.type(node)
        if names and attributes:
            known = renamed.get(attributes)
            if known is None:
                known = renamed[attributes] = rename_attributes(attributes, names)
            attributes = known
        if names or any(graph.type(n) != v.type for n, v in zip(graph.operands(node), operands, strict=True)):
            try:
                type = _retyped(graph, node, operands, attributes)
            except ShapeMismatch:  # the op needs a number, where the user has a name for it
                operands = tuple(map(partial(_numbered, graph), graph.operands(node), operands))
                type = _retyped(graph, node, operands, attributes)
        origins = graph.origins(node)
        made[node] = Variable(
            type, graph.op(node), operands, attributes, graph.name(node), origins[0] if origins else None
        )
    return [made[node] for node in nodes]


def _conditional(graph: Graph, node: int, operands: tuple[Variable, ...], names: Mapping[str, DimLike]) -> Variable:
    """A conditional with its bodies written out: an expression again, like any other."""
    condition, *captures = operands
    branches: list[Variable] = []
    for body in (graph.attributes(node)[name] for name in BRANCHES):
        branches += _exported(body.graph, [body.output], captures_of(body, captures), names)
    operands = (condition, *branches)
    type = if_else.type_rule(tuple([operand.type for operand in operands]), EMPTY, agree)
    origins = graph.origins(node)
    return Variable(type, if_else, operands, EMPTY, graph.name(node), origins[0] if origins else None)


def user_dimensions(graph: Graph) -> dict[str, DimLike]:
    """The names that a graph gave to dimensions, with the user's dimension for each: the first input's that has it.

    A size that is counted while a program runs is that of the user's variable that counts it.
    """
    found: dict[str, DimLike] = {}
    for node, variable in graph.variables.items():
        if node not in graph:
            continue
        for size, original in zip(graph.type(node).shape, variable.shape, strict=True):
            if isinstance(size, Dim) and size.symbol is not None and isinstance(original, Dim):
                found.setdefault(size.symbol, original)
    return {name: original for name, original in found.items() if original.symbol != name}  # type: ignore[union-attr]


def _needed(graph: Graph, nodes: Sequence[int], made: Mapping[int, Variable]) -> list[int]:
    """What has to be made, operands first; nothing below what is there already."""
    order = graph.order(nodes)
    needed = {node for node in nodes if node not in made}
    for node in reversed(order):
        if node in needed:
            needed.update(operand for operand in graph.operands(node) if operand not in made)
    return [node for node in order if node in needed]


def _numbered(graph: Graph, node: int, v: Variable) -> Variable:
    """A variable with the sizes that the graph found to be numbers."""
    sizes = zip(graph.type(node).shape, v.shape, strict=True)
    shape = tuple([size if isinstance(size, int) else own for size, own in sizes])
    result: Variable = v if shape == v.shape else broadcast_to(v, shape=shape)
    return result


def _retyped(graph: Graph, node: int, operands: tuple[Variable, ...], attributes: Attributes) -> TensorType:
    """The type in the user's names: sizes that the graph found equal may have several of them."""
    return graph.op(node).type_rule(tuple([operand.type for operand in operands]), attributes, agree)
