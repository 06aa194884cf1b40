"""Matrix products. `graphopt.tensor` brings vectors to matrices first, so that there is one form to recognize."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mpmath
import numpy as np

from graphopt.errors import ShapeMismatch
from graphopt.op import Applied, Attributes, Op
from graphopt.ops.define import define
from graphopt.ops.reduction import sum_to
from graphopt.ops.shape import transpose
from graphopt.ops.signatures import ufunc_signature
from graphopt.types import TensorType, Unify, broadcast, shape_text

__all__ = ["matmul", "swapped"]

_signature = ufunc_signature(np.multiply)


def _matmul_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    a, b = types[0].shape, types[1].shape
    if len(a) < 2 or len(b) < 2:
        raise ShapeMismatch(f"expected matrices, found shapes {shape_text(a)} and {shape_text(b)}; use T.matmul")
    try:
        unify(a[-1], b[-2])
        batch = broadcast((a[:-2], b[:-2]), unify)
    except ShapeMismatch as error:
        shapes = f"{shape_text(a)} and {shape_text(b)}"
        raise ShapeMismatch(f"cannot multiply matrices of shapes {shapes}: {error}") from None
    return TensorType(_signature((types[0].dtype, types[1].dtype))[1], (*batch, a[-2], b[-1]))


def swapped(x: Any) -> Any:
    """Matrices transposed."""
    return transpose(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _matmul_pullback(g: Any, node: Applied) -> Sequence[Any]:
    a, b = node.operands
    return sum_to(matmul(g, swapped(b)), a.shape), sum_to(matmul(swapped(a), g), b.shape)


matmul = define(
    Op(
        name="matmul",
        arity=2,
        type_rule=_matmul_rule,
        numpy=np.matmul,
        exact=lambda a, b: np.matmul(a, b) + mpmath.mpf(0),  # a sum of no products is NumPy's integer 0
        pullback=_matmul_pullback,
        operand_dtypes=lambda kinds: _signature(kinds)[0],
        traits=frozenset({"contraction"}),
        cost=2,
    )
)
