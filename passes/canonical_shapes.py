"""Views in canonical form: what a chain of them amounts to. Casts, too.

A chain of views is written `broadcast_to(expand_dims(transpose(squeeze(reshape(x)))))`, each at most once. Where views
stand among elementwise ops is in `canonical_operands`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.dimensions import DimLike
from graphopt.errors import InvalidArgument
from graphopt.ops import shape as ops
from graphopt.ops.arithmetic import cast
from graphopt.ops.leaves import ArrayConstant, constant
from graphopt.rewrite import AnyOp, Attr, Exact, Match, Rule, V, refuse, rule
from graphopt.rewrite.measures import decreasing
from graphopt.rewrite.pattern import Application, Pattern
from graphopt.rewrite.standard_measures import CHAINS, RANKS, REORDERINGS, UNITS, VIEWS
from graphopt.types import is_float
from graphopt.variable import literal

__all__ = ["RULES", "aligned", "permuted", "unit_view"]

Shape = tuple[DimLike, ...]
x = V("x")
a, b, shape = Attr("a"), Attr("b"), Attr("shape")


# --- what a chain of views amounts to -----------------------------------------------------------------------------


def unit_view(x: Any, shape: Shape) -> Any:
    """`x` in a shape that differs in axes of length 1 alone, as `expand_dims(squeeze(x))`; None if in more."""
    dropped, added, position = [], [], 0
    for target, size in enumerate(shape):
        while position < x.ndim and x.shape[position] == 1 != size:
            dropped.append(position)
            position += 1
        if position < x.ndim and x.shape[position] == size:
            position += 1
        elif size == 1:
            added.append(target)
        else:
            return None
    if any(size != 1 for size in x.shape[position:]):
        return None
    dropped += range(position, x.ndim)
    x = ops.squeeze(x, axis=tuple(dropped)) if dropped else x
    return ops.expand_dims(x, axis=tuple(added)) if added else x


def permuted(x: Any, axes: tuple[int, ...]) -> Any:
    """`x` transposed, unless the order is the one it has."""
    return x if axes == tuple(range(len(axes))) else ops.transpose(x, axes=axes)


def _without_units(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)


def _ranks(values: list[int]) -> tuple[int, ...]:
    """Distinct integers as their positions in ascending order: (5, 2, 9) is (1, 0, 2)."""
    order = sorted(values)
    return tuple(order.index(value) for value in values)


# --- chains of views ----------------------------------------------------------------------------------------------


def _units(name: str, pattern: Pattern) -> Rule:
    @rule(pattern, claim=Exact(), name=name, algebra=f"{pattern} → one squeeze, one expand_dims")
    def combine(match: Match, x: Any, **axes: Any) -> Any:
        result = unit_view(x, match.root.shape)
        same = result.op is match.root.op and [v.op for v in result.operands] == [v.op for v in match.root.inputs]
        return refuse("it has the canonical form") if same and result.attributes == match.root.attributes else result

    return combine


@rule(ops.reshape(x, shape=shape), claim=Exact())
def reshape_units(match: Match, x: Any, shape: Shape) -> Any:
    """reshape that inserts or drops axes of length 1 → squeeze, expand_dims; others are done without such axes"""
    result = unit_view(x, shape)
    if result is not None:
        return result
    core = _without_units(shape)
    if core == shape:
        return refuse("it regroups axes, and none has length 1")
    return unit_view(ops.reshape(x, shape=core), shape)


def _reshape_of(inner: Pattern, name: str) -> Rule:
    return Rule(name, ops.reshape(inner, shape=shape), ops.reshape(x, shape=shape), claim=Exact())


@rule(ops.transpose(ops.transpose(x, axes=a), axes=b), claim=Exact())
def transpose_transpose(match: Match, x: Any, a: tuple[int, ...], b: tuple[int, ...]) -> Any:
    """transpose(transpose(x, a), b) → transpose(x, a∘b)"""
    return permuted(x, tuple(a[axis] for axis in b))


@rule(ops.transpose(x, axes=a), claim=Exact())
def transpose_units(match: Match, x: Any, a: tuple[int, ...]) -> Any:
    """transpose that moves only axes of length 1 → squeeze, expand_dims"""
    kept = [axis for axis in a if x.shape[axis] != 1]
    return unit_view(x, match.root.shape) if kept == sorted(kept) else refuse("it reorders axes")


@rule(ops.transpose(ops.expand_dims(x, axis=a), axes=b), claim=Exact())
def transpose_expanded(match: Match, x: Any, a: tuple[int, ...], b: tuple[int, ...]) -> Any:
    """transpose(expand_dims(x)) → expand_dims(transpose(x))"""
    kept = [axis for axis in b if axis not in a]
    return ops.expand_dims(permuted(x, _ranks(kept)), axis=tuple(k for k, axis in enumerate(b) if axis in a))


@rule(ops.squeeze(ops.transpose(x, axes=a), axis=b), claim=Exact())
def squeeze_transposed(match: Match, x: Any, a: tuple[int, ...], b: tuple[int, ...]) -> Any:
    """squeeze(transpose(x)) → transpose(squeeze(x))"""
    kept = [axis for k, axis in enumerate(a) if k not in b]
    return permuted(ops.squeeze(x, axis=tuple(sorted(a[k] for k in b))), _ranks(kept))


@rule(ops.broadcast_to(ops.broadcast_to(x, shape=a), shape=b), claim=Exact())
def broadcast_broadcast(match: Match, x: Any, a: Shape, b: Shape) -> Any:
    """broadcast_to(broadcast_to(x, a), b) → broadcast_to(x, b)"""
    return ops.broadcast_to(x, shape=b)


@rule(ops.broadcast_to(x, shape=shape), claim=Exact())
def broadcast_aligned(match: Match, x: Any, shape: Shape) -> Any:
    """broadcast_to(x): its own shape → x; another rank → of expand_dims(x); expand_dims(scalar) → of the scalar"""
    if x.type == match.root.type:
        return x
    if x.op is ops.expand_dims and not x.inputs[0].ndim:
        return ops.broadcast_to(x.inputs[0], shape=shape)
    if 0 < x.ndim < len(shape):
        return ops.broadcast_to(aligned(x, len(shape)), shape=shape)
    return refuse("it stretches axes, and the ranks agree")


def aligned(x: Any, ndim: int) -> Any:
    """`x` with leading axes of length 1 up to a rank; scalars stay scalars."""
    return ops.expand_dims(x, axis=tuple(range(ndim - x.ndim))) if 0 < x.ndim < ndim else x


def _view_of_broadcast(view: Any, key: str) -> Rule:
    @rule(
        Application(view, (ops.broadcast_to(x, shape=shape),), {key: a}),
        claim=Exact(), name=f"{view.name.partition('_')[0]}-of-broadcast",
        algebra=f"{view.name}(broadcast_to(x)) → broadcast_to({view.name}(x))",
    )  # fmt: skip
    def swap(match: Match, x: Any, shape: Shape, a: Any) -> Any:
        x = aligned(x, len(shape))
        return ops.broadcast_to(view(x, **{key: a}) if x.ndim else x, shape=match.root.shape)

    return swap


@rule(AnyOp("y", trait="view", over=("constant",)), claim=Exact())
def view_of_constant(match: Match, y: Any) -> Any:
    """a view of the constant c → c in the view's shape"""
    value = y.inputs[0].attributes["value"]
    return refuse("it is an array") if isinstance(value, ArrayConstant) else literal(value, y.dtype, y.shape)


# --- casts --------------------------------------------------------------------------------------------------------


@rule(cast(cast(x, dtype=a), dtype=b), claim=Exact())
def cast_cast(match: Match, x: Any, a: str, b: str) -> Any:
    """cast(cast(x, a), b) → cast(x, b) where every value of x's dtype is one of a's"""
    exact = np.can_cast(x.dtype, a) and not (is_float(a) and x.dtype in ("int64", "uint64"))
    if not exact:
        return refuse(f"{a} does not hold every {x.dtype}")
    return x if x.dtype == b else cast(x, dtype=b)


@rule(cast(x, dtype=b), claim=Exact())
def useless_cast(match: Match, x: Any, b: str) -> Any:
    """cast(x, its dtype) → x; cast(c) → c"""
    if x.dtype == b:
        return x
    if x.op is not constant or isinstance(x.attributes["value"], ArrayConstant):
        return refuse("it changes the dtype")
    if is_float(x.dtype) and not is_float(b):
        return refuse("what a float outside an integer's range becomes is left to the target")
    try:
        return literal(x.attributes["value"], b, x.shape)
    except InvalidArgument as error:
        return refuse(str(error))


RULES: tuple[Rule, ...] = (
    *decreasing(
        (VIEWS, UNITS),
        _units("expand-expand", ops.expand_dims(ops.expand_dims(x, axis=a), axis=b)),
        _units("expand-squeeze", ops.expand_dims(ops.squeeze(x, axis=a), axis=b)),
        _units("squeeze-expand", ops.squeeze(ops.expand_dims(x, axis=a), axis=b)),
        _units("squeeze-squeeze", ops.squeeze(ops.squeeze(x, axis=a), axis=b)),
        _reshape_of(ops.reshape(x, shape=a), "reshape-reshape"),
        _reshape_of(ops.expand_dims(x, axis=a), "reshape-expand"),
        _reshape_of(ops.squeeze(x, axis=a), "reshape-squeeze"),
    ),
    *decreasing(REORDERINGS, reshape_units, transpose_transpose, transpose_units),
    *decreasing(CHAINS, transpose_expanded),
    *decreasing(VIEWS, squeeze_transposed, broadcast_broadcast),
    *decreasing(
        (RANKS, VIEWS, CHAINS),
        broadcast_aligned,
        _view_of_broadcast(ops.expand_dims, "axis"),
        _view_of_broadcast(ops.squeeze, "axis"),
        _view_of_broadcast(ops.transpose, "axes"),
    ),
    *decreasing((REORDERINGS, VIEWS, CHAINS), view_of_constant),
    *decreasing(VIEWS, cast_cast, useless_cast),
)
