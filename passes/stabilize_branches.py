"""Linear functions of masked values: the mask goes last, so that what it hides cannot spoil the result.

A derivative is full of where(c, g, 0)·f'(x). Where f' is infinite or NaN, 0·f' is NaN, although the branch was not
taken. Multiplying inside the mask gives 0 there and the same bits elsewhere. Over the reals 0·∞ has no value, and so
nothing is lost; somebody who wants the NaN leaves `stabilize` out.

On its way from the choice to the factor that breaks, a cotangent is also added to others of the same branch, summed
along axes that the condition does not know, and repeated along them: the mask follows it there, too. (Where it is
negated, the canonical form moves the sign outward, past the factor.)
"""

from __future__ import annotations

from typing import Any

import graphopt.tensor as T
from graphopt.ops.linear_algebra import matmul
from graphopt.ops.neural import softmax
from graphopt.ops.reduction import sum_
from graphopt.ops.shape import expand_dims, squeeze
from graphopt.rewrite import Attr, Match, Rule, Stabilizes, V, refuse, rule

__all__ = ["LONGER", "RULES"]

x, y, c = V("x"), V("y"), V("c")
axis = Attr("axis")
masked = T.where(c, x, 0)
spread_alike = T.where(expand_dims(c, axis=axis), y, 0)
SAME = Stabilizes(1, relative=True)


@rule(sum_(masked, axis=axis), claim=SAME)
def sum_of_masked(match: Match, x: Any, c: Any, axis: tuple[int, ...]) -> Any:
    """Σ where(c, x, 0) → where(c, Σx, 0) for a condition that does not vary along the sum"""
    if x.ndim < max(axis) + 1 or x.ndim < c.ndim or any(n == 1 for n in x.shape):
        return refuse("the value may be broadcast to the condition")
    own = [k - (x.ndim - c.ndim) for k in axis]
    if any(k >= 0 and c.shape[k] != 1 for k in own):
        return refuse("the condition varies along the sum")
    units = tuple(k for k in own if k >= 0)
    return T.where(squeeze(c, axis=units) if units else c, sum_(x, axis=axis), 0)


@rule(expand_dims(masked, axis=axis) * y, claim=SAME)
def product_of_spread_masked(match: Match, x: Any, y: Any, c: Any, axis: tuple[int, ...]) -> Any:
    """expand_dims(where(c, x, 0))·y → where(expand_dims(c), expand_dims(x)·y, 0)"""
    rank = max(x.ndim, c.ndim)

    def spread(value: Any) -> Any:
        if not value.ndim:
            return value
        missing = tuple(range(rank - value.ndim))
        return expand_dims(expand_dims(value, axis=missing) if missing else value, axis=axis)

    return T.where(spread(c), spread(x) * y, 0)


@rule(T.where(c, matmul(softmax(x, axis=axis), y), 0), claim=Stabilizes(16))  # the bits of before, where not masked
def masked_product_of_softmax(match: Match, x: Any, y: Any, c: Any, axis: tuple[int, ...]) -> Any:
    """where(c, softmax(x) y, 0) → where(c, where(c, softmax(x), 0) y, 0) for a condition on rows

    Attention that may look nowhere: the shares of a row of -inf are no numbers. A product's derivative mixes its rows,
    where a mask of its result comes too late.
    """
    if x.ndim < 2 or x.ndim != match.root.ndim or y.ndim > x.ndim:
        return refuse("a row of the result is no row of the softmax")
    if c.ndim and (c.ndim != x.ndim or c.shape[-1] != 1):
        return refuse("the condition varies along rows")
    return T.where(c, matmul(T.where(c, softmax(x, axis=axis), 0), y), 0)


RULES: tuple[Rule, ...] = (
    Rule("product-of-masked", masked * y, T.where(c, x * y, 0), claim=SAME),                     # where(c, x, 0)·y
    Rule("product-of-masked-otherwise", T.where(c, 0, x) * y, T.where(c, 0, x * y), claim=SAME),
    Rule("quotient-of-masked", masked / y, T.where(c, x / y, 0), claim=SAME),                    # where(c, x, 0)/y
    Rule("quotient-of-masked-otherwise", T.where(c, 0, x) / y, T.where(c, 0, x / y), claim=SAME),
    Rule("sum-of-masked-alike", masked + T.where(c, y, 0), T.where(c, x + y, 0), claim=SAME),    # of one condition
    Rule("difference-of-masked-alike", masked - T.where(c, y, 0), T.where(c, x - y, 0), claim=SAME),
    Rule(
        "sum-of-spread-masked-alike", expand_dims(masked, axis=axis) + spread_alike,
        T.where(expand_dims(c, axis=axis), expand_dims(x, axis=axis) + y, 0), claim=SAME,
        where=lambda match: match["x"].ndim == match["c"].ndim,
    ),                                                                                           # one of them repeated
    sum_of_masked,
    product_of_spread_masked,
)  # fmt: skip

LONGER: tuple[Rule, ...] = (masked_product_of_softmax,)
