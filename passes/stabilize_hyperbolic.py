"""Hyperbolic functions and their inverses, written out by exponentials and logarithms; 1 - tanh² and cosh x - 1.

A function of its own has one rounding and the right range; what is written out cancels near zero and overflows early.
Halves are matched with their factor, because eˣ ± e⁻ˣ alone belong to other patterns (tanh, logaddexp).
"""

from __future__ import annotations

import math
from typing import Any

import graphopt.tensor as T
from graphopt.rewrite import Improves, Match, Rule, V, rule

__all__ = ["LONGER", "RULES"]

x = V("x")
grows, decays = T.exp(x), T.exp(-x)
sinh_squared = T.square(T.sinh(x * 0.5))

BY_EXPONENTIALS = (
    Rule("sinh", (grows - decays) / 2, T.sinh(x), claim=Improves()),                               # (eˣ - e⁻ˣ)/2
    Rule("sinh-by-half", (grows - decays) * 0.5, T.sinh(x), claim=Improves()),
    Rule("cosh", (grows + decays) / 2, T.cosh(x), claim=Improves()),                               # (eˣ + e⁻ˣ)/2
    Rule("cosh-by-half", (grows + decays) * 0.5, T.cosh(x), claim=Improves()),
    Rule("cosh-minus-one", T.cosh(x) - 1, sinh_squared * 2, claim=Improves(3)),                    # cosh x - 1
    Rule("one-minus-cosh", 1 - T.cosh(x), -(sinh_squared * 2), claim=Improves(3)),
    Rule("exp-difference", (grows - 2) + decays, sinh_squared * 4, claim=Improves(3)),      # eˣ - 2 + e⁻ˣ
    Rule("exp-difference-below", (decays - 2) + grows, sinh_squared * 4, claim=Improves(3)),
    Rule("exp-difference-of-sum", (grows + decays) - 2, sinh_squared * 4, claim=Improves(3)),
)  # fmt: skip

root_above, root_below = T.sqrt(T.square(x) + 1), T.sqrt(T.abs(x) - 1) * T.sqrt(T.abs(x) + 1)
INVERSES = (
    Rule("arctanh", T.log((x + 1) / (1 - x)), T.arctanh(x) * 2, claim=Improves()),                 # log((1+x)/(1-x))
    Rule("negative-arctanh", T.log((1 - x) / (x + 1)), -(T.arctanh(x) * 2), claim=Improves()),     # log((1-x)/(1+x))
    Rule("arctanh-by-log1p", T.log1p(x) - T.log1p(-x), T.arctanh(x) * 2, claim=Improves()),        # log(1+x) - log(1-x)
    Rule("arcsinh", T.log(x + root_above), T.arcsinh(x), claim=Improves()),                        # log(x + √(x²+1))
    Rule("negative-arcsinh", T.log(root_above - x), -T.arcsinh(x), claim=Improves()),              # log(√(x²+1) - x)
    Rule("arccosh", T.log(x + root_below), T.arccosh(x), claim=Improves()),                        # log(x + √(x²-1))
    Rule("arccosh-by-roots", T.log(x + T.sqrt(x - 1) * T.sqrt(x + 1)), T.arccosh(x), claim=Improves()),
)  # fmt: skip


def _is_used_once(match: Match) -> bool:
    """Of 1 ± tanh x: nothing else needs the tanh, as its own derivative (1 - y)(1 + y) does."""
    return match.graph.uses(match.nodes[1]) == 1


upper, lower = T.sigmoid(x * 2), T.sigmoid(-(x * 2))
SLOPES = (
    Rule("one-minus-tanh-squared", 1 - T.square(T.tanh(x)), (upper * lower) * 4, claim=Improves(3)),  # 1 - tanh² x
    Rule("tanh-squared-minus-one", T.square(T.tanh(x)) - 1, -((upper * lower) * 4), claim=Improves(3)),
)  # fmt: skip
SATURATION = (
    Rule("one-minus-tanh", 1 - T.tanh(x), lower * 2, claim=Improves(), where=_is_used_once),          # 1 - tanh x
    Rule("one-plus-tanh", T.tanh(x) + 1, upper * 2, claim=Improves(), where=_is_used_once),           # 1 + tanh x
    Rule("tanh-minus-one", T.tanh(x) - 1, -(lower * 2), claim=Improves(), where=_is_used_once),       # tanh x - 1
)  # fmt: skip


@rule(T.log(T.cosh(x)), claim=Improves(4))
def log_cosh(match: Match, x: Any) -> Any:
    """log cosh x → log(1 + 2 sinh²(x/2)) for small x, |x| - log 2 + log(1 + e^(-2|x|)) for large"""
    size = T.abs(x)
    is_small = size < 1
    near = T.where(is_small, x, 0)
    far = (size - math.log(2)) + T.log1p(T.exp(size * -2))
    return T.where(is_small, T.log1p(T.square(T.sinh(near * 0.5)) * 2), far)


RULES: tuple[Rule, ...] = (*BY_EXPONENTIALS, *INVERSES, *SATURATION)
LONGER: tuple[Rule, ...] = (*SLOPES, log_cosh)
