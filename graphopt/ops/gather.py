"""Elements chosen by arrays of positions: `gather` reads, `scatter` writes them. They are each other's derivatives.

Indices address the first axes of an array and broadcast against each other, as NumPy's integer arrays do. Both ops are
total: an index outside an axis counts as the nearest one within, so that a program is safe to run whatever it is given.
That such an index is an error is said by `graphopt.tensor`, which adds a check of its own. An empty axis has no nearest
position: a guard says that there must not be an index into one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.dimensions import Dim, DimLike, counted, opaque, product
from graphopt.errors import InvalidArgument, ShapeMismatch, TypeMismatch
from graphopt.op import Applied, Attributes, Op
from graphopt.ops.define import define
from graphopt.ops.leaves import constant, iota
from graphopt.ops.logic import equal, where
from graphopt.ops.shape import expand_dims, reshape
from graphopt.types import TensorType, Unify, broadcast, shape_text

__all__ = ["MODES", "gather", "scatter"]

MODES = {"set": None, "add": np.add, "maximum": np.maximum, "minimum": np.minimum}
"""What `scatter` does where something stands already. Positions that occur twice are done in order: the last is set."""


def _positions(whole: TensorType, indices: tuple[TensorType, ...], unify: Unify) -> tuple[DimLike, ...]:
    """The shape that the indices have together; with a guard for every axis that may be empty."""
    if not 1 <= len(indices) <= whole.ndim:
        raise ShapeMismatch(f"{len(indices)} indices into an array of shape {shape_text(whole.shape)}")
    if wrong := [index for index in indices if index.dtype != "int64"]:
        raise TypeMismatch(f"indices are int64, found {wrong[0]}")
    shape = broadcast([index.shape for index in indices], unify)
    count = product(shape)
    if _are_true_in_a_mask(count, whole.shape[: len(indices)]):
        return shape
    for size in whole.shape[: len(indices)]:
        if (isinstance(size, int) and size > 0) or count == 0 or size == count:
            continue
        if size == 0 and isinstance(count, int):
            raise ShapeMismatch(f"{count} indices into an axis without elements, of shape {shape_text(whole.shape)}")
        some = opaque("min", count, 1)
        unify(some * opaque("min", size, 1), some)
    return shape


def _are_true_in_a_mask(count: DimLike, axes: tuple[DimLike, ...]) -> bool:
    """Whether positions are as many as a mask of the same axes has true elements: then there are none in empty axes."""
    symbol = count.symbol if isinstance(count, Dim) else None
    return any(name == symbol and name.of.operands[0].type.size == product(axes) for name in counted(count))


def _gather_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    whole, *indices = types
    return whole.with_shape((*_positions(whole, tuple(indices), unify), *whole.shape[len(indices) :]))


def _scatter_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    whole, values, *indices = types
    if attributes["mode"] not in MODES:
        raise InvalidArgument(f"mode {attributes['mode']!r} of scatter: expected one of {', '.join(MODES)}")
    shape = (*_positions(whole, tuple(indices), unify), *whole.shape[len(indices) :])
    if values.dtype != whole.dtype or values.ndim != len(shape):
        raise ShapeMismatch(f"{values} is written to places of type {whole.with_shape(shape)}")
    for found, wanted in zip(values.shape, shape, strict=True):
        unify(found, wanted)
    return whole


def _within(whole: Any, indices: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(np.clip(index, 0, max(size - 1, 0)) for index, size in zip(indices, whole.shape, strict=False))


def _chooses_nothing(indices: tuple[Any, ...]) -> bool:
    """Whether there are no positions at all: NumPy looks at an index into an empty axis even then, and refuses it."""
    return 0 in np.broadcast_shapes(*(np.shape(index) for index in indices))


def _gather(whole: Any, *indices: Any) -> Any:
    if _chooses_nothing(indices):
        shape = np.broadcast_shapes(*(np.shape(index) for index in indices))
        return np.empty((*shape, *whole.shape[len(indices) :]), whole.dtype)
    return whole[_within(whole, indices)]


def _scatter(whole: Any, values: Any, *indices: Any, mode: str) -> Any:
    result, combine = np.array(whole), MODES[mode]
    if _chooses_nothing(indices):
        return result
    if combine is None:
        result[_within(whole, indices)] = values
    else:
        combine.at(result, _within(whole, indices), values)
    return result


def _full(value: Any, dtype: str, shape: Any) -> Any:
    return constant(value=value, dtype=dtype, shape=tuple(shape))


def _ungather(g: Any, node: Applied) -> tuple[Any, ...]:
    whole, *indices = node.operands
    return (scatter(_full(0.0, g.dtype, whole.shape), g, *indices, mode="add"), *[None] * len(indices))


def _unscatter(g: Any, node: Applied) -> tuple[Any, ...]:
    whole, values, *indices = node.operands
    mode, rest = node.attributes["mode"], [None] * len(indices)
    if mode == "add":
        return (g, gather(g, *indices), *rest)
    if mode == "set":
        kept = scatter(g, _full(0.0, g.dtype, values.shape), *indices, mode="set")
        return (kept, where(_is_last(whole, values, indices), gather(g, *indices), 0), *rest)
    stayed, written = equal(whole, node.result), equal(values, gather(node.result, *indices))
    ones, zeros = _full(1.0, g.dtype, whole.shape), _full(0.0, g.dtype, whole.shape)
    ties = scatter(
        where(stayed, ones, zeros), where(written, 1.0, _full(0.0, g.dtype, values.shape)), *indices, mode="add"
    )
    share = g / ties
    return (where(stayed, share, 0), where(written, gather(share, *indices), 0), *rest)


def _is_last(whole: Any, values: Any, indices: list[Any]) -> Any:
    """Whether a value is the last of those written to its place, and so the one that stands there."""
    count = len(indices)
    shape = tuple(values.shape[: len(values.shape) - (len(whole.shape) - count)])
    number = reshape(iota(size=product(shape)), shape=shape)
    last = scatter(_full(0, "int64", whole.shape[:count]), number, *indices, mode="set")
    axes = tuple(range(len(shape), len(values.shape)))
    mine = equal(gather(last, *indices), number)
    return expand_dims(mine, axis=axes) if axes else mine


gather: Op = define(Op("gather", None, _gather_rule, _gather, _gather, _ungather, traits=frozenset({"linear"})))
scatter: Op = define(Op("scatter", None, _scatter_rule, _scatter, _scatter, _unscatter, cost=1))
