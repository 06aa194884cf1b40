"""Running combinations along the one axis in the attribute `axis`: sums, products, and linear recurrences.

All are computed from the front to the back, each step rounded, as NumPy does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt.dimensions import opaque
from graphopt.errors import ShapeMismatch
from graphopt.op import Applied, Attributes, Op
from graphopt.ops.define import define
from graphopt.ops.indexing import put, slice_
from graphopt.ops.leaves import constant
from graphopt.types import TensorType, Unify

__all__ = ["cumprod", "cumsum", "others", "recurrence"]


def _rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    (axis,) = attributes["axis"]
    first, *others = types
    if axis >= first.ndim:
        raise ShapeMismatch(f"axis {axis} is outside an array of rank {first.ndim}")
    for other in others:
        if other.dtype != first.dtype or other.ndim != first.ndim:
            raise ShapeMismatch(f"operands of types {first} and {other} differ")
        first = first.with_shape([unify(a, b) for a, b in zip(first.shape, other.shape, strict=True)])
    return first


def _accumulate(ufunc: np.ufunc) -> Callable[..., Any]:
    def compute(x: Any, axis: tuple[int, ...]) -> Any:
        return ufunc.accumulate(x, axis[0], dtype=x.dtype)

    return compute


def _recurrence(a: Any, b: Any, axis: tuple[int, ...]) -> Any:
    factors, terms = np.moveaxis(a, axis[0], 0), np.moveaxis(b, axis[0], 0)
    result, state = np.empty_like(terms), np.zeros(terms.shape[1:], terms.dtype)
    for k in range(len(terms)):
        result[k] = state = factors[k] * state + terms[k]
    return np.moveaxis(result, 0, axis[0])


def _reversed(x: Any, axis: int) -> Any:
    shape = tuple(x.shape)
    start = tuple(size - 1 if k == axis else 0 for k, size in enumerate(shape))
    return slice_(x, start=start, step=tuple(-1 if k == axis else 1 for k in range(len(shape))), shape=shape)


def _shifted(x: Any, axis: int, first: float) -> Any:
    """One place later along an axis: `first`, then all elements but the last."""
    shape = tuple(x.shape)
    rest = tuple(opaque("max", size - 1, 0) if k == axis else size for k, size in enumerate(shape))
    step = (1,) * len(shape)
    part = slice_(x, start=(0,) * len(shape), step=step, shape=rest)
    whole = constant(value=first, dtype=x.dtype, shape=shape)
    return put(whole, part, start=tuple(int(k == axis) for k in range(len(shape))), step=step)


def _adjoint(factors: Any, g: Any, axis: int) -> Any:
    """The cotangent of a recurrence's terms: the same recurrence from the back, λₜ = gₜ + aₜ₊₁ λₜ₊₁."""
    return _reversed(recurrence(_shifted(_reversed(factors, axis), axis, 0.0), _reversed(g, axis), axis=(axis,)), axis)


def others(x: Any, axis: int) -> Any:
    """For each place along an axis the product of all elements but its own."""
    before, after = cumprod(x, axis=(axis,)), cumprod(_reversed(x, axis), axis=(axis,))
    return _shifted(before, axis, 1.0) * _reversed(_shifted(after, axis, 1.0), axis)


def _unsum(g: Any, node: Applied) -> tuple[Any]:
    (axis,) = node.attributes["axis"]
    return (_reversed(cumsum(_reversed(g, axis), axis=(axis,)), axis),)


def _unproduct(g: Any, node: Applied) -> tuple[Any]:
    # yₜ = xₜ yₜ₋₁ is a recurrence, so that nothing is divided and zeros do no harm.
    (axis,) = node.attributes["axis"]
    return (_adjoint(node.operands[0], g, axis) * _shifted(node.result, axis, 1.0),)


def _unrecurrence(g: Any, node: Applied) -> tuple[Any, Any]:
    (axis,) = node.attributes["axis"]
    terms = _adjoint(node.operands[0], g, axis)
    return terms * _shifted(node.result, axis, 0.0), terms


def _push_product(tangents: Sequence[Any], node: Applied) -> Any:
    """Of yₜ = xₜ yₜ₋₁: ẏₜ = xₜ ẏₜ₋₁ + ẋₜ yₜ₋₁."""
    (axis,) = node.attributes["axis"]
    return recurrence(node.operands[0], tangents[0] * _shifted(node.result, axis, 1.0), axis=(axis,))


def _push_recurrence(tangents: Sequence[Any], node: Applied) -> Any:
    """Of yₜ = aₜ yₜ₋₁ + bₜ: ẏₜ = aₜ ẏₜ₋₁ + (ȧₜ yₜ₋₁ + ḃₜ)."""
    (axis,) = node.attributes["axis"]
    factors, terms = tangents
    if factors is not None:
        moved = factors * _shifted(node.result, axis, 0.0)
        terms = moved if terms is None else moved + terms
    return recurrence(node.operands[0], terms, axis=(axis,))


cumsum: Op = define(
    Op("cumsum", 1, _rule, _accumulate(np.add), _accumulate(np.add), _unsum, traits=frozenset({"linear"}), cost=1)
)
cumprod: Op = define(
    Op(
        "cumprod", 1, _rule, _accumulate(np.multiply), _accumulate(np.multiply), _unproduct,
        cost=1, pushforward=_push_product,
    )
)  # fmt: skip
recurrence: Op = define(
    Op("recurrence", 2, _rule, _recurrence, _recurrence, _unrecurrence, cost=2, pushforward=_push_recurrence)
)
"""yₜ = aₜ yₜ₋₁ + bₜ along an axis, beginning with 0."""
