"""Ops that select parts of arrays and put parts together: slices, writing into a part, concatenation.

Attributes are canonical: a part is given by the position of its first element along every axis, a step, and its shape.
Whether it lies within the array is checked where sizes are known, and otherwise made a guard that the call checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt.dimensions import DimLike, opaque
from graphopt.errors import ShapeMismatch
from graphopt.op import Applied, Attributes, Op
from graphopt.ops.define import define
from graphopt.ops.leaves import constant
from graphopt.ops.shape import VIEW
from graphopt.types import TensorType, Unify, shape_text

__all__ = ["concatenate", "put", "slice_"]


def _region(start: Sequence[int], step: Sequence[int], shape: Sequence[int]) -> tuple[slice, ...]:
    """A part as Python's slices, every dimension already an integer."""
    result = []
    for first, by, size in zip(start, step, shape, strict=True):
        stop = first + by * size
        result.append(slice(first, None if stop < 0 else stop, by) if size else slice(0, 0))
    return tuple(result)


def _check_region(size: DimLike, first: DimLike, by: int, count: DimLike, unify: Unify) -> None:
    """Raise unless `count` elements from `first` on lie within `size`; where that depends on names, make it a guard."""
    if count == 0:
        return
    last = first + by * (count - 1)
    low, high = (first, last) if by > 0 else (last, first)
    if isinstance(low, int):
        if low < 0:
            raise ShapeMismatch(f"the part begins at {low}, before the first of {size} elements")
    elif isinstance(count, int):  # counted from the end, as x[-5]
        unify(opaque("min", low, 0), 0)
    room = size - 1 - high
    if isinstance(room, int):
        if room < 0:
            raise ShapeMismatch(f"the part reaches element {high} of an axis of {size} elements")
    elif isinstance(count, int):  # other lengths are computed from the size, and so fit
        unify(opaque("min", size, high + 1), high + 1)


def _slice_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    start, step, shape = attributes["start"], attributes["step"], attributes["shape"]
    if not len(start) == len(step) == len(shape) == types[0].ndim:
        raise ShapeMismatch(f"a part {start}, {step}, {shape} of an array of rank {types[0].ndim}")
    for axis, size in enumerate(types[0].shape):
        _check_region(size, start[axis], step[axis], shape[axis], unify)
    return types[0].with_shape(shape)


def _put_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    whole, part = types
    if part.dtype != whole.dtype:
        raise ShapeMismatch(f"a part of dtype {part.dtype} is put into an array of {whole.dtype}")
    if part.ndim != whole.ndim or len(attributes["start"]) != whole.ndim:
        raise ShapeMismatch(f"a part of shape {shape_text(part.shape)} is put into {shape_text(whole.shape)}")
    for axis, size in enumerate(whole.shape):
        _check_region(size, attributes["start"][axis], attributes["step"][axis], part.shape[axis], unify)
    return whole


def _put(whole: Any, part: Any, start: Sequence[int], step: Sequence[int]) -> Any:
    if not whole.ndim:
        return np.array(part)
    result = np.array(whole)
    result[_region(start, step, part.shape)] = part
    return result


def _concatenate_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    (axis,) = attributes["axis"]
    first, *others = types
    sizes = list(first.shape)
    for other in others:
        if other.dtype != first.dtype or other.ndim != first.ndim:
            raise ShapeMismatch(f"{first} and {other} cannot be joined along axis {axis}")
        for k, size in enumerate(other.shape):
            try:
                sizes[k] = sizes[k] + size if k == axis else unify(sizes[k], size)
            except ShapeMismatch:
                shapes = f"{shape_text(first.shape)} and {shape_text(other.shape)}"
                raise ShapeMismatch(
                    f"shapes {shapes} cannot be joined along axis {axis}: sizes {sizes[k]} and {size} meet at axis {k}"
                ) from None
    return first.with_shape(sizes)


def _zeros(dtype: str, shape: Sequence[DimLike]) -> Any:
    return constant(value=0.0, dtype=dtype, shape=tuple(shape))


def _unslice(g: Any, node: Applied) -> tuple[Any]:
    whole = _zeros(g.dtype, node.operands[0].shape)
    return (put(whole, g, start=node.attributes["start"], step=node.attributes["step"]),)


def _unput(g: Any, node: Applied) -> tuple[Any, Any]:
    where, shape = {"start": node.attributes["start"], "step": node.attributes["step"]}, node.operands[1].shape
    return put(g, _zeros(g.dtype, shape), **where), slice_(g, shape=tuple(shape), **where)


def _unconcatenate(g: Any, node: Applied) -> tuple[Any, ...]:
    (axis,) = node.attributes["axis"]
    begin: DimLike = 0
    parts = []
    for operand in node.operands:
        start = tuple(begin if k == axis else 0 for k in range(g.ndim))
        parts.append(slice_(g, start=start, step=(1,) * g.ndim, shape=tuple(operand.shape)))
        begin = begin + operand.shape[axis]
    return tuple(parts)


def _sliced(x: Any, start: Sequence[int], step: Sequence[int], shape: Sequence[int]) -> Any:
    return x[_region(start, step, shape)]


slice_: Op = define(Op("slice", 1, _slice_rule, _sliced, _sliced, _unslice, traits=VIEW))
put: Op = define(Op("put", 2, _put_rule, _put, _put, _unput, traits=frozenset({"linear"})))
concatenate: Op = define(
    Op(
        "concatenate", None, _concatenate_rule,
        lambda *arrays, axis: np.concatenate(arrays, axis[0]), lambda *arrays, axis: np.concatenate(arrays, axis[0]),
        _unconcatenate,
        traits=frozenset({"linear"}),
    )
)  # fmt: skip
