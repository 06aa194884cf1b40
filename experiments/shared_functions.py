"""Functions that NumPy's names can say, for comparing gradients: what each is, and the arrays it is differentiated at.

Each is a function of a namespace (`namespaces.py`) and of float arrays, drawn by `arguments`. Results that are arrays
are contracted with fixed weights, so that no derivative vanishes by symmetry.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["SHARED", "Shared", "arguments"]

PAIRS = np.triu_indices(5, 1)
ROWS = np.arange(4)
LABELS = np.array([2, 0, 1, 2])
TOKENS = np.array([3, 1, 3, 0, 2])
WINDOWS = np.arange(6)[:, None] + np.arange(3)
ORDER = np.array([[2, 0, 1], [1, 1, 0], [0, 2, 2], [1, 0, 2]])


@dataclass(frozen=True)
class Shared:
    """A function that all libraries are given.

    Attributes
    ----------
    name, kind
        What it is called, and its family.
    function
        Of a namespace and the arrays.
    inputs
        For each array its shape and its domain, a key of `DOMAINS`.
    points
        The arrays themselves, where they are not drawn.
    """

    name: str
    kind: str
    function: Callable[..., Any] = field(compare=False)
    inputs: tuple[tuple[tuple[int, ...], str], ...] = ()
    points: tuple[Any, ...] = field(default=(), compare=False)

    def cost(self, xp: Any, *arrays: Any) -> Any:
        """The function, contracted with weights if its result is an array: what is differentiated."""
        result = self.function(xp, *arrays)
        return result if not result.ndim else weighted(xp, result)


DOMAINS: Mapping[str, Callable[[Any, tuple[int, ...]], Any]] = {
    "real": lambda generator, shape: generator.normal(size=shape),
    "positive": lambda generator, shape: generator.uniform(0.4, 2.5, shape),
    "unit": lambda generator, shape: generator.uniform(-0.9, 0.9, shape),
    "fraction": lambda generator, shape: generator.uniform(0.05, 0.95, shape),
    "regular": lambda generator, shape: generator.normal(size=shape) + 3 * np.eye(shape[-1]),
    "definite": lambda generator, shape: (lambda a: a @ a.T + np.eye(shape[-1]))(generator.normal(size=shape)),
}


def arguments(shared: Shared, dtype: str) -> list[Any]:
    """The arrays of a function, the same every time."""
    if shared.points:
        return [np.asarray(point, dtype) for point in shared.points]
    generator = np.random.default_rng(zlib.crc32(shared.name.encode()))
    return [DOMAINS[domain](generator, shape).astype(dtype) for shape, domain in shared.inputs]


def weighted(xp: Any, result: Any) -> Any:
    """A number out of an array: its sum with weights between 0.5 and 1.5."""
    size = int(np.prod(result.shape))
    return xp.sum(result * xp.constant(1 + np.sin(np.arange(1, size + 1)).reshape(tuple(result.shape)) / 2))


# Functions of more than a line ----------------------------------------------------------------------------------------


def black_scholes(xp: Any, spot: Any, strike: Any, time: Any) -> Any:
    root = 0.3 * xp.sqrt(time)
    d1 = (xp.log(spot / strike) + (0.02 + 0.3**2 / 2) * time) / root
    return weighted(xp, spot * xp.ndtr(d1) - strike * xp.exp(-0.02 * time) * xp.ndtr(d1 - root))


def haversine(xp: Any, a: Any, b: Any) -> Any:
    inner = xp.sin((a[:, 0] - b[:, 0]) / 2) ** 2
    inner = inner + xp.cos(a[:, 0]) * xp.cos(b[:, 0]) * xp.sin((a[:, 1] - b[:, 1]) / 2) ** 2
    return weighted(xp, 2 * xp.arctan2(xp.sqrt(inner), xp.sqrt(1 - inner)))


def lennard_jones(xp: Any, x: Any) -> Any:
    apart = x[xp.constant(PAIRS[0])] - x[xp.constant(PAIRS[1])]
    inverse = 1 / xp.sum(apart**2, axis=1) ** 3
    return xp.sum(4 * (inverse**2 - inverse))


def logistic_map(xp: Any, x: Any, rate: Any) -> Any:
    for _ in range(5):
        x = rate * x * (1 - x)
    return weighted(xp, x)


def layer_norm(xp: Any, x: Any, scale: Any, shift: Any) -> Any:
    centred = x - xp.mean(x, axis=-1, keepdims=True)
    return weighted(xp, centred / xp.sqrt(xp.var(x, axis=-1, keepdims=True) + 1e-5) * scale + shift)


def attention(xp: Any, q: Any, k: Any, v: Any) -> Any:
    scores = xp.einsum("qd,kd->qk", q, k) / 3**0.5
    return weighted(xp, xp.softmax(scores, axis=-1) @ v)


def causal_attention(xp: Any, q: Any, k: Any, v: Any) -> Any:
    allowed = xp.constant(np.tri(4, dtype=bool))
    scores = xp.where(allowed, q @ xp.swapaxes(k, 0, 1), xp.constant(np.array(-np.inf)))
    return weighted(xp, xp.softmax(scores, axis=-1) @ v)


def perceptron(xp: Any, x: Any, w1: Any, b1: Any, w2: Any) -> Any:
    return weighted(xp, xp.tanh(x @ w1 + b1) @ w2)


def convolution(xp: Any, x: Any, kernel: Any) -> Any:
    return weighted(xp, xp.tanh(x[xp.constant(WINDOWS)] @ kernel))


def huber(xp: Any, x: Any, y: Any) -> Any:
    apart = x - y
    return xp.mean(xp.where(xp.abs(apart) < 1, apart**2 / 2, xp.abs(apart) - 0.5))


def cosine_similarity(xp: Any, x: Any, y: Any) -> Any:
    return weighted(xp, xp.sum(x * y, axis=-1) / (xp.linalg.norm(x, axis=-1) * xp.linalg.norm(y, axis=-1)))


def focal(xp: Any, x: Any) -> Any:
    chosen = xp.log_softmax(x, axis=-1)[xp.constant(ROWS), xp.constant(LABELS)]
    return -xp.mean((1 - xp.exp(chosen)) ** 2 * chosen)


def triplet(xp: Any, a: Any, b: Any, c: Any) -> Any:
    near, far = xp.sum((a - b) ** 2, axis=-1), xp.sum((a - c) ** 2, axis=-1)
    return xp.mean(xp.maximum(near - far + 1, xp.constant(np.array(0.0))))


def divergence(xp: Any, x: Any, y: Any) -> Any:
    p, q = xp.log_softmax(x, axis=-1), xp.log_softmax(y, axis=-1)
    return xp.sum(xp.exp(p) * (p - q))


def contrastive(xp: Any, x: Any, y: Any) -> Any:
    scores = x @ xp.swapaxes(y, 0, 1)
    return xp.mean(xp.logsumexp(scores, axis=1) - xp.diagonal(scores))


def normal_likelihood(xp: Any, x: Any, a: Any) -> Any:
    factor = xp.linalg.cholesky(a)
    white = xp.linalg.solve_triangular(factor, x, lower=True)
    return xp.sum(white**2) / 2 + xp.sum(xp.log(xp.diagonal(factor)))


def ridge(xp: Any, x: Any, y: Any) -> Any:
    return weighted(xp, xp.linalg.solve(x.T @ x + xp.constant(0.1 * np.eye(3)), x.T @ y))


# The table ------------------------------------------------------------------------------------------------------------

R3, R4, R5, R6, M43, M33, S3 = (3,), (4,), (5,), (6,), (4, 3), (3, 3), (3, 3)

SHARED: tuple[Shared, ...] = (
    # formulas
    Shared(
        "Rosenbrock",
        "formula",
        lambda xp, x: xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2),
        ((R5, "real"),),
    ),
    Shared("Rastrigin", "formula", lambda xp, x: xp.sum(x**2 - 10 * xp.cos(2 * np.pi * x) + 10), ((R5, "real"),)),
    Shared(
        "Ackley",
        "formula",
        lambda xp, x: -20 * xp.exp(-0.2 * xp.sqrt(xp.mean(x**2))) - xp.exp(xp.mean(xp.cos(2 * np.pi * x))),
        ((R4, "real"),),
    ),
    Shared(
        "Himmelblau",
        "formula",
        lambda xp, x, y: (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2,
        (((), "real"), ((), "real")),
    ),
    Shared("Black–Scholes", "formula", black_scholes, ((R4, "positive"), (R4, "positive"), (R4, "positive"))),
    Shared("haversine", "formula", haversine, (((3, 2), "unit"), ((3, 2), "unit"))),
    Shared("Lennard-Jones", "formula", lennard_jones, (((5, 3), "real"),)),
    Shared("logistic map, 5 steps", "formula", logistic_map, ((R3, "fraction"), ((), "positive"))),
    # elementwise
    Shared("sin·tanh", "elementwise", lambda xp, x: xp.sin(x) * xp.tanh(x), ((R4, "real"),)),
    Shared("log1p(expm1)", "elementwise", lambda xp, x, y: xp.log1p(x) * xp.expm1(y), ((R4, "positive"), (R4, "real"))),
    Shared(
        "arctan2, hypot",
        "elementwise",
        lambda xp, x, y: xp.arctan2(x, y) * xp.hypot(x, y),
        ((R4, "real"), (R4, "real")),
    ),
    Shared("power", "elementwise", lambda xp, x, y: x**y, ((R4, "positive"), (R4, "real"))),
    Shared(
        "inverse trigonometric",
        "elementwise",
        lambda xp, x: xp.arcsin(x) * xp.arctan(x) / (1 + xp.arccos(x)),
        ((R4, "unit"),),
    ),
    Shared("hyperbolic", "elementwise", lambda xp, x: xp.sinh(x) * xp.arcsinh(x) / xp.cosh(x), ((R4, "real"),)),
    Shared("inverse hyperbolic", "elementwise", lambda xp, x: xp.arctanh(x) + xp.arccosh(x + 2), ((R4, "unit"),)),
    Shared("logaddexp", "elementwise", lambda xp, x, y: xp.logaddexp(x, y), ((R4, "real"), (R4, "real"))),
    Shared("clip", "elementwise", lambda xp, x: xp.clip(x, -0.5, 0.8) * x, ((R6, "real"),)),
    Shared(
        "maximum, minimum",
        "elementwise",
        lambda xp, x, y: xp.maximum(x, y) * xp.exp(xp.minimum(x, y)),
        ((R5, "real"), (R5, "real")),
    ),
    Shared("where", "elementwise", lambda xp, x, y: xp.where(x > y, x * y, xp.sin(x)), ((R5, "real"), (R5, "real"))),
    Shared("remainder", "elementwise", lambda xp, x: xp.remainder(x, 0.7) * x, ((R5, "real"),)),
    # losses
    Shared("mean square", "loss", lambda xp, x, y: xp.mean((x - y) ** 2), ((M43, "real"), (M43, "real"))),
    Shared("Huber", "loss", huber, ((R6, "real"), (R6, "real"))),
    Shared(
        "hinge",
        "loss",
        lambda xp, x: xp.mean(xp.relu(1 - x * xp.constant(np.array([1.0, -1.0, 1.0, -1.0])))),
        ((R4, "real"),),
    ),
    Shared(
        "cross-entropy",
        "loss",
        lambda xp, x: -xp.mean(xp.log_softmax(x, axis=-1)[xp.constant(ROWS), xp.constant(LABELS)]),
        ((M43, "real"),),
    ),
    Shared(
        "logistic",
        "loss",
        lambda xp, x: xp.mean(xp.softplus(-x * xp.constant(np.array([1.0, -1.0, 1.0, -1.0])))),
        ((R4, "real"),),
    ),
    Shared("focal", "loss", focal, ((M43, "real"),)),
    Shared(
        "Poisson",
        "loss",
        lambda xp, x, y: xp.mean(xp.exp(x) - y * x + xp.gammaln(y + 1)),
        ((R4, "real"), (R4, "positive")),
    ),
    Shared("Kullback–Leibler", "loss", divergence, ((R4, "real"), (R4, "real"))),
    Shared("triplet", "loss", triplet, ((M43, "real"), (M43, "real"), (M43, "real"))),
    Shared("contrastive", "loss", contrastive, ((M43, "real"), (M43, "real"))),
    Shared("cosine similarity", "loss", cosine_similarity, ((M43, "real"), (M43, "real"))),
    # layers
    Shared("perceptron", "layer", perceptron, ((M43, "real"), ((3, 4), "real"), (R4, "real"), ((4, 2), "real"))),
    Shared("layer norm", "layer", layer_norm, ((M43, "real"), (R3, "real"), (R3, "real"))),
    Shared(
        "batch norm",
        "layer",
        lambda xp, x: (x - xp.mean(x, axis=0)) / xp.sqrt(xp.var(x, axis=0) + 1e-5),
        ((M43, "real"),),
    ),
    Shared("standard deviation", "layer", lambda xp, x: xp.std(x, axis=1), ((M43, "real"),)),
    Shared(
        "RMS norm", "layer", lambda xp, x: x / xp.sqrt(xp.mean(x**2, axis=-1, keepdims=True) + 1e-6), ((M43, "real"),)
    ),
    Shared("GELU", "layer", lambda xp, x: x * (1 + xp.erf(x / 2**0.5)) / 2, ((R6, "real"),)),
    Shared("SwiGLU", "layer", lambda xp, x, y: x * xp.expit(x) * y, ((R6, "real"), (R6, "real"))),
    Shared("attention", "layer", attention, ((M43, "real"), (M43, "real"), (M43, "real"))),
    Shared("causal attention", "layer", causal_attention, ((M43, "real"), (M43, "real"), (M43, "real"))),
    Shared("convolution", "layer", convolution, (((8,), "real"), (R3, "real"))),
    Shared("max pooling", "layer", lambda xp, x: xp.max(x.reshape((3, 2, 2)), axis=1) ** 2, (((12,), "real"),)),
    Shared("embedding", "layer", lambda xp, x: xp.tanh(x[xp.constant(TOKENS)]), ((M43, "real"),)),
    # softmax
    Shared("softmax", "softmax", lambda xp, x: xp.softmax(x, axis=-1), ((M43, "real"),)),
    Shared("log-softmax", "softmax", lambda xp, x: xp.log_softmax(x, axis=0), ((M43, "real"),)),
    Shared("logsumexp", "softmax", lambda xp, x: xp.logsumexp(x, axis=1), ((M43, "real"),)),
    Shared(
        "entropy of softmax",
        "softmax",
        lambda xp, x: -xp.sum(xp.softmax(x, axis=-1) * xp.log(xp.softmax(x, axis=-1)), axis=-1),
        ((M43, "real"),),
    ),
    # linear algebra
    Shared("solve", "linear algebra", lambda xp, a, b: xp.linalg.solve(a, b), ((M33, "regular"), (R3, "real"))),
    Shared("inverse", "linear algebra", lambda xp, a: xp.linalg.inv(a), ((M33, "regular"),)),
    Shared("determinant", "linear algebra", lambda xp, a: xp.linalg.det(a), ((M33, "regular"),)),
    Shared("log determinant", "linear algebra", lambda xp, a: xp.linalg.slogdet(a)[1], ((M33, "regular"),)),
    Shared(
        "Cholesky",
        "linear algebra",
        lambda xp, a: xp.linalg.cholesky(a @ a.T + xp.constant(np.eye(3))),
        ((M33, "real"),),
    ),
    Shared(
        "normal likelihood",
        "linear algebra",
        lambda xp, x, a: normal_likelihood(xp, x, a @ a.T + xp.constant(np.eye(3))),
        ((R3, "real"), (M33, "real")),
    ),
    Shared(
        "triangular solve",
        "linear algebra",
        lambda xp, a, b: xp.linalg.solve_triangular(xp.tril(a), b, lower=True),
        ((M33, "regular"), (M33, "real")),
    ),
    Shared("ridge regression", "linear algebra", ridge, ((M43, "real"), (R4, "real"))),
    Shared("Frobenius norm", "linear algebra", lambda xp, a: xp.linalg.norm(a), ((M43, "real"),)),
    Shared(
        "norms of order 1 and 3",
        "linear algebra",
        lambda xp, a: xp.linalg.norm(a, ord=1, axis=0) * xp.linalg.norm(a, ord=3, axis=0),
        ((M43, "real"),),
    ),
    Shared("matrix power", "linear algebra", lambda xp, a: xp.linalg.matrix_power(a, 3), ((M33, "real"),)),
    Shared(
        "trace of a product", "linear algebra", lambda xp, a, b: xp.trace(a @ b.T @ a), ((M33, "real"), (M33, "real"))
    ),
    Shared(
        "outer, kron",
        "linear algebra",
        lambda xp, a, b: weighted(xp, xp.kron(xp.outer(a, b), xp.outer(b, a))),
        (((2,), "real"), ((2,), "real")),
    ),
    # orders, running sums, places
    Shared("sort", "places", lambda xp, x: xp.sort(x, axis=-1) ** 2, ((M43, "real"),)),
    Shared("quantile", "places", lambda xp, x: xp.quantile(x, 0.3) * xp.quantile(x, 0.5), ((R6, "real"),)),
    Shared("cumulative sum", "places", lambda xp, x: xp.exp(xp.cumsum(x, axis=0) / 4), ((M43, "real"),)),
    Shared("cumulative product", "places", lambda xp, x: xp.cumprod(x, axis=1), ((M43, "real"),)),
    Shared("product", "places", lambda xp, x: xp.prod(x, axis=1), ((M43, "real"),)),
    Shared("differences", "places", lambda xp, x: xp.diff(x) ** 3, ((R6, "real"),)),
    Shared(
        "scatter and add",
        "places",
        lambda xp, x, y: xp.add_at(x, xp.constant(TOKENS), y) ** 2,
        ((R4, "real"), (R5, "real")),
    ),
    Shared(
        "take along an axis",
        "places",
        lambda xp, x: xp.take_along_axis(x, xp.constant(ORDER), 1) ** 2,
        ((M43, "real"),),
    ),
    Shared("roll and flip", "places", lambda xp, x: xp.roll(x, 1, 0) * xp.flip(x, 1), ((M43, "real"),)),
    Shared(
        "pad and stack",
        "places",
        lambda xp, x: xp.stack([xp.pad(x, (2, 1)), xp.concatenate([x[:3], x])]) ** 2,
        ((R5, "real"),),
    ),
    Shared("tile and repeat", "places", lambda xp, x: xp.tile(x, (2,)) * xp.repeat(x, 2), ((R5, "real"),)),
    Shared("triangles", "places", lambda xp, x: xp.tril(x) @ xp.triu(x) + xp.diag(xp.diagonal(x)), ((M33, "real"),)),
    # einsum
    Shared(
        "bilinear",
        "einsum",
        lambda xp, x, a, y: xp.einsum("bi,ij,bj->b", x, a, y),
        ((M43, "real"), (M33, "real"), (M43, "real")),
    ),
    Shared(
        "batched product",
        "einsum",
        lambda xp, a, b: weighted(xp, xp.einsum("bij,bjk->bik", a, b)),
        (((2, 3, 2), "real"), ((2, 2, 3), "real")),
    ),
    Shared(
        "contraction of three",
        "einsum",
        lambda xp, a, b, c: weighted(xp, xp.einsum("ijk,jl,kl->il", a, b, c)),
        (((2, 3, 2), "real"), ((3, 2), "real"), ((2, 2), "real")),
    ),
    # special functions
    Shared("erf, erfc", "special", lambda xp, x: xp.erf(x) * xp.erfc(x / 2), ((R4, "real"),)),
    Shared("gammaln, digamma", "special", lambda xp, x: xp.gammaln(x) * xp.digamma(x), ((R4, "positive"),)),
    Shared("ndtr, log_ndtr", "special", lambda xp, x: xp.ndtr(x) * xp.log_ndtr(x), ((R4, "real"),)),
    Shared("logit", "special", lambda xp, x: xp.logit(x) ** 2, ((R4, "fraction"),)),
    Shared(
        "xlogy, entr", "special", lambda xp, x, y: xp.xlogy(x, y) + xp.entr(x), ((R4, "positive"), (R4, "positive"))
    ),
    Shared("i0e, i1e", "special", lambda xp, x: xp.i0e(x) * xp.i1e(x), ((R4, "positive"),)),
    Shared("erfinv", "special", lambda xp, x: xp.erfinv(x), ((R4, "unit"),)),
    Shared("sinc", "special", lambda xp, x: xp.sinc(x), ((R4, "positive"),)),
    Shared("polygamma", "special", lambda xp, x: xp.polygamma(2, x), ((R4, "positive"),)),
)
