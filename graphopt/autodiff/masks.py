"""Zeros of branches that were not taken stay zeros, whatever the slopes are that they meet.

The derivative of a selection is where(c, g, 0). Multiplied by the slope of what stands in the branch it is 0·∞ where
the branch was not taken and its slope is infinite, or NaN: over the reals that has no value, so nothing is lost by
saying that nothing flows there. A rule is therefore applied to g alone, and the mask is put around what it gives:
where(c, g·f', 0). What has another mask around it is computed without the first, so masks do not pile up.

Where two branches use one value their masks meet: of equal masks one is left, of others the zeros that both have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

from graphopt.graph.graph import Graph
from graphopt.graph.handle import Handle
from graphopt.ops.arithmetic import add
from graphopt.ops.control import with_derivative
from graphopt.ops.leaves import constant
from graphopt.ops.logic import logical_and, logical_not, logical_or, where
from graphopt.ops.shape import expand_dims
from graphopt.variable import Origin, Variable, as_variable

__all__ = ["Masked", "behind_mask", "is_zero", "masked", "summed"]

Origins = tuple[Origin, ...]


@dataclass(frozen=True, slots=True)
class Masked:
    """A value that is 0 wherever a condition is not as it should be.

    Attributes
    ----------
    graph
        The graph.
    condition
        The node of the condition.
    holds
        What the condition is where the value is not 0.
    inner
        The node of the value there; elsewhere it may be anything.
    """

    graph: Graph
    condition: int
    holds: bool
    inner: int

    def around(self, value: Any) -> Any:
        """A value in place of the inner one, behind the same mask."""
        condition = self.graph.handle(self.condition)
        value = value if isinstance(value, Variable) else as_variable(value, self.graph.type(self.inner).dtype)
        return where(condition, value, 0) if self.holds else where(condition, 0, value)

    def truth(self) -> Any:
        """The condition, true where the value is not 0."""
        condition = self.graph.handle(self.condition)
        return condition if self.holds else logical_not(condition)


def masked(graph: Graph, value: int, node: int) -> Masked | None:
    """The mask around a cotangent or a tangent, if the derivative of a node lets it pass; None if not.

    Every derivative lets a scalar mask pass, because it is linear. For others it has to take every element by itself,
    as that of an elementwise op, or every row, as that of a softmax.

    Parameters
    ----------
    graph
        The graph. Where masks meet, their union or intersection is added to it.
    value
        The cotangent or tangent.
    node
        The node whose derivative it meets.
    """
    if graph.op(node) is with_derivative:  # whose rule need not be linear
        return None
    origins = graph.origins(node)
    found = _meeting(graph, value, origins) if graph.op(value) is add else _nested(graph, value, origins)
    if found is None or "elementwise" in graph.op(node).traits or not graph.type(found.condition).ndim:
        return found
    return found if _is_of_rows(found, node) else None


def _is_of_rows(mask: Masked, node: int) -> bool:
    """Whether an op works along axes and a mask is one and the same along them."""
    graph, condition = mask.graph, mask.condition
    if "composite" not in graph.op(node).traits or graph.op(condition) is not expand_dims:
        return False
    return bool(graph.attributes(condition)["axis"] == graph.attributes(node).get("axis"))


def is_zero(graph: Graph, node: int) -> bool:
    """Whether a node is the number 0, or an array of it."""
    return _is_literal_zero(graph.handle(node))


def _one(graph: Graph, node: int) -> Masked | None:
    if graph.op(node) is not where:
        return None
    condition, then, otherwise = graph.operands(node)
    if is_zero(graph, otherwise):
        return Masked(graph, condition, True, then)
    return Masked(graph, condition, False, otherwise) if is_zero(graph, then) else None


def _seen_through(graph: Graph, node: int, origins: Origins) -> Masked | None:
    """A mask around a value, or around what it is a view of."""
    if "view" not in graph.op(node).traits:
        return _one(graph, node)
    (operand,) = graph.operands(node)
    found = _seen_through(graph, operand, origins)
    shape = graph.type(operand).shape
    if found is None or graph.type(found.inner).shape != shape or graph.type(found.condition).shape not in ((), shape):
        return None

    def viewed(x: int) -> int:
        return graph.add(graph.op(node)(graph.handle(x), **graph.attributes(node)), origins)

    condition = viewed(found.condition) if graph.type(found.condition).ndim else found.condition
    return Masked(graph, condition, found.holds, viewed(found.inner))


def _nested(graph: Graph, node: int, origins: Origins) -> Masked | None:
    """A mask, or one within the other as one: the conditions hold together."""
    outer = _seen_through(graph, node, origins)
    inner = None if outer is None else _one(graph, outer.inner)
    if outer is None or inner is None:
        return outer
    both = graph.add(logical_and(outer.truth(), inner.truth()), origins)
    return Masked(graph, both, True, inner.inner)


def _meeting(graph: Graph, node: int, origins: Origins) -> Masked | None:
    """Of a sum of masked values: 0 where all of them are."""
    terms, rest = [], node
    while graph.op(rest) is add:
        rest, term = graph.operands(rest)
        terms.append(_one(graph, term))
    terms.append(_one(graph, rest))
    conditions = [term.truth() for term in terms if term is not None]
    if len(conditions) < len(terms):
        return None
    return Masked(graph, graph.add(reduce(logical_or, conditions), origins), True, node)


def behind_mask(value: Variable, function: Callable[[Any], Any]) -> Any:
    """A linear function of a value, within its mask if that is a scalar: Σ where(c, x, 0) is where(c, Σ x, 0)."""
    operands = value.inputs if isinstance(value, Handle) else value.operands
    if value.op is where and not operands[0].ndim:
        condition, then, otherwise = operands
        if _is_literal_zero(otherwise) and then.shape == value.shape:
            return where(condition, function(then), 0)
        if _is_literal_zero(then) and otherwise.shape == value.shape:
            return where(condition, 0, function(otherwise))
    return function(value)


def _is_literal_zero(value: Variable) -> bool:
    number = value.attributes["value"] if value.op is constant else None
    return isinstance(number, float | int) and number == 0


def summed(graph: Graph, left: int, right: int) -> Any:
    """The sum of two values; within the mask, if both have the same."""
    a, b = _one(graph, left), _one(graph, right)
    if a is not None and b is not None and (a.condition, a.holds) == (b.condition, b.holds):
        return a.around(add(graph.handle(a.inner), graph.handle(b.inner)))
    return add(graph.handle(left), graph.handle(right))
