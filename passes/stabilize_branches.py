"""Products and quotients of masked values: the mask goes last, so that what it hides cannot spoil the result.

A derivative is full of where(c, g, 0)·f'(x). Where f' is infinite or NaN, 0·f' is NaN, although the branch was not
taken. Multiplying inside the mask gives 0 there and the same bits elsewhere. Over the reals 0·∞ has no value, and so
nothing is lost; somebody who wants the NaN leaves `stabilize` out.
"""

from __future__ import annotations

import graphopt.tensor as T
from graphopt.rewrite import Rule, Stabilizes, V

__all__ = ["RULES"]

x, y, c = V("x"), V("y"), V("c")
SAME = Stabilizes(1, relative=True)

RULES: tuple[Rule, ...] = (
    Rule("product-of-masked", T.where(c, x, 0) * y, T.where(c, x * y, 0), claim=SAME),           # where(c, x, 0)·y
    Rule("product-of-masked-otherwise", T.where(c, 0, x) * y, T.where(c, 0, x * y), claim=SAME),
    Rule("quotient-of-masked", T.where(c, x, 0) / y, T.where(c, x / y, 0), claim=SAME),          # where(c, x, 0)/y
    Rule("quotient-of-masked-otherwise", T.where(c, 0, x) / y, T.where(c, 0, x / y), claim=SAME),
)  # fmt: skip
