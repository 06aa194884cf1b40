"""The classic network on real digits: two dense layers written out by hand, trained by f_train, f_valid and f_predict.

    python experiments/digits.py            # half a minute
    python experiments/digits.py --small    # a few seconds

The digits are the 1,797 images of 8×8 pixels that ship with scikit-learn (E. Alpaydin and C. Kaynak, "Optical
Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998). Data lies in shared variables, and a call
names the rows of its minibatch. The same network, from the same weights over the same minibatches, is written in NumPy
with derivatives by hand, and in PyTorch where that is installed: the first steps of all three are held against each
other, and the times of a cost with its gradients are compared.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from common import (
    Record,
    absent,
    caption,
    figure,
    options,
    package_versions,
    race,
    record_of,
    save,
    stopwatch,
    time_bars,
)
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import graphopt as go
import graphopt.tensor as T

TRAINING, VALIDATION = 1197, 300  # rows: two thirds and a sixth; the last sixth is the test's
CLASSES = 10
GOAL = 0.95  # of the test's accuracy
RATE, MOMENTUM = 0.1, 0.9
NAMES = ("w1", "b1", "w2", "b2")
OURS, NUMPY, TORCH = "graphopt", "NumPy, by hand", "PyTorch"

Parts = Mapping[str, tuple[Any, Any]]
Arrays = Sequence[Any]
Step = Callable[[Any, Any], float]


def data() -> Parts:
    """Images, as rows of 64 numbers between 0 and 1, and labels; in a fixed random order."""
    digits = load_digits()
    order = np.random.default_rng(11).permutation(len(digits.target))
    images, labels = digits.data[order] / 16, digits.target[order].astype("int32")
    ends = [TRAINING, TRAINING + VALIDATION]
    parts = zip(np.split(images, ends), np.split(labels, ends), strict=True)
    return dict(zip(("training", "validation", "test"), parts, strict=True))


def first_weights(hidden: int) -> list[Any]:
    """Weights and biases of the two layers, in the order of `NAMES` (X. Glorot and Y. Bengio, AISTATS 2010)."""
    generator = np.random.default_rng(12)

    def layer(inputs: int, outputs: int) -> list[Any]:
        return [generator.normal(scale=np.sqrt(2 / (inputs + outputs)), size=(inputs, outputs)), np.zeros(outputs)]

    return [*layer(64, hidden), *layer(hidden, CLASSES)]


def minibatches(epochs: int, size: int) -> Iterator[list[Any]]:
    """For each epoch the rows of its minibatches: all of the training's, in another order each time."""
    generator = np.random.default_rng(13)
    for _ in range(epochs):
        yield np.split(generator.permutation(TRAINING), range(size, TRAINING, size))


# The network ----------------------------------------------------------------------------------------------------------


def probabilities(x: Any, parameters: Arrays) -> Any:
    """What the network makes of images: for each, a probability of every class."""
    w1, b1, w2, b2 = parameters
    hidden = T.tanh(T.dot(x, w1) + b1)
    return T.softmax(T.dot(hidden, w2) + b2)


def cross_entropy(p: Any, y: Any) -> Any:
    """The mean over images of -log of the right class's probability."""
    return -T.mean(T.log(p)[T.arange(y.shape[0]), y])


def accuracy(p: Any, y: Any) -> Any:
    """The fraction of images whose most probable class is the right one."""
    return T.mean(T.eq(T.argmax(p, axis=1), y))


class Network:
    """The shared variables of the network, and the functions that train and ask it.

    Attributes
    ----------
    f_train
        From the rows of a minibatch to its cost before the step that the call makes.
    f_valid
        From images and labels to cost and accuracy.
    f_predict
        From images to classes.
    f_gradients
        From images and labels to the cost and its gradients; changes nothing.
    """

    def __init__(self, weights: Arrays, parts: Parts) -> None:
        x, y, rows = T.matrix("x"), T.ivector("y"), T.lvector("rows")
        images, labels = (
            go.shared(array, name=name) for array, name in zip(parts["training"], ("images", "labels"), strict=True)
        )
        self.parameters = [go.shared(value, name=name) for value, name in zip(weights, NAMES, strict=True)]
        velocities = [
            go.shared(np.zeros_like(value), name=f"velocity_{name}") for value, name in zip(weights, NAMES, strict=True)
        ]

        p = probabilities(x, self.parameters)
        cost = cross_entropy(p, y)
        gradients = go.grad(cost, self.parameters)
        updates = []
        for parameter, velocity, gradient in zip(self.parameters, velocities, gradients, strict=True):
            change = MOMENTUM * velocity - RATE * gradient
            updates += [(velocity, change), (parameter, parameter + change)]

        minibatch = {x: images[rows], y: labels[rows]}
        alone = go.Options(threads=1)  # a minibatch is too small to be shared
        self.f_train = go.function([rows], cost, updates=updates, givens=minibatch, name="train", options=alone)
        self.f_valid = go.function([x, y], [cost, accuracy(p, y)], name="valid", options=alone)
        self.f_predict = go.function([x], T.argmax(p, axis=1), name="predict", options=alone)
        self.f_gradients = go.function([x, y], [cost, *gradients], name="gradients", options=alone)


# The same by others ---------------------------------------------------------------------------------------------------


def numpy_gradients(weights: Arrays, x: Any, y: Any) -> list[Any]:
    """The cost and its gradients, the chain rule applied by hand."""
    w1, b1, w2, b2 = weights
    hidden = np.tanh(x @ w1 + b1)
    scores = hidden @ w2 + b2
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    p = powers / powers.sum(axis=1, keepdims=True)
    right = np.arange(len(y)), y
    above = p.copy()
    above[right] -= 1
    above /= len(y)
    below = above @ w2.T * (1 - hidden**2)
    return [-np.mean(np.log(p[right])), x.T @ below, below.sum(axis=0), hidden.T @ above, above.sum(axis=0)]


def numpy_trainer(weights: Arrays) -> tuple[Step, list[Any]]:
    """A step of training in NumPy, and the weights that it changes in place."""
    weights = [value.copy() for value in weights]
    velocities = [np.zeros_like(value) for value in weights]

    def step(x: Any, y: Any) -> float:
        cost, *gradients = numpy_gradients(weights, x, y)
        for value, velocity, gradient in zip(weights, velocities, gradients, strict=True):
            velocity *= MOMENTUM
            velocity -= RATE * gradient
            value += velocity
        return float(cost)

    return step, weights


def torch_cost(parameters: Arrays, x: Any, y: Any) -> Any:
    """The cost as PyTorch's users write it."""
    import torch

    w1, b1, w2, b2 = parameters
    return torch.nn.functional.cross_entropy(torch.tanh(x @ w1 + b1) @ w2 + b2, y)


def torch_trainer(weights: Arrays) -> tuple[Step, list[Any]]:
    """A step of training by PyTorch's optimizer, and views of the weights that it changes in place."""
    import torch

    parameters = [torch.tensor(value, requires_grad=True) for value in weights]
    optimizer = torch.optim.SGD(parameters, lr=RATE, momentum=MOMENTUM)

    def step(x: Any, y: Any) -> float:
        optimizer.zero_grad()
        cost = torch_cost(parameters, torch.from_numpy(x), torch.from_numpy(y.astype("int64")))
        cost.backward()
        optimizer.step()
        return float(cost.detach())

    return step, [parameter.detach().numpy() for parameter in parameters]


def torch_gradients(weights: Arrays) -> Callable[[Any, Any], list[Any]]:
    """The cost and its gradients by PyTorch."""
    import torch

    parameters = [torch.tensor(value, requires_grad=True) for value in weights]

    def gradients(x: Any, y: Any) -> list[Any]:
        cost = torch_cost(parameters, torch.from_numpy(x), torch.from_numpy(y).long())
        return [cost.detach().numpy(), *(g.numpy() for g in torch.autograd.grad(cost, parameters))]

    return gradients


TRAINERS: Mapping[str, Callable[[Arrays], tuple[Step, list[Any]]]] = {NUMPY: numpy_trainer, TORCH: torch_trainer}


def first_steps(weights: Arrays, parts: Parts, batches: Sequence[Any], others: Sequence[str]) -> Record:
    """How far the costs and the weights of the others are from graphopt's after the same steps.

    Distances are the largest absolute ones; costs and weights are of the order of 1.
    """
    images, labels = parts["training"]
    network = Network(weights, parts)
    costs = [float(network.f_train(rows)) for rows in batches]
    apart = {}
    for name in others:
        step, trained = TRAINERS[name](weights)
        theirs = [step(images[rows], labels[rows]) for rows in batches]
        pairs = zip(network.parameters, trained, strict=True)
        apart[name] = {
            "costs": float(np.max(np.abs(np.subtract(costs, theirs)))),
            "weights": max(float(np.max(np.abs(ours.get_value() - other))) for ours, other in pairs),
        }
    return {"steps": len(costs), "costs": costs, "apart": apart}


# The experiment -------------------------------------------------------------------------------------------------------


def trained(network: Network, parts: Parts, epochs: int, size: int) -> list[Record]:
    """The learning curve: for each epoch the mean cost of its minibatches, and what the validation's images say."""
    curve = []
    for batches in minibatches(epochs, size):
        costs, seconds = stopwatch(lambda batches=batches: [float(network.f_train(rows)) for rows in batches])
        cost, right = network.f_valid(*parts["validation"])
        curve.append({"training": float(np.mean(costs)), "validation": float(cost), "accuracy": float(right),
                      "seconds": seconds})  # fmt: skip
    return curve


def measure(
    small: bool = False,
    *,
    hidden: int = 64,
    epochs: int = 40,
    size: int = 50,
    steps: int = 20,
    others: Sequence[str] = tuple(TRAINERS),
    seconds: float = 5.0,
) -> Record:
    """The whole experiment, as a record."""
    missing = absent("torch")
    others = [name for name in others if name != TORCH or not missing]
    parts, weights = data(), first_weights(hidden)
    network, building = stopwatch(lambda: Network(weights, parts))
    curve = trained(network, parts, epochs, size)
    images, labels = parts["test"]
    cost, right = network.f_valid(images, labels)
    contestants: dict[str, Callable[..., Any]] = {
        NUMPY: lambda x, y: numpy_gradients(weights, x, y),
        OURS: Network(weights, parts).f_gradients,
    }
    if TORCH in others:
        import torch

        torch.set_num_threads(1)
        contestants[TORCH] = torch_gradients(weights)
    minibatch = tuple(array[:size] for array in parts["training"])
    return record_of("digits", small) | {
        "images": {part: len(labels) for part, (_, labels) in parts.items()},
        "hidden": hidden,
        "minibatch": size,
        "rate": RATE,
        "momentum": MOMENTUM,
        "goal": GOAL,
        "versions": package_versions("numpy", "scikit-learn", "torch"),
        "left_out": missing,
        "seconds_of_building": building,
        "curve": curve,
        "test": {"cost": float(cost), "accuracy": float(right)},
        "predicted": float(np.mean(network.f_predict(images) == labels)),
        "first_steps": first_steps(weights, parts, next(minibatches(1, size))[:steps], others),
        "speed": race(contestants, minibatch, baseline=NUMPY, seconds=seconds),
    }


def draw(record: Record) -> Figure:
    """Costs and accuracy over the epochs, and the times of a minibatch."""
    picture, axes = figure(3)
    epochs = range(1, len(record["curve"]) + 1)
    for part in ("training", "validation"):
        axes[0, 0].plot(epochs, [entry[part] for entry in record["curve"]], label=part)
    axes[0, 0].set_yscale("log")
    axes[0, 0].set_title("mean cross-entropy", fontsize=9)
    axes[0, 1].plot(epochs, [entry["accuracy"] for entry in record["curve"]], color="C1", label="validation")
    axes[0, 1].axhline(
        record["test"]["accuracy"], color="C2", label=f"test, at the end: {record['test']['accuracy']:.3f}"
    )
    axes[0, 1].axhline(record["goal"], color="black", linewidth=0.8, linestyle=":", label=f"goal: {record['goal']}")
    axes[0, 1].set_title("accuracy", fontsize=9)
    for panel in axes[0, :2]:
        panel.set_xlabel("epochs")
        panel.legend(fontsize=8)
    time_bars(axes[0, 2], record["speed"], f"cost and gradients of {record['minibatch']} images", 1e-6, "microseconds")
    picture.suptitle(f"64 pixels, {record['hidden']} tanh, 10 classes: {caption(record)}", fontsize=9)
    return picture


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(__doc__, "digits", arguments)
    record = measure(chosen.small, seconds=0.3 if chosen.small else 5.0)
    found = record["test"]["accuracy"]
    for name, apart in record["first_steps"]["apart"].items():
        print(f"after {record['first_steps']['steps']} steps, {name}: costs within {apart['costs']:.1e}, "
              f"weights within {apart['weights']:.1e}")  # fmt: skip
    print(f"accuracy on {record['images']['test']} images never seen: {found:.3f}; goal {GOAL}")
    print(save(record, draw(record), chosen.output))
    return 0 if found >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
