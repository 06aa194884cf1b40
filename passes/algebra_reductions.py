"""Algebra of sums: common factors outside, matrix products in place of broadcast ones, products with equal columns."""

from __future__ import annotations

from typing import Any

from graphopt.ops.arithmetic import divide, multiply
from graphopt.ops.linear_algebra import matmul
from graphopt.ops.reduction import sum_
from graphopt.ops.shape import broadcast_to, expand_dims, transpose
from graphopt.passes.algebra_elementwise import is_number
from graphopt.passes.canonical_arithmetic import uniform_value
from graphopt.rewrite import AnyOp, Attr, Match, Reassociates, Rule, V, floating, refuse, rule

__all__ = ["RULES"]

x, y = V("x", dtype=floating), V("y", dtype=floating)
factor = V("c", dtype=floating, ndim=0)
axis, new, other = Attr("axis"), Attr("new"), Attr("other")
Axis = tuple[int, ...]


def _is_safe(match: Match) -> bool:
    """The factor is a finite constant, or there are elements: 0·∞ is NaN where the sum of nothing is 0."""
    x, c = match["x"], match["c"]
    return bool(x.ndim) and (is_number(c) or all(isinstance(size, int) and size > 0 for size in x.shape))


FACTORS = (
    Rule("sum-of-multiple", sum_(multiply(x, factor), axis=axis), multiply(sum_(x, axis=axis), factor),
         claim=Reassociates(), where=_is_safe),                                             # Σ(x·c) = (Σx)·c
    Rule("sum-of-quotient", sum_(divide(x, factor), axis=axis), divide(sum_(x, axis=axis), factor),
         claim=Reassociates(), where=_is_safe),                                             # Σ(x/c) = (Σx)/c
)  # fmt: skip


@rule(sum_(multiply(expand_dims(x, axis=new), expand_dims(y, axis=other)), axis=axis), claim=Reassociates())
def broadcast_product(match: Match, x: Any, y: Any, new: Axis, other: Axis, axis: Axis) -> Any:
    """Σⱼ x[i, j, 1]·y[1, j, k] → x @ y, for matrices whose new axes and the summed one are the three there are"""
    if x.ndim != 2 or y.ndim != 2 or sorted((*new, *other, *axis)) != [0, 1, 2]:
        return refuse("it is no product of two matrices summed over the axis that both have")
    if other[0] > new[0]:  # x has the axis that y lacks: the rows of the result are those of the lower axis
        x, y, new, other = y, x, other, new
    rows = x if other[0] < axis[0] else transpose(x, axes=(1, 0))
    columns = y if axis[0] < new[0] else transpose(y, axes=(1, 0))
    summed = {rows.shape[1], columns.shape[0]}
    if 1 in summed and len(summed) > 1:
        return refuse("an operand is stretched along the axis that is summed")
    return matmul(rows, columns)


@rule(matmul(x, AnyOp("y", trait="leaf")), claim=Reassociates())
def times_equal_columns(match: Match, x: Any, y: Any) -> Any:
    """x @ c → c·Σx, for a matrix c of equal elements"""
    return _added_up(match, x, y, 1)


@rule(matmul(AnyOp("y", trait="leaf"), x), claim=Reassociates())
def equal_rows_times(match: Match, x: Any, y: Any) -> Any:
    """c @ x → c·Σx, for a matrix c of equal elements"""
    return _added_up(match, x, y, 0)


def _added_up(match: Match, x: Any, y: Any, summed: int) -> Any:
    value = uniform_value(y)
    if value is None or x.ndim != 2 or y.ndim != 2:
        return refuse("the other operand is no matrix of equal elements, or there are stacks of matrices")
    total = sum_(x, axis=(summed,)) * value
    return broadcast_to(expand_dims(total, axis=(summed,)), shape=match.root.shape)


RULES: tuple[Rule, ...] = (*FACTORS, broadcast_product, times_equal_columns, equal_rows_times)
