"""Results whose shape depends on values: the positions at which a mask is true.

The attribute `count` names the length. Where the name is known otherwise, as the length of an argument say, running the
op checks it; where not, running the op settles it, and everything that mentions it comes after.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.errors import ShapeMismatch, TypeMismatch
from graphopt.op import Attributes, Op
from graphopt.ops.define import define
from graphopt.types import TensorType, Unify, shape_text

__all__ = ["nonzero"]


def _rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    (mask,) = types
    if mask.dtype != "bool":
        raise TypeMismatch(f"positions are counted in an array of bool, found {mask}; compare it with something")
    if mask.ndim != 1:
        raise ShapeMismatch(f"positions are counted along one axis, found shape {shape_text(mask.shape)}")
    return TensorType("int64", (attributes["count"],))


def _positions(mask: Any, count: int | None = None) -> Any:
    return np.flatnonzero(mask)


nonzero: Op = define(Op("nonzero", 1, _rule, _positions, _positions, traits=frozenset({"counting"})))
"""The positions of the true elements of a vector, ascending."""
