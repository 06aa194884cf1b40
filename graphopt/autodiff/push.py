"""Forward accumulation inside one graph: tangents flow from operands to users, by the rules that reverse mode has.

A pullback is linear in the cotangent, and its transpose is the pushforward. So one rule an op is enough: the pullback
is written out for a placeholder, and pulled back itself, from the operands' cotangents to the placeholder, with the
operands' tangents as seeds. That is done for one node at a time, so that its cost is that of the nodes it makes. (Done
for a whole program it is the "double backward" of J. Townsend, "A new trick for calculating Jacobian vector
products", 2017.)

Where the ops' traits say enough, nothing is transposed. A linear op takes the tangents to the tangent itself. For an
elementwise op, since a diagonal matrix is its own transpose, each operand's tangent goes through the pullback as if it
were the cotangent. And an op may bring a rule of its own, `Op.pushforward`, where it has a shorter one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from graphopt.autodiff.accumulate import Application, accumulate, fitted, pulled_back, refusal, where_made
from graphopt.errors import GraphoptError, NotDifferentiable, TypeMismatch
from graphopt.graph.graph import Graph
from graphopt.op import Attributes, NoDerivative
from graphopt.ops.arithmetic import add
from graphopt.ops.leaves import input_
from graphopt.ops.shape import broadcast_to
from graphopt.types import is_float
from graphopt.variable import Variable, as_variable, literal

__all__ = ["push"]

Tangents = Sequence[int | None]
"""The node of the tangent of each operand; None for zero."""


def push(
    graph: Graph, seeds: Mapping[int, int], targets: Iterable[int], constants: Collection[int] = ()
) -> dict[int, int]:
    """Add the tangents of `targets` to a graph.

    Parameters
    ----------
    graph
        The graph, which is added to.
    seeds
        Node to the node of the tangent that it has from outside; what its operands contribute is added.
    targets
        The nodes whose tangents are wanted.
    constants
        Nodes that nothing flows through.

    Returns
    -------
    dict
        The node of the tangent for each of `targets`; those whose tangent is zero are left out.

    Raises
    ------
    NotDifferentiable
        If a node on a path has no derivative, or one that reverse mode alone can use.
    """
    wanted = list(targets)
    found: dict[int, int] = {}
    for node in graph.order(wanted):
        if node in constants or not is_float(graph.type(node).dtype):
            continue
        tangents = [found.get(operand) for operand in graph.operands(node)]
        parts = [_pushed(graph, node, tangents) if any(t is not None for t in tangents) else None, seeds.get(node)]
        present = [part for part in parts if part is not None]
        if present:
            found[node] = _total(graph, node, present)
    return {node: found[node] for node in wanted if node in found}


def _total(graph: Graph, node: int, parts: Sequence[int]) -> int:
    total = parts[0]
    for part in parts[1:]:
        total = graph.add(add(graph.handle(total), graph.handle(part)), graph.origins(node))
    return total


def _pushed(graph: Graph, node: int, tangents: Tangents) -> int | None:
    """The tangent that a node has from its operands'; None for zero."""
    op = graph.op(node)
    if op.pushforward is not None:
        given = [None if t is None else graph.handle(t) for t in tangents]
        tangent = op.pushforward(given, Application.at(graph, node))
        if tangent is not NotImplemented:
            return _whole(graph, node, tangent)
    if "linear" in op.traits and ("elementwise" not in op.traits or _all_move(graph, node, tangents)):
        return _whole(graph, node, op(*_moved(graph, node, tangents), **graph.attributes(node)))
    dtypes = {graph.type(t).dtype for t in tangents if t is not None}
    if "elementwise" in op.traits and dtypes == {graph.type(node).dtype}:
        return _scaled(graph, node, tangents)
    return _transposed(graph, node, tangents)


def _whole(graph: Graph, node: int, tangent: Any) -> int | None:
    """An expression of a tangent as a node of the type of what it belongs to."""
    if tangent is None:
        return None
    op, wanted = graph.op(node), graph.type(node)
    try:
        tangent = as_variable(tangent, None if isinstance(tangent, Variable) else wanted.dtype)
        if tangent.shape != wanted.shape and "elementwise" in op.traits:
            tangent = broadcast_to(tangent, shape=wanted.shape)
    except GraphoptError as error:
        raise TypeMismatch(f"the derivative of {op.name} failed{where_made(graph, node)}: {error}") from None
    if tangent.type != wanted:
        raise TypeMismatch(
            f"the derivative of {op.name} gives a tangent of type {tangent.type} to a value of type {wanted}"
            f"{where_made(graph, node)}"
        )
    return graph.add(tangent, graph.origins(node))


def _all_move(graph: Graph, node: int, tangents: Tangents) -> bool:
    return all(
        tangent is not None or not is_float(graph.type(operand).dtype)
        for operand, tangent in zip(graph.operands(node), tangents, strict=True)
    )


def _moved(graph: Graph, node: int, tangents: Tangents) -> list[Variable]:
    """For a linear op: the operands' tangents, zeros included, in their places; what is no float stays."""
    result: list[Variable] = []
    for operand, tangent in zip(graph.operands(node), tangents, strict=True):
        type = graph.type(operand)
        if tangent is None and is_float(type.dtype):
            result.append(literal(0.0, type.dtype, type.shape))
        else:
            result.append(graph.handle(operand if tangent is None else tangent))
    return result


def _scaled(graph: Graph, node: int, tangents: Tangents) -> int | None:
    """For an elementwise op: each tangent times the slope at its element, which is what the pullback multiplies by."""
    total: Any = None
    for position, tangent in enumerate(tangents):
        if tangent is None:
            continue
        part = pulled_back(graph, node, tangent)[position]
        if isinstance(part, NoDerivative):
            raise refusal(graph, node, f"{graph.op(node).name}: {part.reason}")
        if part is not None:
            total = part if total is None else add(total, part)
    return _whole(graph, node, total)


def _transposed(graph: Graph, node: int, tangents: Tangents) -> int | None:
    """The pullback, transposed: what comes to its cotangent if the operands' cotangents are given their tangents."""
    type = graph.type(node)
    cotangent = graph._add_node(input_, (), Attributes(dtype=type.dtype, shape=type.shape), type)
    seeds: dict[int, list[int]] = {}
    for operand, tangent, part in zip(graph.operands(node), tangents, pulled_back(graph, node, cotangent), strict=True):
        if tangent is None or part is None:
            continue
        if isinstance(part, NoDerivative):
            raise refusal(graph, node, f"{graph.op(node).name}: {part.reason}")
        seeds.setdefault(graph.add(fitted(graph, node, operand, part), graph.origins(node)), []).append(tangent)
    # Nodes are numbered as they are added, operands first: all that the placeholder can reach are the newest.
    written_out = range(cotangent, graph._next)
    found = accumulate(graph, seeds, {cotangent}, order=written_out).get(cotangent)
    if found is not None and found in _reached(graph, cotangent):
        raise NotDifferentiable(
            f"{graph.op(node).name}: its pullback is not linear in the cotangent{where_made(graph, node)}, so forward "
            "mode has no derivative of it; use reverse mode (grad, vjp), or give it a pushforward"
        )
    return found


def _reached(graph: Graph, source: int) -> set[int]:
    """What depends on a node, itself included; all of it is newer."""
    reached = {source}
    for node in range(source + 1, graph._next):
        if not reached.isdisjoint(graph.operands(node)):
            reached.add(node)
    return reached
