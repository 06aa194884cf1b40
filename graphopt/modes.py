"""mode="debug" and mode="nan": expressions as they were written, evaluated node by node in Python.

    f = go.function([x], loss, mode="debug", on_node=lambda at: breakpoint() if at.name == "loss" else None)

Every node goes through the plain function `step`, so any debugger can stop at any node, without a callback too; of a
conditional, the nodes of the branch that is taken do:
`break go.modes.step, at.op.name == "log"`. Passes, target and compiler have no part in what is computed; the graph is
the one before any pass, so that every node is one that the user wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphopt.arithmetics import Native
from graphopt.errors import CheckFailed
from graphopt.graph.body import captures_of
from graphopt.graph.graph import Graph
from graphopt.interpret import BodyCall, Evaluate, value_of, walk
from graphopt.op import Op
from graphopt.ops.control import cond
from graphopt.ops.leaves import input_
from graphopt.runtime.extents import Extents
from graphopt.types import TensorType, is_float
from graphopt.variant import Interpreted, run

__all__ = ["STEPPED", "Step", "Stepped", "step"]

Array = Any
STEPPED = ("debug", "nan")
"""The modes in which functions are not compiled."""


@dataclass(frozen=True, eq=False)
class Step:
    """One node at its turn.

    Attributes
    ----------
    node, op, attributes
        The node of the graph as it was written, its op, and its attributes with every size a number.
    operands
        The operands' arrays; of an input, its argument.
    type
        The type of the result.
    name
        The user's name for the value, or None.
    origin
        The user's line, `model.py:12`; empty where there is none, as for constants.
    result
        The result's array once there is one.
    """

    node: int
    op: Op
    operands: tuple[Array, ...]
    attributes: Mapping[str, Any]
    type: TensorType
    name: str | None
    origin: str
    result: Array = None

    def __str__(self) -> str:
        label = f"{self.op.name} {self.name!r}" if self.name else self.op.name
        return f"{label}, {self.type}" + (f", written at {self.origin}" if self.origin else "")


def step(at: Step) -> Array:
    """Evaluate one node. A breakpoint here stops at every node, with `at.operands` in view.

    What goes wrong inside is raised as it is, with a note that tells node, operands and the user's line.
    """
    try:
        return value_of(at.op, at.type, at.operands, at.attributes, _NATIVE)
    except Exception as error:  # whatever an op's meaning raises goes on as it is, with a note
        shapes = ", ".join(f"{operand.dtype}{list(operand.shape)}" for operand in at.operands) or "none"
        error.add_note(f"in node %{at.node}: {at}; its operands: {shapes}")
        raise


_NATIVE = Native()


class Stepped:
    """A graph as it was written, in the place of a compiled one.

    Parameters
    ----------
    graph
        What is evaluated.
    name
        The function's name.
    mode
        "debug", or "nan": values that are not finite are looked for.
    on_node
        Called with each node's `Step` once it has its result.
    """

    def __init__(self, graph: Graph, name: str, mode: str, on_node: Callable[[Step], object] | None = None) -> None:
        self.graph = graph
        self.name = name
        self.mode = mode
        self.on_node = on_node

    def run(self, arrays: Mapping[str, Array], into: Mapping[str, Array] | None) -> dict[str, Array]:
        """New arrays, or those of `into`, which nothing is written to until everything is computed."""
        return run(self.graph, Interpreted(self.graph, self._interpret), Extents(self.graph), arrays, into)

    def _interpret(self, graph: Graph, arrays: Mapping[str, Array]) -> dict[str, Array]:
        return walk(graph, arrays, self._evaluator(graph, {node: name for name, node in graph.inputs.items()}))

    def _evaluator(self, graph: Graph, labels: Mapping[int, str]) -> Evaluate:
        """What evaluates the nodes of a graph; of a conditional, those of the branch that is taken, too."""

        def evaluate(node: int, operands: tuple[Array, ...], attributes: Mapping[str, Any]) -> Array:
            origin = ", ".join(map(str, graph.origins(node)))
            name = labels.get(node, graph.name(node))
            names = [labels.get(n) or graph.name(n) or graph.op(n).name for n in graph.operands(node)]
            at = Step(node, graph.op(node), operands, attributes, graph.type(node), name, origin)
            at = replace(at, result=self._branch(at, names) if at.op is cond else step(at))
            if self.mode == "nan":
                _check_finite(self.name, at, names)
            if self.on_node is not None:
                self.on_node(at)
            return at.result

        return evaluate

    def _branch(self, at: Step, names: Sequence[str]) -> Array:
        """The result of a conditional, evaluated node by node; what the branch takes keeps its name."""
        condition, *captures = at.operands
        call: BodyCall = at.attributes["then" if condition else "otherwise"]
        evaluate = self._evaluator(call.body.graph, captures_of(call.body, names[1:]))

        def inside(node: int, operands: tuple[Array, ...], attributes: Mapping[str, Any]) -> Array:
            taken = call.body.graph.op(node) is input_
            return operands[0] if taken else evaluate(node, operands, attributes)

        return call.walk(captures, inside)


def _check_finite(function: str, at: Step, names: Sequence[str]) -> None:
    """Raise CheckFailed at the first node that makes NaN, or infinity out of finite operands.

    Constants are let pass: `where(mask, x, -inf)` is how masks are written, and what follows from one is no surprise
    until it is NaN. No operand is NaN here unless it is a constant, for the walk ended there.
    """
    wrong = _not_finite(at.result)
    if not wrong.any():
        return
    if at.op is not input_:
        if "leaf" in at.op.traits:
            return
        if any(_not_finite(operand).any() for operand in at.operands):
            wrong = np.isnan(at.result)  # infinity came in with an operand
            if not wrong.any():
                return
    index = tuple(int(k) for k in np.argwhere(wrong)[0])
    found = str(at.result[index])
    if index:
        found += f" at {list(index)} ({int(wrong.sum())} of {wrong.size} elements are not finite)"
    where = f"; written at {at.origin}" if at.origin else ""
    if at.op is input_:
        raise CheckFailed(f"{function}: input {at.name} holds {found}{where}")
    label = f"{at.op.name} {at.name!r}" if at.name else at.op.name
    told = "; ".join(_told(name, x, at, index) for name, x in zip(names, at.operands, strict=True)) or "none"
    raise CheckFailed(
        f"{function}: {label} makes {found}; its operands: {told}{where}. This is the expression "
        "as it was written; passes may repair it"
    )


def _not_finite(array: Array) -> Array:
    return ~np.isfinite(array) if is_float(str(array.dtype)) else np.zeros(array.shape, bool)


def _told(name: str, operand: Array, at: Step, index: tuple[int, ...]) -> str:
    """An operand's type and range, and the element of it that went into the one that is wrong, where there is one."""
    text = f"{name}: {operand.dtype}{list(operand.shape) if operand.ndim else ''}"
    if operand.ndim == 0:
        return f"{text} = {operand[()]}"
    if operand.size:
        text += f" from {operand.min()} to {operand.max()}"
        if "elementwise" in at.op.traits:
            text += f", there {np.broadcast_to(operand, at.result.shape)[index]}"
    return text
