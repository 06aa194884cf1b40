"""Orders along the one axis in the attribute `axis`: elements, and where they come from; places in sorted vectors.

Sorting is stable and NaN comes last, as in NumPy; the host does it. A sorted place has the derivative of the element
that the stable order puts there, also where elements are equal.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Any

import mpmath
import numpy as np

from graphopt.errors import InvalidArgument, ShapeMismatch
from graphopt.op import Applied, Attributes, Op
from graphopt.ops.define import define
from graphopt.ops.gather import gather
from graphopt.ops.leaves import iota
from graphopt.ops.shape import expand_dims
from graphopt.ops.signatures import ufunc_signature
from graphopt.types import TensorType, Unify, shape_text

__all__ = ["SIDES", "argsort", "searchsorted", "sort", "take_along"]

HOST = frozenset({"host"})
SIDES = {"left": bisect.bisect_left, "right": bisect.bisect_right}
"""Before or behind equal elements."""


# --- types -----------------------------------------------------------------------------------------------------------


def _sort_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    (axis,) = attributes["axis"]
    if not 0 <= axis < types[0].ndim:
        raise ShapeMismatch(f"axis {axis} is outside an array of rank {types[0].ndim}")
    return types[0]


def _argsort_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    return TensorType("int64", _sort_rule(types, attributes, unify).shape)


def _searchsorted_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    if attributes["side"] not in SIDES:
        raise InvalidArgument(f"side {attributes['side']!r} of searchsorted: expected one of {', '.join(SIDES)}")
    if types[0].ndim != 1:
        raise ShapeMismatch(f"searchsorted takes a sorted vector, found shape {shape_text(types[0].shape)}")
    return TensorType("int64", types[1].shape)


# --- exact meaning ---------------------------------------------------------------------------------------------------


def _key(x: Any) -> tuple[bool, Any]:
    return (True, 0) if mpmath.isnan(x) else (False, x)


def _exact_argsort(x: Any, axis: tuple[int, ...]) -> Any:
    rows = np.moveaxis(x, axis[0], -1)
    order = np.empty(rows.shape, np.int64)
    for index in np.ndindex(*rows.shape[:-1]):
        order[index] = sorted(range(rows.shape[-1]), key=lambda k, row=rows[index]: _key(row[k]))  # type: ignore[misc]
    return np.moveaxis(order, -1, axis[0])


def _exact_sort(x: Any, axis: tuple[int, ...]) -> Any:
    return np.take_along_axis(x, _exact_argsort(x, axis), axis[0])


def _exact_searchsorted(a: Any, v: Any, side: str) -> Any:
    found = [SIDES[side](a, _key(x), key=_key) for x in v.flat]
    return np.array(found, np.int64).reshape(v.shape)


# --- derivatives -----------------------------------------------------------------------------------------------------


def take_along(x: Any, positions: Any, axis: int) -> Any:
    """The elements at positions along an axis: one for each of `positions`, whose other sizes are those of `x`."""
    n = len(x.shape)
    others = [expand_dims(iota(size=size), axis=tuple(j for j in range(n) if j != k)) if n > 1 else iota(size=size)
              for k, size in enumerate(x.shape)]  # fmt: skip
    return gather(x, *[positions if k == axis else other for k, other in enumerate(others)])


def _unsort(g: Any, node: Applied) -> Sequence[Any]:
    """Each element takes the cotangent of its place in the order, which is the order of the order."""
    axis = node.attributes["axis"]
    places = argsort(argsort(node.operands[0], axis=axis), axis=axis)
    return (take_along(g, places, axis[0]),)


def _push_sort(tangents: Sequence[Any], node: Applied) -> Any:
    """Tangents move as their elements do."""
    axis = node.attributes["axis"]
    return take_along(tangents[0], argsort(node.operands[0], axis=axis), axis[0])


# --- ops -------------------------------------------------------------------------------------------------------------

sort: Op = define(
    Op(
        "sort", 1, _sort_rule, lambda x, axis: np.sort(x, axis[0], stable=True), _exact_sort, _unsort,
        traits=HOST, cost=20, pushforward=_push_sort,
    )
)  # fmt: skip
argsort: Op = define(
    Op(
        "argsort", 1, _argsort_rule, lambda x, axis: np.argsort(x, axis[0], stable=True), _exact_argsort,
        lambda g, node: (None,),
        traits=HOST, cost=20,
    )
)  # fmt: skip
searchsorted: Op = define(
    Op(
        "searchsorted", 2, _searchsorted_rule, lambda a, v, side: np.searchsorted(a, v, side), _exact_searchsorted,
        operand_dtypes=lambda kinds: ufunc_signature(np.maximum)(kinds)[0],
        traits=HOST, cost=10,
    )
)  # fmt: skip
"""How many elements of a sorted vector come before each value."""
