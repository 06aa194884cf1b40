"""How ops are applied that move elements without computing: axes, shapes, stacks."""

from __future__ import annotations

import itertools

from graphopt.dimensions import Dim, DimLike, product
from graphopt.ops import shape as ops
from graphopt.testing.strategies.draft import Draft, Value
from graphopt.testing.strategies.sizes import Shape, known

__all__ = ["RANK", "broadcast", "expand", "pick", "regroup", "squeeze", "stack", "transpose"]

RANK = 4
"""The highest rank of a value."""


def transpose(draft: Draft) -> Value | None:
    """The axes in another order; the reversed one is the simplest."""
    x = draft.operand(lambda v: len(v.shape) > 1)
    if x is None:
        return None
    orders = list(itertools.permutations(range(x.variable.ndim)))[1:]
    return x.moved(ops.transpose(x.variable, axes=draft.choose(orders[::-1])))


def regroup(draft: Draft) -> Value | None:
    """A reshape: all in one axis, two neighbouring axes in one, or one of known size in two."""
    x = draft.operand(lambda v: bool(v.shape))
    if x is None:
        return None
    shape = x.shape
    choices: list[Shape] = [(product(shape),)] if len(shape) > 1 else []
    choices += [(*shape[:k], shape[k] * shape[k + 1], *shape[k + 2 :]) for k in range(len(shape) - 1)]
    choices += [tuple(reversed(shape))] if len(shape) > 1 else []
    if len(shape) < RANK:
        choices += [(*shape[:k], *pair, *shape[k + 1 :]) for k, size in enumerate(shape) for pair in _split(size)]
    return x.moved(ops.reshape(x.variable, shape=draft.choose(choices)))


def _split(size: DimLike) -> list[tuple[DimLike, DimLike]]:
    if isinstance(size, int) and size > 2 and not size % 2:
        return [(2, size // 2), (size // 2, 2)]
    return [(1, size), (size, 1)]


def expand(draft: Draft) -> Value | None:
    """New axes of length 1: one, or two."""
    x = draft.operand(lambda v: len(v.shape) < RANK)
    if x is None:
        return None
    n = x.variable.ndim
    choices: list[tuple[int, ...]] = [(axis,) for axis in range(n + 1)]
    if n + 2 <= RANK:
        choices.append((0, n + 1))
    return x.moved(ops.expand_dims(x.variable, axis=draft.choose(choices)))


def squeeze(draft: Draft) -> Value | None:
    """Axes of length 1 dropped; they are made first where there are none."""
    x = draft.operand(lambda v: 1 in v.shape)
    if x is None:
        x = expand(draft)
    if x is None:
        return None
    units = tuple(axis for axis, size in enumerate(x.shape) if size == 1)
    choices = [units, *((axis,) for axis in units)] if len(units) > 1 else [units]
    return x.moved(ops.squeeze(x.variable, axis=draft.choose(choices)))


def broadcast(draft: Draft) -> Value | None:
    """Axes of length 1 stretched to a size that the program has, or a new leading axis."""
    x = draft.operand(lambda v: len(v.shape) < RANK or 1 in v.shape)
    if x is None:
        return None
    choices: list[Shape] = []
    if 1 in x.shape:
        named = next((size for size in draft.sizes() if isinstance(size, Dim)), 3)
        choices += [tuple(by if size == 1 else size for size in x.shape) for by in (named, 2)]
    if len(x.shape) < RANK:
        choices.append((2, *x.shape))
    return x.moved(ops.broadcast_to(x.variable, shape=draft.choose(choices)))


def stack(draft: Draft) -> Value | None:
    """Two, three or four values of a type as one, along new last axes."""
    x = draft.operand(lambda v: len(v.shape) < RANK)
    if x is None:
        return None
    shapes: list[tuple[int, ...]] = [(2,), (3,), (2, 1)]
    if len(x.shape) + 2 <= RANK:
        shapes.append((2, 2))
    shape = draft.choose([s for s in shapes if len(s) + len(x.shape) <= RANK])
    count = 1
    for size in shape:
        count *= size
    others = [draft.like(x) for _ in range(count - 1)]
    made = ops.stack(x.variable, *(other.variable for other in others), shape=shape)
    everything = [x, *others]
    interval = min(v.interval[0] for v in everything), max(v.interval[1] for v in everything)
    return Value(made, interval, all(v.steady for v in everything))


def pick(draft: Draft) -> Value | None:
    """One place of a last axis of known length; a stack of two is made where there is none."""
    x = draft.operand(lambda v: bool(v.shape) and known(v.shape[-1]) and v.shape[-1] != 0)
    if x is None:
        x = stack(draft)
    if x is None:
        return None
    size = x.shape[-1]
    assert isinstance(size, int)
    return x.moved(ops.pick(x.variable, index=draft.choose(range(size)[::-1])))
