"""The tails of the error function: log erfc(x) and e^(-x²)/erfc(x), whose erfc underflows long before they do.

Beyond a threshold, erfc(x) = e^(-x²)/(x√π) · s(x) with the asymptotic series s(x) = 1 - u + 3u² - 15u³ + …, u = 1/(2x²)
(M. Abramowitz, I. Stegun, "Handbook of Mathematical Functions", 7.1.23). The thresholds lie where erfc is still a
normal number, below the 26.64 (float64) and 10.05 (float32) at which it is 0: in between it is subnormal, and its
logarithm has few right digits. Each branch is computed on operands held on its own side, so that neither a value nor
a derivative that is not wanted can be a NaN.
"""

from __future__ import annotations

import math
from typing import Any

import graphopt.tensor as T
from graphopt.rewrite import Match, Rule, Stabilizes, V, refuse, rule

__all__ = ["LONGER"]

x, y = V("x"), V("y")
THRESHOLDS = {"float64": 26.0, "float32": 9.0}
HALF_LOG_PI, SQRT_PI = math.log(math.pi) / 2, math.sqrt(math.pi)
ODD = (9, 7, 5, 3, 1)  # the series, by Horner: 1 - u(1 - 3u(1 - 5u(1 - 7u(1 - 9u))))


def _is_held(match: Match) -> bool:
    """The operand stays below the threshold: the rule has been here, or there is nothing to do.

    Asked of facts, because `canonicalize` removes a minimum that facts make superfluous.
    """
    x = match["x"]
    return match.graph.facts(match.variables["x"]).hi <= THRESHOLDS[x.dtype]


def _correction(far: Any) -> Any:
    """s(x) - 1 for an x beyond the threshold. Divided twice, for x² may overflow."""
    u = (0.5 / far) / far
    total: Any = 1
    for factor in ODD[:-1]:
        total = 1 - (factor * u) * total
    return -(u * total)


def _sides(x: Any) -> tuple[Any, Any, Any]:
    threshold = THRESHOLDS[x.dtype]
    return x > threshold, T.minimum(x, threshold), T.maximum(x, threshold)


@rule(T.log(T.erfc(x)), claim=Stabilizes(16))
def log_erfc(match: Match, x: Any) -> Any:
    """log erfc(x) → -x² - log(x√π) + log s(x) for large x"""
    if _is_held(match):
        return refuse("its operand stays where erfc does not underflow")
    is_far, near, far = _sides(x)
    series = (T.log1p(_correction(far)) - (T.log(far) + HALF_LOG_PI)) - T.square(far)
    return T.where(is_far, series, T.log(T.erfc(near)))


def _slope(x: Any) -> Any:
    is_far, near, far = _sides(x)
    series = (far * SQRT_PI) / (1 + _correction(far))
    return T.where(is_far, series, T.exp(-T.square(near)) / T.erfc(near))


@rule(T.exp(-T.square(x)) / T.erfc(x), claim=Stabilizes(32, relative=True))
def erfc_slope(match: Match, x: Any) -> Any:
    """e^(-x²)/erfc(x) → x√π/s(x) for large x"""
    return refuse("its operand is held where erfc does not underflow") if _is_held(match) else _slope(x)


@rule((T.exp(-T.square(x)) * y) / T.erfc(x), claim=Stabilizes(32, relative=True))
def scaled_erfc_slope(match: Match, x: Any, y: Any) -> Any:
    """e^(-x²)·y/erfc(x) → y·x√π/s(x) for large x"""
    return refuse("its operand is held where erfc does not underflow") if _is_held(match) else y * _slope(x)


LONGER: tuple[Rule, ...] = (log_erfc, erfc_slope, scaled_erfc_slope)
