"""Ops without operands: inputs, constants, sizes, positions along an axis; and `barrier`, which holds a value apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.op import Attributes, Op
from graphopt.ops.define import define
from graphopt.types import TensorType, Unify

__all__ = ["ArrayConstant", "barrier", "constant", "dimension", "input_", "iota"]


class ArrayConstant:
    """A read-only array that is hashable by its contents, so that equal constants can be merged."""

    __slots__ = ("_hash", "array")

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = np.array(array, order="C")
        self.array.flags.writeable = False
        self._hash = hash((self.array.dtype.str, self.array.shape, self.array.tobytes()))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, ArrayConstant)
            and self._hash == other._hash
            and self.array.shape == other.array.shape
            and self.array.tobytes() == other.array.tobytes()
        )

    def __repr__(self) -> str:
        return f"array({np.array2string(self.array.reshape(-1)[:4], separator=', ')}…)"


def _constant_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    return TensorType(attributes["dtype"], attributes["shape"])


def _constant(value: Any, dtype: str, shape: tuple[int, ...]) -> Any:
    if isinstance(value, ArrayConstant):
        return value.array
    return np.full(shape, value, dtype)


constant = define(
    Op(
        name="constant",
        arity=0,
        type_rule=_constant_rule,
        numpy=_constant,
        traits=frozenset({"leaf"}),
    )
)

dimension = define(
    Op(
        name="dimension",
        arity=0,
        type_rule=lambda types, attributes, unify: TensorType(attributes["dtype"]),
        numpy=lambda value, dtype: np.asarray(value, dtype),
        traits=frozenset({"leaf"}),
    )
)


def _input_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    return TensorType(attributes["dtype"], attributes["shape"])


input_ = define(Op(name="input", arity=0, type_rule=_input_rule, traits=frozenset({"leaf"})))

iota = define(
    Op(
        name="iota",
        arity=0,
        type_rule=lambda types, attributes, unify: TensorType("int64", (attributes["size"],)),
        numpy=lambda size: np.arange(size, dtype=np.int64),
        traits=frozenset({"leaf"}),
    )
)
"""The positions 0, 1, …, size - 1. An element is its own index: a view of it is an index map, and takes no memory."""

barrier = define(
    Op(
        name="barrier",
        arity=1,
        type_rule=lambda types, attributes, unify: types[0],
        numpy=lambda x, tag=0: x,  # values held for different reasons have different tags, so that none are merged
        exact=lambda x, tag=0: x,
        pullback=lambda g, node: (g,),
        traits=frozenset({"elementwise", "hold"}),
    )
)
