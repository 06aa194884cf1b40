"""Reductions over the axes in the attribute `axis` (canonical: ascending, non-negative); the reduced axes disappear.

`keepdims` is not an attribute: `graphopt.tensor` writes it as `expand_dims` of the reduction, the one form that
patterns need to know. The cotangent of `max` and `min` is shared evenly between elements that tie. Over no elements
they give the neutral element (`extreme`), as every reduction does; that NumPy's functions refuse to is the business of
`graphopt.tensor`, since a rewrite may take a maximum where the user wrote none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np

from graphopt import exact
from graphopt.dimensions import DimLike, product
from graphopt.errors import ShapeMismatch, TypeMismatch
from graphopt.op import Applied, Attributes, Op, TypeRule
from graphopt.ops.arithmetic import cast, multiply
from graphopt.ops.define import define
from graphopt.ops.logic import equal, where
from graphopt.ops.shape import broadcast_to, expand_dims, reshape, transpose
from graphopt.types import TensorType, Unify, is_float, shape_text

__all__ = ["all_", "any_", "extreme", "max_", "min_", "prod", "sum_", "sum_to"]

Axis = tuple[int, ...]


def reduced_shape(shape: tuple[DimLike, ...], axis: Axis) -> tuple[DimLike, ...]:
    """The shape without the reduced axes.

    Raises
    ------
    ShapeMismatch
        If an axis is outside the rank.
    """
    if any(not 0 <= position < len(shape) for position in axis):
        raise ShapeMismatch(f"axis {axis} is outside shape {shape_text(shape)}")
    return tuple(size for position, size in enumerate(shape) if position not in axis)


def _accumulator(dtype: str) -> str:
    """What sums and products of a dtype are held in, on every machine."""
    return dtype if is_float(dtype) else "uint64" if dtype.startswith("u") else "int64"


def _rule(accumulates: bool) -> TypeRule:
    def rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
        dtype = _accumulator(types[0].dtype) if accumulates else types[0].dtype
        return TensorType(dtype, reduced_shape(types[0].shape, attributes["axis"]))

    return rule


def _bool_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    if types[0].dtype != "bool":
        raise TypeMismatch(f"expected bool, found {types[0].dtype}")
    return TensorType("bool", reduced_shape(types[0].shape, attributes["axis"]))


def _over(function: Callable[[Any, Any], Any], initial: Any) -> Callable[..., Any]:
    """An exact reduction: fold a function of two mpmath scalars over the axes of an object array."""
    combine = np.frompyfunc(function, 2, 1)

    def reduce(x: Any, axis: Axis) -> Any:
        for position in sorted(axis, reverse=True):
            x = np.asarray(combine.reduce(x, axis=position, initial=initial), dtype=object)
        return x

    return reduce


def spread(y: Any, axis: Axis) -> Any:
    """A reduction's result with its reduced axes back as axes of length 1."""
    return expand_dims(y, axis=axis) if axis else y


def _sum_pullback(g: Any, node: Applied) -> Sequence[Any]:
    return (broadcast_to(spread(g, node.attributes["axis"]), shape=node.operands[0].shape),)


def _prod_pullback(g: Any, node: Applied) -> Sequence[Any]:
    """The product of the others, by running products from both ends: nothing is divided, so that zeros do no harm."""
    from graphopt.ops.running import others

    x, axis = node.operands[0], node.attributes["axis"]
    if not axis:
        return (g,)
    kept = tuple(k for k in range(x.ndim) if k not in axis)
    order = (*kept, *axis)
    rows = transpose(x, axes=order) if order != tuple(range(x.ndim)) else x
    together = reshape(rows, shape=(*(x.shape[k] for k in kept), product(x.shape[k] for k in axis)))
    slope = reshape(others(together, len(kept)), shape=tuple(rows.shape))
    back = tuple(order.index(k) for k in range(x.ndim))
    return (multiply(spread(g, axis), transpose(slope, axes=back) if back != tuple(range(x.ndim)) else slope),)


def _extremum_pullback(g: Any, node: Applied) -> Sequence[Any]:
    x, axis = node.operands[0], node.attributes["axis"]
    wins = equal(x, spread(node.result, axis))
    return (where(wins, spread(g / sum_(cast(wins, dtype=x.dtype), axis=axis), axis), 0),)


def extreme(dtype: str, largest: bool) -> bool | int | float:
    """The largest or smallest value of a dtype, infinities included."""
    if dtype == "bool":
        return largest
    if is_float(dtype):
        return np.inf if largest else -np.inf
    return int(np.iinfo(dtype).max if largest else np.iinfo(dtype).min)


def _np_sum(x: Any, axis: Axis) -> Any:
    return np.sum(x, axis=axis, dtype=_accumulator(x.dtype.name))


def _np_prod(x: Any, axis: Axis) -> Any:
    return np.prod(x, axis=axis, dtype=_accumulator(x.dtype.name))


def _np_max(x: Any, axis: Axis) -> Any:
    return np.max(x, axis=axis, initial=extreme(x.dtype.name, largest=False))


def _np_min(x: Any, axis: Axis) -> Any:
    return np.min(x, axis=axis, initial=extreme(x.dtype.name, largest=True))


def _reduction(
    name: str, rule: TypeRule, numpy: Callable[..., Any], exact: Callable[..., Any] | None, pullback: Any,
    traits: str = "", **more: Any,
) -> Op:  # fmt: skip
    return define(
        Op(
            name,
            1,
            rule,
            lambda x, axis: numpy(x, axis=axis),
            exact,
            pullback,
            traits=frozenset({"reduction", *traits.split()}),
            **more,
        )
    )


def _no_pullback(g: Any, node: Applied) -> Sequence[Any]:
    return (None,)


def _to_bool(kinds: tuple[Any, ...]) -> tuple[str, ...]:
    return ("bool",)


sum_ = _reduction(
    "sum", _rule(True), _np_sum, _over(lambda a, b: a + b, mpmath.mpf(0)), _sum_pullback,
    traits="linear", cost=1,
)  # fmt: skip
prod = _reduction("prod", _rule(True), _np_prod, _over(lambda a, b: a * b, mpmath.mpf(1)), _prod_pullback, cost=1)
max_ = _reduction("max", _rule(False), _np_max, _over(exact.maximum, -mpmath.inf), _extremum_pullback, cost=1)
min_ = _reduction("min", _rule(False), _np_min, _over(exact.minimum, mpmath.inf), _extremum_pullback, cost=1)
any_ = _reduction("any", _bool_rule, np.any, np.any, _no_pullback, operand_dtypes=_to_bool)
all_ = _reduction("all", _bool_rule, np.all, np.all, _no_pullback, operand_dtypes=_to_bool)


def sum_to(g: Any, shape: tuple[DimLike, ...]) -> Any:
    """Undo broadcasting: sum `g` over the axes that were stretched to get from `shape` to `g`'s shape."""
    if g.shape == tuple(shape):
        return g
    lead = g.ndim - len(shape)
    stretched = tuple(k for k, size in enumerate(shape) if size == 1 and g.shape[lead + k] != 1)
    axis = (*range(lead), *(lead + k for k in stretched))
    return spread(sum_(g, axis=axis) if axis else g, stretched)
