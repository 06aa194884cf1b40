"""Elementwise ops and their operands in canonical form: who is broadcast, and which side of an op a view stands on.

Views that repeat or permute elements stand as late as possible, so that elementwise work is done on fewer elements and
patterns see it undisguised; `reshape` and `squeeze` stand as early as possible. Operands are scalars or have the rank
of the result, and nothing is broadcast that the op itself would broadcast.
"""

from __future__ import annotations

from typing import Any

from graphopt.graph import Graph
from graphopt.op import Op
from graphopt.ops import shape as ops
from graphopt.ops.leaves import ArrayConstant, constant
from graphopt.passes.canonical_shapes import aligned
from graphopt.rewrite import AnyOp, Attr, Exact, Match, Rule, refuse, rule
from graphopt.rewrite.measures import decreasing
from graphopt.rewrite.pattern import Application
from graphopt.rewrite.standard_measures import RANKS, STRETCHES, VIEWS
from graphopt.variable import literal

__all__ = ["RULES"]

a = Attr("a")


def _has_axes(match: Match) -> bool:
    return bool(match.graph.type(match.node).shape)


def _several(operands: tuple[Op, ...]) -> bool:
    return len(operands) > 1


def _ranks_differ(match: Match) -> bool:
    graph = match.graph
    ndim = graph.type(match.node).ndim
    return ndim > 0 and any(0 < graph.type(operand).ndim < ndim for operand in graph.operands(match.node))


def _some_stretched(match: Match) -> bool:
    graph = match.graph
    return _has_axes(match) and any(_is_stretched(graph, operand) for operand in graph.operands(match.node))


def _is_stretched(graph: Graph, node: int) -> bool:
    op = graph.op(node)
    if op is constant:
        return bool(graph.type(node).shape) and not isinstance(graph.attributes(node)["value"], ArrayConstant)
    return op is ops.broadcast_to or (op is ops.expand_dims and not graph.type(graph.operands(node)[0]).shape)


@rule(AnyOp("y", trait="elementwise", ops=_several), claim=Exact(), where=_ranks_differ)
def align_operands(match: Match, y: Any) -> Any:
    """f(x, y) → f(expand_dims(x), y): operands are scalars or have the rank of the result"""
    return y.op(*[aligned(operand, y.ndim) for operand in y.inputs], **y.attributes)


@rule(
    AnyOp("y", trait="elementwise", over=("broadcast_to", "constant", "expand_dims")),
    claim=Exact(),
    where=_some_stretched,
)
def unbroadcast_operands(match: Match, y: Any) -> Any:
    """f(broadcast_to(x), y) → f(x, y), broadcast afterwards where the shape needs it; one-element operands → scalars"""
    simple = [_unbroadcast(operand) for operand in y.inputs]
    result = y.op(*[aligned(operand, y.ndim) for operand in simple], **y.attributes)
    if result.type == y.type:
        return result
    return ops.broadcast_to(result, shape=y.shape)


def _unbroadcast(x: Any) -> Any:
    if not _is_stretched(x.graph, x.node):
        return x
    return literal(x.attributes["value"], x.dtype) if x.op is constant else x.inputs[0]


@rule(AnyOp("y", trait="elementwise", over=("expand_dims",)), claim=Exact())
def expand_last(match: Match, y: Any) -> Any:
    """f(expand_dims(x), expand_dims(y)) → expand_dims(f(x, y)) for the axes that all operands lack"""
    operands = y.inputs
    full = [operand for operand in operands if operand.ndim]
    if any(operand.op is not ops.expand_dims or operand.ndim != y.ndim for operand in full):
        return refuse("an operand has all axes")
    common = set(range(y.ndim)).intersection(*(operand.attributes["axis"] for operand in full))
    if not common:
        return refuse("every axis is some operand's")
    lowered = [_without_axes(operand, common) if operand.ndim else operand for operand in operands]
    return ops.expand_dims(y.op(*lowered, **y.attributes), axis=tuple(sorted(common)))


def _without_axes(x: Any, dropped: set[int]) -> Any:
    """An `expand_dims` with some of its new axes left out."""
    left = [axis for axis in x.attributes["axis"] if axis not in dropped]
    axes = tuple(axis - sum(d < axis for d in dropped) for axis in left)
    return ops.expand_dims(x.inputs[0], axis=axes) if axes else x.inputs[0]


@rule(AnyOp("y", trait="elementwise", over=("transpose",)), claim=Exact())
def transpose_last(match: Match, y: Any) -> Any:
    """f(transpose(x), transpose(y)) → transpose(f(x, y)); operands with one essential order of axes follow"""
    axes = next(operand.attributes["axes"] for operand in y.inputs if operand.op is ops.transpose)
    if len(axes) != y.ndim:
        return refuse("the ranks differ")
    inverse = tuple(sorted(range(len(axes)), key=axes.__getitem__))
    operands = []
    for operand in y.inputs:
        if operand.op is ops.transpose and operand.attributes["axes"] == axes:
            operands.append(operand.inputs[0])
        elif not operand.ndim:
            operands.append(operand)
        elif operand.ndim == y.ndim and (moved := _moved(operand, inverse)) is not None:
            operands.append(moved)
        else:
            return refuse("an operand is not transposed likewise")
    return ops.transpose(y.op(*operands, **y.attributes), axes=axes)


def _early(view: Any, key: str) -> Rule:
    once = AnyOp("y", trait="elementwise", users=1)

    @rule(
        Application(view, (once,), {key: a}), claim=Exact(), name=f"{view.name.partition('_')[0]}-first",
        algebra=f"{view.name}(f(x)) → f({view.name}(x)), where nothing else uses f(x)",
    )  # fmt: skip
    def move(match: Match, y: Any, a: Any) -> Any:
        if [operand.shape for operand in y.inputs if operand.ndim] != [y.shape]:
            return refuse("more than one operand has axes")
        return y.op(*[view(operand, **{key: a}) if operand.ndim else operand for operand in y.inputs], **y.attributes)

    return move


def _moved(x: Any, axes: tuple[int, ...]) -> Any:
    """`transpose(x, axes)` in canonical form if `x` is an `expand_dims` whose other axes keep their order; or None."""
    if x.op is not ops.expand_dims:
        return None
    inserted = set(x.attributes["axis"])
    if list(kept := [axis for axis in axes if axis not in inserted]) != sorted(kept):
        return None
    return ops.expand_dims(x.inputs[0], axis=tuple(k for k, axis in enumerate(axes) if axis in inserted))


RULES: tuple[Rule, ...] = (
    *decreasing(RANKS, align_operands),
    *decreasing((STRETCHES, RANKS, VIEWS), unbroadcast_operands),
    *decreasing(VIEWS, expand_last, transpose_last, _early(ops.reshape, "shape"), _early(ops.squeeze, "axis")),
)
