"""A network of two layers learns under emulation what it learns in C: the same weights after the same steps."""

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.schedule import device_product
from graphopt.schedule.launch import sequence, taken

PIXELS, HIDDEN, CLASSES, IMAGES, STEPS, RATE = 17, 70, 10, 33, 3, 0.5
UNITS = 64
"""By how many units in the last place, of the largest number of an array, two orders of adding may differ here."""


def network():
    rng = np.random.default_rng(5)
    shapes = {"w1": (PIXELS, HIDDEN), "b1": (HIDDEN,), "w2": (HIDDEN, CLASSES), "b2": (CLASSES,)}
    weights = {name: rng.normal(scale=0.3, size=shape).astype("float32") for name, shape in shapes.items()}
    images = rng.normal(size=(STEPS, IMAGES, PIXELS)).astype("float32")
    return weights, images, rng.integers(0, CLASSES, (STEPS, IMAGES)).astype("int32")


def forward(x, w1, b1, w2, b2):
    return T.log_softmax(T.tanh(x @ w1 + b1) @ w2 + b2, axis=1)


def trained(target, options=None):
    """The costs of some steps of gradient descent, and the weights after them."""
    weights, images, labels = network()
    parameters = [go.shared(value.copy(), name=name) for name, value in weights.items()]
    x, y = go.variable("x", f"float32[n, {PIXELS}]"), go.variable("y", "int32[n]")
    cost = -T.mean(forward(x, *parameters)[T.arange(x.shape[0]), y])
    updates = [(p, p - RATE * g) for p, g in zip(parameters, go.grad(cost, parameters), strict=True)]
    step = go.function([x, y], cost, updates=updates, target=target, options=options or go.Options())
    costs = [float(step(*batch)) for batch in zip(images, labels, strict=True)]
    assert step.lowered.target == ("c" if target == "c" else "cuda")
    return np.array(costs, "float32"), [p.get_value() for p in parameters]


@pytest.fixture(scope="module")
def in_c():
    return trained("c")


@pytest.mark.parametrize(("seed", "by_library"), [(0, False), (1, False), (2, False), (3, True)])
def test_training_agrees_with_c(seed, by_library, in_c, monkeypatch):
    monkeypatch.setattr(device_product, "LARGE", 2 if by_library else 10**9)
    costs, weights = trained("cuda-emulated", go.Options(seed=seed))
    expected_costs, expected = in_c
    assert expected_costs[-1] < expected_costs[0]
    unit = UNITS * np.finfo("float32").eps
    for found, wanted in zip([costs, *weights], [expected_costs, *expected], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=unit, atol=unit * np.abs(wanted).max())


@pytest.mark.parametrize(("pipeline", "expected"), [("lower,cse,fuse", 3), ("lower,cse,fuse{epilogues=false}", 4)])
def test_a_hidden_layer_is_one_launch_with_its_activation(pipeline, expected):
    weights, *_ = network()
    x = go.variable("x", f"float32[n, {PIXELS}]")
    inputs = [x, *(go.variable(name, f"float32[{', '.join(map(str, w.shape))}]") for name, w in weights.items())]
    todo = sequence(go.lower(inputs, forward(*inputs), target="cuda", pipeline=pipeline).program.steps)
    assert len(list(taken(todo, {"n": IMAGES}, ()))) == expected
