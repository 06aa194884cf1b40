"""Systems of equations in place of inverses, logarithms of determinants that do not overflow: true over the reals.

In floating point the right sides are mostly the more accurate ones, but not for every matrix, so nothing is promised.
"""

from __future__ import annotations

from typing import Any

import graphopt.tensor as T
from graphopt.ops.decompositions import cholesky, det, inv, slogdet, solve, solve_triangular
from graphopt.ops.linear_algebra import matmul
from graphopt.ops.shape import pick, transpose
from graphopt.rewrite import Attr, Match, RealOnly, Rule, V, refuse, rule
from graphopt.rewrite.measures import decreasing
from graphopt.rewrite.standard_measures import FACTORIZATIONS, HAZARDS, OPERATIONS, REORDERINGS

__all__ = ["RULES"]

x, y, axes = V("x"), V("y"), Attr("axes")
factor = cholesky(x)


def _swaps(axes: tuple[int, ...]) -> bool:
    """Whether an order of axes transposes matrices and nothing else."""
    n = len(axes)
    return axes == (*range(n - 2), n - 1, n - 2)


@rule(T.log(det(x)), claim=RealOnly())
def log_of_determinant(match: Match, x: Any) -> Any:
    """log det x → log |det x|, or NaN where det x < 0"""
    both = slogdet(x)
    return T.where(pick(both, index=0) < 0, T.nan, pick(both, index=1))


@rule(det(transpose(x, axes=axes)), claim=RealOnly())
def determinant_of_transpose(match: Match, x: Any, axes: tuple[int, ...]) -> Any:
    """det xᵀ → det x"""
    return det(x) if _swaps(axes) else refuse("batches are transposed, too")


@rule(solve(transpose(factor, axes=axes), y), claim=RealOnly())
def solve_with_transposed_factor(match: Match, x: Any, y: Any, axes: tuple[int, ...]) -> Any:
    """solve(cholesky(x)ᵀ, y) → solve_triangular(cholesky(x)ᵀ, y)"""
    if not _swaps(axes):
        return refuse("batches are transposed, too")
    return solve_triangular(transpose(cholesky(x), axes=axes), y, lower=False, unit_diagonal=False)


RULES: tuple[Rule, ...] = (
    *decreasing(HAZARDS,
        Rule("log-size-of-determinant", T.log(T.abs(det(x))), pick(slogdet(x), index=1),
             claim=RealOnly()),                                             # log |det x| = slogdet(x)[1]
        log_of_determinant,
    ),
    *decreasing(REORDERINGS, determinant_of_transpose),
    *decreasing(OPERATIONS,
        Rule("inverse-times", matmul(inv(x), y), solve(x, y), claim=RealOnly()),  # x⁻¹y solves x·z = y
        Rule("inverse-of-inverse", inv(inv(x)), x, claim=RealOnly()),             # (x⁻¹)⁻¹ = x
    ),
    *decreasing(FACTORIZATIONS,
        Rule("solve-with-factor", solve(factor, y), solve_triangular(factor, y, lower=True, unit_diagonal=False),
             claim=RealOnly()),                                             # a Cholesky factor is triangular
        solve_with_transposed_factor,
    ),
)  # fmt: skip
