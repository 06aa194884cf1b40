"""Sums and products over indices, without a loop: each index becomes an axis in front, which is then reduced.

In Sum(a[i]·b[j], (i, 0, n−1)) the element a[i] is the whole array with its axis turned to the front. The innermost
index is the first axis, so that what does not depend on it broadcasts by itself. An index has to run over the whole
axis it stands on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sympy import Idx, Indexed, Integer, Product, Sum
from sympy.matrices.expressions.matexpr import MatrixElement
from sympy.tensor.array.expressions.array_expressions import ArrayElement

from graphopt.dimensions import Dim, DimLike, anonymous_dim
from graphopt.frontend.builder import Value
from graphopt.frontend.describe import describe, unsupported
from graphopt.frontend.form import Axis, Form, Reader, nothing
from graphopt.frontend.leaves import ARRAYS, size_of
from graphopt.op import Op
from graphopt.ops import arithmetic as a
from graphopt.ops import reduction, shape
from graphopt.types import is_float
from graphopt.variable import Variable, as_variable

__all__ = ["FORMS", "bounds", "index_values"]

DEEPEST = 32  # sums within sums
LONGEST = 1_000_000  # values of an index that is used as a number


def bounds(node: Any) -> list[Axis]:
    """The indices of a sum with their ranges, outermost first."""
    found = []
    for limit in reversed(node.args[1:]):
        index, *ends = limit.args if hasattr(limit, "args") and not isinstance(limit, Idx) else (limit,)
        if not ends and isinstance(index, Idx) and index.lower is not None:
            ends = [index.lower, index.upper]
        if len(ends) != 2:
            raise unsupported(node, f"the index {index} needs a lower and an upper bound")
        try:
            extent = size_of(ends[1]) - size_of(ends[0]) + 1
        except Exception as error:
            raise unsupported(node, f"the range of {index} has no known size: {error}") from None
        found.append(Axis(index, ends[0], extent))
    return found


def _reduction(op: Op, repeated: Op) -> Form:
    def build(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
        if len(reader.axes) + len(node.args) > DEEPEST:
            raise unsupported(node, f"sums are nested more than {DEEPEST} deep")
        axes = bounds(node)
        names = {axis.index for axis in axes} | {axis.index for axis in reader.axes}
        if len(names) < len(axes) + len(reader.axes):
            raise unsupported(node, "two sums, one within the other, use the same index; rename one")
        if any(names & limit.free_symbols for limit in node.args[1:] for limit in limit.args[1:]):
            raise unsupported(node, "the range of an index depends on another index; only rectangular ranges are known")
        inner = reader
        for axis in axes:
            inner = inner.within(axis)
        value = inner.read(node.args[0])
        for depth, axis in reversed(list(enumerate(axes))):
            full = len(reader.axes) + depth + 1 + reader.leaves.ambient_rank
            if isinstance(axis.extent, int) and axis.extent <= 0:
                value = 0 if op is reduction.sum_ else 1
            elif isinstance(value, Variable) and value.ndim == full:
                value = reader.apply(op, value, axis=(0,))
            else:  # the body does not depend on this index
                value = reader.apply(repeated, value, axis.extent)
        return value

    return Form(nothing, build)


def index_values(reader: Reader, position: int) -> Value:
    """A summation index used as a number: its values, along its axis."""
    axis = reader.axes[position]
    if not isinstance(axis.low, Integer) or not isinstance(axis.extent, int) or axis.extent > LONGEST:
        raise unsupported(axis.index, f"an index used as a number needs a range of at most {LONGEST} known integers")
    numbers = np.arange(int(axis.low), int(axis.low) + axis.extent)
    dtype = reader.builder.dtype if is_float(reader.builder.dtype) else "int64"
    values = as_variable(numbers.astype(dtype))
    return _aligned(reader, values, [position])


def _aligned(reader: Reader, value: Variable, positions: Sequence[int]) -> Value:
    """An array whose axes belong to the indices at these positions, with axes so that it broadcasts with the others."""
    order = sorted(range(len(positions)), key=positions.__getitem__)
    result: Value = value
    if order != list(range(len(order))):
        result = reader.apply(shape.transpose, result, axes=tuple(order))
    if not positions:
        return result
    first, last = min(positions), len(reader.axes) + reader.leaves.ambient_rank
    missing = tuple(position - first for position in range(first, last) if position not in positions)
    return reader.apply(shape.expand_dims, result, axis=missing) if missing else result


def _element(reader: Reader, node: Any, base: Any, indices: Sequence[Any]) -> Value:
    """An element of an array: indices that are summed over become axes, known integers pick."""
    position_of = {axis.index: position for position, axis in enumerate(reader.axes)}
    positions = [None if isinstance(index, Integer) else position_of.get(index, -1) for index in indices]
    for index, position in zip(indices, positions, strict=True):
        if position == -1:
            raise unsupported(
                node,
                f"the index {describe(index)} is neither an integer nor summed over by itself; indices that are "
                "shifted, computed or free have no meaning here yet",
            )
    kept = [position for position in positions if position is not None]
    if len(set(kept)) < len(kept):
        raise unsupported(node, "an index stands twice: diagonals have no meaning here yet")
    sizes = tuple([anonymous_dim() if position is None else reader.axes[position].extent for position in positions])
    value = _array(reader, node, base, sizes)
    if value.ndim != len(indices):
        raise unsupported(node, f"{len(indices)} indices on an array of type {value.type}")
    for axis in reversed(range(len(indices))):
        index, position, size = indices[axis], positions[axis], value.shape[axis]
        if position is not None:
            if sizes[axis] != size and not _unnamed(size):
                raise unsupported(
                    node,
                    f"{index} runs over {sizes[axis]} values, but the axis has {size}; only whole axes are summed over",
                )
            continue
        if not isinstance(size, int) or not 0 <= int(index) < size:
            raise unsupported(node, f"index {index} needs an axis of a known size above it, found {value.type}")
        if axis != value.ndim - 1:
            axes = (*range(axis), *range(axis + 1, value.ndim), axis)
            value = reader.builder.apply(shape.transpose, value, axes=axes)
        value = reader.builder.apply(shape.pick, value, index=int(index))
    return _aligned(reader, value, kept)


def _array(reader: Reader, node: Any, base: Any, sizes: tuple[DimLike, ...]) -> Variable:
    """The array that is indexed: a leaf, or a matrix expression."""
    if not isinstance(base, ARRAYS):
        outside = reader.outermost()
        return reader.builder.variable(outside.read(base))
    if getattr(base, "offset", 0) != 0 or getattr(base, "strides", None) is not None:
        raise unsupported(node, "an IndexedBase with an offset or strides has no meaning here; shape the array instead")
    undeclared = getattr(base, "shape", None) is None
    return reader.leaves.variable_for(base, sizes if undeclared else None)


def _unnamed(size: DimLike) -> bool:
    return isinstance(size, Dim) and (size.symbol or "").startswith("?")


def _indexed(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    return _element(reader, node, node.args[0], node.args[1:])


def _array_element(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    return _element(reader, node, node.args[0], tuple(node.args[1]))


FORMS: dict[type, Form] = {
    Sum: _reduction(reduction.sum_, a.multiply),
    Product: _reduction(reduction.prod, a.power),
    Indexed: Form(nothing, _indexed),
    MatrixElement: Form(nothing, _indexed),
    ArrayElement: Form(nothing, _array_element),
}
