"""What a shape may come to be when a drawn program runs: its least and its most elements, and what broadcasts with it.

Named sizes lie between 1 and `SIZES[1]`. A size that is counted while a program runs may be 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from graphopt.dimensions import Dim, DimLike, dim, evaluate, symbols
from graphopt.errors import ShapeMismatch
from graphopt.types import broadcast

__all__ = ["SHAPES", "SIZES", "Shape", "fit", "known", "least", "most"]

Shape = tuple[DimLike, ...]

_n, _m = dim("n"), dim("m")
SHAPES: tuple[Shape, ...] = (
    (), (_n,), (_n, _m), (_m,), (1, _m), (_n, 1), (3,), (_n, 3), (_n, _n), (2, _n, 3), (2, 2, 2), (0,)
)  # fmt: skip
"""The shapes of inputs unless others are given, the simplest first. Equal sizes tell axes apart that types do not."""
SIZES = (1, 4)
"""The least and the largest size of a named dimension, unless others are given."""


def most(shape: Sequence[DimLike]) -> int:
    """The largest number of elements that a shape may come to have."""
    return math.prod(size if isinstance(size, int) else _bounds(size)[1] for size in shape)


def least(shape: Sequence[DimLike]) -> int:
    """A number of elements that a shape has at least; 0 where a size depends on data."""
    return math.prod(size if isinstance(size, int) else _bounds(size)[0] for size in shape)


def _bounds(size: Dim) -> tuple[int, int]:
    names = symbols(size)
    low = 0 if any(name.startswith("?") for name in names) else 1
    # Lengths of parts and of what is joined grow with the sizes they are made of.
    ends = [evaluate(size, dict.fromkeys(names, end)) for end in (low, SIZES[1])]
    return max(min(ends), 0), max(ends)


def known(size: DimLike) -> bool:
    """Whether a size is an integer."""
    return isinstance(size, int)


def fit(*shapes: Shape) -> Shape | None:
    """What shapes broadcast to where names stand for themselves alone; None if they do not."""
    try:
        return broadcast(shapes, _identical)
    except ShapeMismatch:
        return None


def _identical(a: DimLike, b: DimLike) -> DimLike:
    if a != b:
        raise ShapeMismatch(f"{a} is not {b}")
    return a
