"""The functions of neural networks: their definitions in float64, stable forms, labels, and derivatives."""

import math

import numpy as np
import pytest
import scipy.special
from against_numpy import check_gradients

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import ShapeMismatch, TypeMismatch

nnet = T.nnet
POINTS = np.array([-800.0, -3.0, -0.7, -1e-9, 0.0, 1e-9, 0.4, 2.6, 800.0])
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
x = go.variable("x", "float64[n]")

DEFINITIONS = {
    "sigmoid": (nnet.sigmoid(x), scipy.special.expit),
    "softplus": (nnet.softplus(x), lambda v: np.logaddexp(v, 0)),
    "relu": (nnet.relu(x), lambda v: np.maximum(v, 0)),
    "relu with a slope": (nnet.relu(x, 0.3), lambda v: np.where(v > 0, v, 0.3 * v)),
    "leaky_relu": (nnet.leaky_relu(x), lambda v: np.where(v > 0, v, 0.01 * v)),
    "elu": (nnet.elu(x, 1.5), lambda v: np.where(v > 0, v, 1.5 * np.expm1(np.minimum(v, 0)))),
    "selu": (nnet.selu(x), lambda v: SELU_SCALE * np.where(v > 0, v, SELU_ALPHA * np.expm1(np.minimum(v, 0)))),
    "silu": (nnet.silu(x), lambda v: v * scipy.special.expit(v)),
    "gelu": (nnet.gelu(x), lambda v: v * scipy.special.ndtr(v)),
    "gelu by tanh": (nnet.gelu(x, approximate=True),
                     lambda v: v / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)))),
    "hard_sigmoid": (nnet.hard_sigmoid(x), lambda v: np.clip(0.2 * v + 0.5, 0, 1)),
    "softsign": (nnet.softsign(x), lambda v: v / (1 + abs(v))),
    "binary cross-entropy of logits": (nnet.sigmoid_binary_crossentropy(x, 0.25),
                                       lambda v: np.logaddexp(v, 0) - 0.25 * v),
    "binary cross-entropy": (nnet.binary_crossentropy(nnet.sigmoid(x), 1.0), lambda v: np.logaddexp(-v, 0)),
}  # fmt: skip


@pytest.mark.parametrize("target", ["numpy", "c"])
def test_values_are_those_of_the_definitions(target):
    found = go.function([x], [value for value, _ in DEFINITIONS.values()], target=target)(POINTS)
    for name, value, (_, truth) in zip(DEFINITIONS, found, DEFINITIONS.values(), strict=True):
        np.testing.assert_allclose(value, truth(POINTS), rtol=1e-12, atol=1e-15, err_msg=name)


def test_derivatives_agree_with_differences_and_are_finite_far_out():
    smooth = np.array([-2.3, -0.4, 0.7, 1.9])
    costs = [value.sum() for value, _ in DEFINITIONS.values()]
    check_gradients(costs, [x], [smooth])
    slopes = go.function([x], [go.grad(cost, x) for cost in costs], target="numpy")(POINTS)
    assert all(np.isfinite(slope).all() for slope in slopes)


def test_nan_and_integers_go_through():
    names = ("relu", "elu", "selu", "silu", "gelu", "hard_sigmoid", "softsign", "leaky_relu")
    found = go.function([x], [getattr(nnet, name)(x) for name in names], target="numpy")(np.array([math.nan]))
    assert np.isnan(found).all()
    assert nnet.relu(np.arange(3)).dtype == "int64" and nnet.elu(np.arange(3)).dtype == "float64"
    assert nnet.gelu(T.fvector("v")).dtype == "float32"


LOGITS = np.array([[1.0, 2.0, 3.0], [1000.0, -1000.0, 0.0]])
z, k, t = go.variable("z", "float64[b, c]"), go.variable("k", "int32[b]"), go.variable("t", "float64[b, c]")


def test_cross_entropy_takes_labels_as_numbers_and_as_distributions():
    loss = nnet.categorical_crossentropy(nnet.softmax(z), k)
    also = nnet.categorical_crossentropy(nnet.softmax(z), t)
    f = go.function([z, k, t], [loss, also, go.grad(loss.mean(), z)])
    labels, hot = np.array([2, 1], "int32"), np.array([[0.0, 0, 1], [0, 1, 0]])
    truth = -scipy.special.log_softmax(LOGITS, axis=-1)[[0, 1], labels]
    by_number, by_distribution, slope = f(LOGITS, labels, hot)
    np.testing.assert_allclose(by_number, truth, rtol=1e-12)
    np.testing.assert_allclose(by_distribution, truth, rtol=1e-12)
    np.testing.assert_allclose(slope, (scipy.special.softmax(LOGITS, axis=-1) - hot) / 2, atol=1e-15)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [(lambda: nnet.categorical_crossentropy(z, t[0]), TypeMismatch, "classes as integers"),
     (lambda: nnet.categorical_crossentropy(z, k[0]), ShapeMismatch, "one axis less")],
)  # fmt: skip
def test_what_does_not_fit_gets_one_clear_error(call, error, words):
    with pytest.raises(error, match=words):
        call()
