"""How ops are applied that read or write parts: slices, joining, positions, what a mask chooses."""

from __future__ import annotations

import numpy as np

from graphopt.dimensions import DimLike, counted_dim, opaque
from graphopt.ops import data_dependent, gather, indexing, logic
from graphopt.ops.leaves import iota
from graphopt.testing.strategies.draft import Draft, Value, recast
from graphopt.testing.strategies.intervals import LIMIT
from graphopt.testing.strategies.sizes import Shape, known, least, most
from graphopt.testing.strategies.views import RANK
from graphopt.types import is_float
from graphopt.variable import Variable, as_variable, literal

__all__ = ["choose_true", "concatenate", "gather_", "put", "scatter", "slice_"]

_INDICES = ([0], [1, 0], [2, 0, 1], [1, 1], [[0, 1], [2, 0]])
"""Positions; those outside an axis count as the nearest one inside."""


def _part(draft: Draft, size: DimLike) -> tuple[DimLike, int, DimLike]:
    """Start, step and length of a part of an axis: x[1:], x[:-1], x[::-1], x[::2], x[:], x[-2::-1]."""
    less = opaque("max", size - 1, 0)
    half = (size + 1) // 2
    choices: list[tuple[DimLike, int, DimLike]] = [
        (1, 1, less), (0, 1, less), (size - 1, -1, size), (0, 2, half), (0, 1, size), (size - 2, -1, less),
    ]  # fmt: skip
    if known(size) and isinstance(size, int) and size > 1:
        choices.append((1, 1, 1))
    return draft.choose(choices)


def _region(draft: Draft, x: Value) -> dict[str, tuple[DimLike, ...]]:
    """A part along one axis, all of the others."""
    axis = draft.below(len(x.shape))
    whole: list[tuple[DimLike, int, DimLike]] = [(0, 1, size) for size in x.shape]
    whole[axis] = _part(draft, x.shape[axis])
    start, step, shape = zip(*whole, strict=True)
    return {"start": start, "step": step, "shape": shape}


def slice_(draft: Draft) -> Value | None:
    """A part along one axis."""
    x = draft.operand(lambda v: bool(v.shape) and least(v.shape) > 0)
    return None if x is None else x.moved(indexing.slice_(x.variable, **_region(draft, x)))


def put(draft: Draft) -> Value | None:
    """A value with a part replaced: by that part of another value of the type, or by a number."""
    x = draft.operand(lambda v: bool(v.shape) and least(v.shape) > 0 and v.dtype != "bool")
    if x is None:
        return None
    region = _region(draft, x)
    other = draft.like(x)
    if other is x:
        number = draft.number((0.0, 2.0)) if x.is_float else 1.0
        part = literal(number if x.is_float else int(number), x.dtype, region["shape"])
        other = Value(part, (number, number), True)
    else:
        part = indexing.slice_(other.variable, **region)
    interval = min(x.interval[0], other.interval[0]), max(x.interval[1], other.interval[1])
    made = indexing.put(x.variable, part, start=region["start"], step=region["step"])
    return Value(made, interval, x.steady and other.steady)


def concatenate(draft: Draft) -> Value | None:
    """Two or three values of a dtype and rank, equal in all sizes but along one axis."""
    x = draft.operand(lambda v: bool(v.shape))
    if x is None:
        return None
    axis = draft.below(len(x.shape))

    def others(shape: Shape) -> Shape:
        return shape[:axis] + shape[axis + 1 :]

    candidates = [
        v for v in draft.values
        if v.dtype == x.dtype and len(v.shape) == len(x.shape) and others(v.shape) == others(x.shape)
    ]  # fmt: skip
    parts = [x, *(candidates[-1 - draft.below(len(candidates))] for _ in range(1 + draft.below(2)))]
    if draft.below(2):
        parts.reverse()
    made = indexing.concatenate(*(v.variable for v in parts), axis=(axis,))
    interval = min(v.interval[0] for v in parts), max(v.interval[1] for v in parts)
    return Value(made, interval, all(v.steady for v in parts))


def _positions(draft: Draft, size: DimLike) -> Variable:
    """Positions along an axis: written down, computed from its own positions, or any integers there are."""
    integers = [v.variable for v in draft.values if not v.is_float and v.dtype != "bool" and len(v.shape) < 3]
    found = draft.below(len(_INDICES) + 2 + len(integers))
    if found < len(_INDICES):
        return as_variable(np.array(_INDICES[found]))
    if found == len(_INDICES):
        return as_variable(size) - 1 - iota(size=size)  # type: ignore[no-any-return]
    if found == len(_INDICES) + 1:
        return iota(size=size)  # type: ignore[no-any-return]
    return recast(integers[found - len(_INDICES) - 2], "int64")


def gather_(draft: Draft) -> Value | None:
    """Elements at positions along the first axis, or along the first two."""
    x = draft.operand(lambda v: 0 < len(v.shape) < RANK and least(v.shape) > 0)
    if x is None:
        return None
    first = _positions(draft, x.shape[0])
    indices = [first]
    if len(x.shape) > 1 and draft.below(3) == 2:
        indices.append(as_variable(np.array(1)))
    if first.ndim + len(x.shape) - len(indices) > RANK:
        indices[0] = as_variable(np.array([0]))
    return x.moved(gather.gather(x.variable, *indices))


def scatter(draft: Draft) -> Value | None:
    """A value with elements written to positions along its first axis, taken from a value of its type or a number."""
    x = draft.operand(
        lambda v: 0 < len(v.shape) < RANK and least(v.shape) > 0 and v.dtype != "bool" and 3 * v.bound <= LIMIT
    )
    if x is None:
        return None
    index = as_variable(np.array(_INDICES[draft.below(4)]))
    mode = draft.choose(list(gather.MODES))
    other = draft.like(x)
    if other is x or 4 * other.bound > LIMIT:
        number = draft.number((0.0, 2.0)) if x.is_float else 1.0
        shape = (*index.shape, *x.shape[1:])
        values = literal(number if x.is_float else int(number), x.dtype, shape)
        other = Value(values, (number, number), True)
    else:
        values = gather.gather(other.variable, index)
    low, high = min(x.interval[0], other.interval[0]), max(x.interval[1], other.interval[1])
    if mode == "add":
        low, high = x.interval[0] + 3 * min(other.interval[0], 0), x.interval[1] + 3 * max(other.interval[1], 0)
    if x.dtype.startswith("u") and low < 0:
        return None
    steady = x.steady and other.steady and (mode != "add" or not is_float(x.dtype))
    return Value(gather.scatter(x.variable, values, index, mode=mode), (low, high), steady)


def choose_true(draft: Draft) -> Value | None:
    """The positions where a vector of truth values is true, or the elements of a vector there."""
    x = draft.operand(lambda v: len(v.shape) == 1 and most(v.shape) > 0)
    if x is None:
        return None
    mask = draft.condition(x.shape)
    truth = mask.variable
    if mask.shape != x.shape:
        truth = logic.logical_and(mask.variable, logic.equal(x.variable, x.variable))
    found: Variable = counted_dim(lambda count: data_dependent.nonzero(truth, count=count))
    if draft.below(2):
        return x.moved(gather.gather(x.variable, found))
    return Value(found, (0.0, float(most(x.shape))), True)
