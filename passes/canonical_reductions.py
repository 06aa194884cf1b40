"""Reductions in canonical form: over distinct axes of an operand that is no view, in one step.

`keepdims` does not exist at this level: it is `expand_dims` of the reduction. Softmax, log-softmax and log-sum-exp are
treated alike: what is true of a sum over axes of a transposed value is true of them.
"""

from __future__ import annotations

from typing import Any

from graphopt.dimensions import product
from graphopt.op import Op
from graphopt.ops import neural
from graphopt.ops import reduction as r
from graphopt.ops import shape as ops
from graphopt.ops.arithmetic import cast, multiply, negative
from graphopt.ops.logic import logical_not
from graphopt.passes.canonical_arithmetic import uniform_value
from graphopt.passes.canonical_shapes import permuted
from graphopt.rewrite import (
    AnyOp,
    Attr,
    Claim,
    Exact,
    Match,
    Reassociates,
    Rule,
    Stabilizes,
    Ulps,
    V,
    floating,
    refuse,
    rule,
)
from graphopt.rewrite.measures import decreasing
from graphopt.rewrite.standard_measures import NEGATIONS, OPERATIONS, VIEWS
from graphopt.variable import literal

__all__ = ["RULES"]

x = V("x")
axis, inner = Attr("axis"), Attr("inner")
Axis = tuple[int, ...]

# Another order of additions rounds otherwise; of maxima, at most the sign of a zero differs.
ORDER: dict[Op, Claim] = {
    r.sum_: Reassociates(), r.prod: Reassociates(), r.max_: Ulps(0), r.min_: Ulps(0), r.any_: Exact(), r.all_: Exact(),
}  # fmt: skip
SPREADING = {neural.softmax: Stabilizes(16, relative=True), neural.log_softmax: Stabilizes(16)}
REDUCING = {**ORDER, neural.logsumexp: Stabilizes(16)}


def _word(op: Op) -> str:
    return op.name.replace("_", "-")


def _like(value: Any, wanted: Any) -> Any:
    """A value in the dtype of another: sums of small integers are held in 64 bits."""
    return value if value.dtype == wanted.dtype else cast(value, dtype=wanted.dtype)


def _nested(op: Op) -> Rule:
    @rule(op(op(x, axis=inner), axis=axis), claim=ORDER[op], name=f"{_word(op)}-{_word(op)}",
          algebra=f"{op.name}({op.name}(x, a), b) → {op.name}(x, a ∪ b)")  # fmt: skip
    def merge(match: Match, x: Any, inner: Axis, axis: Axis) -> Any:
        kept = [k for k in range(x.ndim) if k not in inner]
        return op(x, axis=tuple(sorted((*inner, *(kept[k] for k in axis)))))

    return merge


def _over_units(op: Op) -> Rule:
    claim = Ulps(0) if op is neural.logsumexp else Exact()

    @rule(op(x, axis=axis), claim=claim, name=f"{_word(op)}-over-one",
          algebra=f"{op.name} over axes of length 1 → squeeze")  # fmt: skip
    def drop(match: Match, x: Any, axis: Axis) -> Any:
        units = tuple(k for k in axis if x.shape[k] == 1)
        if axis and not units:
            return refuse("no axis has length 1")
        rest = tuple(k - sum(u < k for u in units) for k in axis if k not in units)
        x = ops.squeeze(x, axis=units) if units else x
        return op(x, axis=rest) if rest else _like(x, match.root)

    return drop


def _of_transpose(op: Op) -> Rule:
    claim = {**REDUCING, **SPREADING}[op]

    @rule(op(ops.transpose(x, axes=inner), axis=axis), claim=claim, name=f"{_word(op)}-of-transpose",
          algebra=f"{op.name}(transpose(x)) → transpose({op.name}(x))")  # fmt: skip
    def remap(match: Match, x: Any, inner: Axis, axis: Axis) -> Any:
        result = op(x, axis=tuple(sorted(inner[k] for k in axis)))
        if op in SPREADING:
            return ops.transpose(result, axes=inner)
        left = [source for k, source in enumerate(inner) if k not in axis]
        return permuted(result, tuple(sorted(left).index(source) for source in left))

    return remap


def _of_expanded(op: Op) -> Rule:
    claim = Ulps(0) if op is neural.logsumexp else Exact()

    @rule(op(ops.expand_dims(x, axis=inner), axis=axis), claim=claim, name=f"{_word(op)}-of-expanded",
          algebra=f"{op.name}(expand_dims(x)) → expand_dims({op.name}(x))")  # fmt: skip
    def remap(match: Match, x: Any, inner: Axis, axis: Axis) -> Any:
        sources = [k for k in range(x.ndim + len(inner)) if k not in inner]
        own = tuple(sources.index(k) for k in axis if k not in inner)
        if op in SPREADING:
            if not own:
                return refuse("every axis has length 1")
            return ops.expand_dims(op(x, axis=own), axis=inner)
        result = op(x, axis=own) if own else _like(x, match.root)
        added = tuple(k - sum(j < k for j in axis) for k in inner if k not in axis)
        return ops.expand_dims(result, axis=added) if added else result

    return remap


def _of_reshape(op: Op) -> Rule:
    @rule(op(ops.reshape(x, shape=inner), axis=axis), claim=ORDER[op], name=f"{_word(op)}-of-reshape",
          algebra=f"{op.name} of all elements of reshape(x) → {op.name} of all elements of x")  # fmt: skip
    def remap(match: Match, x: Any, inner: Any, axis: Axis) -> Any:
        return refuse("some axes are kept") if match.root.ndim else op(x, axis=tuple(range(x.ndim)))

    return remap


def _of_broadcast(op: Op) -> Rule:
    times = ", times sizes" if op is r.sum_ else ""

    @rule(op(ops.broadcast_to(x, shape=inner), axis=axis), claim=ORDER[op], name=f"{_word(op)}-of-broadcast",
          algebra=f"{op.name}(broadcast_to(x)) → {op.name}(x){times}")  # fmt: skip
    def count(match: Match, x: Any, inner: Any, axis: Axis) -> Any:
        if 0 < x.ndim < len(inner):
            return refuse("the ranks differ")
        return _counted(op, x, inner, axis, match)

    return count


def _of_constant(op: Op) -> Rule:
    times = ", times sizes" if op is r.sum_ else ""

    @rule(op(AnyOp("x", trait="leaf"), axis=axis), claim=ORDER[op], name=f"{_word(op)}-of-constant",
          algebra=f"{op.name}(c) → c{times}, for a constant of equal elements")  # fmt: skip
    def count(match: Match, x: Any, axis: Axis) -> Any:
        value = uniform_value(x)
        if value is None:
            return refuse("it is not one number")
        return _counted(op, literal(value, x.dtype), x.shape, axis, match)

    return count


def _counted(op: Op, source: Any, shape: Any, axis: Axis, match: Match) -> Any:
    """Reduce what is equal along stretched axes: a sum counts the elements there, the others need to see one."""
    stretched = tuple(k for k in axis if not source.ndim or (source.shape[k] == 1 and shape[k] != 1))
    if not stretched:
        return refuse("no axis that is reduced is stretched")
    if op is not r.sum_ and not all(isinstance(shape[k], int) and shape[k] for k in stretched):
        return refuse("there may be no elements")
    own: Axis = ()
    if source.ndim:
        source = ops.squeeze(source, axis=stretched)
        own = tuple(k - sum(j < k for j in stretched) for k in axis if k not in stretched)
    result = _like(op(source, axis=own) if own else source, match.root)
    if op is r.sum_:
        result = multiply(result, product(shape[k] for k in stretched))
    return result if result.shape == match.root.shape else ops.broadcast_to(result, shape=match.root.shape)


def _of_negative(op: Op, opposite: Op) -> Rule:
    return Rule(
        f"{_word(op)}-of-negative", op(negative(V("x", dtype=floating)), axis=axis),
        negative(opposite(x, axis=axis)), claim=Ulps(0),
    )  # fmt: skip


def _of_not(op: Op, opposite: Op) -> Rule:
    return Rule(
        f"{_word(op)}-of-not", op(logical_not(V("x", dtype="bool")), axis=axis),
        logical_not(opposite(x, axis=axis)), claim=Exact(),
    )  # fmt: skip


RULES: tuple[Rule, ...] = (
    *decreasing(OPERATIONS, *(_over_units(op) for op in REDUCING), *(_nested(op) for op in ORDER)),
    *decreasing(
        VIEWS,
        *(_of_transpose(op) for op in (*REDUCING, *SPREADING)),
        *(_of_expanded(op) for op in (*REDUCING, *SPREADING)),
        *(_of_reshape(op) for op in ORDER),
    ),
    *decreasing(
        OPERATIONS,
        *(_of_broadcast(op) for op in ORDER if op is not r.prod),
        *(_of_constant(op) for op in (r.sum_, r.max_, r.min_)),
    ),
    *decreasing(
        NEGATIONS,
        _of_negative(r.sum_, r.sum_), _of_negative(r.max_, r.min_), _of_negative(r.min_, r.max_),
        _of_not(r.any_, r.all_), _of_not(r.all_, r.any_),
    ),
)  # fmt: skip
