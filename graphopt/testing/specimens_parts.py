"""Specimens of what moves elements: views, parts, what is put together, what is chosen by positions.

All of these are linear, so that it takes `squared` to see more of them at second order than zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import graphopt.tensor as T
from graphopt.ops import gather as positions
from graphopt.ops import indexing, shape
from graphopt.testing.specimen import Convention, Operand, Shape, Specimen, fixed, squared, within

__all__ = ["parts_specimens"]

_ANY = within(-2.0, 2.0)
_TWO_VECTORS = (Operand((2,), _ANY), Operand((2,), _ANY))


def _one(op: str, name: str, function: Any, *shapes: Shape, bent: bool = True) -> Specimen:
    operands = tuple(Operand(size, _ANY) for size in shapes)
    return Specimen(op, name, squared(function) if bent else function, operands, tuple(range(len(shapes))))


def _indices(*values: Any) -> Operand:
    return Operand(np.shape(values), fixed(*values), "int64")


def parts_specimens() -> Iterator[Specimen]:
    """Specimens of all of them."""
    for table in (_VIEWS, _PARTS, _JOINED, _GATHERED, _SCATTERED):
        yield from table


_VIEWS = [
    _one("expand_dims", "as it is", lambda x: T.expand_dims(x, 1), (3,), bent=False),
    _one("expand_dims", "at two places", lambda x: T.expand_dims(x, (0, -1)) * T.arange(1.0, 3.0), (3,)),
    _one("squeeze", "as it is", T.squeeze, (1, 3), bent=False),
    _one("squeeze", "one of two", lambda x: T.squeeze(x, 1), (2, 1, 1)),
    _one("transpose", "as it is", T.transpose, (2, 3), bent=False),
    _one("transpose", "three axes round", lambda x: T.transpose(x, (2, 0, 1)), (2, 1, 3)),
    _one("transpose", "three axes round the other way", lambda x: T.transpose(x, (1, 2, 0)), (2, 2, 3)),
    _one("reshape", "as it is", lambda x: T.reshape(x, (3, 2)), (2, 3), bent=False),
    _one("reshape", "of a transposed matrix", lambda x: T.reshape(T.transpose(x), -1), (2, 3)),
    _one("reshape", "of one element", lambda x: T.reshape(x, ()), (1, 1)),
    _one("broadcast_to", "as it is", lambda x: T.broadcast_to(x, (2, 3)), (3,), bent=False),
    _one("broadcast_to", "columns", lambda x: T.broadcast_to(x, (2, 3)) * T.arange(3.0), (2, 1)),
    _one("broadcast_to", "to more axes", lambda x: T.broadcast_to(x, (2, 3, 2)), (3, 1)),
    _one("broadcast_to", "a number", lambda x: T.broadcast_to(x, (2, 2)), ()),
    _one("broadcast_to", "of its own shape", lambda x: T.broadcast_to(x, (2,)), (2,)),
    _one("pick", "as it is", lambda x: shape.pick(x, index=1), (2, 3), bent=False),
    _one("pick", "of a vector", lambda x: shape.pick(x, index=0), (3,)),
]

_PARTS = [
    _one("slice", "as it is", lambda x: x[1:], (3,), bent=False),
    _one("slice", "reversed", lambda x: x[::-1], (3,)),
    _one("slice", "every second, from the back", lambda x: x[:, -1::-2], (2, 4)),
    _one("slice", "an inner part", lambda x: x[1:3, :1], (4, 2)),
    _one("slice", "an element", lambda x: x[1, -1], (2, 3)),
    _one("slice", "overlapping parts", lambda x: x[1:] * x[:-1], (4,)),
    _one("slice", "nothing", lambda x: T.sum(x[3:]) + x[0], (3,)),
    _one("put", "as it is", lambda x, y: x.at[1:].set(y), (3,), (2,), bent=False),
    _one("put", "reversed columns", lambda x, y: x.at[:, ::-2].set(y), (2, 3), (2, 2)),
    _one("put", "an element", lambda x, y: x.at[0, 1].set(y), (2, 2), ()),
    _one("put", "into itself", lambda x: x.at[:2].set(x[2:]), (4,)),
    _one("put", "a whole", lambda x, y: indexing.put(x, y, start=(), step=()), (), ()),
]

_JOINED = [
    _one("concatenate", "as it is", lambda x, y: T.concatenate([x, y]), (2,), (1,), bent=False),
    _one("concatenate", "along the last axis", lambda x, y, z: T.concatenate([x, y, z], -1), (2, 1), (2, 3), (2, 2)),
    _one("concatenate", "along the first axis", lambda x, y: T.concatenate([x, y], 0), (1, 2), (2, 2)),
    _one("concatenate", "one array twice", lambda x: T.concatenate([x, x * x, x]), (2,)),
    _one("stack", "as it is", lambda x, y: shape.stack(x, y, shape=(2,)), (2,), (2,), bent=False),
    _one("stack", "broadcasting", lambda x, y, z: shape.stack(x, y, z, shape=(3,)), (2, 1), (2,), ()),
    _one("stack", "two axes", lambda x, y: shape.stack(x, y, x * y, x, shape=(2, 2)), (2,), ()),
    _one("concatenate", "along a new axis", lambda x, y: T.stack([x, y, x], axis=0), (2,), (2,)),
    Specimen("concatenate", "of which one varies", squared(lambda x, y: T.concatenate([x, y])), _TWO_VECTORS, (1,)),
    Specimen("stack", "of which one varies", squared(lambda x, y: shape.stack(x, y, shape=(2,))), _TWO_VECTORS, (0,)),
]


def _gathered(name: str, operand: Shape, *indices: Any, bent: bool = True) -> Specimen:
    program = squared(positions.gather) if bent else positions.gather
    given = (Operand(operand, _ANY), *[Operand(np.shape(k), fixed(k), "int64") for k in indices])
    return Specimen("gather", name, program, given, (0,))


_GATHERED = [
    _gathered("as it is, one thrice", (3,), [2, 0, 2, 2], bent=False),
    _gathered("rows", (3, 2), [1, 1, 0]),
    _gathered("at places of two axes", (2, 3), [0, 1, 1, 0], [2, 0, 0, 1]),
    _gathered("where indices broadcast", (2, 3), [[1], [0]], [2, 0, 2]),
    _gathered("a table of places", (3,), [[0, 2], [2, 1]]),
    _gathered("outside the axis", (3,), [-4, 7, 1]),
    _one("gather", "by a mask", lambda x: x[x > 0], (5,)),
    _one("gather", "the places of maxima", lambda x: T.take_along_axis(x, T.argmax(x, 1, keepdims=True), 1), (2, 3)),
]


def _scattered(
    name: str, mode: str, operand: Shape, values: Shape, *indices: Any,
    bent: bool = True, conventions: tuple[Convention, ...] = (),
) -> Specimen:  # fmt: skip
    def program(x: Any, y: Any, *places: Any) -> Any:
        return positions.scatter(x, y, *places, mode=mode)

    given = (Operand(operand, _ANY), Operand(values, _ANY), *[Operand(np.shape(k), fixed(k), "int64") for k in indices])
    return Specimen("scatter", name, squared(program) if bent else program, given, (0, 1), conventions)


_THREE_WAYS = Convention(
    ([1.0, 2.0, 1.0], [1.0, 1.0, 1.0], [2, 0, 2]), ([0.5, 1.0, 1 / 3], [1 / 3, 0.5, 1 / 3])
)  # fmt: skip

_SCATTERED = [
    _scattered("set, one place twice", "set", (3,), (3,), [2, 0, 2], bent=False),
    _scattered("set, rows", "set", (3, 2), (2, 2), [1, 1]),
    _scattered("set, places of two axes", "set", (2, 3), (4,), [0, 1, 1, 0], [2, 0, 0, 1]),
    _scattered("add, one place twice", "add", (3,), (3,), [2, 0, 2], bent=False),
    _scattered("add, rows", "add", (3, 2), (2, 2), [1, 1]),
    _scattered("add, places that broadcast", "add", (2, 3), (2, 3), [[1], [0]], [2, 0, 2]),
    *[
        _scattered(
            f"{mode}, one place twice", mode, (3,), (3,), [2, 0, 2], bent=False, conventions=(_THREE_WAYS,)
        )
        for mode in ("maximum", "minimum")
    ],
    _scattered("maximum, rows", "maximum", (3, 2), (2, 2), [1, 1]),
    _scattered("minimum, rows", "minimum", (3, 2), (2, 2), [1, 1]),
]  # fmt: skip
