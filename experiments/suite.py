"""The suite of `peers.py`: programs that people run, each written once, over any of the namespaces of `namespaces.py`.

A case has a program of a namespace and arrays, its arguments, and how many times as fast as the best peer it ought to
be. Where a library's users would write something else, `own` has that instead: a fused log-softmax where there is one,
a derivative by hand where there is none to be had. Loops for Numba are in `suite_loops.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
import suite_by_hand as by_hand
from namespaces import GRAPHOPT, NUMPY

__all__ = ["CASES", "Case"]

Program = Callable[..., Any]  # of a namespace and arrays


@dataclass(frozen=True)
class Case:
    """A program that everyone computes.

    Attributes
    ----------
    name
        What it is called.
    program
        Of a namespace and arrays.
    inputs
        The arguments, from a generator of random numbers and what sizes are divided by.
    target
        The best peer's time over graphopt's that is aimed at.
    own
        Programs of some libraries in the place of `program`.
    loops
        Whether `suite_loops.py` has loops by hand for Numba.
    text
        For numexpr; what it does not do in one text it leaves to NumPy.
    """

    name: str
    program: Program
    inputs: Callable[[np.random.Generator, int], tuple[Any, ...]]
    target: float
    own: Mapping[str, Program] = field(default_factory=lambda: MappingProxyType({}))
    loops: bool = False
    text: str = ""


# Arguments ------------------------------------------------------------------------------------------------------------


def normal(*shapes: tuple[int, ...], dtype: str = "float32", scale: float = 1.0) -> Any:
    """Arguments drawn from a normal distribution; sizes above 32 are divided."""

    def drawn(generator: np.random.Generator, divided: int) -> tuple[Any, ...]:
        return tuple((scale * generator.normal(size=shrunk(shape, divided))).astype(dtype) for shape in shapes)

    return drawn


def shrunk(shape: tuple[int, ...], divided: int) -> tuple[int, ...]:
    """A shape with its large sizes divided."""
    return tuple(max(size // divided, 8) if size > 32 else size for size in shape)


def options(generator: np.random.Generator, divided: int) -> tuple[Any, ...]:
    """Spot, strike and time as vectors, rate and volatility as numbers."""
    n = 4_000_000 // divided
    spot, strike = generator.uniform(50, 150, n), generator.uniform(50, 150, n)
    return spot, strike, generator.uniform(0.1, 2, n), np.float64(0.02), np.float64(0.3)


def options_each(generator: np.random.Generator, divided: int) -> tuple[Any, ...]:
    """The same with a rate and a volatility for each option."""
    spot, strike, time, _, _ = options(generator, divided)
    return spot, strike, time, generator.uniform(0.01, 0.05, len(spot)), generator.uniform(0.1, 0.5, len(spot))


def classified(rows: int, columns: int) -> Any:
    """Logits of float32 and the classes that are right."""

    def drawn(generator: np.random.Generator, divided: int) -> tuple[Any, ...]:
        n, m = shrunk((rows, columns), divided)
        return generator.normal(size=(n, m)).astype("float32"), generator.integers(0, m, n)

    return drawn


def images(count: int, *widths: int) -> Any:
    """Weights and biases of layers, a batch of inputs and their classes as rows of a unit matrix."""

    def drawn(generator: np.random.Generator, divided: int) -> tuple[Any, ...]:
        sizes = shrunk(widths, divided)
        parameters: list[Any] = []
        for fan_in, fan_out in pairwise(sizes):
            weights = generator.normal(size=(fan_in, fan_out)) / np.sqrt(fan_in)
            parameters += [weights.astype("float32"), np.zeros(fan_out, "float32")]
        batch = max(count // divided, 8)
        classes = np.eye(sizes[-1], dtype="float32")[generator.integers(0, sizes[-1], batch)]
        return *parameters, generator.normal(size=(batch, sizes[0])).astype("float32"), classes

    return drawn


def matrices(*shapes: tuple[int, ...]) -> Any:
    """Matrices, vectors and numbers of float64 between -1 and 1."""

    def drawn(generator: np.random.Generator, divided: int) -> tuple[Any, ...]:
        return tuple(generator.uniform(-1, 1, shrunk(shape, divided)) for shape in shapes)

    return drawn


# Programs -------------------------------------------------------------------------------------------------------------


def log_softmax(xp: Any, x: Any) -> Any:
    """As a library has it."""
    return xp.log_softmax(x, axis=1)


def log_of_softmax(xp: Any, x: Any) -> Any:
    """As one writes it: stable only once somebody has made it so."""
    e = xp.exp(x)
    return xp.log(e / xp.sum(e, axis=1, keepdims=True))


def cross_entropy(xp: Any, x: Any, classes: Any) -> Any:
    """The mean of the negative logarithms of the right classes' shares, and its gradient."""

    def cost(x: Any) -> Any:
        return -xp.mean(xp.take_along_axis(xp.log_softmax(x, axis=1), classes[:, None], axis=1))

    return xp.value_and_grad(cost, (0,))(x)


def black_scholes(xp: Any, spot: Any, strike: Any, time: Any, rate: Any, volatility: Any) -> Any:
    """The price of a call (F. Black and M. Scholes, J. Political Economy 81, 1973)."""
    root = volatility * xp.sqrt(time)
    d1 = (xp.log(spot / strike) + (rate + volatility**2 / 2) * time) / root
    d2 = d1 - root
    phi1, phi2 = ((1 + xp.erf(d / np.sqrt(2))) / 2 for d in (d1, d2))
    return spot * phi1 - strike * xp.exp(-rate * time) * phi2


def greeks(xp: Any, spot: Any, strike: Any, time: Any, rate: Any, volatility: Any) -> Any:
    """The price, its derivatives in spot, time, rate and volatility (delta, theta, rho, vega), and delta's in spot."""

    def total(spot: Any, time: Any, rate: Any, volatility: Any) -> Any:
        return xp.sum(black_scholes(xp, spot, strike, time, rate, volatility))

    def delta(spot: Any) -> Any:
        return xp.sum(xp.grad(total, (0,))(spot, time, rate, volatility)[0])

    price = black_scholes(xp, spot, strike, time, rate, volatility)
    return (price, *xp.grad(total, (0, 1, 2, 3))(spot, time, rate, volatility), *xp.grad(delta, (0,))(spot))


def layer_norm(xp: Any, x: Any, gain: Any, bias: Any) -> Any:
    """Rows less their mean, over their deviation (J. L. Ba, J. R. Kiros, G. E. Hinton, arXiv:1607.06450)."""
    centred = x - xp.mean(x, axis=1, keepdims=True)
    return centred / xp.sqrt(xp.mean(centred**2, axis=1, keepdims=True) + 1e-5) * gain + bias


def layer_norm_gradient(xp: Any, x: Any, gain: Any, bias: Any, above: Any) -> Any:
    """What a layer above hands down, carried back to the rows, the gain and the bias."""
    return xp.grad(lambda *arrays: xp.sum(above * layer_norm(xp, *arrays)), (0, 1, 2))(x, gain, bias)


def gelu(xp: Any, x: Any) -> Any:
    """In its form with tanh (D. Hendrycks and K. Gimpel, arXiv:1606.08415)."""
    return x / 2 * (1 + xp.tanh(np.sqrt(2 / np.pi).item() * (x + 0.044715 * x**3)))


def gelu_gradient(xp: Any, x: Any) -> Any:
    return xp.grad(lambda x: xp.sum(gelu(xp, x)), (0,))(x)


def sum_of_squares(xp: Any, x: Any) -> Any:
    return xp.sum(x**2)


def variance_of_columns(xp: Any, x: Any) -> Any:
    return xp.var(x, axis=0)


def variance_of_rows(xp: Any, x: Any) -> Any:
    return xp.var(x, axis=1)


def chain(xp: Any, x: Any) -> Any:
    """Forty operations one after another, eight of them elementary functions."""
    for k, function in enumerate([xp.tanh, xp.exp, xp.sin, xp.arctan, xp.tanh, xp.cos, xp.exp, xp.sin]):
        x = function(x * (0.5 + 0.01 * k) + 0.1) * 0.9 - 0.05
    return x


def distances(xp: Any, x: Any, y: Any) -> Any:
    """Squares of the distances of all pairs of points: |x|² + |y|² - 2 x·y."""
    return xp.sum(x**2, axis=1)[:, None] + xp.sum(y**2, axis=1) - 2 * x @ y.T


def perceptron_step(xp: Any, w1: Any, b1: Any, w2: Any, b2: Any, x: Any, classes: Any) -> Any:
    """One step of gradient descent on the cross-entropy of a network of one hidden layer."""

    def cost(w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        return _cost(xp, xp.tanh(x @ w1 + b1) @ w2 + b2, classes)

    return _descended(xp, cost, w1, b1, w2, b2)


def logistic_step(xp: Any, w: Any, b: Any, x: Any, classes: Any) -> Any:
    """One step of gradient descent on the cross-entropy of a linear classifier."""
    return _descended(xp, lambda w, b: _cost(xp, x @ w + b, classes), w, b)


def _cost(xp: Any, logits: Any, classes: Any) -> Any:
    return -xp.mean(xp.sum(classes * xp.log_softmax(logits, axis=1), axis=1))


def _descended(xp: Any, cost: Program, *parameters: Any) -> Any:
    value, gradients = xp.value_and_grad(cost, tuple(range(len(parameters))))(*parameters)
    return (value, *(p - 0.1 * g for p, g in zip(parameters, gradients, strict=True)))


def transposed_add(xp: Any, a: Any, b: Any) -> Any:
    return a + b.T


def gemver(xp: Any, alpha: Any, beta: Any, a: Any, *vectors: Any) -> Any:
    """Two updates of rank one, and two products with the updated matrix."""
    u1, v1, u2, v2, w, x, y, z = vectors
    a = a + xp.outer(u1, v1) + xp.outer(u2, v2)
    x = x + beta * (y @ a) + z
    return a, x, w + alpha * (a @ x)


def gesummv(xp: Any, alpha: Any, beta: Any, a: Any, b: Any, x: Any) -> Any:
    """αAx + βBx."""
    return alpha * (a @ x) + beta * (b @ x)


def atax(xp: Any, a: Any, x: Any) -> Any:
    """AᵀAx."""
    return (a @ x) @ a


def bicg(xp: Any, a: Any, p: Any, r: Any) -> Any:
    """Aᵀr and Ap."""
    return r @ a, a @ p


ROWS = (4096, 1000)
MANY = (4_000_000,)
GEMVER = ((), (), (3000, 3000), *[(3000,)] * 8)

TANH = "tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))"
GELU = f"x / 2 * (1 + {TANH})"
SLOPE = f"(1 + {TANH}) / 2 + x / 2 * (1 - {TANH} * {TANH}) * 0.7978845608028654 * (1 + 0.134145 * x * x)"
CHAIN = functools.reduce(
    lambda x, step: f"{step[1]}(({x}) * {0.5 + 0.01 * step[0]!r} + 0.1) * 0.9 - 0.05",
    enumerate(["tanh", "exp", "sin", "arctan", "tanh", "cos", "exp", "sin"]),
    "x",
)

CASES: dict[str, Case] = {
    case.name: case
    for case in (
        Case("log-softmax", log_softmax, normal(ROWS), 1.15, {GRAPHOPT: log_of_softmax}, loops=True),
        Case("log-softmax, wide", log_softmax, normal(ROWS, scale=100), 1.15, {GRAPHOPT: log_of_softmax}, loops=True),
        Case(
            "cross-entropy, gradient", cross_entropy, classified(*ROWS), 1.3,
            {NUMPY: by_hand.cross_entropy}, loops=True,
        ),
        Case("Black–Scholes", black_scholes, options, 1.8, loops=True),
        Case("Black–Scholes, Greeks", greeks, options_each, 1.8, {NUMPY: by_hand.greeks}, loops=True),
        Case("layer norm", layer_norm, normal(ROWS, (1000,), (1000,)), 1.4, loops=True),
        Case(
            "layer norm, gradient", layer_norm_gradient, normal(ROWS, (1000,), (1000,), ROWS), 1.3,
            {NUMPY: by_hand.layer_norm_gradient},
        ),
        Case("GELU", gelu, normal(MANY), 1.05, loops=True, text=GELU),
        Case(
            "GELU, gradient", gelu_gradient, normal(MANY), 1.05,
            {NUMPY: by_hand.gelu_gradient}, loops=True, text=SLOPE,
        ),
        Case("sum of squares", sum_of_squares, normal(MANY), 1.0, loops=True, text="sum(x * x)"),
        Case("variance, axis 0", variance_of_columns, normal(ROWS), 1.5, loops=True),
        Case("variance, axis 1", variance_of_rows, normal(ROWS), 1.2, loops=True),
        Case("chain of 40", chain, normal((1_000_000,), dtype="float64"), 1.5, loops=True, text=CHAIN),
        Case("distances", distances, normal((2000, 16), (2000, 16), dtype="float64"), 1.2, loops=True),
        Case("perceptron step", perceptron_step, images(128, 784, 512, 10), 1.1, {NUMPY: by_hand.perceptron_step}),
        Case("logistic step", logistic_step, images(600, 784, 10), 1.1, {NUMPY: by_hand.logistic_step}),
        Case("transposed add", transposed_add, normal((4000, 4000), (4000, 4000)), 1.5, loops=True),
        Case("gemver", gemver, matrices(*GEMVER), 0.95, loops=True),
        Case("gesummv", gesummv, matrices((), (), (4000, 4000), (4000, 4000), (4000,)), 0.95, loops=True),
        Case("atax", atax, matrices((10_000, 12_500), (12_500,)), 0.95, loops=True),
        Case("bicg", bicg, matrices((10_000, 12_500), (12_500,), (10_000,)), 0.95, loops=True),
    )
}  # fmt: skip
