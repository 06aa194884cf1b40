"""Programs on which rules should fire: what `lint` looks at unless it is given graphs.

Formulas, so that a program is a line. They are written as users write them, naive forms among them; a rule that fires
on none of them, in none of the stages between writing and generating code, is said never to fire. A family lists the
programs of one kind; `MODELS` and `GRADIENTS` are larger programs, in which rules meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from graphopt import tensor
from graphopt.graph.build import topological
from graphopt.graph.graph import Graph
from graphopt.ops.gather import gather
from graphopt.ops.leaves import input_
from graphopt.ops.shape import pick
from graphopt.types import is_float
from graphopt.variable import Variable, variable

__all__ = ["FAMILIES", "Family", "named_programs", "programs"]


@dataclass(frozen=True)
class Family:
    """Programs of one kind.

    Attributes
    ----------
    listing
        Formulas, two blanks or a line's end between them.
    x
        The type of the input x.
    gradients
        Whether the programs are the gradients of the formulas' sums, in all inputs that are floats.
    """

    listing: str
    x: str = "float64[n, m]"
    gradients: bool = False

    def formulas(self) -> list[str]:
        """The formulas, one text each."""
        return [part.strip() for part in self.listing.replace("\n", "  ").split("  ") if part.strip()]


TYPES: Mapping[str, str] = {
    "y": "float64", "s": "float64", "v": "float64[m]", "w": "float64[n]", "h": "float64[n, m]", "z": "float64[m, k]",
    "u": "float64[n, 1]", "t": "float64[1, k, 1]", "o": "float64", "tau": "float64",
    "q": "float64[n, 1, m]", "r": "float64[n, k, m]",
    "i": "int32[n]", "j": "int32[n]", "b": "bool[n, m]", "c": "bool[n, m]",
    "w1": "float64[m, k]", "w2": "float64[k, k]", "w3": "float64[k, l]", "b1": "float64[k]", "b2": "float64[k]",
    "label": "float64[n, l]",
}  # fmt: skip
"""The types of the inputs but x: u has columns of one element, i and j hold integers, b and c truth values."""

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

CONSTANTS = """
    (x - 32)*5/9  (x - 32)/1.8 + 273.15  (x + 273.15) - 32  (x - 273.15) + 32  x - 1 - 2  (1 - x) + 1  (5 - x) - 3
    1 - (x + 0.5)  1 - (x - 0.5)  x*3.14159/180  x/60*360  60/x*2  9.81/x/2  1/(2*x)  100/(x/2)  x/(-1)  0 - x
    x/exp(y)  x**5
    4*((y/x)**12 - (y/x)**6)  log(x/2)  log(2/x)  log(1/x)  log(x**5)  log(exp(x) + 2)  log(2*exp(x))  log(3/exp(x))
    log((1 + x*x)**y)  log((1 + x*x)*exp(y))  log((1 + x*x)/exp(y))  exp(log(abs(x)))  exp(log1p(x))  expm1(log(x))
    softplus(log(x))  log(exp(x) - 1)  sigmoid(log(x/(1 - x)))  sigmoid(log(x) - log(1 - x))  logaddexp(x, 0)
    1/(1 + exp(-log(x/(1 - x))))  exp(-x*x)/erfc(x)  x/y*y  x/(x*y)  x*s/(y*s)  x - y + y  x - (x + y)  x - (x - y)
    sqrt(x*x + 1)*sqrt(y*y + 2)  (x - y)/s*s  tan(-x)/x  sinh(-x) + sinh(x)  arcsin(-x)  arctan(-x)*2  arcsinh(-x) + y
    arctanh(-x)  (1 + erf(-x/1.4142135623730951))/2  erf(-x)  cbrt(-x)  cosh(-x)  abs(sqrt(x))  abs(minimum(x, 0))
"""
"""Units of measurement, powers, odd and even functions, what cancels: y and s are scalars, too."""

CANCELLATIONS = """
    sqrt(x) - sqrt(x + 1)  cbrt(x) - cbrt(x + 1)  1/x - 1/(x + 1)  1/sqrt(x + 1) - 1/sqrt(x)  atan(x) - atan(x + 1)
    log(x + 2) - log(x)  log(x) - log(x + 2)  log(x) - log(x + 1)  sqrt(x + 1) - 1  1 - sqrt(x + 1)  1 - sqrt(1 - x)
    sqrt(1 - x) - 1  1 - sqrt(1 - x*x)  x*x - y*y  sqrt(x*x - 1)  1 - 1/(x + 1)  1/(x + 1) - 2/x + 1/(x - 1)
    1/(x - 1) - 2/x + 1/(x + 1)  sqrt(x*x + y*y) + x  sqrt(x*x + y*y) - x  cos(x) - 1  cos(x) + 1  (1 - cos(x))/sin(x)
    sin(x)/(1 + cos(x))  (1 - cos(x))/x**2  sin(x + y) - sin(x - y)  cos(x + y) - cos(x - y)  cos(x - y) - cos(x + y)
    sin(x + y) - sin(x)  sin(x) - sin(x + y)  cos(x) - cos(x + y)  tan(x) - tan(x + y)  0.5*(exp(x) - exp(-x))
    (exp(x) + exp(-x))/2  0.5*(exp(x) + exp(-x))  1 - cosh(x)  exp(-x) - 2 + exp(x)  exp(x) + exp(-x) - 2
    log((1 - x)/(1 + x))  log1p(x) - log1p(-x)  log(sqrt(x*x + 1) - x)  log(x + sqrt(x*x - 1))
    log(x + sqrt(x - 1)*sqrt(x + 1))  tanh(x)**2 - 1  1 + tanh(x)  tanh(x) - 1  log(cosh(x))  x - sin(x)  sin(x) - x
    sinh(x) - x  x - sinh(x)  tan(x) - x  x - tan(x)  x - tanh(x)  tanh(x) - x  x - atan(x)  atan(x) - x  expm1(x) - x
    x - expm1(x)  x - log1p(x)  log1p(x) - x  1/tan(x) - 1/x  1/tanh(x) - 1/x  1/x - 1/tanh(x)  x**y*log(x)  x/abs(x)
    log(gamma(abs(x) + 1))  log(gamma(x))  gamma(x + 1)/gamma(x)  lgamma(x + 1) - lgamma(x)
    gamma(x)*gamma(y)/gamma(x + y)  exp(-x)*x**y/gamma(y + 1)  (1 + x)**y  log(x/(1 - x))
    (-y - sqrt(y*y - 4*x*s))/(2*x)  (-y + sqrt(y*y - 4*x*s))/(2*x)
    (-y - sqrt(y*y - 4*s*x))/(2*x)  (-y + sqrt(y*y - 4*s*x))/(2*x)  (-y - sqrt(y*y - 4*(x*s)))/(2*x)
    (-y + sqrt(y*y - 4*(x*s)))/(2*x)  -2*exp(-x*x)/erfc(x)  expm1(softplus(x))  exp(log1mexp(x))  expm1(log1mexp(x))
    (x/y + s)*y  ((x/y)*s + 1)*y  x**y - 1  1 - tanh(x)
"""
"""Differences of what is nearly equal, half angles, series, gamma functions, roots of quadratics."""

MASKS = """
    where(b, h, 0)*x  where(b, 0, h)*x  where(b, h, 0)/x  where(b, 0, h)/x  where(logical_not(b), x, 0)
    where(b, x, 0) + where(b, h, 0)  where(b, x, 0) - where(b, h, 0)  sum(where(y > 0, x, 0), axis=1)
    expand_dims(where(w > 0, sqrt(w), 0), axis=1) + where(expand_dims(w > 0, axis=1), x, 0)
    expand_dims(where(w > 0, sqrt(w), 0), axis=1)*x  where(u > 0, softmax(x, axis=1) @ z, 0)
    where(b, where(b, x, 0), h)  where(b, x, where(b, 0, h))  where(isinf(tanh(x)), 0, tanh(x))  isinf(sigmoid(x))
    where(isfinite(cast(i, "float64")), w, 0)  where(isnan(cast(i, "float64")), 0, w)  where(i == i, w, 0)  i + 0
    logical_and(b, True)  logical_and(b, x*x < -1)  logical_and(b, b)  logical_or(b, True)  logical_or(b, False)
    logical_or(b, b)  logical_and(b, isfinite(cast(c, "float64")))  logical_or(b, tanh(x) > 1)
    logical_and(logical_not(b), logical_not(c))  logical_or(logical_not(b), logical_not(c))
    i <= i  i >= i  i != i  i < i  i > i  logical_not(i < j)  logical_not(i <= j)  logical_not(i > j)
    logical_not(i >= j)  logical_not(i == j)  logical_not(i != j)  logical_not(x == h)  logical_not(x != h)
    clip(sigmoid(x), 0, 1)  maximum(exp(x), 0)  minimum(tanh(x), 1)  minimum(-exp(x), 0)  -exp(x) > 0
    exp(x) < 0  exp(x) <= -1  tanh(x) > 1
    tanh(x) >= 2  sigmoid(x) == 2  tanh(x) != 2  abs(log_softmax(x, axis=1))  where(exp(x) < 0, 0, h)
    sum(where(b, x, 0), axis=1)/sum(cast(b, "float64"), axis=1)  where(x > 0, x, 0)*exp(x)  where(x > 0, sqrt(x), 0)*h
"""
"""Selections, comparisons and logic, some of them decided by what is known of the values."""

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
    (z.T @ x.T).T  x @ ones((x.shape[1], 3))  ones((2, x.shape[0])) @ x  prod(exp(x), axis=1)
    sum(expand_dims(x, 2)*expand_dims(z, 0), axis=1)  max(ones((3, 4)), axis=1)*s  min(zeros((3, 4)), axis=0) + s
    cast(ones_like(i), "float64")*w  (ones((2, 3)) @ full((3, 4), 2.0))*s
    log(prod(abs(x), axis=1))  sqrt(sum(x*x, axis=1))
"""
"""Reductions and products of a matrix x and a vector v as long as its rows."""

VIEWS = """
    x/expand_dims(v, 0)  x*(1/expand_dims(v, 0))  x*expand_dims(1/v, 0)  expand_dims(squeeze(u, 1), 1)
    expand_dims(squeeze(u, 1), 0)  squeeze(squeeze(t, 2), 0)  reshape(expand_dims(x, 0), (-1,))
    reshape(squeeze(u), (-1,))
    u.T  expand_dims(x, 0).T  transpose(expand_dims(x, 0), (1, 0, 2))  squeeze(u.T, 0)
    squeeze(transpose(q, (2, 1, 0)), 1)  broadcast_to(t, (4, 1, t.shape[1], 5)) + 1
    broadcast_to(broadcast_to(v, (3, v.shape[0])), (2, 3, v.shape[0]))
    expand_dims(broadcast_to(v, (3, v.shape[0])), 0)
    squeeze(broadcast_to(u, (5, u.shape[0], 1)), 2)  broadcast_to(v, (3, v.shape[0])).T
    transpose(ones_like(x))*x
    cast(cast(i, "int64"), "float64")  cast(i, "int32")  reshape(exp(x), (-1,))  squeeze(exp(u), 1)  squeeze(u + u*2, 1)
    prod(prod(x, axis=1))  min(min(x, axis=1))  any(any(b, axis=1))  all(all(b, axis=1))  reshape(zeros_like(x), (-1,))
    log(reshape(softmax(x, axis=1), (-1,)))  log(squeeze(softmax(q, axis=2), 1))
    log(reshape(sum(exp(r), axis=2), (-1,)))  log(squeeze(sum(exp(q), axis=2), 1))
"""

OVER = """
    softmax(x, axis=1)  exp(log(softmax(x, axis=1)))  exp(x)/sum(exp(x))
    exp(x)*(v/sum(exp(x), axis=0))  exp(x)*(s/sum(exp(x)))  exp(x)*v/sum(exp(x), axis=1, keepdims=True)
    exp(x)*s/sum(exp(x))  exp(v)*s/sum(exp(v))  exp(v)*(s/sum(exp(v)))  softmax(x, axis=1)*(h/softmax(x, axis=1))
    exp(x)*expand_dims(w/sum(exp(x), axis=1), 1)  exp(x)*(h/sum(exp(x), axis=1, keepdims=True))  x - log(sum(exp(x)))
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
    (exp(v)/sum(exp(v)))[0]  log(exp(x)/sum(exp(x), axis=1, keepdims=True))[:, 1:]  exp(v)[1:]/sum(exp(v))
    log(exp(-square(x)/2)/sqrt(s*s + 1))
"""
"""Spellings of softmax and its kin."""

_ARGUMENTS = ("u, axis=1", "x.T, axis=0", "expand_dims(x, 0), axis=2", "expand_dims(x, 0), axis=(0, 1)",
              "reshape(x, (-1,))", "t, axis=0", "broadcast_to(v, (3, v.shape[0])), axis=0")  # fmt: skip
_TESTED = ("u > 0, axis=1", "b.T, axis=0", "expand_dims(b, 0), axis=2", "expand_dims(b, 0), axis=(0, 1)",
           "reshape(b, (-1,))", "t > 0, axis=0", "broadcast_to(v > 0, (3, v.shape[0])), axis=0",
           "logical_not(b), axis=1")  # fmt: skip
PARTS = """
    exp(x)[1:]  (x * x.shape[0])[0]  (x + v)[1:, ::2]  sum(x, axis=1)[1:]  max(exp(x), axis=0)[::-1]  (x @ x.T)[0, 1:]
    x[1:][::2]  transpose(x)[1:, 0]  expand_dims(x, axis=1)[1:]  broadcast_to(v, (3, v.shape[0]))[1:]
    squeeze(expand_dims(x, axis=0), axis=0)[1:]  inc_subtensor(x[0], x[1])  roll(x, 1, 0)  diff(exp(x), axis=1)
    x[-1:, 0][0]  exp(x[:, :])
"""

REDUCTIONS = "  ".join(
    f"{function}({arguments})"
    for functions, listed in (
        ("sum prod max min logsumexp softmax log_softmax", _ARGUMENTS), ("any all", _TESTED),
    )
    for function in functions.split() for arguments in listed
)  # fmt: skip
"""Every reduction of every kind of view."""

MODELS = """
    a = x - mean(x, axis=1, keepdims=True); a/sqrt(mean(a*a, axis=1, keepdims=True) + 0.001)*v + 1
    a = x @ x.T/2; e = exp(a - max(a, axis=1, keepdims=True)); e/sum(e, axis=1, keepdims=True) @ x
    log(sum(exp(-sum(square(expand_dims(x, 2) - expand_dims(z, 0)), axis=1)/2), axis=1))
    p = exp(x)/sum(exp(x), axis=1, keepdims=True); -sum(p*log(p), axis=1)
    g = 1/(1 + exp(-(x @ w1 + b1))); g*tanh(x @ w1) + (1 - g)*expand_dims(w, 1)
    sum(where(b, exp(x), 0)*h, axis=1)/sum(where(b, exp(x), 0), axis=1)
"""
"""Normalization by layer, attention, a kernel density, entropy, a gate, a masked mean."""

LOSSES = """
    p = exp(tanh(tanh(x @ w1 + b1) @ w2 + b2) @ w3); -sum(label*log(p/sum(p, axis=1, keepdims=True)))
    p = 1/(1 + exp(-(x @ v))); -mean(w*log(p) + (1 - w)*log(1 - p))
    -sum(h*log(exp(x)/sum(exp(x), axis=1, keepdims=True)))  where(abs(x - h) <= 1, square(x - h)/2, abs(x - h) - 0.5)
    log((1 + square(x - h)/3)**2)  sum(x*h)/sqrt(sum(x*x)*sum(h*h))  log(1 + exp(-h*x))  softmax(x @ x.T, axis=1) @ x
    a = x - mean(x, axis=1, keepdims=True); a/sqrt(mean(a*a, axis=1, keepdims=True) + 0.001)*v
    p = softmax(x, axis=1); o = softmax(h, axis=1); sum(p*(log(p) - log(o)))  where(b, sqrt(x), 0)
    square(log(sum(exp(x), axis=1)))  prod(x, axis=1)  max(x, axis=1)*w  sum(abs(x))/sum(square(x))
"""
"""Of which the gradients are taken: a perceptron of three layers with cross-entropy, logistic regression, Huber's
loss, Student's likelihood, cosine similarity, normalization by layer, relative entropy, …"""

PHYSICS = """
    a = o*sqrt(tau); d = log(x/y)/a + s/o*sqrt(tau) + a/2; r = 2**0.5; x*erfc(-d/r)/2 - y*exp(-s*tau)*erfc((a - d)/r)/2
    s*s + o*o/2 + s*o*cos(x - y) - 9.81*(2*cos(x) + cos(y))  y**3/(exp(y/x) - 1)  4*((y/x)**12 - (y/x)**6)
    log(erfc(x/sqrt(2))/2)  log(exp(x) + exp(y))  1/(1 + exp(-x))  sqrt(x*x + y*y)  log(x**y)  x**y*exp(-x/s)
"""
"""Of which the gradients are taken: the price of a call by Black and Scholes, the energy of a double pendulum,
Planck's law, the potential of Lennard and Jones, …"""

FAMILIES: Mapping[str, Family] = {
    "scalars": Family(SCALARS, "float64"), "constants": Family(CONSTANTS, "float64"),
    "cancellations": Family(CANCELLATIONS, "float64"),
    "masks": Family(MASKS),
    "matrices": Family(MATRICES), "views": Family(VIEWS), "parts": Family(PARTS),
    "softmax": Family(OVER), "reductions": Family(REDUCTIONS),
    "models": Family(MODELS), "losses": Family(LOSSES, gradients=True),
    "physics": Family(PHYSICS, "float64", gradients=True),
}  # fmt: skip


def programs() -> Iterator[Graph]:
    """The programs as graphs, as they are written; a formula that cannot be read is an error here.

    Raises
    ------
    GraphoptError
        Naming the formula.
    """
    for _, graph in named_programs():
        yield graph


def named_programs() -> Iterator[tuple[str, Graph]]:
    """The programs by the text of their formulas."""
    for family in FAMILIES.values():
        for formula in family.formulas():
            name = f"gradient of {formula}" if family.gradients else formula
            yield name, _graph(formula, family)
    for name, output in _built().items():
        yield name, Graph.from_outputs([v for v in topological([output]) if v.op is input_], output)


def _graph(formula: str, family: Family) -> Graph:
    from graphopt.autodiff import grad
    from graphopt.frontend.formula import parse_formula

    words = {*"".join(c if c.isalnum() else " " for c in formula).split()}
    assigned = {part.partition("=")[0].strip() for part in formula.split(";")[:-1]}
    types = {name: type for name, type in {**TYPES, "x": family.x}.items() if name in words - assigned}
    inputs, output = parse_formula(formula, types)
    if not family.gradients:
        return Graph.from_outputs(inputs, output)
    return Graph.from_outputs(inputs, grad(tensor.sum(output), [v for v in inputs if is_float(v.dtype)]))


def _built() -> dict[str, Variable]:
    """Programs with what formulas cannot say: chosen elements, a domain, an array, linear algebra."""
    x, p = variable("x", "float64[n, 3]"), variable("p", "float64[n]", domain="positive")
    label, shares = variable("label", "int64[n]"), tensor.softmax(x, axis=1)
    return {
        "log(softmax(x, axis=1)[label])": tensor.log(gather(shares, label)),
        "log(softmax(x, axis=1)[arange(n), label])": tensor.log(gather(shares, tensor.arange(x.shape[0]), label)),
        "log(softmax(x, axis=1)[:, 0])": tensor.log(pick(tensor.softmax(x, axis=1), index=0)),
        "log(p**2.5*exp(-p))": tensor.log(p**2.5 * tensor.exp(-p)),
        "x*[2, 2, 2]": x * np.full(3, 2.0),
        **_equations(),
    }


def _equations() -> dict[str, Variable]:
    """Least squares, Gaussian likelihoods and Kalman's gain, as they stand in textbooks."""
    from graphopt.tensor import linalg

    x, a, b = variable("x", "float64[n, k]"), variable("a", "float64[k, k]"), variable("b", "float64[k, l]")
    factor = linalg.cholesky(a)
    return {
        "inv(x.T @ x) @ b": linalg.inv(x.T @ x) @ b,
        "inv(inv(a) + inv(x.T @ x))": linalg.inv(linalg.inv(a) + linalg.inv(x.T @ x)),
        "inv(inv(a)) @ b": linalg.inv(linalg.inv(a)) @ b,
        "log(det(a))": tensor.log(linalg.det(a)),
        "log(abs(det(a.T)))": tensor.log(tensor.abs(linalg.det(a.T))),
        "solve(chol(a).T, solve(chol(a), b))": linalg.solve(factor.T, linalg.solve(factor, b)),
    }
