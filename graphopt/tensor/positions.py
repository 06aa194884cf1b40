"""Where a mask is true: arrays of positions, as many as the mask has true elements.

A mask that is known gives constants. One that is computed gives arrays of a length that the program counts when it
runs: a dimension of its own, which is `x[mask].shape[0]`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.dimensions import counted_dim, product
from graphopt.errors import UnsupportedExpression
from graphopt.ops.arithmetic import floor_divide, remainder
from graphopt.ops.data_dependent import nonzero
from graphopt.ops.leaves import ArrayConstant, constant
from graphopt.ops.shape import reshape
from graphopt.variable import Variable, as_variable, caller

__all__ = ["is_known", "positions"]


def is_known(mask: Variable) -> bool:
    """Whether the values of an array are known while the program is built."""
    return mask.op is constant and isinstance(mask.attributes["value"], ArrayConstant)


def positions(mask: Variable) -> list[Any]:
    """By axis of a mask, where its true elements lie, row by row: int64.

    Raises
    ------
    UnsupportedExpression
        If the mask has no axes.
    """
    if not mask.ndim:
        raise UnsupportedExpression(f"a single truth value has no positions, found {mask}; use T.where; at {caller()}")
    if is_known(mask):
        return [as_variable(found) for found in np.nonzero(mask.attributes["value"].array)]
    flat = reshape(mask, shape=(mask.size,)) if mask.ndim > 1 else mask
    place = counted_dim(lambda count: nonzero(flat, count=count))
    found = []
    for axis, size in enumerate(mask.shape):
        stride = product(mask.shape[axis + 1 :])
        index = place if stride == 1 else floor_divide(place, stride)
        found.append(index if axis == 0 else remainder(index, size))
    return found
