"""Which dtypes an op computes in, and what type comes out: the type rules that families share.

Operands are cast explicitly when an op is applied, so that every op of a graph meets exactly the dtypes its loop
computes in, and no target has promotion rules of its own. The rules are NumPy's, asked of its own ufuncs; where NumPy
would compute in half precision, float32 is used.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from graphopt.errors import TypeMismatch
from graphopt.op import Attributes, TypeRule
from graphopt.types import TensorType, Unify, broadcast, check_dtype

__all__ = ["Kinds", "Signature", "elementwise_rule", "floating_signature", "scipy_signature", "ufunc_signature"]

Kinds = tuple[Any, ...]
"""What promotion sees of each operand: a dtype's name, or `int` / `float` for a weak Python number."""

Signature = Callable[[Kinds], tuple[tuple[str, ...], str]]
"""`kinds -> (dtype each operand is cast to, dtype of the result)`."""


def ufunc_signature(ufunc: np.ufunc) -> Signature:
    """NumPy's own loop selection for a ufunc."""

    @lru_cache(maxsize=1024)
    def signature(kinds: Kinds) -> tuple[tuple[str, ...], str]:
        loop = _resolve(ufunc, kinds)
        if np.dtype(np.float16) in loop:
            loop = _resolve(ufunc, tuple(np.float32 if k in _NARROW else k for k in kinds))
        names = tuple(check_dtype(dtype) for dtype in loop)
        return names[:-1], names[-1]

    return signature


_NARROW = ("bool", "int8", "uint8")  # what NumPy would promote to half precision


def _resolve(ufunc: np.ufunc, kinds: Kinds) -> tuple[np.dtype[Any], ...]:
    try:
        return ufunc.resolve_dtypes((*(k if k in (int, float) else np.dtype(k) for k in kinds), None))
    except TypeError:
        found = ", ".join(k.__name__ if isinstance(k, type) else k for k in kinds)
        raise TypeMismatch(f"{ufunc.__name__} has no meaning for {found}") from None


def floating_signature(arity: int) -> Signature:
    """float32 if every operand fits it, else float64: for functions NumPy does not have."""
    pair = ufunc_signature(np.arctan2)

    @lru_cache(maxsize=1024)
    def signature(kinds: Kinds) -> tuple[tuple[str, ...], str]:
        dtype = pair((kinds[0], kinds[0]))[1]
        strong = tuple(k for k in kinds if isinstance(k, str))
        if strong:
            dtype = strong[0]
            for kind in strong:
                dtype = pair((dtype, kind))[1]
        return (dtype,) * arity, dtype

    return signature


def scipy_signature(arity: int) -> Signature:
    """SciPy's loops of special functions: float32 if every operand is, else float64. Python numbers are weak."""

    def signature(kinds: Kinds) -> tuple[tuple[str, ...], str]:
        strong = {k for k in kinds if isinstance(k, str)}
        dtype = "float32" if strong == {"float32"} else "float64"
        return (dtype,) * arity, dtype

    return signature


def elementwise_rule(signature: Signature) -> TypeRule:
    """Broadcast the shapes; the dtype as the signature says."""

    def rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
        dtype = signature(tuple([t.dtype for t in types]))[1]
        shape = broadcast(tuple([t.shape for t in types]), unify)
        first = types[0]  # most often the result's type is an operand's: one object then serves a whole program
        return first if first.shape == shape and first.dtype == dtype else TensorType(dtype, shape)

    return rule
