"""Derivatives of the suite's programs as one writes them in NumPy: by hand, for want of `grad`."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["cross_entropy", "gelu_gradient", "greeks", "layer_norm_gradient", "logistic_step", "perceptron_step"]


def cross_entropy(xp: Any, x: Any, classes: Any) -> Any:
    rows = np.arange(len(x))
    logarithms = x - x.max(axis=1, keepdims=True)
    logarithms -= np.log(np.exp(logarithms).sum(axis=1, keepdims=True))
    gradient = np.exp(logarithms)
    gradient[rows, classes] -= 1
    return -logarithms[rows, classes].mean(), (gradient / np.float32(len(x)),)


def greeks(xp: Any, spot: Any, strike: Any, time: Any, rate: Any, volatility: Any) -> Any:
    square = np.sqrt(time)
    root = volatility * square
    d1 = (np.log(spot / strike) + (rate + volatility**2 / 2) * time) / root
    d2 = d1 - root
    phi1, phi2 = ((1 + xp.erf(d / np.sqrt(2))) / 2 for d in (d1, d2))
    density = np.exp(-(d1**2) / 2) / np.sqrt(2 * np.pi)
    discounted = strike * np.exp(-rate * time) * phi2
    theta = spot * density * volatility / (2 * square) + rate * discounted
    gamma = density / (spot * root)
    return spot * phi1 - discounted, phi1, theta, time * discounted, spot * density * square, gamma


def layer_norm_gradient(xp: Any, x: Any, gain: Any, bias: Any, above: Any) -> Any:
    centred = x - x.mean(axis=1, keepdims=True)
    inverse = 1 / np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + np.float32(1e-5))
    unit = centred * inverse
    scaled = above * gain
    means = scaled.mean(axis=1, keepdims=True) + unit * np.mean(scaled * unit, axis=1, keepdims=True)
    return (scaled - means) * inverse, (above * unit).sum(axis=0), above.sum(axis=0)


def gelu_gradient(xp: Any, x: Any) -> Any:
    slope = np.float32(np.sqrt(2 / np.pi))
    square = x * x
    t = np.tanh(slope * x * (1 + np.float32(0.044715) * square))
    return (((1 + t) / 2 + x / 2 * (1 - t * t) * slope * (1 + np.float32(3 * 0.044715) * square)),)


def perceptron_step(xp: Any, w1: Any, b1: Any, w2: Any, b2: Any, x: Any, classes: Any) -> Any:
    hidden = np.tanh(x @ w1 + b1)
    cost, logits = _cost(xp, hidden @ w2 + b2, classes)
    below = logits @ w2.T * (1 - hidden * hidden)
    gradients = (x.T @ below, below.sum(axis=0), hidden.T @ logits, logits.sum(axis=0))
    return cost, *_descended((w1, b1, w2, b2), gradients)


def logistic_step(xp: Any, w: Any, b: Any, x: Any, classes: Any) -> Any:
    cost, logits = _cost(xp, x @ w + b, classes)
    return cost, *_descended((w, b), (x.T @ logits, logits.sum(axis=0)))


def _cost(xp: Any, logits: Any, classes: Any) -> tuple[Any, Any]:
    """The cross-entropy and its gradient in the logits."""
    logarithms = xp.log_softmax(logits, axis=1)
    return -np.mean(np.sum(classes * logarithms, axis=1)), (np.exp(logarithms) - classes) / np.float32(len(logits))


def _descended(parameters: Any, gradients: Any) -> Any:
    return [p - np.float32(0.1) * g for p, g in zip(parameters, gradients, strict=True)]
