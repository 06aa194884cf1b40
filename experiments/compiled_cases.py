"""The programs whose compile time is measured: a row each, with what builds inputs and outputs.

Sizes are named, as in a program one keeps; each is built anew, as at the start of a process.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import graphopt as go
import graphopt.tensor as T

__all__ = ["CASES", "straight_line"]

Program = tuple[list[Any], Any]


def log_softmax() -> Program:
    x = go.variable("x", "float32[n, k]")
    return [x], T.log(T.exp(x) / T.exp(x).sum(axis=1, keepdims=True))


def cross_entropy() -> Program:
    """With its gradient, from one-hot labels."""
    x, y = go.variable("x", "float32[n, k]"), go.variable("y", "float32[n, k]")
    loss = -(y * T.log(T.exp(x) / T.exp(x).sum(axis=1, keepdims=True))).sum(axis=1).mean()
    return [x, y], [loss, go.grad(loss, x)]


def _black_scholes() -> tuple[list[Any], Any]:
    names = ("spot", "strike", "time", "rate", "volatility")
    spot, strike, time, rate, volatility = inputs = [go.variable(name, "float64[n]") for name in names]
    root = volatility * T.sqrt(time)
    d1 = (T.log(spot / strike) + (rate + volatility**2 / 2) * time) / root
    phi1, phi2 = ((1 + T.erf(d / 2**0.5)) / 2 for d in (d1, d1 - root))
    return inputs, spot * phi1 - strike * T.exp(-rate * time) * phi2


def black_scholes() -> Program:
    return _black_scholes()


def greeks() -> Program:
    """The price with delta, the derivative in time, rho and vega, and gamma."""
    inputs, price = _black_scholes()
    spot, _, time, rate, volatility = inputs
    delta, theta, rho, vega = go.grad(price.sum(), [spot, time, rate, volatility])
    return inputs, [price, delta, theta, rho, vega, go.grad(delta.sum(), spot)]


def _layer_norm() -> tuple[list[Any], Any]:
    x = go.variable("x", "float32[n, k]")
    scale, shift = (go.variable(name, "float32[k]") for name in ("scale", "shift"))
    centred = x - x.mean(axis=1, keepdims=True)
    return [x, scale, shift], centred / T.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5) * scale + shift


def layer_norm() -> Program:
    return _layer_norm()


def layer_norm_gradient() -> Program:
    (x, scale, shift), y = _layer_norm()
    cotangent = go.variable("cotangent", "float32[n, k]")
    return [x, scale, cotangent], go.vjp(y, [x, scale, shift], cotangent)


def _gelu(x: Any) -> Any:
    return 0.5 * x * (1 + T.tanh((2 / 3.141592653589793) ** 0.5 * (x + 0.044715 * x**3)))


def gelu() -> Program:
    x = go.variable("x", "float32[n]")
    return [x], _gelu(x)


def gelu_gradient() -> Program:
    x = go.variable("x", "float32[n]")
    return [x], go.grad(_gelu(x).sum(), x)


def sum_of_squares() -> Program:
    x = go.variable("x", "float32[n]")
    return [x], (x * x).sum()


def variance() -> Program:
    """Along both axes."""
    x = go.variable("x", "float32[n, k]")
    return [x], [x.var(axis=0), x.var(axis=1)]


def chain_of_40() -> Program:
    """Eight of its operations are transcendental."""
    x = y = go.variable("x", "float64[n]")
    for k, function in enumerate((T.exp, T.log1p, T.sin, T.tanh, T.cos, T.expm1, T.sigmoid, T.atan)):
        y = function(y * (0.5 + k / 16)) - 0.25 * x
        y = y * y / (1 + y * y)
    return [x], y


def distances() -> Program:
    """Squared, between all pairs, through the product."""
    x, y = go.variable("x", "float64[n, d]"), go.variable("y", "float64[m, d]")
    return [x, y], (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)[None, :] - 2 * (x @ y.T)


def mlp_step() -> Program:
    """One step of gradient descent for 784-512-10."""
    x, labels = go.variable("x", "float32[n, 784]"), go.variable("labels", "float32[n, 10]")
    types = {"w1": "float32[784, 512]", "b1": "float32[512]", "w2": "float32[512, 10]", "b2": "float32[10]"}
    weights = [go.variable(name, type) for name, type in types.items()]
    w1, b1, w2, b2 = weights
    logits = T.tanh(x @ w1 + b1) @ w2 + b2
    loss = -(labels * T.log(T.softmax(logits, axis=1))).sum(axis=1).mean()
    steps = [w - 0.1 * d for w, d in zip(weights, go.grad(loss, weights), strict=True)]
    return [x, labels, *weights], [loss, *steps]


def logistic_step() -> Program:
    """One step of gradient descent, with 784 features."""
    x, y = go.variable("x", "float32[n, 784]"), go.variable("y", "float32[n]")
    w, b = go.variable("w", "float32[784]"), go.variable("b", "float32")
    p = 1 / (1 + T.exp(-(x @ w) - b))
    loss = -(y * T.log(p) + (1 - y) * T.log(1 - p)).mean() + 0.01 * (w**2).sum()
    dw, db = go.grad(loss, [w, b])
    return [x, y, w, b], [loss, w - 0.1 * dw, b - 0.1 * db]


def transposed_add() -> Program:
    x, y = go.variable("x", "float32[n, n]"), go.variable("y", "float32[n, n]")
    return [x, y], x + y.T


def gemver() -> Program:
    a = go.variable("A", "float64[n, n]")
    vectors = [go.variable(name, "float64[n]") for name in ("u1", "v1", "u2", "v2", "y", "z")]
    u1, v1, u2, v2, y, z = vectors
    b = a + T.outer(u1, v1) + T.outer(u2, v2)
    x = 1.2 * (y @ b) + z
    return [a, *vectors], [b, x, 1.5 * (b @ x)]


def gesummv() -> Program:
    a, b, x = go.variable("A", "float64[n, n]"), go.variable("B", "float64[n, n]"), go.variable("x", "float64[n]")
    return [a, b, x], 1.5 * (a @ x) + 1.2 * (b @ x)


def atax() -> Program:
    a, x = go.variable("A", "float64[m, n]"), go.variable("x", "float64[n]")
    return [a, x], (a @ x) @ a


def bicg() -> Program:
    a, p, r = go.variable("A", "float64[m, n]"), go.variable("p", "float64[n]"), go.variable("r", "float64[m]")
    return [a, p, r], [r @ a, a @ p]


def add_one() -> Program:
    """What the overhead of a call is measured with."""
    x = go.variable("x", "float64[n]")
    return [x], x + 1


CASES: dict[str, Callable[[], Program]] = {
    "log-softmax": log_softmax,
    "cross-entropy and gradient": cross_entropy,
    "Black–Scholes": black_scholes,
    "Black–Scholes and Greeks": greeks,
    "layer normalization": layer_norm,
    "its gradient": layer_norm_gradient,
    "GELU": gelu,
    "GELU's gradient": gelu_gradient,
    "sum of squares": sum_of_squares,
    "variance, both axes": variance,
    "chain of 40": chain_of_40,
    "pairwise distances": distances,
    "MLP step": mlp_step,
    "logistic step": logistic_step,
    "transposed add": transposed_add,
    "gemver": gemver,
    "gesummv": gesummv,
    "atax": atax,
    "bicg": bicg,
    "add one": add_one,
}


def straight_line(operations: int) -> Program:
    """Sums, differences and products in no order over vectors, with 24 values alive: no two stretches are alike.

    Every value is used later. Equal stretches would be compiled once: a compiler folds equal functions.
    """
    inputs = [go.variable(f"x{k}", "float64[n]") for k in range(8)]
    choose = random.Random(operations)
    alive = [*inputs, *(x - 0.5 for x in inputs), *(x + 0.5 for x in inputs)]
    for _ in range((operations - 40) // 2):
        place, factor = choose.randrange(len(alive)), choose.uniform(0.1, 0.5)
        other = alive[place - choose.randrange(1, len(alive))]
        alive[place] = (alive[place] * factor) + other if choose.random() < 0.5 else (alive[place] - other) * factor
    return inputs, sum(alive[1:], alive[0])
