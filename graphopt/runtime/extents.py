"""What has to be known of sizes before anything is allocated or counted in 64 bits.

Kernels compute sizes and positions with int64_t. Python's integers do not overflow, so every size of a program is
evaluated with them first; a call with the sizes of the one before pays a comparison.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from graphopt.dimensions import DimLike, evaluate, symbols
from graphopt.errors import InvalidArgument, ShapeMismatch
from graphopt.graph.graph import Graph
from graphopt.ops.leaves import dimension
from graphopt.types import TensorType, is_integer

__all__ = ["Extents"]

LARGEST = 2**63 - 1


class Extents:
    """The sizes of a graph's values, and the dimensions it uses as integers. `check(sizes)` before a call."""

    def __init__(self, graph: Graph) -> None:
        self._checked: dict[int, tuple[int, ...]] = {}  # by how many sizes are known
        self._sizes: dict[DimLike, int] = {}
        self._arrays: dict[TensorType, int] = {}
        self._numbers: dict[tuple[DimLike, str], int] = {}
        self._graph = graph
        for node in graph:
            type = graph.type(node)
            if type.shape and not self._is_known(self._arrays.get(type)):
                self._arrays[type] = node
                self._sizes |= {size: node for size in type.shape if not self._is_known(self._sizes.get(size))}
            if graph.op(node) is dimension and is_integer(type.dtype):
                self._numbers.setdefault((graph.attributes(node)["value"], type.dtype), node)

    def _is_known(self, node: int | None) -> bool:
        """Whether a node can be named in a message: constants have no line."""
        return node is not None and bool(self._graph.origins(node))

    def check(self, sizes: Mapping[str, int]) -> None:
        """Raise if a value has no size, cannot be numbered in 64 bits, or is a number that does not fit its dtype.

        What mentions a size that is not known yet is left out: it is checked when the size has been counted.

        Raises
        ------
        ShapeMismatch
            If a size is negative.
        InvalidArgument
            If an array has too many bytes, or a dimension used as an integer does not fit its dtype.
        """
        values, names = tuple(sizes.values()), sizes.keys()
        if values == self._checked.get(len(values)):
            return
        for size, node in self._sizes.items():
            if symbols(size) <= names and evaluate(size, sizes) < 0:
                raise ShapeMismatch(f"size {size} is {evaluate(size, sizes)}{_given(sizes)}{self._where(node)}")
        for type, node in self._arrays.items():
            if symbols(type.size) <= names and (count := evaluate(type.size, sizes) * type.itemsize) > LARGEST:
                raise InvalidArgument(
                    f"an array {type} has {count:.3g} bytes{_given(sizes)}, more than can be numbered"
                    f"{self._where(node)}"
                )
        for (value, dtype), node in self._numbers.items():
            if not symbols(value) <= names:
                continue
            number, limits = evaluate(value, sizes), np.iinfo(dtype)
            if not limits.min <= number <= limits.max:
                raise InvalidArgument(
                    f"dimension {value} = {number} does not fit {dtype}, which holds {limits.min} to {limits.max}"
                    f"{self._where(node)}; cast what it is used with"
                )
        self._checked[len(values)] = values

    def _where(self, node: int) -> str:
        origins = self._graph.origins(node)
        return f"; {self._graph.op(node).name} at {origins[0]}" if origins else ""


def _given(sizes: Mapping[str, int]) -> str:
    return f" with {', '.join(f'{name} = {size}' for name, size in sizes.items())}" if sizes else ""
