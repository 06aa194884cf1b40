"""Matrix products in canonical form: a transposed product of transposed matrices is the product the other way round."""

from __future__ import annotations

from typing import Any

from graphopt.ops.linear_algebra import matmul
from graphopt.ops.shape import transpose
from graphopt.rewrite import Attr, Match, Reassociates, Rule, V, refuse, rule
from graphopt.rewrite.measures import decreasing
from graphopt.rewrite.standard_measures import REORDERINGS

__all__ = ["RULES"]

x, y = V("x"), V("y")
a = Attr("a")


@rule(transpose(matmul(transpose(x, axes=a), transpose(y, axes=a)), axes=a), claim=Reassociates())
def transposed_product(match: Match, x: Any, y: Any, a: tuple[int, ...]) -> Any:
    """(xᵀ @ yᵀ)ᵀ → y @ x"""
    n = len(a)
    if a != (*range(n - 2), n - 1, n - 2):
        return refuse("it is not the matrices that are transposed")
    return matmul(y, x)


RULES: tuple[Rule, ...] = decreasing(REORDERINGS, transposed_product)
