"""One application of an op, as the functions that make facts of facts see it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graphopt.analysis.facts import Facts
from graphopt.dimensions import DimLike
from graphopt.graph.unify import at_least_one
from graphopt.types import TensorType

__all__ = ["Step", "Transfer"]


@dataclass(frozen=True, slots=True)
class Step:
    """One application: its op's attributes, its type, the operands' types and facts, and the graph's guards."""

    attributes: Any
    type: TensorType
    types: tuple[TensorType, ...]
    facts: tuple[Facts, ...]
    guards: Sequence[tuple[DimLike, DimLike]] = ()

    @property
    def count(self) -> int | None:
        """How many elements a reduction combines, where that is known."""
        return _product([self.types[0].shape[axis] for axis in self.attributes["axis"]])

    @property
    def reduces_some(self) -> bool:
        """Whether a reduction is known to combine at least one element."""
        sizes = [self.types[0].shape[axis] for axis in self.attributes["axis"]]
        return all(size > 0 if isinstance(size, int) else at_least_one(size) in self.guards for size in sizes)


def _product(sizes: list[Any]) -> int | None:
    return math.prod(sizes) if all(isinstance(size, int) for size in sizes) else None


Transfer = Callable[[Step], Facts]
