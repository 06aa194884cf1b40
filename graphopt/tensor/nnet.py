"""Functions of neural networks, under the names of Theano's `tensor.nnet`.

They are written as the mathematics says: what overflows or cancels in them is repaired by `stabilize`, and derivatives
at kinks are 0.
"""

from __future__ import annotations

from typing import Any

from graphopt.errors import ShapeMismatch, TypeMismatch
from graphopt.ops.arithmetic import absolute
from graphopt.ops.elementary import erf, expm1, log, log1p, sigmoid, softplus, tanh
from graphopt.ops.logic import equal, greater, less_equal, where
from graphopt.tensor.diagonals import arange
from graphopt.tensor.reduction import log_softmax, softmax
from graphopt.tensor.reduction import sum as total
from graphopt.tensor.shape import expand_dims, expression
from graphopt.tensor.ufuncs import cast, clip
from graphopt.types import is_float

__all__ = ["binary_crossentropy", "categorical_crossentropy", "elu", "gelu", "hard_sigmoid", "leaky_relu",
           "log_softmax", "relu", "selu", "sigmoid", "sigmoid_binary_crossentropy", "silu", "softmax", "softplus",
           "softsign"]  # fmt: skip

# G. Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017, section 2
SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717


def _floating(x: Any) -> Any:
    x = expression(x)
    return x if is_float(x.dtype) else cast(x, "float64")


def relu(x: Any, alpha: Any = 0) -> Any:
    """x above 0, and alpha·x elsewhere; NaN stays NaN."""
    x = expression(x)
    return where(less_equal(x, 0), 0 if isinstance(alpha, int | float) and alpha == 0 else x * alpha, x)


def leaky_relu(x: Any, alpha: Any = 0.01) -> Any:
    """x above 0, and alpha·x elsewhere."""
    return relu(x, alpha)


def elu(x: Any, alpha: Any = 1) -> Any:
    """x above 0, and alpha·(exp(x) - 1) elsewhere.

    Source: D.-A. Clevert, T. Unterthiner, S. Hochreiter, "Fast and accurate deep network learning by exponential
    linear units", ICLR 2016.
    """
    x = _floating(x)
    positive = greater(x, 0)
    return where(positive, x, alpha * expm1(where(positive, 0, x)))


def selu(x: Any) -> Any:
    """`elu`, scaled so that mean 0 and variance 1 are kept."""
    return SELU_SCALE * elu(x, SELU_ALPHA)


def silu(x: Any) -> Any:
    """x·sigmoid(x)."""
    x = _floating(x)
    return x * sigmoid(x)


def gelu(x: Any, approximate: bool = False) -> Any:
    """x·Φ(x), Φ the distribution function of the normal distribution; or its approximation by tanh.

    Source: D. Hendrycks and K. Gimpel, "Gaussian error linear units", arXiv:1606.08415.
    """
    x = _floating(x)
    if approximate:
        return x * 0.5 * (1 + tanh((2 / 3.141592653589793) ** 0.5 * (x + 0.044715 * x * x * x)))
    return x * 0.5 * (1 + erf(x * 0.5**0.5))


def hard_sigmoid(x: Any) -> Any:
    """0.2·x + 0.5, between 0 and 1."""
    return clip(_floating(x) * 0.2 + 0.5, 0, 1)


def softsign(x: Any) -> Any:
    """x/(1 + |x|)."""
    x = _floating(x)
    return x / (1 + absolute(x))


def binary_crossentropy(output: Any, target: Any) -> Any:
    """-(t·log p + (1 - t)·log(1 - p)) of a probability p and a label t, elementwise; 0·log 0 is 0."""
    p, t = _floating(output), expression(target)
    return -(_share(t, log(p)) + _share(1 - t, log1p(-p)))


def _share(t: Any, logarithm: Any) -> Any:
    """t·log p, where what has no share of the truth costs nothing."""
    return where(equal(t, 0), 0, t * logarithm)


def sigmoid_binary_crossentropy(output: Any, target: Any) -> Any:
    """`binary_crossentropy` of sigmoid(x), in a form that does not overflow: softplus(x) - x·t."""
    x = _floating(output)
    return softplus(x) - x * expression(target)


def categorical_crossentropy(coding_dist: Any, true_dist: Any) -> Any:
    """-Σ t·log p over the last axis; 0·log 0 is 0.

    Parameters
    ----------
    coding_dist
        Probabilities, float[..., classes].
    true_dist
        Probabilities in the same shape, or integers without the last axis: the classes that are true.

    Raises
    ------
    TypeMismatch
        If labels without a last axis are no integers.
    ShapeMismatch
        If ranks differ by more than one.
    """
    p, t = _floating(coding_dist), expression(true_dist)
    if t.ndim == p.ndim:
        return -total(_share(t, log(p)), axis=-1)
    if t.ndim != p.ndim - 1:
        raise ShapeMismatch(f"categorical_crossentropy of {p.type} takes one axis less or as many, found {t.type}")
    if is_float(t.dtype) or t.dtype == "bool":
        raise TypeMismatch(f"categorical_crossentropy takes classes as integers, found {t.type}")
    hit = equal(expand_dims(t, t.ndim), arange(p.shape[-1]))
    return -total(where(hit, log(p), 0), axis=-1)
