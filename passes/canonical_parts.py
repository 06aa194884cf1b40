"""Parts of arrays in canonical form: a slice stands as near to the inputs as it can, and nothing is computed in vain.

A slice of what only the slice uses is computed from slices, and slices of slices are one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphopt.dimensions import DimLike
from graphopt.op import Op
from graphopt.ops import indexing as parts
from graphopt.ops import shape as ops
from graphopt.ops.linear_algebra import matmul
from graphopt.rewrite import AnyOp, Attr, Exact, Match, Rule, V, refuse, rule
from graphopt.rewrite.measures import decreasing
from graphopt.rewrite.pattern import Application, Pattern
from graphopt.rewrite.standard_measures import VIEWS

__all__ = ["RULES"]

Sizes = tuple[DimLike, ...]
x, y = V("x"), V("y")
start, step, shape = Attr("start"), Attr("step"), Attr("shape")
a = Attr("a")


def _slice_of(inner: Pattern) -> Pattern:
    return Application(parts.slice_, (inner,), {"start": start, "step": step, "shape": shape})


def _part(x: Any, spans: Mapping[int, tuple[DimLike, int, DimLike]]) -> Any:
    """The part of `x` that has these positions (first, step, how many) along some axes, and all along the others."""
    whole = {axis: (0, 1, size) for axis, size in enumerate(x.shape)}
    chosen = {axis: span for axis, span in spans.items() if span != whole[axis]}
    if not chosen:
        return x
    columns = zip(*({**whole, **chosen}[axis] for axis in range(x.ndim)), strict=True)
    first, by, count = (tuple(column) for column in columns)
    return parts.slice_(x, start=first, step=by, shape=count)


def _spans(start: Sizes, step: tuple[int, ...], shape: Sizes) -> list[tuple[DimLike, int, DimLike]]:
    return list(zip(start, step, shape, strict=True))


@rule(_slice_of(parts.slice_(x, start=Attr("b"), step=Attr("c"), shape=Attr("d"))), claim=Exact())
def slice_slice(match: Match, x: Any, start: Sizes, step: Any, shape: Sizes, b: Sizes, c: Any, d: Sizes) -> Any:
    """slice(slice(x)) → one slice"""
    first = tuple(outer + by * inner for outer, by, inner in zip(b, c, start, strict=True))
    return _part(x, dict(enumerate(_spans(first, tuple(p * q for p, q in zip(c, step, strict=True)), shape))))


@rule(_slice_of(x), claim=Exact())
def slice_of_all(match: Match, x: Any, start: Sizes, step: Any, shape: Sizes) -> Any:
    """a slice of everything → x"""
    same = shape == x.shape and all(by == 1 or size == 1 for by, size in zip(step, shape, strict=True))
    return x if same else refuse("it leaves something out, or reverses it")


@rule(_slice_of(AnyOp("y", trait="elementwise", users=1)), claim=Exact())
def slice_first(match: Match, y: Any, start: Sizes, step: Any, shape: Sizes) -> Any:
    """slice(f(x, z)) → f(slice(x), slice(z)), where nothing else uses f(x, z)"""
    return y.op(*[_aligned_part(operand, y, _spans(start, step, shape)) for operand in y.inputs], **y.attributes)


def _aligned_part(operand: Any, result: Any, spans: list[Any]) -> Any:
    """The part of an operand that goes into a part of a broadcasting op's result."""
    lead = result.ndim - operand.ndim
    chosen = {k - lead: spans[k] for k in range(lead, result.ndim)}
    stretched = {axis for axis, size in enumerate(operand.shape) if size == 1 and result.shape[axis + lead] != 1}
    return _part(operand, {axis: span for axis, span in chosen.items() if axis not in stretched})


@rule(_slice_of(AnyOp("y", trait="reduction", users=1)), claim=Exact())
def slice_of_reduction(match: Match, y: Any, start: Sizes, step: Any, shape: Sizes) -> Any:
    """slice(sum(x)) → sum(slice(x)), where nothing else uses the sum; likewise other reductions"""
    (operand,) = y.inputs
    kept = [axis for axis in range(operand.ndim) if axis not in y.attributes["axis"]]
    return y.op(_part(operand, dict(zip(kept, _spans(start, step, shape), strict=True))), **y.attributes)


@rule(_slice_of(matmul(x, y)), claim=Exact())
def slice_of_product(match: Match, x: Any, y: Any, start: Sizes, step: Any, shape: Sizes) -> Any:
    """slice(x @ y) → slice(x) @ slice(y), where nothing else uses the product"""
    product = match.root.inputs[0]
    if match.graph.uses(product.node) != 1:
        return refuse("the product has other users")
    *batch, rows, columns = _spans(start, step, shape)
    left = _part(x, {**_batch(x, batch), x.ndim - 2: rows})
    return matmul(left, _part(y, {**_batch(y, batch), y.ndim - 1: columns}))


def _batch(operand: Any, batch: list[Any]) -> dict[int, Any]:
    lead = len(batch) - (operand.ndim - 2)
    return {k - lead: batch[k] for k in range(lead, len(batch)) if operand.shape[k - lead] != 1}


def _slice_of_view(view: Op, key: str) -> Rule:
    @rule(
        _slice_of(Application(view, (x,), {key: a})), claim=Exact(), name=f"slice-of-{view.name.partition('_')[0]}",
        algebra=f"slice({view.name}(x)) → {view.name}(slice(x))",
    )  # fmt: skip
    def swap(match: Match, x: Any, start: Sizes, step: Any, shape: Sizes, a: Any) -> Any:
        axes = _axes_beneath(view, x, match.root.inputs[0], a)
        spans = _spans(start, step, shape)
        if any(axes[k] is None and shape[k] != 1 for k in range(len(shape))) and view is not ops.broadcast_to:
            return refuse("the part of an inserted axis is empty")
        moved = {axis: span for axis, span in zip(axes, spans, strict=True) if axis is not None}
        taken = _part(x, moved)
        return view(taken, **{key: shape if view is ops.broadcast_to else a})

    return swap


def _axes_beneath(view: Op, x: Any, result: Any, a: Any) -> list[int | None]:
    """For each axis of a view, the axis of what it is a view of; None if it was inserted or stretched."""
    if view is ops.transpose:
        return list(a)
    if view is ops.squeeze:
        return [axis for axis in range(x.ndim) if axis not in a]
    if view is ops.expand_dims:
        kept = iter(range(x.ndim))
        return [None if axis in a else next(kept) for axis in range(result.ndim)]
    lead = result.ndim - x.ndim
    return [None if axis < lead or x.shape[axis - lead] == 1 else axis - lead for axis in range(result.ndim)]


RULES: tuple[Rule, ...] = decreasing(
    VIEWS,
    slice_slice,
    slice_of_all,
    slice_first,
    slice_of_reduction,
    slice_of_product,
    _slice_of_view(ops.expand_dims, "axis"),
    _slice_of_view(ops.squeeze, "axis"),
    _slice_of_view(ops.transpose, "axes"),
    _slice_of_view(ops.broadcast_to, "shape"),
)
