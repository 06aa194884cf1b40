"""Stabilization of exponentials, logarithms, sigmoids and error functions: a table of elementwise rules.

Left out because it is not true: x·log(y) → xlogy(x, y) (they differ at 0·log 0).
"""

from __future__ import annotations

import math
from typing import Any

import graphopt.tensor as T
from graphopt.ops.arithmetic import add
from graphopt.ops.elementary import exp
from graphopt.ops.shape import expand_dims
from graphopt.rewrite import Attr, Improves, Match, Rule, Stabilizes, Ulps, V, floating, nonnegative, refuse, rule
from graphopt.variable import literal

__all__ = ["RULES"]

x, y, z, g = V("x"), V("y"), V("z"), V("g")
f = V("x", dtype=floating)
c = V("c", ndim=0, where=lambda handle: handle.op.name == "constant")
a = Attr("a")
nan = math.nan
MANY = 64  # a sum with shared parts can have more terms than the graph has nodes


def may_be_negative(handle: Any) -> bool:
    """Where nothing rules it out; for the rest, `exp-log-of-nonnegative` needs no test at run time."""
    return not nonnegative(handle)


LOGARITHMS = (
    Rule("log1p", T.log(x + 1), T.log1p(x), claim=Improves()),                       # log(1 + x)
    Rule("log1p-of-negative", T.log(1 - x), T.log1p(-x), claim=Improves()),          # log(1 - x)
    Rule("expm1", T.exp(x) - 1, T.expm1(x), claim=Improves()),                       # eˣ - 1
    Rule("negative-expm1", 1 - T.exp(x), -T.expm1(x), claim=Improves()),             # 1 - eˣ
    Rule("softplus", T.log1p(T.exp(x)), T.softplus(x), claim=Improves()),            # log(1 + eˣ)
    Rule("log1mexp", T.log1p(-T.exp(x)), T.log1mexp(x), claim=Improves()),           # log(1 - eˣ)
    Rule("log1mexp-of-expm1", T.log(-T.expm1(x)), T.log1mexp(x), claim=Improves()),  # log(-(eˣ - 1))
)  # fmt: skip

INVERSES = (
    Rule("log-exp", T.log(T.exp(x)), x, claim=Improves()),                                 # log eˣ = x
    Rule("log1p-expm1", T.log1p(T.expm1(x)), x, claim=Improves()),                         # log(1 + (eˣ - 1)) = x
    Rule("exp-log", T.exp(T.log(V("x", where=may_be_negative))), T.where(x >= 0, x, nan), claim=Improves()),  # e^log x
    Rule("expm1-log1p", T.expm1(T.log1p(x)), T.where(x >= -1, x, nan), claim=Improves()),  # e^(log(1+x)) - 1 = x
    Rule("exp-softplus", T.exp(T.softplus(x)), T.exp(x) + 1, claim=Improves()),            # e^(log(1+eˣ)) = 1 + eˣ
    Rule("exp-log1p", T.exp(T.log1p(x)), T.where(x >= -1, x + 1, nan), claim=Improves()),  # e^(log(1+x)) = 1 + x
    Rule("expm1-log", T.expm1(T.log(x)), T.where(x >= 0, x - 1, nan), claim=Improves()),   # e^(log x) - 1 = x - 1
    Rule("expm1-softplus", T.expm1(T.softplus(x)), T.exp(x), claim=Improves()),            # e^(log(1+eˣ)) - 1 = eˣ
    Rule("exp-log1mexp", T.exp(T.log1mexp(x)), T.where(x <= 0, -T.expm1(x), nan), claim=Improves()),   # 1 - eˣ
    Rule("expm1-log1mexp", T.expm1(T.log1mexp(x)), T.where(x <= 0, -T.exp(x), nan), claim=Improves()),  # -eˣ
    Rule("softplus-log", T.softplus(T.log(x)), T.where(x >= 0, T.log1p(x), nan), claim=Improves()),
    Rule("log-expm1", T.log(T.expm1(x)), x + T.log1mexp(-x), claim=Stabilizes(4)),         # log(eˣ - 1)
)  # fmt: skip

LOGARITHMS_OF_POWERS = (
    Rule("log-square", T.log(T.square(f)), 2 * T.log(T.abs(f)), claim=Improves()),         # log x² = 2 log |x|
    Rule("log-sqrt", T.log(T.sqrt(x)), 0.5 * T.log(x), claim=Improves()),                  # log √x = ½ log x
    Rule("log-reciprocal", T.log(1 / x), -T.log(x), claim=Stabilizes(2)),                   # log(1/x) = -log x
)  # fmt: skip

SIGMOIDS = (
    Rule("sigmoid-of-negative", 1 / (T.exp(x) + 1), T.sigmoid(-x), claim=Improves()),            # 1/(1 + eˣ) = σ(-x)
    Rule("sigmoid", T.exp(x) / (T.exp(x) + 1), T.sigmoid(x), claim=Improves()),                  # eˣ/(1 + eˣ) = σ(x)
    Rule("one-minus-sigmoid", 1 - T.sigmoid(x), T.sigmoid(-x), claim=Improves()),                # 1 - σ(x) = σ(-x)
    Rule("log-sigmoid", T.log(T.sigmoid(x)), -T.softplus(-x), claim=Improves()),                 # log σ(x)
    Rule("log1p-negative-sigmoid", T.log1p(-T.sigmoid(x)), -T.softplus(x), claim=Improves()),    # log(1 - σ(x))
    Rule("exp-times-sigmoid", T.exp(x) * T.sigmoid(-x), T.sigmoid(x), claim=Improves()),         # eˣ·σ(-x) = σ(x)
    Rule("exp-negative-times-sigmoid", T.exp(-x) * T.sigmoid(x), T.sigmoid(-x), claim=Improves()),
    Rule("odds", T.sigmoid(x) / T.sigmoid(-x), T.exp(x), claim=Improves()),                      # σ(x)/σ(-x) = eˣ
    Rule("inverse-odds", T.sigmoid(-x) / T.sigmoid(x), T.exp(-x), claim=Improves()),             # σ(-x)/σ(x) = e⁻ˣ
    Rule(
        "sigmoid-slope", T.exp(x) / T.square(T.exp(x) + 1), T.sigmoid(x) * T.sigmoid(-x),
        claim=Stabilizes(4, relative=True),
    ),                                                                                           # slope of σ
    Rule(
        "scaled-sigmoid", y / (T.exp(x) + 1), y * T.sigmoid(-x), claim=Stabilizes(4, relative=True),
        where=lambda match: match["y"].attributes.get("value") != 1,
    ),                                                                                           # y/(1 + eˣ) = y·σ(-x)
    Rule("sigmoid-logit", T.sigmoid(T.log(x / (1 - x))), T.where((x >= 0) & (x <= 1), x, nan), claim=Improves()),
    Rule(
        "sigmoid-log-odds", T.sigmoid(T.log(x) - T.log1p(-x)), T.where((x >= 0) & (x <= 1), x, nan), claim=Improves()
    ),                                                                                           # σ(log(x/(1-x))) = x
    Rule("tanh", (T.exp(x) - T.exp(-x)) / (T.exp(x) + T.exp(-x)), T.tanh(x), claim=Improves()),  # (eˣ-e⁻ˣ)/(eˣ+e⁻ˣ)
)  # fmt: skip

ERROR_FUNCTIONS = (
    Rule("erfc", 1 - T.erf(x), T.erfc(x), claim=Improves()),               # 1 - erf x = erfc x
    Rule("erfc-of-negative", T.erf(x) + 1, T.erfc(-x), claim=Improves()),  # 1 + erf x = erfc(-x)
    Rule("erf", 1 - T.erfc(x), T.erf(x), claim=Improves()),                # 1 - erfc x = erf x
    Rule("negative-erfc", T.erf(x) - 1, -T.erfc(x), claim=Improves()),     # erf x - 1 = -erfc x
    Rule("negative-erf", T.erfc(x) - 1, -T.erf(x), claim=Improves()),      # erfc x - 1 = -erf x
)  # fmt: skip

LOG_OF_SUMS = (
    Rule("logaddexp", T.log(T.exp(x) + T.exp(y)), T.logaddexp(x, y), claim=Improves()),  # log(eˣ + eʸ)
    Rule(
        "logaddexp-spread", T.log(T.exp(x) + T.expand_dims(T.exp(y), a)), T.logaddexp(x, T.expand_dims(y, a)),
        claim=Improves(),
    ),                                                                                   # the same, y with new axes
    Rule(
        "log-difference", T.log(T.exp(x) - T.exp(y)),
        T.where(T.eq(y, -math.inf), x, x + T.log1mexp(y - x)), claim=Stabilizes(8),
    ),                                                                                   # log(eˣ - eʸ)
    Rule("logaddexp-zero", T.logaddexp(x, 0), T.softplus(x), claim=Ulps(1)),             # log(eˣ + e⁰)
)  # fmt: skip


@rule(T.log(V("x", dtype=floating) ** c), claim=Stabilizes(4))
def log_of_power(match: Match, x: Any, c: Any) -> Any:
    """log xᶜ → c log x, or c log |x| for an even c"""
    exponent = c.attributes["value"]
    if not isinstance(exponent, int | float) or not math.isfinite(exponent) or not exponent:
        return refuse("the exponent is no finite number but 0")
    return c * T.log(T.abs(x) if exponent % 2 == 0 else x)


@rule(T.log(T.exp(x) + c), claim=Stabilizes(8))
def log_exp_plus(match: Match, x: Any, c: Any) -> Any:
    """log(eˣ + c) → logaddexp(x, log c) for a positive constant c"""
    value = c.attributes["value"]
    if not isinstance(value, int | float) or not 0 < value < math.inf:
        return refuse("the constant is not positive")
    return T.logaddexp(x, literal(math.log(value), c.dtype))


@rule(T.log(x + y), claim=Stabilizes(8))
def logaddexp_of_many(match: Match, x: Any, y: Any) -> Any:
    """log(eᵃ + eᵇ + eᶜ + …) → logaddexp(logaddexp(a, b), c) …"""
    terms: list[Any] = []
    stack = [y, x]
    while stack:
        if len(terms) + len(stack) > MANY:
            return refuse(f"there are more than {MANY} terms")
        term = stack.pop()
        if term.op is add:
            stack.extend(reversed(term.inputs))
        elif term.op is exp:
            terms.append(term.inputs[0])
        elif term.op is expand_dims and term.inputs[0].op is exp:
            terms.append(expand_dims(term.inputs[0].inputs[0], axis=term.attributes["axis"]))
        else:
            return refuse(f"a term is {term.op.name}, not exp")
    result = terms[0]
    for term in terms[1:]:
        result = T.logaddexp(result, term)
    return result


RULES: tuple[Rule, ...] = (
    *LOGARITHMS, *INVERSES, *LOGARITHMS_OF_POWERS, *SIGMOIDS, *ERROR_FUNCTIONS, *LOG_OF_SUMS,
    log_of_power, log_exp_plus, logaddexp_of_many,
)  # fmt: skip
