"""The suite's programs as loops, for Numba: written by hand as its users do, with `prange` and without fast-math.

Names are those of the cases' programs. Nothing here is called before Numba has compiled it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

SLOPE = np.float32(math.sqrt(2 / math.pi))
BEND = np.float32(0.044715)
HALF, ONE, THREE = np.float32(0.5), np.float32(1), np.float32(3)
PARTS = 64  # of what is summed up by several threads


def log_softmax(x: Any) -> Any:
    out = np.empty_like(x)
    for row in prange(x.shape[0]):
        largest = x[row, 0]
        for k in range(x.shape[1]):
            largest = max(largest, x[row, k])
        total = np.float32(0)
        for k in range(x.shape[1]):
            total += math.exp(x[row, k] - largest)
        shift = largest + np.float32(math.log(total))
        for k in range(x.shape[1]):
            out[row, k] = x[row, k] - shift
    return out


def cross_entropy(x: Any, classes: Any) -> Any:
    gradient, costs = np.empty_like(x), np.empty(x.shape[0])
    scale = np.float32(1 / x.shape[0])
    for row in prange(x.shape[0]):
        largest = x[row, 0]
        for k in range(x.shape[1]):
            largest = max(largest, x[row, k])
        total = np.float32(0)
        for k in range(x.shape[1]):
            gradient[row, k] = math.exp(x[row, k] - largest)
            total += gradient[row, k]
        costs[row] = math.log(total) + largest - x[row, classes[row]]
        for k in range(x.shape[1]):
            gradient[row, k] *= scale / total
        gradient[row, classes[row]] -= scale
    return np.float32(costs.mean()), (gradient,)


def black_scholes(spot: Any, strike: Any, time: Any, rate: Any, volatility: Any) -> Any:
    out = np.empty_like(spot)
    for k in prange(len(spot)):
        root = volatility * math.sqrt(time[k])
        d1 = (math.log(spot[k] / strike[k]) + (rate + volatility**2 / 2) * time[k]) / root
        phi1 = (1 + math.erf(d1 / math.sqrt(2))) / 2
        phi2 = (1 + math.erf((d1 - root) / math.sqrt(2))) / 2
        out[k] = spot[k] * phi1 - strike[k] * math.exp(-rate * time[k]) * phi2
    return out


def greeks(spot: Any, strike: Any, time: Any, rate: Any, volatility: Any) -> Any:
    price, delta, theta = np.empty_like(spot), np.empty_like(spot), np.empty_like(spot)
    rho, vega, gamma = np.empty_like(spot), np.empty_like(spot), np.empty_like(spot)
    for k in prange(len(spot)):
        square = math.sqrt(time[k])
        root = volatility[k] * square
        d1 = (math.log(spot[k] / strike[k]) + (rate[k] + volatility[k] ** 2 / 2) * time[k]) / root
        phi1 = (1 + math.erf(d1 / math.sqrt(2))) / 2
        phi2 = (1 + math.erf((d1 - root) / math.sqrt(2))) / 2
        density = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
        discounted = strike[k] * math.exp(-rate[k] * time[k]) * phi2
        price[k] = spot[k] * phi1 - discounted
        delta[k] = phi1
        theta[k] = spot[k] * density * volatility[k] / (2 * square) + rate[k] * discounted
        rho[k] = time[k] * discounted
        vega[k] = spot[k] * density * square
        gamma[k] = density / (spot[k] * root)
    return price, delta, theta, rho, vega, gamma


def layer_norm(x: Any, gain: Any, bias: Any) -> Any:
    out = np.empty_like(x)
    for row in prange(x.shape[0]):
        total = np.float32(0)
        for k in range(x.shape[1]):
            total += x[row, k]
        mean = total / np.float32(x.shape[1])
        squares = np.float32(0)
        for k in range(x.shape[1]):
            squares += (x[row, k] - mean) * (x[row, k] - mean)
        inverse = ONE / np.float32(math.sqrt(squares / np.float32(x.shape[1]) + np.float32(1e-5)))
        for k in range(x.shape[1]):
            out[row, k] = (x[row, k] - mean) * inverse * gain[k] + bias[k]
    return out


def gelu(x: Any) -> Any:
    out = np.empty_like(x)
    for k in prange(len(x)):
        out[k] = HALF * x[k] * (ONE + math.tanh(SLOPE * (x[k] + BEND * x[k] * x[k] * x[k])))
    return out


def gelu_gradient(x: Any) -> Any:
    out = np.empty_like(x)
    for k in prange(len(x)):
        square = x[k] * x[k]
        t = math.tanh(SLOPE * x[k] * (ONE + BEND * square))
        out[k] = HALF * (ONE + t) + HALF * x[k] * (ONE - t * t) * SLOPE * (ONE + THREE * BEND * square)
    return (out,)


def sum_of_squares(x: Any) -> Any:
    parts = np.zeros(PARTS, np.float32)
    each = (len(x) + PARTS - 1) // PARTS
    for part in prange(PARTS):
        total = np.float32(0)
        for k in range(part * each, min(len(x), (part + 1) * each)):
            total += x[k] * x[k]
        parts[part] = total
    return np.float32(parts.sum())


def variance_of_columns(x: Any) -> Any:
    rows, columns = x.shape
    out = np.empty(columns, np.float32)
    each = (columns + PARTS - 1) // PARTS
    for part in prange(PARTS):
        first, last = part * each, min(columns, (part + 1) * each)
        mean = np.zeros(each, np.float32)
        squares = np.zeros(each, np.float32)
        for row in range(rows):
            for k in range(first, last):
                mean[k - first] += x[row, k]
        mean /= np.float32(rows)
        for row in range(rows):
            for k in range(first, last):
                apart = x[row, k] - mean[k - first]
                squares[k - first] += apart * apart
        for k in range(first, last):
            out[k] = squares[k - first] / np.float32(rows)
    return out


def variance_of_rows(x: Any) -> Any:
    rows, columns = x.shape
    out = np.empty(rows, np.float32)
    for row in prange(rows):
        total = np.float32(0)
        for k in range(columns):
            total += x[row, k]
        mean = total / np.float32(columns)
        squares = np.float32(0)
        for k in range(columns):
            squares += (x[row, k] - mean) * (x[row, k] - mean)
        out[row] = squares / np.float32(columns)
    return out


def chain(x: Any) -> Any:
    out = np.empty_like(x)
    for k in prange(len(x)):
        v = math.tanh(x[k] * 0.5 + 0.1) * 0.9 - 0.05
        v = math.exp(v * 0.51 + 0.1) * 0.9 - 0.05
        v = math.sin(v * 0.52 + 0.1) * 0.9 - 0.05
        v = math.atan(v * 0.53 + 0.1) * 0.9 - 0.05
        v = math.tanh(v * 0.54 + 0.1) * 0.9 - 0.05
        v = math.cos(v * 0.55 + 0.1) * 0.9 - 0.05
        v = math.exp(v * 0.56 + 0.1) * 0.9 - 0.05
        out[k] = math.sin(v * 0.57 + 0.1) * 0.9 - 0.05
    return out


def distances(x: Any, y: Any) -> Any:
    out = np.empty((x.shape[0], y.shape[0]))
    for i in prange(x.shape[0]):
        for j in range(y.shape[0]):
            total = 0.0
            for k in range(x.shape[1]):
                total += (x[i, k] - y[j, k]) * (x[i, k] - y[j, k])
            out[i, j] = total
    return out


def transposed_add(a: Any, b: Any) -> Any:
    rows, columns = a.shape
    out = np.empty_like(a)
    tile = 32
    for band in prange((rows + tile - 1) // tile):
        for left in range(0, columns, tile):
            for i in range(band * tile, min(rows, (band + 1) * tile)):
                for j in range(left, min(columns, left + tile)):
                    out[i, j] = a[i, j] + b[j, i]
    return out


def gemver(alpha: Any, beta: Any, a: Any, u1: Any, v1: Any, u2: Any, v2: Any, w: Any, x: Any, y: Any, z: Any) -> Any:
    n = a.shape[0]
    out = np.empty_like(a)
    for i in prange(n):
        for j in range(n):
            out[i, j] = a[i, j] + u1[i] * v1[j] + u2[i] * v2[j]
    moved = x + beta * (y @ out) + z
    return out, moved, w + alpha * (out @ moved)


def gesummv(alpha: Any, beta: Any, a: Any, b: Any, x: Any) -> Any:
    out = np.empty(a.shape[0])
    for i in prange(a.shape[0]):
        first = second = 0.0
        for j in range(a.shape[1]):
            first += a[i, j] * x[j]
            second += b[i, j] * x[j]
        out[i] = alpha * first + beta * second
    return out


def atax(a: Any, x: Any) -> Any:
    return (a @ x) @ a


def bicg(a: Any, p: Any, r: Any) -> Any:
    return r @ a, a @ p
