"""Powers, products, gamma functions and norms, whose parts overflow, underflow or round where the whole does not.

Where the naive form is good, it is what these compute, to the bit; the other form, which may be some hundred ulps off,
stands in only where a part is zero or infinite. Operands are held where their side is good, so that neither a value
nor a derivative that is not wanted can be NaN; that also tells a replacement from its pattern.

x·log x and x/|x| have no value at zero, where they become their limit, 0, and the sign; nobody's number changes.

Source: J. M. Blue, "A portable Fortran program to find the Euclidean norm of a vector", ACM TOMS 4 (1978), for the
scaling by powers of two.
"""

from __future__ import annotations

import math
from typing import Any

import graphopt.tensor as T
from graphopt.ops.arithmetic import add, fma, multiply, subtract
from graphopt.ops.elementary import sigmoid
from graphopt.ops.leaves import constant
from graphopt.ops.logic import where
from graphopt.ops.reduction import prod, sum_
from graphopt.ops.shape import expand_dims
from graphopt.rewrite import Attr, Improves, Match, Rule, Stabilizes, V, floating, nonnegative, positive, refuse, rule
from graphopt.variable import literal

__all__ = ["LONGER", "RULES"]

x, y = V("x"), V("y")
f = V("x", dtype=floating)
axis = Attr("axis")

LIMITS = (
    Rule("x-log-x", f * T.log(f), T.xlogy(f, f), claim=Improves()),                                     # x·log x
    Rule("over-absolute", f / T.abs(f), T.sign(f), claim=Stabilizes(1, relative=True)),                 # x/|x|
)  # fmt: skip

POWER_TIMES_LOG = Rule("power-times-log", f**y * T.log(f), T.xlogy(f**y, f), claim=Improves())  # xʸ·log x

gamma, lgamma = T.gamma, T.lgamma
GAMMAS = (
    Rule("log-gamma-of-positive", T.log(gamma(V("x", where=positive))), lgamma(x), claim=Improves()),  # log Γ(x)
    Rule(
        "log-gamma", T.log(gamma(x)),
        T.where((x < 0) & T.eq(T.remainder(T.floor(x), 2), 1), math.nan, lgamma(x)), claim=Improves(),
    ),  # where Γ(x) > 0
    Rule("gamma-ratio", gamma(x + 1) / gamma(x), x, claim=Improves()),  # Γ(x+1)/Γ(x) = x
    Rule("lgamma-step", lgamma(x + 1) - lgamma(x), T.log(T.abs(x)), claim=Improves()),  # log Γ(x+1) - log Γ(x)
)  # fmt: skip

PRODUCT_OF_NONNEGATIVE = Rule(
    "log-prod-of-nonnegative",
    T.log(prod(V("x", where=nonnegative), axis=axis)),
    sum_(T.log(x), axis=axis),
    claim=Stabilizes(32),
)  # log Πx = Σlog x
PRODUCT = Rule(
    "log-prod",
    T.log(prod(f, axis=axis)),
    T.where(prod(T.sign(f), axis=axis) < 0, math.nan, sum_(T.log(T.abs(f)), axis=axis)),
    claim=Stabilizes(32),
)  # where Πx ≥ 0

OVERFLOWS = {"float64": 171.7, "float32": 35.1}  # where gamma(x) is infinite
VANISHES = {"float64": 746.0, "float32": 104.0}  # where exp(-x) is zero


def _is_held(value: Any) -> bool:
    """A rule has been here: the value is the constant that stands in for it elsewhere."""
    return bool(value.op is where)


@rule((gamma(x) * gamma(y)) / gamma(x + y), claim=Improves())
def beta(match: Match, x: Any, y: Any) -> Any:
    """Γ(x)Γ(y)/Γ(x+y) → e^(log Γ(x) + log Γ(y) - log Γ(x+y)) where Γ(x+y) is infinite"""
    total = x + y
    is_far = (x > 0) & (y > 0) & (total > OVERFLOWS[match.root.dtype])
    logarithm = lgamma(T.where(is_far, x, 1)) + lgamma(T.where(is_far, y, 1))
    logarithm = logarithm - lgamma(T.where(is_far, total, 2))
    near = gamma(T.where(is_far, 1, x)) * gamma(T.where(is_far, 1, y)) / gamma(T.where(is_far, 2, total))
    return T.where(is_far, T.exp(logarithm), near)


@rule((T.exp(-x) * x**y) / gamma(y + 1), claim=Improves())
def poisson(match: Match, x: Any, y: Any) -> Any:
    """e⁻ˣxʸ/Γ(y+1) → e^(y log x - x - log Γ(y+1)) where a part is infinite or zero"""
    if _is_held(x):
        return refuse("its operands are held already")
    dtype = match.root.dtype
    lost = (x > VANISHES[dtype]) | (y + 1 > OVERFLOWS[dtype]) | T.isinf(x**y)
    is_far = (x > 0) & (y > 0) & T.isfinite(x) & T.isfinite(y) & lost
    rate, count = T.where(is_far, x, 1), T.where(is_far, y, 1)
    far = T.exp((count * T.log(rate) - rate) - lgamma(count + 1))
    rate, count = T.where(is_far, 1, x), T.where(is_far, 1, y)
    return T.where(is_far, far, T.exp(-rate) * rate**count / gamma(count + 1))


def _is_worth_it(match: Match) -> bool:
    """A constant exponent loses as many ulps as it is large, no more; and 1 is not subtracted: `power-minus-one`."""
    graph = match.graph
    is_subtracted_from = any(graph.op(user) is subtract for user in graph.users(match.node))
    return match["y"].op is not constant and not is_subtracted_from


@rule((x + 1) ** y, claim=Improves(3), where=_is_worth_it)
def power_of_one_plus(match: Match, x: Any, y: Any) -> Any:
    """(1 + x)ʸ → wʸ·e^(y·r/w), where w is 1 + x rounded and r what that lost"""
    base = fma(x, 1, 1)  # x + 1, in a form that is not the pattern's
    result = base**y
    has_lost = (T.abs(x) < 1) & (result > 0) & (result < math.inf) & T.isfinite(y)
    lost = T.where(has_lost, x - (base - 1), 0)
    return result * T.exp(T.where(has_lost, y, 0) * (lost / T.where(has_lost, base, 1)))


def _logarithm(x: Any, is_wanted: Any) -> Any:
    """log x where it is wanted; of 1 + z by log1p."""
    if x.op is add and x.inputs[1].op is constant and x.inputs[1].attributes["value"] == 1:
        return T.log1p(T.where(is_wanted, x.inputs[0], 0))
    return T.log(T.where(is_wanted, x, 1))


@rule(f**y - 1, claim=Improves(5))
def power_minus_one(match: Match, x: Any, y: Any) -> Any:
    """xʸ - 1 → expm1(y·log x) where xʸ is near 1"""
    if _is_held(x):
        return refuse("its base is held already")
    result = x**y
    is_near = (result > 0.5) & (result < 1.5) & (x > 0) & T.isfinite(x) & T.isfinite(y)
    logarithm = _logarithm(x, is_near)
    return T.where(is_near, T.expm1(y * logarithm), T.where(is_near, 1, x) ** y - 1)


@rule(T.log(x / (1 - x)), claim=Stabilizes(4, relative=True))
def logit(match: Match, x: Any) -> Any:
    """log(x/(1-x)) → log(1 + (2x-1)/(1-x)) near ½, log x - log(1-x) elsewhere"""
    graph = match.graph
    if any(graph.op(user) is sigmoid for user in graph.users(match.node)):
        return refuse("the sigmoid of a logit is its operand")
    is_middle = T.abs(x - 0.5) < 0.25
    middle, outer = T.where(is_middle, x, 0.5), T.where(is_middle, 0.125, x)
    return T.where(is_middle, T.log1p((middle * 2 - 1) / (1 - middle)), T.log(outer) - T.log1p(-outer))


SCALES = {"float64": 2.0**600, "float32": 2.0**80}
EXTREMES = {"float64": 2.0**800, "float32": 2.0**80}  # of the sum of squares


def _is_scaled(value: Any) -> bool:
    if value.op is not multiply:
        return False
    factors = [factor.inputs[0] if factor.op is expand_dims else factor for factor in value.inputs]
    return any(factor.op is where for factor in factors)


@rule(T.sqrt(sum_(T.square(f), axis=axis)), claim=Improves())
def norm(match: Match, x: Any, axis: tuple[int, ...]) -> Any:
    """√Σx² → √Σ(x·s)²/s, s a power of two that keeps the squares from overflow and underflow"""
    if _is_scaled(x):
        return refuse("its operand is scaled already")
    dtype = x.dtype
    extreme, scale = EXTREMES[dtype], SCALES[dtype]
    squares = sum_(T.square(x), axis=axis)
    down, up, one = (literal(value, dtype) for value in (1 / scale, scale, 1.0))
    factor = T.where(squares > extreme, down, T.where(squares < 1 / extreme, up, one))
    scaled = sum_(T.square(x * expand_dims(factor, axis=axis)), axis=axis)
    nothing = T.eq(scaled, 0)  # where the derivative of the root would be 0/0; 0 is one of the subgradients
    return T.where(nothing, 0, T.sqrt(T.where(nothing, 1, scaled))) / factor


RULES: tuple[Rule, ...] = (*LIMITS, *GAMMAS, PRODUCT_OF_NONNEGATIVE)
LONGER: tuple[Rule, ...] = (
    POWER_TIMES_LOG, PRODUCT, beta, poisson, power_of_one_plus, power_minus_one, logit, norm,
)  # fmt: skip
