"""The arithmetic half of the canonical form: one way to write negation, division, squares and neutral elements.

What is not here, because it is not true in floating point: x + 0 → x (it changes -0), x - x → 0, x/x → 1, 0·x → 0
(infinities and NaN), -(x - y) → y - x and 0 - x → -x (the sign of zero).
"""

from __future__ import annotations

from typing import Any

import graphopt.tensor as T
from graphopt.op import Op
from graphopt.ops.leaves import ArrayConstant, constant
from graphopt.rewrite import AnyOp, Attr, Exact, Improves, Match, Rule, Ulps, V, floating, integral, refuse, rule
from graphopt.rewrite.measures import decreasing
from graphopt.rewrite.standard_measures import DISORDER, HAZARDS, NEGATIONS, OPERATIONS, STRETCHES
from graphopt.variable import literal

__all__ = ["RULES", "uniform_value"]

x, y = V("x"), V("y")
signed = V("x", dtype=lambda dtype: not dtype.startswith("u"))
c = V("c", constant=True, ndim=0)
a = Attr("a")

SIGNS = (
    Rule("double-negation", T.negative(-x), x, claim=Exact()),                # -(-x) = x
    Rule("times-minus-one", x * -1, -x, claim=Exact()),                       # x·(-1) = -x
    Rule("over-minus-one", x / -1, -x, claim=Exact()),                        # x/(-1) = -x
    Rule("add-negative", x + (-y), x - y, claim=Exact()),                     # x + (-y) = x - y
    Rule("subtract-negative", x - (-y), x + y, claim=Exact()),                # x - (-y) = x + y
    Rule("multiply-negative", (-x) * y, -(x * y), claim=Exact()),             # (-x)·y = -(x·y)
    Rule("negative-over", (-x) / y, -(x / y), claim=Exact()),                 # (-x)/y = -(x/y)
    Rule("over-negative", x / (-y), -(x / y), claim=Exact()),                 # x/(-y) = -(x/y)
    Rule("absolute-negative", T.abs(-signed), T.abs(signed), claim=Exact()),  # |-x| = |x|
    Rule("square-negative", T.square(-x), T.square(x), claim=Exact()),        # (-x)² = x²
    # the same where y has new axes
    Rule("add-spread-negative", x + T.expand_dims(-y, a), x - T.expand_dims(y, a), claim=Exact()),
    Rule("subtract-spread-negative", x - T.expand_dims(-y, a), x + T.expand_dims(y, a), claim=Exact()),
    Rule("multiply-spread-negative", x * T.expand_dims(-y, a), -(x * T.expand_dims(y, a)), claim=Exact()),
)  # fmt: skip

NEUTRAL = (
    Rule("times-one", x * 1, x, claim=Exact()),                                             # x·1 = x
    Rule("over-one", x / 1, x, claim=Exact()),                                              # x/1 = x
    Rule("add-negative-zero", x + (-0.0), x, claim=Exact()),                                # x + (-0) = x
    Rule("subtract-zero", x - 0.0, x, claim=Exact()),                                       # x - 0 = x
    Rule("add-zero", V("x", dtype=integral) + 0, x, claim=Exact()),                         # integers: x + 0 = x
    Rule("same-branches", T.where(y, x, x), x, claim=Exact()),                              # where(y, x, x) = x
    Rule("maximum-of-one", T.maximum(x, x), x, claim=Exact()),                              # max(x, x) = x
    Rule("minimum-of-one", T.minimum(x, x), x, claim=Exact()),                              # min(x, x) = x
    Rule("not-not", T.logical_not(T.logical_not(V("x", dtype="bool"))), x, claim=Exact()),  # ¬¬x = x
)  # fmt: skip

f = V("x", dtype=floating)
POWERS = (
    Rule("times-itself", x * x, T.square(x), claim=Exact()),         # x·x = x²
    Rule("power-two", x**2, T.square(x), claim=Ulps(1)),             # pow(x, 2) = x²
    Rule("power-zero", f**0, 1, claim=Exact()),                      # pow(x, 0) = 1
    Rule("power-one", x**1, x, claim=Exact()),                       # pow(x, 1) = x
    Rule("power-three", f**3, x * T.square(x), claim=Ulps(3)),       # pow(x, 3) = x·x²
    Rule("power-four", f**4, T.square(T.square(x)), claim=Ulps(4)),  # pow(x, 4) = (x²)²
    Rule("power-minus-one", f**-1, 1 / x, claim=Ulps(1)),            # pow(x, -1) = 1/x
    Rule("power-minus-two", f**-2, T.square(1 / x), claim=Ulps(4)),  # pow(x, -2) = (1/x)²
    Rule("times-reciprocal", x * (1 / y), x / y, claim=Improves()),  # x·(1/y) = x/y
    Rule("times-spread-reciprocal", x * T.expand_dims(1 / y, a), x / T.expand_dims(y, a), claim=Improves()),
)  # fmt: skip


@rule(x + c, claim=Exact())
def add_negative_constant(match: Match, x: Any, c: Any) -> Any:
    """x + (-|c|) → x - |c|"""
    value = c.attributes["value"]
    if not isinstance(value, int | float) or not value < 0 or -value > _greatest(c.dtype):
        return refuse("the constant is not negative, or its magnitude does not fit its dtype")
    return x - literal(-value, c.dtype)


def _constant_first(operands: tuple[Op, ...]) -> bool:
    left, right = operands
    return left is constant and right is not constant


@rule(AnyOp("y", trait="commutative", over=("constant",), ops=_constant_first), claim=Ulps(0))
def constant_last(match: Match, y: Any) -> Any:
    """c ∘ x → x ∘ c for commutative ops; of a maximum of zeros the sign is left to its place"""
    left, right = y.inputs
    return y.op(right, left)


@rule(AnyOp("y", trait="leaf"), claim=Exact(), where=lambda match: _is_uniform(match.root))
def uniform_array(match: Match, y: Any) -> Any:
    """[c, c, …] → c, with the array's shape"""
    first = y.attributes["value"].array.flat[0].item()
    return literal(first, y.dtype, y.shape)


def _is_uniform(y: Any) -> bool:
    value = y.attributes.get("value")
    if not isinstance(value, ArrayConstant) or not value.array.size:
        return False
    data = value.array.tobytes()
    return data == data[: value.array.itemsize] * value.array.size


def uniform_value(x: Any) -> Any:
    """The number that all elements of a constant are, or None."""
    value = x.attributes.get("value") if x.op is constant else None
    if isinstance(value, ArrayConstant):
        return value.array.flat[0].item() if _is_uniform(x) else None
    return value


def _greatest(dtype: str) -> float:
    import numpy as np

    return float("inf") if dtype.startswith("float") else int(np.iinfo(dtype).max)


RULES: tuple[Rule, ...] = (
    *decreasing(NEGATIONS, *SIGNS),
    *decreasing(OPERATIONS, *NEUTRAL),
    *decreasing((HAZARDS, OPERATIONS), *POWERS),
    *decreasing(NEGATIONS, add_negative_constant),
    *decreasing(DISORDER, constant_last),
    *decreasing(STRETCHES, uniform_array),
)
