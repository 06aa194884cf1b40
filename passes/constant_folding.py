"""Compute at compile time what does not depend on the inputs.

Contract: afterwards no node has constants for all its operands, unless its value is larger than `max` elements, has a
size known only at the call, or cannot be computed. Values keep their dtype. A scalar broadcast to a symbolic shape
stays one: elementwise ops of such constants are computed on the scalars.

Values come from the ops' NumPy meaning; a compiler is never called. Run this after stabilization, which has to see
formulas such as log(1 + c) as they were written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from graphopt.arithmetics import Native
from graphopt.dimensions import DimLike
from graphopt.graph import Graph
from graphopt.ops.leaves import ArrayConstant, constant
from graphopt.rewrite.claims import Ulps
from graphopt.rewrite.passes import Context, Pass
from graphopt.variable import Variable, as_variable, literal

KEPT = ("hold", "counting")
"""Traits of what stays: values held apart, and counts, which the call compares with what they have to be."""


@dataclass(frozen=True)
class ConstantFolding(Pass):
    """Compute constant nodes. `max` bounds the elements of a result. Linear."""

    name: ClassVar[str] = "constant-folding"
    idempotent: ClassVar[bool] = True
    max: int = 4096

    def run(self, graph: Graph, context: Context) -> None:
        """One sweep, operands first: what is folded makes its users foldable in turn."""
        for node in graph.order():
            operands = graph.operands(node)
            if not operands or any(graph.op(operand) is not constant for operand in operands):
                continue
            if not graph.op(node).traits.isdisjoint(KEPT):
                continue
            if context.exhausted:
                return
            value = self._value(graph, node)
            if value is not None:
                context.replace(node, value, f"compute {graph.op(node).name}", claim=Ulps(4))

    def _value(self, graph: Graph, node: int) -> Variable | None:
        """The node as a constant, or None if it has to stay."""
        op, type, attributes = graph.op(node), graph.type(node), graph.attributes(node)
        constants = [graph.attributes(operand)["value"] for operand in graph.operands(node)]
        types = [graph.type(operand) for operand in graph.operands(node)]
        scalars = not any(isinstance(value, ArrayConstant) for value in constants)
        if scalars and "elementwise" in op.traits:
            shape: tuple[DimLike, ...] = ()
        elif not _is_small(type.shape, self.max) or not all(_is_small(t.shape, self.max) for t in types):
            return None
        else:
            shape = type.shape
        arrays = [
            value.array
            if isinstance(value, ArrayConstant)
            else np.full(_integers(t.shape if shape else ()), value, t.dtype)
            for value, t in zip(constants, types, strict=True)
        ]
        try:
            result = Native().apply(op, tuple(arrays), attributes, type.with_shape(shape))
        except (ArithmeticError, ValueError, TypeError):
            return None  # what fails here fails, or not, where the user runs it
        return _as_constant(result, type.dtype, type.shape)


def _is_small(shape: tuple[DimLike, ...], limit: int) -> bool:
    return all(isinstance(size, int) for size in shape) and int(np.prod(_integers(shape))) <= limit


def _integers(shape: tuple[DimLike, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if isinstance(size, int))


def _as_constant(result: Any, dtype: str, shape: tuple[DimLike, ...]) -> Variable:
    if result.ndim == 0:
        return literal(result.item(), dtype, shape)
    return as_variable(result, dtype)
