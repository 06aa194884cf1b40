"""Reverse accumulation inside one graph: the rules of the ops, the chain rule, and nothing else.

What users call is in `graphopt.autodiff.reverse`. The method is W. Speelpenning's ("Compiling fast partial
derivatives of functions given by algorithms", 1980): one sweep over the nodes from users to operands, whose cost is
a small multiple of the function's own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphopt.autodiff.contributions import Contribution, received, total
from graphopt.autodiff.masks import behind_mask, masked
from graphopt.autodiff.places import places
from graphopt.dimensions import DimLike
from graphopt.errors import GraphoptError, MissingInput, NotDifferentiable, TypeMismatch
from graphopt.graph.graph import Graph
from graphopt.graph.handle import Handle
from graphopt.op import Attributes, NoDerivative
from graphopt.ops.reduction import sum_to
from graphopt.ops.shape import broadcast_to
from graphopt.types import is_float
from graphopt.variable import Variable, as_variable

__all__ = ["Application", "accumulate", "called", "fitted", "pulled_back", "reached", "refusal", "where_made"]


@dataclass(frozen=True, slots=True)
class Application:
    """A node as derivative rules see it: an `graphopt.op.Applied` made of handles."""

    operands: tuple[Handle, ...]
    result: Handle
    attributes: Attributes

    @classmethod
    def at(cls, graph: Graph, node: int, read: Callable[[int], int] = int) -> Application:
        """The application at a node of a graph; with `read`, that to the parts of the operands that it gives."""
        operands = tuple([graph.handle(read(operand)) for operand in graph.operands(node)])
        return cls(operands, graph.handle(read(node)), graph.attributes(node))


def accumulate(
    graph: Graph,
    seeds: Mapping[int, Sequence[int]],
    wrt: Collection[int],
    constants: Collection[int] = (),
    known: Mapping[int, int] | None = None,
    order: Sequence[int] | None = None,
) -> dict[int, int]:
    """Add the cotangents of `wrt` to a graph.

    Only nodes on a path from `wrt` to a seeded node are visited, and a cotangent that is zero is never made.

    Parameters
    ----------
    graph
        The graph, which is added to.
    seeds
        Node to the nodes of the cotangents that come to it from outside.
    wrt
        The nodes whose cotangents are wanted.
    constants
        Nodes that nothing flows through.
    known
        Node to the node of its whole cotangent: what its users contribute is not looked at.
    order
        The nodes that may be on a path, operands first; by default everything that the seeds need.

    Returns
    -------
    dict
        The node of the cotangent for each of `wrt`; those whose cotangent is zero are left out.

    Raises
    ------
    NotDifferentiable
        If a node on a path has no derivative, or none with respect to the operand that the path goes through.
    """
    known = known or {}
    order = graph.order([*seeds, *known]) if order is None else order
    active = _active(graph, order, wrt, constants)
    flowing: dict[int, list[Contribution]] = {node: list(given) for node, given in seeds.items()}
    flowing |= {node: [given] for node, given in known.items()}
    result: dict[int, int] = {}
    for node in reversed(order):
        parts = flowing.pop(node, None)
        if not parts or node not in active:
            continue
        cotangent = total(graph, parts, graph.type(node), graph.origins(node))
        if node in wrt:
            result[node] = cotangent
        if not any(operand in active for operand in graph.operands(node)):
            continue
        for operand, part in zip(graph.operands(node), pulled_back(graph, node, cotangent), strict=True):
            if part is not None and operand in active and operand not in known:
                if isinstance(part, NoDerivative):
                    raise refusal(graph, node, f"{graph.op(node).name}: {part.reason}")
                contribution = _received(graph, node, fitted(graph, node, operand, part))
                if contribution is not None:
                    flowing.setdefault(operand, []).append(contribution)
    return result


def _received(graph: Graph, node: int, part: Any) -> Contribution | None:
    try:
        return received(graph, part, graph.origins(node))
    except MissingInput as error:
        raise MissingInput(
            f"the pullback of {called(graph, node)} uses what it was not given{where_made(graph, node)}: {error}; "
            "make it an argument"
        ) from None


def called(graph: Graph, node: int) -> str:
    """What a node is called in a message: its op, or the user's function whose derivative is its own."""
    return str(graph.attributes(node).get("rule", graph.op(node).name))


def _active(graph: Graph, order: Sequence[int], wrt: Collection[int], constants: Collection[int]) -> set[int]:
    """The nodes that depend on `wrt` through floating-point values: what cotangents have to pass."""
    active: set[int] = set()
    for node in order:
        reaches = node in wrt or any(operand in active for operand in graph.operands(node))
        if reaches and node not in constants and is_float(graph.type(node).dtype):
            active.add(node)
    return active


def reached(graph: Graph, sources: Iterable[int], blocked: Collection[int] = ()) -> set[int]:
    """Everything that sources depend on, themselves included, by ways that lead through no blocked node."""
    found: set[int] = set()
    waiting = list(sources)
    while waiting:
        node = waiting.pop()
        if node not in found and node not in blocked:
            found.add(node)
            waiting.extend(graph.operands(node))
    return found


def pulled_back(graph: Graph, node: int, cotangent: int) -> Sequence[Any]:
    """What the rule of a node's op gives for its operands: expressions, numbers, None or `NoDerivative`.

    What is 0 for certain in the cotangent is 0 in what it gives: see `masks` and `places`.
    """
    mask = masked(graph, cotangent, node)
    inner = cotangent if mask is None else mask.inner
    chosen = places(graph, inner, node)
    if chosen is None:
        parts = _ruled(graph, node, graph.handle(inner), Application.at(graph, node))
    else:
        # Here masks are inside of the places, too: the derivative of where(c, x[i], 0) is put from where(c, g, 0).
        within = masked(graph, chosen.inner, node)
        given = graph.handle(chosen.inner if within is None else within.inner)
        parts = _ruled(graph, node, given, Application.at(graph, node, chosen.read))
        if within is not None:
            parts = _put_back(parts, given, graph.handle(chosen.inner), within.around)
        parts = _put_back(parts, graph.handle(chosen.inner), graph.handle(inner), chosen.written)
    return parts if mask is None else _put_back(parts, graph.handle(inner), graph.handle(cotangent), mask.around)


def _ruled(graph: Graph, node: int, cotangent: Handle, applied: Application) -> Sequence[Any]:
    op = graph.op(node)
    if op.pullback is None:
        raise refusal(graph, node, f"{op.name} has no derivative")
    parts = op.pullback(cotangent, applied)
    if len(parts) != len(applied.operands):
        raise TypeMismatch(
            f"the pullback of {called(graph, node)} returned {len(parts)} cotangents for {len(applied.operands)} "
            "operands"
        )
    return parts


def _put_back(parts: Sequence[Any], inner: Handle, whole: Handle, around: Callable[[Any], Any]) -> Sequence[Any]:
    """Parts of a cotangent's inner value as parts of the whole; what is the inner value itself becomes the whole."""

    def one(part: Any) -> Any:
        if part is None or isinstance(part, NoDerivative):
            return part
        return whole if isinstance(part, Handle) and part.node == inner.node else around(part)

    return [one(part) for part in parts]


def fitted(graph: Graph, node: int, operand: int, part: Any) -> Any:
    """A contribution with the type of the operand it belongs to; broadcasting of elementwise ops is undone."""
    op, wanted = graph.op(node), graph.type(operand)
    try:
        part = as_variable(part, None if isinstance(part, Variable) else wanted.dtype)
        if "elementwise" in op.traits:
            shape = graph.type(node).shape
            part = part if part.shape == shape else broadcast_to(part, shape=shape)
            part = behind_mask(part, lambda x: sum_to(x, wanted.shape))
        if part.shape != wanted.shape and _are_equated(graph, node, part.shape, wanted.shape):
            part = broadcast_to(part, shape=wanted.shape)
    except GraphoptError as error:
        raise TypeMismatch(f"the pullback of {called(graph, node)} failed{where_made(graph, node)}: {error}") from None
    if part.type != wanted:
        raise TypeMismatch(
            f"the pullback of {called(graph, node)} returned a cotangent of type {part.type} for an operand of "
            f"type {wanted}{where_made(graph, node)}"
        )
    return part


def _are_equated(graph: Graph, node: int, a: tuple[DimLike, ...], b: tuple[DimLike, ...]) -> bool:
    """Whether two shapes differ in names alone, of sizes that a node makes equal: x[1:] * y[:-1], say."""
    equations: set[frozenset[DimLike]] = set()

    def note(m: DimLike, n: DimLike) -> DimLike:
        equations.add(frozenset((m, n)))
        return m

    types = tuple(graph.type(operand) for operand in graph.operands(node))
    graph.op(node).type_rule(types, graph.attributes(node), note)
    return len(a) == len(b) and all(m == n or frozenset((m, n)) in equations for m, n in zip(a, b, strict=True))


def where_made(graph: Graph, node: int) -> str:
    """Where the user made a node, in brackets, for a message."""
    origins = graph.origins(node)
    return f" (at {', '.join(map(str, origins))})" if origins else ""


def refusal(graph: Graph, node: int, what: str) -> NotDifferentiable:
    """The error that says what about a node keeps derivatives from passing it, and what to do."""
    return NotDifferentiable(
        f"{what}{where_made(graph, node)}; keep derivatives from passing it with consider_constant, or ask with "
        "respect to something else"
    )
