"""Ops that move elements without computing. Axes are canonical: non-negative, within the rank, in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.errors import ShapeMismatch
from graphopt.op import Applied, Attributes, Op
from graphopt.ops.define import define
from graphopt.ops.leaves import constant
from graphopt.types import TensorType, Unify, broadcast, shape_text

__all__ = ["broadcast_to", "expand_dims", "reshape", "squeeze", "stack", "transpose"]

VIEW = frozenset({"linear", "view"})


def _expand_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    axis, shape = attributes["axis"], list(types[0].shape)
    for position in axis:
        if position > len(shape):
            raise ShapeMismatch(f"cannot insert axis {position} into shape {shape_text(types[0].shape)}")
        shape.insert(position, 1)
    return types[0].with_shape(shape)


def _squeeze_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    for axis in attributes["axis"]:
        if axis >= types[0].ndim or types[0].shape[axis] != 1:
            raise ShapeMismatch(f"axis {axis} of shape {shape_text(types[0].shape)} is not 1: cannot drop it")
    return types[0].with_shape([size for axis, size in enumerate(types[0].shape) if axis not in attributes["axis"]])


def _transpose_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    axes = attributes["axes"]
    if sorted(axes) != list(range(types[0].ndim)):
        raise ShapeMismatch(f"{axes} does not permute the {types[0].ndim} axes of shape {shape_text(types[0].shape)}")
    return types[0].with_shape([types[0].shape[axis] for axis in axes])


def _reshape_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    result = types[0].with_shape(attributes["shape"])
    try:
        unify(types[0].size, result.size)
    except ShapeMismatch:
        raise ShapeMismatch(
            f"cannot reshape {shape_text(types[0].shape)} to {shape_text(result.shape)}: "
            f"{types[0].size} elements are not {result.size}"
        ) from None
    return result


def _broadcast_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    shape = attributes["shape"]
    if len(shape) < types[0].ndim:
        raise ShapeMismatch(f"cannot broadcast {shape_text(types[0].shape)} to the lower rank of {shape_text(shape)}")
    padded = (1,) * (len(shape) - types[0].ndim) + types[0].shape
    for axis, (size, target) in enumerate(zip(padded, shape, strict=True)):
        if size != 1 and target == 1:
            raise ShapeMismatch(f"cannot broadcast {shape_text(types[0].shape)} to {shape_text(shape)} at axis {axis}")
    broadcast((padded, shape), unify)
    return types[0].with_shape(shape)


def _stack_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    shape = broadcast([t.shape for t in types], unify)
    if int(np.prod(attributes["shape"])) != len(types):
        raise ShapeMismatch(f"{len(types)} operands do not fill the shape {shape_text(attributes['shape'])}")
    if len({t.dtype for t in types}) != 1:
        raise ShapeMismatch(f"operands of stack have different dtypes: {', '.join(sorted({t.dtype for t in types}))}")
    return TensorType(types[0].dtype, (*shape, *attributes["shape"]))


def _stack(*arrays: Any, shape: tuple[int, ...]) -> Any:
    arrays = np.broadcast_arrays(*arrays)
    return np.stack(arrays, axis=-1).reshape(*arrays[0].shape, *shape)


def _unexpand(g: Any, node: Applied) -> tuple[Any]:
    return (squeeze(g, axis=node.attributes["axis"]),)


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def _expand(x: Any, axis: tuple[int, ...]) -> Any:
    for position in axis:
        x = np.expand_dims(x, position)
    return x


def _unbroadcast(g: Any, node: Applied) -> tuple[Any]:
    from graphopt.ops.reduction import sum_to

    return (sum_to(g, node.operands[0].shape),)


expand_dims = define(Op("expand_dims", 1, _expand_rule, _expand, _expand, _unexpand, traits=VIEW))
squeeze = define(
    Op(
        "squeeze", 1, _squeeze_rule, lambda x, axis: np.squeeze(x, axis), lambda x, axis: np.squeeze(x, axis),
        lambda g, node: (expand_dims(g, axis=node.attributes["axis"]),),
        traits=VIEW,
    )
)  # fmt: skip
transpose: Op = define(
    Op(
        "transpose", 1, _transpose_rule, lambda x, axes: np.transpose(x, axes), lambda x, axes: np.transpose(x, axes),
        lambda g, node: (transpose(g, axes=_inverse(node.attributes["axes"])),),
        traits=VIEW,
    )
)  # fmt: skip
reshape: Op = define(
    Op(
        "reshape", 1, _reshape_rule, lambda x, shape: np.reshape(x, shape), lambda x, shape: np.reshape(x, shape),
        lambda g, node: (reshape(g, shape=node.operands[0].shape),),
        traits=VIEW,
    )
)  # fmt: skip
broadcast_to = define(
    Op(
        "broadcast_to", 1, _broadcast_rule,
        lambda x, shape: np.broadcast_to(x, shape), lambda x, shape: np.broadcast_to(x, shape),
        _unbroadcast,
        traits=VIEW,
    )
)  # fmt: skip


def _unstack(g: Any, node: Applied) -> tuple[Any, ...]:
    from graphopt.ops.reduction import sum_to

    pieces = len(node.operands)
    lead = node.result.ndim - len(node.attributes["shape"])
    flat = reshape(g, shape=(*node.result.shape[:lead], pieces))
    return tuple(sum_to(pick(flat, index=k), node.operands[k].shape) for k in range(pieces))


def _pick_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    size = types[0].shape[-1] if types[0].shape else None
    if not isinstance(size, int) or not 0 <= attributes["index"] < size:
        shape = shape_text(types[0].shape)
        raise ShapeMismatch(f"index {attributes['index']} is outside the last axis of shape {shape}")
    return types[0].with_shape(types[0].shape[:-1])


def _unpick(g: Any, node: Applied) -> tuple[Any]:
    from graphopt.ops.indexing import put

    whole, last = node.operands[0], g.ndim
    zeros = constant(value=0.0, dtype=g.dtype, shape=tuple(whole.shape))
    start = (*(0,) * last, node.attributes["index"])
    return (put(zeros, expand_dims(g, axis=(last,)), start=start, step=(1,) * whole.ndim),)


stack = define(Op("stack", None, _stack_rule, _stack, _stack, _unstack, traits=frozenset({"linear"})))
pick = define(
    Op(
        "pick", 1, _pick_rule, lambda x, index: x[..., index], lambda x, index: x[..., index], _unpick, traits=VIEW,
    )
)  # fmt: skip
