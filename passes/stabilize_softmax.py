"""Stabilization of sums of exponentials: log-sum-exp, softmax, log-softmax, in their spellings.

The patterns are written for the canonical form, which is why there are few: `keepdims`, reshape, `e·(1/Σe)`, and
transposes are gone by then. What is left to tell apart is a reduction over all axes (a scalar) from one over some
(whose result gets new axes, by `expand_dims`). A user's own shift by a maximum, or by anything else, is taken out
again: the ops shift by themselves. Where only a part of the shares is asked for, the numerator is an exponential of
something else than the sum's, because slices have moved to the inputs: then log-sum-exp goes into the exponent. The
bounds are those of P. Blanchard, D. J. Higham, N. J. Higham, "Accurately computing the log-sum-exp and softmax
functions", IMA J. Numer. Anal. 41 (2021), whose shifted forms `lower` writes.
"""

from __future__ import annotations

from typing import Any

import graphopt.tensor as T
from graphopt.ops.gather import gather
from graphopt.ops.neural import log_softmax, logsumexp, softmax
from graphopt.ops.reduction import sum_
from graphopt.ops.shape import expand_dims
from graphopt.rewrite import Attr, Match, Rule, Stabilizes, V, refuse, rule, through
from graphopt.rewrite.pattern import Pattern

__all__ = ["LONGER", "RULES"]

x, y, g = V("x"), V("y"), V("g")
i, j = V("i", dtype="int64"), V("j", dtype="int64")
shift = V("c", ndim=0)
axis = Attr("axis")

ABSOLUTE = Stabilizes(16)  # log-sum-exp and log-softmax: the shift costs max|x|·ε
RELATIVE = Stabilizes(16, relative=True)  # softmax: its exponential turns that into a relative error


def spread(value: Any) -> Any:
    """A reduction's result with the axes it reduced."""
    return expand_dims(value, axis=axis)


def over_all(match: Match) -> bool:
    """The reduction is over all axes: a scalar, which cannot meet the wrong axis."""
    return len(match["axis"]) == int(match["x"].ndim)


def scale_fits(match: Match) -> bool:
    """The scale has the axes that the reduction left, or none."""
    return match["g"].ndim in (0, match["x"].ndim - len(match["axis"]))


def shift_fits(match: Match) -> bool:
    """The shift has the axes that the reduction left, and so is constant along the others."""
    return bool(match["y"].ndim == match["x"].ndim - len(match["axis"]))


def above(value: Any) -> Any:
    """A value that may be viewed and cast on the way to where it is divided."""
    return through(value, name="above")


def beneath(value: Any) -> Any:
    """A value of which a part may be summed, and cast before: others may use the whole, so slices did not move."""
    return through(value, ops=("cast", "slice"), name="beneath")


def widened(value: Any) -> Any:
    """A value that may be cast to a wider float before it is summed or divided; the ops then compute in that."""
    return through(value, ops=("cast",), name="widened")


e = widened(T.exp(x))
total = sum_(e, axis=axis)
normalizer = logsumexp(x, axis=axis)
shares = widened(softmax(x, axis=axis))

partial = through(sum_(beneath(T.exp(x)), axis=axis))
partial_normalizer = through(logsumexp(beneath(x), axis=axis))

LOG_SUM_EXP = (Rule("logsumexp", T.log(partial), partial_normalizer, claim=ABSOLUTE),)  # log Σeˣ

SOFTMAX = (
    Rule("softmax", e / spread(total), shares, claim=RELATIVE),  # eˣ/Σeˣ over some axes
    Rule("softmax-of-all", e / total, shares, claim=RELATIVE, where=over_all),  # over all axes
    Rule("exp-log-softmax", T.exp(through(log_softmax(x, axis=axis))), through(softmax(x, axis=axis)), claim=RELATIVE),
    # what differentiating the naive forms leaves: eˣ·(g/Σeˣ) = g·softmax(x)
    Rule("scaled-softmax", e * spread(g / total), shares * spread(g), claim=RELATIVE, where=scale_fits),
    Rule("scaled-softmax-of-all", e * (g / total), shares * g, claim=RELATIVE, where=over_all),
    Rule("weighted-softmax", e * (g / spread(total)), shares * g, claim=RELATIVE),
    Rule("softmax-numerator", (e * g) / spread(total), shares * g, claim=RELATIVE),
    Rule("softmax-numerator-of-all", (e * g) / total, shares * g, claim=RELATIVE, where=over_all),
    Rule("softmax-cancels", softmax(x, axis=axis) * (g / softmax(x, axis=axis)), g, claim=Stabilizes(1)),
)  # fmt: skip

LOG_SOFTMAX = (
    Rule("log-softmax", T.log(through(softmax(x, axis=axis))), through(log_softmax(x, axis=axis)), claim=ABSOLUTE),
    Rule("minus-logsumexp", x - spread(normalizer), log_softmax(x, axis=axis), claim=ABSOLUTE),   # x - log Σeˣ
    Rule("minus-logsumexp-of-all", x - normalizer, log_softmax(x, axis=axis), claim=ABSOLUTE, where=over_all),
    Rule("logsumexp-minus", spread(normalizer) - x, -log_softmax(x, axis=axis), claim=ABSOLUTE),  # log Σeˣ - x
    Rule("logsumexp-of-all-minus", normalizer - x, -log_softmax(x, axis=axis), claim=ABSOLUTE, where=over_all),
)  # fmt: skip

PARTS = (
    Rule("exp-over-sum", above(T.exp(y)) / partial, T.exp(above(y) - partial_normalizer), claim=RELATIVE),  # eʸ/Σeˣ
)

GATHERED = tuple(
    Rule(
        name, T.log(above(gather(softmax(x, axis=axis), *indices))),
        above(gather(log_softmax(x, axis=axis), *indices)), claim=ABSOLUTE,
    )
    for name, indices in (("log-softmax-at", (i,)), ("log-softmax-at-pairs", (i, j)))
)  # fmt: skip

SHIFTS = (
    Rule("shifted-logsumexp", logsumexp(x - spread(y), axis=axis) + y, normalizer, claim=ABSOLUTE, where=shift_fits),
    Rule("shifted-logsumexp-of-all", logsumexp(x - shift, axis=axis) + shift, normalizer, claim=ABSOLUTE),
    Rule("minus-logsumexp-minus", (x - spread(logsumexp(x - spread(y), axis=axis))) - spread(y),
         log_softmax(x, axis=axis), claim=ABSOLUTE, where=shift_fits),
    Rule("minus-logsumexp-minus-scalar", (x - logsumexp(x - shift, axis=axis)) - shift,
         log_softmax(x, axis=axis), claim=ABSOLUTE, where=over_all),
    Rule("log-softmax-restored", (x - spread(y)) - spread(logsumexp(x - spread(y), axis=axis)),
         log_softmax(x, axis=axis), claim=ABSOLUTE, where=shift_fits),
)  # fmt: skip


def _unshifted(op: Any, shifted: Pattern, name: str, algebra: str) -> Rule:
    claim = RELATIVE if op is softmax else ABSOLUTE

    @rule(op(shifted, axis=axis), claim=claim, name=name, algebra=algebra)
    def remove(match: Match, x: Any, y: Any, axis: tuple[int, ...], **more: Any) -> Any:
        new = more.get("new", ())
        constant_along = set(new) if new and y.ndim + len(new) == x.ndim else set()
        if y.ndim and not constant_along.issuperset(axis):
            return refuse("the shift varies along the axes of the softmax")
        if x.shape != match.root.shape:
            return refuse("the shift broadcasts the operand")
        return op(x, axis=axis)

    return remove


def _unshifted_rules(op: Any) -> tuple[Rule, ...]:
    word, scalar, new = op.name.replace("_", "-"), V("y", ndim=0), Attr("new")
    stretched = expand_dims(V("y"), axis=new)
    return (
        _unshifted(op, x - stretched, f"{word}-minus", f"{op.name}(x - c) → {op.name}(x), c constant along its axes"),
        _unshifted(op, x + stretched, f"{word}-plus", f"{op.name}(x + c) → {op.name}(x), c constant along its axes"),
        _unshifted(op, x - scalar, f"{word}-minus-scalar", f"{op.name}(x - c) → {op.name}(x), c a scalar"),
        _unshifted(op, x + scalar, f"{word}-plus-scalar", f"{op.name}(x + c) → {op.name}(x), c a scalar"),
    )


RULES: tuple[Rule, ...] = (
    *SHIFTS,
    *LOG_SUM_EXP,
    *SOFTMAX,
    *LOG_SOFTMAX,
    *GATHERED,
    *_unshifted_rules(softmax),
    *_unshifted_rules(log_softmax),
)

LONGER: tuple[Rule, ...] = PARTS
"""They write a share with the logarithm of the sum, which no rule turns back into a quotient."""
