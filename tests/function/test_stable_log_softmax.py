"""The promise that gave the toolkit its first pass: a naive log-softmax, in every spelling, is finite and accurate."""

import mpmath
import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.autodiff import grad

rng = np.random.default_rng(0)


def total(e, **how):
    return T.sum(e, axis=1, **how)


SPELLINGS = {
    "keepdims": lambda x: T.log(T.exp(x) / total(T.exp(x), keepdims=True)),
    "expand_dims": lambda x: T.log(T.exp(x) / T.expand_dims(total(T.exp(x)), 1)),
    "reshape": lambda x: T.log(T.exp(x) / total(T.exp(x)).reshape((-1, 1))),
    "transposed": lambda x: T.log((T.exp(x).T / total(T.exp(x))).T),
    "times the reciprocal": lambda x: T.log(T.exp(x) * (1 / total(T.exp(x), keepdims=True))),
    "difference of logarithms": lambda x: T.log(T.exp(x)) - T.log(total(T.exp(x), keepdims=True)),
    "minus log-sum-exp": lambda x: x - T.log(total(T.exp(x), keepdims=True)),
    "composite": lambda x: T.log(T.softmax(x, axis=1)),
}


def truth(x):
    """Row-wise log-softmax at 60 digits, rounded."""
    with mpmath.workdps(60):
        rows = []
        for row in x:
            values = [mpmath.mpf(float(v)) for v in row]
            logarithm = mpmath.log(mpmath.fsum(mpmath.exp(v) for v in values))
            rows.append([float(v - logarithm) for v in values])
    return np.array(rows)


def logits(dtype, width=37):
    return rng.uniform(-1000, 1000, (4, width)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("target", ["c", "numpy", "cuda-emulated"])
def test_extreme_logits_give_finite_and_accurate_logarithms(spelling, dtype, target):
    x = go.variable("x", f"{dtype}[n, m]")
    f = go.function([x], SPELLINGS[spelling](x), target=target)
    data = logits(dtype)
    result = f(data)
    assert np.isfinite(result).all()
    bound = 8 * np.finfo(dtype).eps * np.abs(data).max()  # the shift's own rounding is of this order
    np.testing.assert_allclose(result, truth(data), rtol=0, atol=bound)
    if target != "numpy":
        assert len(f.kernels) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("target", ["c", "numpy", "cuda-emulated"])
def test_so_is_its_gradient_in_one_kernel(spelling, dtype, target):
    x, w = go.variable("x", f"{dtype}[n, m]"), go.variable("w", f"{dtype}[n, m]")
    f = go.function([x, w], grad(T.sum(SPELLINGS[spelling](x) * w), x), target=target)
    data, weights = logits(dtype), rng.standard_normal((4, 37)).astype(dtype)
    result = f(data, weights)
    expected = weights - np.exp(truth(data)) * weights.astype("float64").sum(axis=1, keepdims=True)
    bound = 40 * np.finfo(dtype).eps * np.abs(weights).sum(axis=1).max()
    np.testing.assert_allclose(result, expected, rtol=0, atol=bound)
    if target != "numpy":
        assert len(f.kernels) == 1


def test_the_graph_shows_why():
    x = go.variable("x", "float64[n, m]")
    text = str(go.function([x], SPELLINGS["keepdims"](x)).graph)
    assert "max(" in text and "subtract(" in text and "divide(" not in text


def test_the_log_names_the_rule_that_did_it():
    x = go.variable("x", "float64[n, m]")
    assert "log-softmax" in go.function([x], SPELLINGS["keepdims"](x)).log.table()
