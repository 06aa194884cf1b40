"""Values for the attributes of ops in drawn programs: axes, shapes, orders, dtypes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from graphopt.op import Op
from graphopt.ops import shape as ops
from graphopt.ops.indexing import slice_
from graphopt.variable import Variable

__all__ = ["DTYPES", "Unbuildable", "all_drawn", "drawn"]

DTYPES = ("int64", "int32", "uint8", "bool", "float32", "float64")

KEYS: Mapping[str, str] = {"transpose": "axes", "reshape": "shape", "broadcast_to": "shape", "pick": "index"}
"""What the attribute of a view or a reduction is called, where it is not `axis`."""


class Unbuildable(Exception):
    """A random choice that has no meaning here."""


def all_drawn(op: Op, x: Variable, rank: int, pick: random.Random) -> Mapping[str, Any]:
    """Values for all attributes of a view or a reduction: see `drawn`."""
    if op is slice_:
        return _part(x, pick)
    key = KEYS.get(op.name, "axis")
    return {key: drawn(key, op, x, rank, pick)}


def drawn(key: str, op: Op, x: Variable, rank: int, pick: random.Random) -> Any:
    """A value for an attribute of an op.

    Parameters
    ----------
    key, op, x
        The attribute's name, the op and its first operand.
    rank
        That of most variables of the program.
    pick
        Makes the choices.

    Raises
    ------
    Unbuildable, ValueError, IndexError
        If there is none.
    """
    n = x.ndim
    if key == "axes":
        return tuple(pick.sample(range(n), n))
    if key == "dtype":
        return pick.choice(DTYPES)
    if key == "index":
        return pick.randrange(int(str(x.shape[-1])))
    if key == "axis":
        if op is ops.expand_dims:
            missing = rank - n
            count = missing if missing > 0 and pick.random() < 0.7 else pick.choice((1, 1, 2))
            return tuple(sorted(pick.sample(range(n + count), count)))
        if op is ops.squeeze:
            units = [k for k, size in enumerate(x.shape) if size == 1]
            return tuple(sorted(pick.sample(units, pick.randint(1, len(units)))))
        return tuple(sorted(pick.sample(range(n), pick.randint(1, n))))
    if key == "shape" and op is ops.broadcast_to:
        lead = pick.choice([(), (), (2,), (1,)])
        return (*lead, *(pick.choice([1, 2, 3]) if size == 1 else size for size in x.shape))
    if key == "shape":
        flat = list(x.shape)
        core = [size for size in flat if size != 1]
        choices: list[list[Any]] = [flat, [x.size], [1, *flat], [*flat, 1], [*reversed(flat)], core, [3, 2]]
        return tuple(pick.choice(choices))
    raise Unbuildable(key)


def _part(x: Variable, pick: random.Random) -> Mapping[str, tuple[int, ...]]:
    """Some of the elements along every axis, in either order."""
    start, step, shape = [], [], []
    for size in (int(str(size)) for size in x.shape):
        count = pick.randint(min(1, size), size)
        by = pick.choice((1, 1, -1)) if count > 1 else 1
        first = pick.randint(0, size - count)
        start.append(first if by > 0 else first + count - 1)
        step.append(by)
        shape.append(count)
    return {"start": tuple(start), "step": tuple(step), "shape": tuple(shape)}
