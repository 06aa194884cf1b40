"""The classic network in Theano's words: f_train, f_valid and f_predict over minibatches, as NumPy by hand has it."""

import numpy as np
import pytest

import graphopt.tensor as T
from graphopt import function, grad, shared

TARGETS = ("c", "numpy", "cuda-emulated")
RATE = 0.5


def gradients_by_hand(weights, x, y):
    """Cost, gradients and probabilities of two dense layers by NumPy and the chain rule."""
    w1, b1, w2, b2 = weights
    hidden = np.tanh(x @ w1 + b1)
    powers = np.exp(hidden @ w2 + b2)
    p = powers / powers.sum(axis=1, keepdims=True)
    above = (p - np.eye(p.shape[1])[y]) / len(y)
    below = above @ w2.T * (1 - hidden**2)
    cost = -np.mean(np.log(p[np.arange(len(y)), y]))
    return cost, [x.T @ below, below.sum(axis=0), hidden.T @ above, above.sum(axis=0)], p


@pytest.fixture(scope="module")
def examples():
    """Images of five numbers in three classes, the largest of three sums, and first weights."""
    generator = np.random.default_rng(4)
    images = generator.normal(size=(23, 5))
    labels = np.argmax(images @ generator.normal(size=(5, 3)), axis=1).astype("int32")
    return images, labels, [generator.normal(size=shape) / 2 for shape in ((5, 4), 4, (4, 3), 3)]


@pytest.mark.parametrize("target", TARGETS)
def test_the_classic_network_trains_as_numpy_by_hand_does(examples, target):
    images, labels, weights = examples
    x, y, rows = T.matrix("x"), T.ivector("y"), T.lvector("rows")
    parameters = [shared(value, name=name) for value, name in zip(weights, ("w1", "b1", "w2", "b2"), strict=True)]
    w1, b1, w2, b2 = parameters
    hidden = T.tanh(T.dot(x, w1) + b1)
    p = T.softmax(T.dot(hidden, w2) + b2)
    cost = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
    accuracy = T.mean(T.eq(T.argmax(p, axis=1), y))
    updates = [(value, value - RATE * slope) for value, slope in zip(parameters, grad(cost, parameters), strict=True)]

    data, answers = shared(images, name="data"), shared(labels, name="answers")
    f_train = function([rows], cost, updates=updates, givens={x: data[rows], y: answers[rows]}, target=target)
    f_valid = function([x, y], [cost, accuracy], target=target)
    f_predict = function([x], T.argmax(p, axis=1), target=target)

    order = np.random.default_rng(5).permutation(23)
    costs = []
    for _ in range(8):
        for batch in (order[:8], order[8:16], order[16:]):  # the last one is smaller
            wanted, slopes, _ = gradients_by_hand(weights, images[batch], labels[batch])
            np.testing.assert_allclose(f_train(batch), wanted, rtol=1e-11)
            weights = [value - RATE * slope for value, slope in zip(weights, slopes, strict=True)]
            costs.append(wanted)
    for value, wanted in zip(parameters, weights, strict=True):
        np.testing.assert_allclose(value.get_value(), wanted, rtol=1e-10)
    wanted, _, probabilities = gradients_by_hand(weights, images, labels)
    found, right = f_valid(images, labels)
    np.testing.assert_allclose(found, wanted, rtol=1e-11)
    assert right == np.mean(probabilities.argmax(axis=1) == labels) > 0.8
    np.testing.assert_array_equal(f_predict(images), probabilities.argmax(axis=1))
    assert np.mean(costs[-3:]) < 0.5 * np.mean(costs[:3])


def test_a_label_that_is_no_class_is_refused_and_changes_nothing(examples):
    images, labels, weights = examples
    x, y = T.matrix("x"), T.ivector("y")
    w = shared(weights[0][:, :3], name="w")
    cost = -T.mean(T.log_softmax(T.dot(x, w))[T.arange(y.shape[0]), y])
    step = function([x, y], cost, updates=[(w, w - RATE * grad(cost, w))])
    with pytest.raises(IndexError):
        step(images, np.where(labels == 2, 3, labels))
    np.testing.assert_array_equal(w.get_value(), weights[0][:, :3])
