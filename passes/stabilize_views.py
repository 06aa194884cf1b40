"""Stable ops seen through a reshape or a squeeze, which stand between an op and the logarithm of its result.

Other views need no rules: they stand after elementwise ops in canonical form.
"""

from __future__ import annotations

from typing import Any

import graphopt.tensor as T
from graphopt.op import Op
from graphopt.ops import shape as ops
from graphopt.ops.neural import log_softmax, logsumexp, softmax
from graphopt.ops.reduction import sum_
from graphopt.rewrite import Attr, Rule, Stabilizes, V
from graphopt.rewrite.pattern import Application, Pattern

__all__ = ["RULES"]

x = V("x")
a, axis = Attr("a"), Attr("axis")
CLAIM = Stabilizes(16)


def _through(view: Op, key: str, inner: Pattern, result: Pattern, name: str) -> Rule:
    attributes: dict[str, Any] = {key: a}
    pattern, replacement = (Application(view, (part,), attributes) for part in (inner, result))
    return Rule(f"log-of-{view.name}-{name}", T.log(pattern), replacement, claim=CLAIM)


VIEWS = ((ops.reshape, "shape"), (ops.squeeze, "axis"))
RULES: tuple[Rule, ...] = (
    *(_through(v, k, softmax(x, axis=axis), log_softmax(x, axis=axis), "softmax") for v, k in VIEWS),
    *(_through(v, k, sum_(T.exp(x), axis=axis), logsumexp(x, axis=axis), "sum") for v, k in VIEWS),
)
