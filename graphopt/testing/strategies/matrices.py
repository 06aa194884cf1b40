"""How products and factors of matrices are applied. What is factored is far from singular by construction.

A square matrix of elements in [-b, b] is added to c times the identity, c = 2 n b: then each diagonal element is more
than the others of its row together, the condition number is below 4, and what Cholesky's factorization reads of it is
positive definite. A matrix of another shape is multiplied by its own transpose first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import graphopt.tensor as T
from graphopt.op import Op
from graphopt.ops import decompositions as ops
from graphopt.ops.linear_algebra import swapped
from graphopt.testing.strategies.draft import Application, Draft, Value
from graphopt.testing.strategies.intervals import LIMIT
from graphopt.testing.strategies.sizes import most
from graphopt.variable import as_variable

__all__ = ["factor", "multiply"]


def multiply(draft: Draft) -> Value | None:
    """The product of two values along axes of one size: matrices, vectors, batches; or a matrix by its transpose."""

    def bound(a: Value, b: Value) -> float:
        return a.bound * b.bound * most(a.shape[-1:])

    def fits(a: Value, b: Value) -> bool:
        p, q = a.shape, b.shape
        if not q or len(p) + len(q) < 3 or max(len(p), len(q)) > 3 or a.dtype == "bool" or b.dtype == "bool":
            return False
        batches = p[:-2] == q[:-2] or len(p) < 3 or len(q) < 3
        return batches and p[-1] == (q[-2] if len(q) > 1 else q[-1]) and bound(a, b) <= LIMIT

    def partners(a: Value) -> list[Value]:
        own = [a.moved(swapped(a.variable))] if len(a.shape) == 2 and bound(a, a) <= LIMIT else []
        return [*(b for b in draft.values if fits(a, b)), *own]

    a = draft.operand(lambda v: bool(v.shape) and v.is_float and bool(partners(v)))
    if a is None:
        return None
    b = draft.recent(partners(a))
    return Value(T.matmul(a.variable, b.variable), (-bound(a, b), bound(a, b)))


def _square(draft: Draft) -> Value | None:
    """A square matrix of floats, or batches of them."""
    x = draft.operand(
        lambda v: (
            v.is_float
            and 2 <= len(v.shape) <= 3
            and (v.shape[-1] == v.shape[-2] or v.bound**2 * most(v.shape[-1:]) <= LIMIT)
        )
    )
    if x is None or x.shape[-1] == x.shape[-2]:
        return x
    bound = x.bound**2 * most(x.shape[-1:])
    return Value(T.matmul(x.variable, swapped(x.variable)), (-bound, bound))


def _identity(x: Value, scale: float) -> Any:
    n = x.shape[-1]
    if isinstance(n, int):
        return as_variable(np.eye(n, dtype=x.dtype) * scale)
    return T.eye(n, dtype=x.dtype) * scale


def factor(op: Op) -> Application:
    """The application of an op on square matrices."""

    def apply(draft: Draft) -> Value | None:
        x = _square(draft)
        if x is None:
            return None
        n = max(most(x.shape[-1:]), 1)
        scale = 2.0 * n * max(x.bound, 0.25)
        if op in (ops.det, ops.adjugate) and (1.5 * scale) ** n > LIMIT:
            matrix = x.variable * (1 / scale) + _identity(x, 1.0)
            scale = 1.0
        elif scale <= LIMIT:
            matrix = x.variable + _identity(x, scale)
        else:
            return None
        if op is ops.solve or op is ops.solve_triangular:
            return _solved(draft, op, x, matrix, scale)
        size = (1.5 * scale) ** n
        bound = {ops.inv: 2 / scale, ops.cholesky: (1.5 * scale) ** 0.5, ops.slogdet: n * np.log(1.5 * scale) + 1}.get(
            op, size
        )
        return Value(op(matrix), (-float(bound), float(bound)))

    return apply


def _solved(draft: Draft, op: Op, x: Value, matrix: Any, scale: float) -> Value:
    """A system of equations: the right side is a value that fits, or the matrix's own elements."""
    candidates = [v for v in draft.values if v.dtype == x.dtype and len(v.shape) == 2 and v.shape[0] == x.shape[-1]]
    right = draft.recent(candidates) if candidates else x
    if op is ops.solve:
        return Value(op(matrix, right.variable), (-2 * right.bound / scale, 2 * right.bound / scale))
    lower, unit = bool(draft.below(2)), False
    made = op(matrix, right.variable, lower=lower, unit_diagonal=unit)
    return Value(made, (-2 * right.bound / scale, 2 * right.bound / scale))
