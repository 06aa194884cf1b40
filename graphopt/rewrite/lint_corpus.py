"""Programs on which rules should fire: what `lint` looks at unless it is given graphs.

Formulas, so that a program is a line. They are written as users write them, naive forms among them; a rule that fires
on none of them, in none of the stages between writing and generating code, is said never to fire.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphopt.graph.graph import Graph

__all__ = ["programs"]

_SCALAR, _VECTOR, _MATRIX = "float64", "float64[n]", "float64[n, m]"

SCALARS = """
    log(1 + x)  log(1 - x)  exp(x) - 1  1 - exp(x)  log(1 + exp(x))  log(1 - exp(x))  log(exp(x))  exp(log(x))
    expm1(log1p(x))  log1p(expm1(x))  log(-expm1(x))  1/(1 + exp(-x))  1/(1 + exp(x))  exp(x)/(1 + exp(x))
    2/(1 + exp(x))  1 - 1/(1 + exp(-x))  log(1/(1 + exp(-x)))  log(1 - 1/(1 + exp(-x)))  exp(x)/(1 + exp(x))**2
    (1/(1 + exp(-x)))/(1 - 1/(1 + exp(-x)))  (1 - sigmoid(x))/sigmoid(x)  exp(x)*sigmoid(-x)  exp(-x)*sigmoid(x)
    exp(softplus(x))  (exp(x) - exp(-x))/(exp(x) + exp(-x))  1 - erf(x)  1 + erf(x)  1 - erfc(x)  erf(x) - 1
    erfc(x) - 1  -(-x)  x*1  1*x  x/1  x + 0  x - 0  x*(-1)  x + (-y)  x - (-y)  (-x)*y  (-x)/y  x/(-y)  abs(-x)
    square(-x)  abs(abs(x))  x**2  x**3  x**0.5  x**-1  x**1  x**0  x*x  sqrt(x*x)  sqrt(square(x))  x - x  x/x  x*0
    where(x > y, x, x)  maximum(x, x)  minimum(x, x)  log(exp(x) + exp(y))  log(exp(x) - exp(y))
    log(exp(x) + exp(y) + exp(x*y))  exp(x)*exp(y)  exp(x)/exp(y)  log(x) + log(y)  log(x*y)  x*y + x*2  2*x + 3*x
    (x + 1) + 2  (x*2)*3  (x/2)/3  x/(y/2)  (x/y)/2  1/(1/x)  x*(1/y)  cast(cast(x, "float32"), "float64")
    floor(floor(x))  ceil(floor(x))  sign(sign(x))  tanh(-x)  sin(-x)  cos(-x)  exp(-x)*exp(x)  x**y*x  exp(2*log(x))
    log(x**2)  log(sqrt(x))  relu(relu(x))  maximum(x, 0)  sqrt(x + 1) - sqrt(x)  1 - cos(x)  1 - tanh(x)**2
    log(erfc(x))  log(x + sqrt(x*x + 1))  sqrt(x*x + y*y)  (x + y) - x  x + x  3*x - x  log(x/y)  x*x*x*x
    log((1 + x)/(1 - x))/2  (exp(x) - exp(-x))/2  cosh(x) - 1  exp(x) - 2 + exp(-x)  1/sqrt(x)  x*sigmoid(x)
    sqrt(1 - x*x)  tan(x + y) - tan(x)  cos(x + y) - cos(x)  atan(x + 1) - atan(x)  log(x + 1) - log(x)
    1/(x + 1) - 1/x  cbrt(x + 1) - cbrt(x)  1/x - 1/tan(x)  (x**y - 1)/(x - 1)  x*log(x)  1/sqrt(x) - 1/sqrt(x + 1)
    log1p(-exp(x))  log1p(-sigmoid(x))  x + (-0.0)  0.0 + x  x + 0.0
    x**4  x**-2  x + (-2)  square(sqrt(x))  expm1(x)/(1 + expm1(x))  (x + 0)*y  x**1.5
    -(x - y)  logical_not(x > y)  logical_not(logical_not(x > y))  x > x  (x < y) == (x < y)
"""
"""Formulas of scalars x and y, two blanks between them."""

MATRICES = """
    log(exp(x)/sum(exp(x), axis=1, keepdims=True))  exp(x)/sum(exp(x), axis=1, keepdims=True)  log(sum(exp(x), axis=1))
    log(softmax(x, axis=1))  log(sum(exp(x)))  sum(log_softmax(x, axis=1), axis=0)  x.T.T  (x.T + 1).T  sum(x.T, axis=0)
    sum(-x, axis=1)  sum(2*x, axis=1)  sum(x*2)  sum(x + x, axis=0)  mean(x, axis=1)  var(x, axis=1)  std(x, axis=0)
    sum(sum(x, axis=1))  max(max(x, axis=1))  max(x.T, axis=1)  reshape(reshape(x, (-1,)), (-1,))  reshape(x, x.shape)
    expand_dims(x, 0) + 1  squeeze(expand_dims(x, 0), 0)  expand_dims(expand_dims(x, 0), 0)
    x*sum(x, axis=1, keepdims=True)
    x - max(x, axis=1, keepdims=True)  sum(x*v, axis=1)  sum(exp(x)*v)  prod(x, axis=1)  log(prod(x, axis=1))  prod(x*2)
    dot(x.T, x)  (x.T @ x).T  x @ v  sum(x @ x.T, axis=1)  abs(-x).sum(axis=0)  min(-x, axis=1)  max(-x, axis=0)
    sum(x, axis=1, keepdims=True)/2  broadcast_to(v, x.shape)  sum(broadcast_to(v, x.shape), axis=0)  any(x > 0, axis=1)
    all(x > 0)  sum(exp(x - max(x, axis=1, keepdims=True)), axis=1)  log(sum(exp(x), axis=1, keepdims=True))
    -log(softmax(x, axis=1))*v  sum(x/2, axis=0)  (v + 0)*x  -sum(-x, axis=0)  x.T*2  -x.T  exp(x.T)  swapaxes(x, 0, 1)
    x.T.reshape((-1,))  sum(ones_like(x), axis=1)  max(x*0 + 1)  sum(x, axis=1)/sum(v)  1/(1 + exp(-x))
    log(1 + exp(x.T))
    expand_dims(-v, 0) + x  x - expand_dims(-v, 0)  x*expand_dims(-v, 0)  log(exp(x) + exp(v))  x + (v + 1)  (x*2)*(v*3)
"""
"""Formulas of a matrix x and a vector v as long as its rows."""

VIEWS = """
    x/expand_dims(v, 0)  x*(1/expand_dims(v, 0))  x*expand_dims(1/v, 0)  expand_dims(squeeze(u, 1), 1)
    expand_dims(squeeze(u, 1), 0)  squeeze(squeeze(t, 2), 0)  reshape(expand_dims(x, 0), (-1,))
    reshape(squeeze(u), (-1,))
    u.T  expand_dims(x, 0).T  transpose(expand_dims(x, 0), (1, 0, 2))  squeeze(u.T, 0)
    broadcast_to(t, (4, 1, t.shape[1], 5)) + 1
    broadcast_to(broadcast_to(v, (3, v.shape[0])), (2, 3, v.shape[0]))
    expand_dims(broadcast_to(v, (3, v.shape[0])), 0)
    squeeze(broadcast_to(u, (5, u.shape[0], 1)), 2)  broadcast_to(v, (3, v.shape[0])).T
    transpose(ones_like(x))*x
    cast(cast(i, "int64"), "float64")  cast(i, "int32")  reshape(exp(x), (-1,))  squeeze(exp(u), 1)  squeeze(u + u*2, 1)
    prod(prod(x, axis=1))  min(min(x, axis=1))  any(any(b, axis=1))  all(all(b, axis=1))  reshape(zeros_like(x), (-1,))
"""
"""Formulas of views; u has columns of one element, t is of rank three, i of integers, b of truth values."""

OVER = """
    softmax(x, axis=1)  exp(log(softmax(x, axis=1)))  exp(x)/sum(exp(x))
    exp(x)*(v/sum(exp(x), axis=0))  exp(x)*(s/sum(exp(x)))  exp(x)*v/sum(exp(x), axis=1, keepdims=True)
    exp(x)*s/sum(exp(x))  exp(v)*s/sum(exp(v))  exp(v)*(s/sum(exp(v)))  softmax(x, axis=1)*(v/softmax(x, axis=1))
    exp(x)*expand_dims(w/sum(exp(x), axis=1), 1)  exp(x)*(w/sum(exp(x), axis=1))  x - log(sum(exp(x)))
    x - log(sum(exp(x), axis=1, keepdims=True))  log(sum(exp(x), axis=1, keepdims=True)) - x  log(sum(exp(x))) - x
    softmax(x - max(x, axis=1, keepdims=True), axis=1)  softmax(x + sum(x, axis=1, keepdims=True), axis=1)
    softmax(x - s, axis=1)  softmax(x + s, axis=1)  log_softmax(x - max(x, axis=1, keepdims=True), axis=1)
    log_softmax(x + sum(x, axis=1, keepdims=True), axis=1)  log_softmax(x - s, axis=1)  log_softmax(x + s, axis=1)
    log(sum(exp(x - max(x, axis=1, keepdims=True)), axis=1)) + max(x, axis=1)  log(sum(exp(x - s))) + s
    log(sum(exp(x - max(x)))) + max(x)  x - max(x) - log(sum(exp(x - max(x))))
    exp(x - log(sum(exp(x), axis=1, keepdims=True)))
    x - max(x, axis=1, keepdims=True) - log(sum(exp(x - max(x, axis=1, keepdims=True)), axis=1, keepdims=True))
    (x - log(sum(exp(x - max(x, axis=1, keepdims=True)), axis=1, keepdims=True))) - max(x, axis=1, keepdims=True)
    (x - log(sum(exp(x - s)))) - s  exp(x - logsumexp(x, axis=1, keepdims=True))  exp(log_softmax(x, axis=1))
"""
"""Formulas around softmax; s is a scalar, w a vector as long as the columns."""

REDUCTIONS = ("sum", "prod", "max", "min", "logsumexp", "softmax", "log_softmax")
OF_REDUCTIONS = ("(u, axis=1)", "(x.T, axis=0)", "(expand_dims(x, 0), axis=2)", "(expand_dims(x, 0), axis=(0, 1))",
                 "(reshape(x, (-1,)))", "(t, axis=0)", "(broadcast_to(v, (3, v.shape[0])), axis=0)")  # fmt: skip
OF_TESTS = ("(u > 0, axis=1)", "(b.T, axis=0)", "(expand_dims(b, 0), axis=2)", "(expand_dims(b, 0), axis=(0, 1))",
            "(reshape(b, (-1,)))", "(t > 0, axis=0)",
            "(broadcast_to(v > 0, (3, v.shape[0])), axis=0)", "(logical_not(b), axis=1)")  # fmt: skip

_TYPES = {
    "x": _MATRIX, "y": _SCALAR, "v": "float64[m]", "w": _VECTOR, "s": _SCALAR, "u": "float64[n, 1]",
    "t": "float64[1, k, 1]", "i": "int32[n]", "b": "bool[n, m]",
}  # fmt: skip


def programs() -> Iterator[Graph]:
    """The programs as graphs, as they are written; a formula that cannot be read is an error here.

    Raises
    ------
    GraphoptError
        Naming the formula.
    """
    from graphopt.frontend.formula import parse_formula

    for formula, x in formulas():
        types = {name: type for name, type in (_TYPES | {"x": x}).items() if name in _names(formula)}
        inputs, output = parse_formula(formula, types)
        yield Graph.from_outputs(inputs, output)


def formulas() -> Iterator[tuple[str, str]]:
    """Every formula, and the type of x in it."""
    for listing, x in ((SCALARS, _SCALAR), (MATRICES, _MATRIX), (VIEWS, _MATRIX), (OVER, _MATRIX)):
        for formula in filter(None, (part.strip() for part in listing.replace("\n", "  ").split("  "))):
            yield formula, x
    for reduction in REDUCTIONS:
        for arguments in OF_REDUCTIONS:
            yield f"{reduction}{arguments}", _MATRIX
    for test in ("any", "all"):
        for arguments in OF_TESTS:
            yield f"{test}{arguments}", _MATRIX


def _names(formula: str) -> set[str]:
    word = "".join(c if c.isalnum() or c == "_" else " " for c in formula)
    return set(word.split())
