"""The sum of what flows back to one node, where some of it belongs to parts of the node's value.

The cotangent of x[i] belongs to one element of x. Taken as an array of zeros with one element put in, N elements used
one by one would make N arrays of the size of x, and N additions of them: quadratic, where the function is linear. So
what a pullback returns as `put` into zeros, or `scatter` onto zeros, is kept as the value and its place (`Part`,
`Scattered`) until everything has arrived. Then neighbouring parts are joined, values at positions become one
`scatter`, and the zeros between them are made at most once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphopt.autodiff.masks import summed
from graphopt.autodiff.parts import Part, joined
from graphopt.dimensions import DimLike, counted, product
from graphopt.graph.graph import Graph
from graphopt.ops.arithmetic import add
from graphopt.ops.gather import scatter
from graphopt.ops.indexing import concatenate, put, slice_
from graphopt.ops.leaves import ArrayConstant, constant
from graphopt.ops.shape import broadcast_to, reshape
from graphopt.types import TensorType
from graphopt.variable import Origin, Variable, as_variable, literal

__all__ = ["Contribution", "received", "total"]


class Scattered(NamedTuple):
    """A contribution to the elements at some positions along the first axes, zero elsewhere."""

    value: Variable
    indices: tuple[Variable, ...]


Contribution = int | Part | Scattered
"""A node, or what belongs to a part of the value alone."""


def received(graph: Graph, expression: Variable, origins: tuple[Origin, ...]) -> Contribution | None:
    """A contribution as a pullback returned it, added to the graph without the zeros around it; None if it is zero."""
    if _is_zero(expression):
        return None
    if expression.op is put and expression.operands and _is_zero(expression.operands[0]):
        value = graph.handle(graph.add(expression.operands[1], origins))
        return Part(value, expression.attributes["start"], expression.attributes["step"])
    is_sum = expression.op is scatter and expression.operands and expression.attributes["mode"] == "add"
    if is_sum and _is_zero(expression.operands[0]):
        value, *indices = [graph.handle(graph.add(operand, origins)) for operand in expression.operands[1:]]
        return Scattered(value, tuple(indices))
    return graph.add(expression, origins)


def _is_zero(x: Variable) -> bool:
    return x.op is constant and not isinstance(x.attributes["value"], ArrayConstant) and x.attributes["value"] == 0


def total(graph: Graph, contributions: Sequence[Contribution], type: TensorType, origins: tuple[Origin, ...]) -> int:
    """Add the sum of contributions to a value of a type to the graph. Its size is linear in theirs and the value's."""
    if len(contributions) == 1 and isinstance(contributions[0], int):
        return contributions[0]
    parts = joined([one for one in contributions if isinstance(one, Part)], type)
    scattered = [one for one in contributions if isinstance(one, Scattered)]
    dense = [one for one in contributions if isinstance(one, int)]
    dense += [graph.add(one.value, origins) for one in parts if _is_all(one, type)]
    whole: Any = None
    for each in dense:
        node = each if whole is None else graph.add(summed(graph, whole.node, each), origins)
        whole = graph.handle(node)
    left = [one for one in parts if not _is_all(one, type)]
    if _are_better_scattered(left, type):
        scattered, left = [*scattered, *map(_at_positions, left)], []
    for one in left:
        place = {"start": one.start, "step": one.step}
        if whole is None:
            whole = put(_zeros(type), one.value, **place)
        else:
            whole = put(whole, add(slice_(whole, shape=tuple(one.value.shape), **place), one.value), **place)
    for value, indices in _merged(scattered):
        whole = scatter(_zeros(type) if whole is None else whole, value, *indices, mode="add")
    return graph.add(_zeros(type) if whole is None else whole, origins)


def _is_all(part: Part, type: TensorType) -> bool:
    """Whether a part is the whole value, in its order."""
    dense = all(step == 1 or size == 1 for step, size in zip(part.step, part.value.shape, strict=True))
    return dense and part.value.shape == type.shape


def _zeros(type: TensorType) -> Variable:
    return literal(0.0, type.dtype, type.shape)


# --- values at positions -----------------------------------------------------------------------------------------


def _are_better_scattered(parts: Sequence[Part], type: TensorType) -> bool:
    """Whether putting in parts one after another, of which each copies the whole, would move more than positions do."""
    sizes = [one.value.size for one in parts]
    if len(parts) < 2 or not all(isinstance(size, int) for one in parts for size in (*one.start, *one.value.shape)):
        return False
    return 2 * sum(_number(size) for size in sizes) < len(parts) * _number(type.size)


def _number(size: DimLike) -> int:
    assert isinstance(size, int), "sizes are known"
    return size


def _at_positions(part: Part) -> Scattered:
    """A part of known sizes as its elements at their positions."""
    places = zip(part.start, part.step, part.value.shape, strict=True)
    along = [_number(first) + by * np.arange(_number(size)) for first, by, size in places]
    positions = [as_variable(found.reshape(-1)) for found in np.meshgrid(*along, indexing="ij")]
    return Scattered(reshape(part.value, shape=(part.value.size,)), tuple(positions))


def _merged(scattered: Iterable[Scattered]) -> list[Scattered]:
    """Those of the same number of indices as one; but what is as long as a mask has elements is left apart."""
    alone: list[Scattered] = []
    together: defaultdict[int, list[Scattered]] = defaultdict(list)
    for one in scattered:
        (alone if counted(one.value.shape) else together[len(one.indices)]).append(one)
    for count, group in together.items():
        if len(group) == 1:
            alone += group
            continue
        flat = [_flat(one) for one in group]
        value = concatenate(*(one.value for one in flat), axis=(0,))
        alone.append(
            Scattered(value, tuple(concatenate(*(one.indices[k] for one in flat), axis=(0,)) for k in range(count)))
        )
    return alone


def _flat(one: Scattered) -> Scattered:
    """The same with positions along one axis."""
    rank = max(index.ndim for index in one.indices)
    shape = tuple(one.value.shape[:rank])
    count = product(shape)
    indices = [index if index.shape == shape else broadcast_to(index, shape=shape) for index in one.indices]
    value = reshape(one.value, shape=(count, *one.value.shape[rank:]))
    return Scattered(value, tuple(reshape(index, shape=(count,)) for index in indices))
