"""One application of an op, as the functions that make facts of facts see it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphopt.analysis.facts import Facts
from graphopt.types import TensorType

__all__ = ["Step", "Transfer"]


@dataclass(frozen=True, slots=True)
class Step:
    """One application: its op's attributes, its type, the operands' types, and the operands' facts."""

    attributes: Any
    type: TensorType
    types: tuple[TensorType, ...]
    facts: tuple[Facts, ...]

    @property
    def count(self) -> int | None:
        """How many elements a reduction combines, where that is known."""
        return _product([self.types[0].shape[axis] for axis in self.attributes["axis"]])


def _product(sizes: list[Any]) -> int | None:
    return math.prod(sizes) if all(isinstance(size, int) for size in sizes) else None


Transfer = Callable[[Step], Facts]
