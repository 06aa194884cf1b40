"""Elementwise comparisons, logic, bits, classification and selection. Nothing here but `where` has a derivative."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import mpmath
import numpy as np

from graphopt.op import Op
from graphopt.ops.define import elementwise
from graphopt.ops.signatures import Kinds, Signature, ufunc_signature


def _flat(g: Any, y: Any, *xs: Any) -> tuple[None, ...]:
    return (None,) * len(xs)


def _predicate(ufunc: np.ufunc, exact: Callable[..., Any], traits: str = "") -> Op:
    return elementwise(ufunc.__name__, ufunc, exact, _flat, traits=traits)


equal = _predicate(np.equal, lambda a, b: a == b, "commutative")
not_equal = _predicate(np.not_equal, lambda a, b: a != b, "commutative")
less = _predicate(np.less, lambda a, b: a < b)
less_equal = _predicate(np.less_equal, lambda a, b: a <= b)
greater = _predicate(np.greater, lambda a, b: a > b)
greater_equal = _predicate(np.greater_equal, lambda a, b: a >= b)

logical_and = _predicate(np.logical_and, lambda a, b: bool(a) and bool(b), "commutative associative")
logical_or = _predicate(np.logical_or, lambda a, b: bool(a) or bool(b), "commutative associative")
logical_xor = _predicate(np.logical_xor, lambda a, b: bool(a) != bool(b), "commutative associative")
logical_not = _predicate(np.logical_not, lambda a: not a)

isnan = _predicate(np.isnan, mpmath.isnan)
isinf = _predicate(np.isinf, mpmath.isinf)
isfinite = _predicate(np.isfinite, lambda a: not (mpmath.isnan(a) or mpmath.isinf(a)))
signbit = _predicate(np.signbit, lambda a: a < 0)

bitwise_and = elementwise("bitwise_and", np.bitwise_and, None, _flat, traits="commutative associative")
bitwise_or = elementwise("bitwise_or", np.bitwise_or, None, _flat, traits="commutative associative")
bitwise_xor = elementwise("bitwise_xor", np.bitwise_xor, None, _flat, traits="commutative associative")
invert = elementwise("invert", np.invert, None, _flat)
left_shift = elementwise("left_shift", np.left_shift, None, _flat)
right_shift = elementwise("right_shift", np.right_shift, None, _flat)
bitwise_count = elementwise("bitwise_count", np.bitwise_count, None, _flat, cost=4)  # of the absolute value
gcd = elementwise("gcd", np.gcd, None, _flat, traits="commutative associative", cost=8)
lcm = elementwise("lcm", np.lcm, None, _flat, traits="commutative", cost=8)  # wraps: not associative


def _where_signature() -> Signature:
    pair = ufunc_signature(np.maximum)

    @lru_cache(maxsize=1024)
    def signature(kinds: Kinds) -> tuple[tuple[str, ...], str]:
        (left, right), _ = pair(kinds[1:])
        return ("bool", left, right), left

    return signature


where: Op = elementwise(
    "where", np.where, lambda c, a, b: a if c else b,
    lambda g, y, c, a, b: (None, where(c, g, 0), where(c, 0, g)),
    arity=3, signature=_where_signature(), traits="linear",
)  # fmt: skip
