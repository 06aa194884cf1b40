"""Ten programs as a user of NumPy writes them: plain functions of arrays that know of nothing but NumPy.

They are of the kinds that NPBench collects (Ziogas et al., "NPBench: a benchmarking suite for high-performance NumPy",
ICS 2021) from deep learning, geodesy, PolyBench's linear algebra and its data mining. Values are never assigned in
place; what an assignment to a mask would do, `np.where` does.

`SHAPES` names the dimensions of their arguments, in order.
"""

import numpy as np

# Deep learning --------------------------------------------------------------------------------------------------------


def softmax(x):
    """Weights of attention: positive, with sum 1 along the last axis."""
    powers = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return powers / np.sum(powers, axis=-1, keepdims=True)


def mlp(x, w1, b1, w2, b2, w3, b3):
    """A perceptron of two hidden layers of rectifiers, which ends in a softmax."""
    hidden = np.maximum(x @ w1 + b1, 0)
    hidden = np.maximum(hidden @ w2 + b2, 0)
    return softmax(hidden @ w3 + b3)


# Geodesy --------------------------------------------------------------------------------------------------------------


def arc_distance(latitude, longitude, other_latitude, other_longitude):
    """Angles between points of a sphere, by the haversine formula."""
    across = np.sin((other_latitude - latitude) / 2) ** 2
    along = np.sin((other_longitude - longitude) / 2) ** 2
    square = across + np.cos(latitude) * np.cos(other_latitude) * along
    return 2 * np.arctan2(np.sqrt(square), np.sqrt(1 - square))


# Linear algebra -------------------------------------------------------------------------------------------------------


def atax(A, x):
    """AᵀAx."""
    return (A @ x) @ A


def bicg(A, p, r):
    """The two products of a step of biconjugate gradients, Aᵀr and Ap."""
    return r @ A, A @ p


def gemver(alpha, beta, A, u1, v1, u2, v2, w, x, y, z):
    """Two updates of rank one, and two products with the updated matrix."""
    A = A + np.outer(u1, v1) + np.outer(u2, v2)
    x = x + beta * (y @ A) + z
    w = w + alpha * (A @ x)
    return A, x, w


def gesummv(alpha, beta, A, B, x):
    """αAx + βBx."""
    return alpha * A @ x + beta * B @ x


def doitgen(A, C):
    """Σₛ A[r, q, s] C[s, p]: the last axis of a field in three dimensions transformed."""
    r, q, s = A.shape
    return np.reshape(np.reshape(A, (r * q, s)) @ C, (r, q, C.shape[1]))


# Statistics -----------------------------------------------------------------------------------------------------------


def covariance(data):
    """The covariance of the columns, estimated from the rows."""
    centred = data - np.mean(data, axis=0)
    return centred.T @ centred / (data.shape[0] - 1)


def correlation(data):
    """The correlation of the columns; a column that hardly varies is not scaled."""
    deviation = np.std(data, axis=0)
    deviation = np.where(deviation <= 0.1, 1.0, deviation)
    scaled = (data - np.mean(data, axis=0)) / deviation
    return scaled.T @ scaled / data.shape[0]


SHAPES = {
    softmax: {"x": "batch heads rows columns"},
    mlp: {"x": "n i", "w1": "i j", "b1": "j", "w2": "j k", "b2": "k", "w3": "k classes", "b3": "classes"},
    arc_distance: {"latitude": "n", "longitude": "n", "other_latitude": "n", "other_longitude": "n"},
    atax: {"A": "m n", "x": "n"},
    bicg: {"A": "m n", "p": "n", "r": "m"},
    gemver: {
        "alpha": "", "beta": "", "A": "n n", "u1": "n", "v1": "n", "u2": "n", "v2": "n", "w": "n", "x": "n", "y": "n",
        "z": "n",
    },
    gesummv: {"alpha": "", "beta": "", "A": "n n", "B": "n n", "x": "n"},
    doitgen: {"A": "r q s", "C": "s p"},
    covariance: {"data": "n m"},
    correlation: {"data": "n m"},
}  # fmt: skip
