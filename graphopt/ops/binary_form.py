"""Floating-point numbers taken apart into significand and exponent, and put together again. All of it is exact.

NumPy's `frexp` has two results; an op has one, so it is two ops, and `graphopt.tensor.frexp` a pair. An exponent that
is put in is a float of the significand's dtype, so that both operands of `times_power_of_two` are numbers of one kind.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import mpmath
import numpy as np

from graphopt import exact
from graphopt.op import Op
from graphopt.ops.arithmetic import cast
from graphopt.ops.define import elementwise
from graphopt.ops.signatures import Kinds, Signature, floating_signature

__all__ = ["frexp_exponent", "frexp_mantissa", "times_power_of_two"]

FURTHEST = 5000
"""Scaling by 2 to this power takes every number to infinity, its inverse every number to zero."""


def _ldexp(x: Any, exponent: Any) -> Any:
    whole = np.clip(np.trunc(np.nan_to_num(exponent)), -FURTHEST, FURTHEST).astype(np.int32)
    return np.where(np.isnan(exponent), np.nan, np.ldexp(x, whole)).astype(x.dtype)


def _exact_ldexp(x: Any, exponent: Any) -> Any:
    if mpmath.isnan(exponent):
        return exact.NAN
    whole = int(max(min(exponent, mpmath.mpf(FURTHEST)), mpmath.mpf(-FURTHEST)))
    return mpmath.ldexp(x, whole) if mpmath.isfinite(x) else x


def _exact_exponent(x: Any) -> Any:
    return mpmath.frexp(x)[1] if mpmath.isfinite(x) else 0


def _to_int32() -> Signature:
    pair = floating_signature(1)

    @lru_cache(maxsize=64)
    def signature(kinds: Kinds) -> tuple[tuple[str, ...], str]:
        return pair(kinds)[0], "int32"

    return signature


times_power_of_two: Op = elementwise(
    "times_power_of_two", _ldexp, _exact_ldexp,
    lambda g, y, x, exponent: (times_power_of_two(g, exponent), None),
    arity=2, signature=floating_signature(2), cost=4,
)  # fmt: skip
frexp_exponent = elementwise(
    "frexp_exponent", lambda x: np.where(np.isfinite(x), np.frexp(x)[1], 0), _exact_exponent,
    lambda g, y, x: (None,),
    signature=_to_int32(), cost=4,
)  # fmt: skip
frexp_mantissa = elementwise(
    "frexp_mantissa", lambda x: np.frexp(x)[0], lambda x: mpmath.frexp(x)[0] if mpmath.isfinite(x) else x,
    lambda g, y, x: (times_power_of_two(g, cast(-frexp_exponent(x), dtype=g.dtype)),),
    signature=floating_signature(1), cost=4,
)  # fmt: skip
