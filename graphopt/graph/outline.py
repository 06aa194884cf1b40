"""Expressions and graphs as people are shown them: a list of parts, operands first, whatever they are held in.

What prints or draws a program (`mathematics`, `dot`) reads an outline, so that variables, whose sizes may not be
settled yet, are shown just as graphs are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphopt.graph.checks import BOUNDS
from graphopt.op import Attributes, Op
from graphopt.ops.control import check
from graphopt.ops.leaves import input_
from graphopt.types import TensorType
from graphopt.variable import Origin, Variable

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["Outline", "Part", "outline"]


@dataclass(frozen=True, slots=True)
class Part:
    """One value: an op applied to the parts at these positions, or a leaf. Every input has a name."""

    op: Op
    operands: tuple[int, ...]
    attributes: Attributes
    type: TensorType
    name: str | None
    origins: tuple[Origin, ...]

    @property
    def is_leaf(self) -> bool:
        """Whether it is not computed from others; a node of a graph to which an expression refers is a leaf to it."""
        return not self.operands and (self.op.arity == 0 or self.op is input_)


@dataclass(frozen=True, slots=True)
class Outline:
    """Parts, operands first, and which of them are results, each under its label; an expression's has none."""

    parts: tuple[Part, ...]
    results: tuple[tuple[str | None, int], ...]

    @property
    def applications(self) -> int:
        """How many parts are computed from others."""
        return sum(not part.is_leaf for part in self.parts)


def outline(shown: Variable | Graph) -> Outline:
    """The outline of an expression or a graph; linear, without recursion."""
    return _of_expression(shown) if isinstance(shown, Variable) else _of_graph(shown)


def _of_expression(variable: Variable) -> Outline:
    from graphopt.graph.build import topological, unique_name
    from graphopt.graph.handle import Handle

    order = topological([variable])
    shown = {variable}
    for current in reversed(order):
        if current in shown:
            shown.update(_shown(current))
    position: dict[Variable, int] = {}
    taken: set[str] = set()
    parts: list[Part] = []
    for current in order:
        if current not in shown:
            continue
        if _is_implied(current):
            position[current] = position[current.operands[0]]
            continue
        op, attributes, name = current.op, current.attributes, current.name
        if isinstance(current, Handle):
            op, attributes, name = input_, Attributes(), f"%{current.node}"
        elif op is input_:
            name = unique_name(name or "_", taken)
            taken.add(name)
        operands = tuple([position[operand] for operand in current.operands])
        origins = () if current.origin is None else (current.origin,)
        position[current] = len(parts)
        parts.append(Part(op, operands, attributes, current.type, name, origins))
    return Outline(tuple(parts), ((None, position[variable]),))


def _is_implied(variable: Variable) -> bool:
    """Whether it is the check of an index that comes with `x[i]` and that nobody wrote."""
    return variable.op is check and variable.attributes.get("kind") == BOUNDS


def _shown(variable: Variable) -> tuple[Variable, ...]:
    return variable.operands[:1] if _is_implied(variable) else variable.operands


def _of_graph(graph: Graph) -> Outline:
    from graphopt.graph.text import stable_order

    order = stable_order(graph)
    position = {node: number for number, node in enumerate(order)}
    labels = {node: name for name, node in graph.inputs.items()}
    parts = [
        Part(
            graph.op(node), tuple([position[operand] for operand in graph.operands(node)]), graph.attributes(node),
            graph.type(node), labels.get(node, graph.name(node)), graph.origins(node),
        )
        for node in order
    ]  # fmt: skip
    return Outline(tuple(parts), tuple((name, position[node]) for name, node in graph.outputs.items()))
