"""The sum of a softmax beside the running maximum: where it applies, and that it gives what the formula gives."""

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.runtime import device
from graphopt.schedule.launch import launches
from graphopt.schedule.online import online
from graphopt.schedule.statements import Load, OnlineSum

X = go.variable("x", "float32[n, m]")
LARGEST, SMALLEST = T.max(X, axis=1, keepdims=True), T.min(X, axis=1, keepdims=True)


def stages_of(output, pipeline="default"):
    (launch,) = launches(go.lower([X], output, target="cuda", pipeline=pipeline).program)
    return launch.step.stages


def reads(stages):
    return sum(isinstance(statement, Load) for stage in stages for statement in stage.lane)


@pytest.mark.parametrize(
    "output",
    [
        T.log_softmax(X, axis=1),
        T.softmax(X, axis=1),
        T.log(T.sum(T.exp(X - T.max(X, axis=1, keepdims=True)), axis=1)),
        T.softmax(X * 0.5, axis=1),
    ],
    ids=["log-softmax", "softmax", "log of a sum", "of what is computed"],
)
def test_a_softmax_is_read_once_less(output):
    stages = stages_of(output)
    merged = online(stages)
    assert reads(merged) == reads(stages) - 1
    assert sum(isinstance(statement, OnlineSum) for stage in merged for statement in stage.lane) == 1


@pytest.mark.parametrize(
    "output",
    [
        X / T.sum(X, axis=1, keepdims=True),
        T.exp(X - SMALLEST) / T.sum(T.exp(X - SMALLEST), axis=1, keepdims=True),
        X - T.mean((X - LARGEST) ** 2, axis=1, keepdims=True),
        T.exp(2 * X - T.max(X, axis=1, keepdims=True))
        * T.sum(T.exp(2 * X - T.max(X, axis=1, keepdims=True)), axis=1)[0],
    ],
    ids=["no maximum", "a minimum", "no exponential", "the maximum of something else"],
)
def test_nothing_else_is_merged(output):
    for kernel in go.lower([X], output, target="cuda", pipeline="lower,cse,fuse").program.kernels:
        assert online(kernel.stages) == kernel.stages


@pytest.mark.parametrize(
    ("outputs", "pipeline"),
    [({"log": T.log_softmax(X, axis=1), "soft": T.softmax(X, axis=1)}, "default"),
     ({"sum": T.sum(T.exp(X - LARGEST), axis=1)}, "lower,cse,fuse")],
    ids=["log-softmax and softmax", "what is not prepared for infinities"],
)  # fmt: skip
def test_it_gives_what_the_formula_gives_wherever_the_maximum_comes(outputs, pipeline, monkeypatch):
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(12, 2003)).astype("float32") * 20
    rows[0] = np.sort(rows[0])
    rows[1] = np.sort(rows[1])[::-1]
    rows[2], rows[3] = -np.inf, np.inf
    rows[4, 100], rows[5, 7], rows[6, 1999] = np.nan, np.inf, -np.inf
    rows[7, :1800] = -np.inf
    rows[8] = 3e38
    rows[9] -= 1e6
    usual = go.function([X], outputs, target="cuda-emulated", pipeline=pipeline)(rows)
    monkeypatch.setattr(device, "choose", lambda instances, *_: instances[-1])
    f = go.function([X], outputs, target="cuda-emulated", pipeline=pipeline)  # one that has chosen nothing yet
    long = f(rows)
    assert "online" in f.source
    for name in usual:
        np.testing.assert_allclose(long[name], usual[name], rtol=3e-5, atol=1e-6)
