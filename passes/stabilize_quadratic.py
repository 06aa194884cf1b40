"""The roots of a·x² + b·x + c by the school formula: the one that cancels from the other, and b² held from overflow.

Of -b ± √(b² - 4ac) one sign cancels, depending on that of b. The product of the roots is c/a, which gives the small one
without cancellation: 2c/(-b ∓ √…). Where b² is infinite, the root is |b|·√(1 - 4(a/b)(c/b)); where it vanishes, 4ac may
vanish too, the product says nothing, and the formula is kept.

Source: G. E. Forsythe, "How do you solve a quadratic equation?", Stanford report CS40 (1966).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import graphopt.tensor as T
from graphopt.rewrite import Improves, Match, Rule, V, rule

__all__ = ["LONGER"]

a, b, c = V("a"), V("b"), V("c")
SQUARE_OVERFLOWS = {"float64": 2.0**512, "float32": 2.0**64}
SQUARE_IS_NORMAL = {"float64": 2.0**-500, "float32": 2.0**-60}

SPELLINGS: dict[str, Callable[[Any, Any], Any]] = {
    "4ac": lambda a, c: (a * 4) * c,
    "4ca": lambda a, c: (c * 4) * a,
    "4-times-ac": lambda a, c: (a * c) * 4,
}


def _root(a: Any, b: Any, c: Any, product: Any, dtype: str) -> Any:
    """√(b² - 4ac)"""
    is_large = (T.abs(b) >= SQUARE_OVERFLOWS[dtype]) & T.isfinite(b) & T.isfinite(a) & T.isfinite(c)
    large = T.where(is_large, b, 1)
    ratio = T.where(is_large, (a * 4) / large * (c / large), 0)
    small = T.where(is_large, 1, T.square(b) - product)
    return T.where(is_large, T.abs(large) * T.sqrt(1 - ratio), T.sqrt(small))


def _solution(match: Match, a: Any, b: Any, c: Any, product: Any, sign: int) -> Any:
    dtype = match.root.dtype
    root = _root(a, b, c, product, dtype)
    size = T.abs(b)
    cancels = (sign * b > 0) & (size > SQUARE_IS_NORMAL[dtype]) & (size + root < math.inf)
    small = c / T.where(cancels, size + root, 1) * (-2 * sign)
    return T.where(cancels, small, (T.where(cancels, 1, sign * root) - b) / (T.where(cancels, 1, a) * 2))


def _rules(name: str, product: Callable[[Any, Any], Any]) -> tuple[Rule, Rule]:
    root = T.sqrt(T.square(b) - product(a, c))

    @rule((root - b) / (a * 2), claim=Improves(8), name=f"quadratic-plus-{name}",
          algebra="(-b + √(b² - 4ac))/(2a) → -2c/(b + √(b² - 4ac)) for b > 0")  # fmt: skip
    def plus(match: Match, a: Any, b: Any, c: Any) -> Any:
        return _solution(match, a, b, c, product(a, c), 1)

    @rule((-b - root) / (a * 2), claim=Improves(8), name=f"quadratic-minus-{name}",
          algebra="(-b - √(b² - 4ac))/(2a) → 2c/(-b + √(b² - 4ac)) for b < 0")  # fmt: skip
    def minus(match: Match, a: Any, b: Any, c: Any) -> Any:
        return _solution(match, a, b, c, product(a, c), -1)

    return plus, minus


LONGER: tuple[Rule, ...] = tuple(one for name, product in SPELLINGS.items() for one in _rules(name, product))
