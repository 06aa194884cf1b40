"""What elementary functions make of facts.

They are trusted to `UNITS` units in the last place, and to have the sign of the truth; near the edge of the subnormal
range a target may return zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from graphopt.analysis.facts import Facts, Number
from graphopt.analysis.transfer_arithmetic import magnitudes
from graphopt.analysis.transfer_step import Step, Transfer

__all__ = ["ELEMENTARY", "widened"]

INF = math.inf
UNITS = 16


@lru_cache(maxsize=4)
def _precision(dtype: str) -> tuple[float, float]:
    info = np.finfo(dtype)
    return UNITS * float(info.eps), float(info.tiny) * 4


def widened(low: float, high: float, dtype: str) -> tuple[float, float]:
    """Bounds moved apart by what an elementary function may be wrong by, never across zero."""
    eps, edge = _precision(dtype)
    low = low - abs(low) * eps if math.isfinite(low) else low
    high = high + abs(high) * eps if math.isfinite(high) else high
    return (0.0 if 0 < low < edge else low), (0.0 if -edge < high < 0 else high)


@dataclass(frozen=True)
class Monotone:
    """A function that ascends (or descends) on [least, most], and is NaN elsewhere."""

    function: Callable[[float], float]
    least: float = -INF
    most: float = INF
    limits: tuple[float, float] = (-INF, INF)
    descends: bool = False
    negative_zero: bool | None = None  # whether the result may be -0.0; None: if the operand may have a sign

    def __call__(self, step: Step) -> Facts:
        (a,) = step.facts
        outside = a.lo < self.least or a.hi > self.most
        if a.hi < self.least or a.lo > self.most:
            return Facts()
        ends = self._at(max(a.lo, self.least)), self._at(min(a.hi, self.most))
        low, high = widened(min(ends), max(ends), step.type.dtype)
        minus = not a.has_clear_sign if self.negative_zero is None else self.negative_zero
        return Facts(low, high, a.nan or outside, True, minus)

    def _at(self, x: Number) -> float:
        if x in (self.least, self.most):
            return self.limits[x == self.most]
        try:
            return self.function(float(x))
        except (OverflowError, ValueError):  # exp of what is large
            return self.limits[(x > 0) != self.descends] if abs(x) > 1 else -INF


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _wave(step: Step) -> Facts:
    (a,) = step.facts
    low, high = widened(-1.0, 1.0, step.type.dtype)
    return Facts(low, high, a.nan or a.infinite)


def _fading_wave(step: Step) -> Facts:
    (a,) = step.facts
    low, high = widened(-1.0, 1.0, step.type.dtype)
    return Facts(low, high, a.nan)


def _sqrt(step: Step) -> Facts:
    (a,) = step.facts
    if a.hi < 0:
        return Facts()
    low = math.sqrt(max(a.lo, 0)) if a.lo < INF else INF
    return Facts(low, math.sqrt(a.hi), a.nan or a.lo < 0, a.zero, a.negative_zero)


def _logaddexp(step: Step) -> Facts:
    a, b = step.facts
    low, high = widened(max(a.lo, b.lo), max(a.hi, b.hi) + 1, step.type.dtype)
    return Facts(low, high, a.nan or b.nan)


def _hypot(step: Step) -> Facts:
    a, b = (magnitudes(facts) for facts in step.facts)
    low, _ = widened(max(a.lo, b.lo), INF, step.type.dtype)
    return Facts(low, INF, a.nan or b.nan, True, False)


HALF_PI = math.pi / 2

ELEMENTARY: dict[str, Transfer] = {
    "sqrt": _sqrt, "hypot": _hypot, "logaddexp": _logaddexp, "sin": _wave, "cos": _wave,
    "j0": _fading_wave, "j1": _fading_wave,
    "exp": Monotone(math.exp, limits=(0.0, INF), negative_zero=False),
    "exp2": Monotone(lambda x: math.pow(2.0, x), limits=(0.0, INF), negative_zero=False),
    "expm1": Monotone(math.expm1, limits=(-1.0, INF)),
    "log": Monotone(math.log, 0.0, negative_zero=True),
    "log2": Monotone(math.log2, 0.0, negative_zero=True),
    "log10": Monotone(math.log10, 0.0, negative_zero=True),
    "log1p": Monotone(math.log1p, -1.0),
    "cbrt": Monotone(math.cbrt),
    "arctan": Monotone(math.atan, limits=(-HALF_PI, HALF_PI)),
    "arcsin": Monotone(math.asin, -1.0, 1.0, (-HALF_PI, HALF_PI)),
    "arccos": Monotone(math.acos, -1.0, 1.0, (math.pi, 0.0), descends=True),
    "sinh": Monotone(math.sinh),
    "tanh": Monotone(math.tanh, limits=(-1.0, 1.0)),
    "arcsinh": Monotone(math.asinh),
    "arccosh": Monotone(math.acosh, 1.0, limits=(0.0, INF)),
    "arctanh": Monotone(math.atanh, -1.0, 1.0),
    "erf": Monotone(math.erf, limits=(-1.0, 1.0)),
    "erfc": Monotone(math.erfc, limits=(2.0, 0.0), descends=True, negative_zero=False),
    "sigmoid": Monotone(_sigmoid, limits=(0.0, 1.0), negative_zero=False),
    "softplus": Monotone(_softplus, limits=(0.0, INF), negative_zero=False),
}  # fmt: skip
"""Op name to what it makes of facts."""
