"""The package holds what it promises, on graphopt as it is installed."""

import numpy as np
import pytest
from graphopt_silu import silu
from graphopt_silu.recognize import RULES

import graphopt as go
import graphopt.tensor as T
from graphopt.testing import verify_rule

x = go.variable("x", "float64[n]")
POINTS = np.array([-800.0, -3.0, -0.5, 0.25, 1.0, 20.0])
SPELLINGS = {"product": x * T.sigmoid(x), "quotient": x / (1 + T.exp(-x)), "two steps": x * (1 / (1 + T.exp(-x)))}


def ops(function):
    return [function.graph.op(node).name for node in function.graph.order()]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_keeps_its_claim(rule):
    report = verify_rule(rule, examples=8)
    assert report.programs and report.points


def test_the_passes_are_found_by_their_entry_points():
    assert {"recognize-silu", "fuse-short"} <= set(go.available_passes())
    text = "canonicalize,recognize-silu{fast=true},fuse-short{k=3}"
    assert str(go.Pipeline.parse(text)) == text


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_becomes_one_op(spelling):
    pipeline = "canonicalize,recognize-silu,lower,fuse"
    f = go.function([x], SPELLINGS[spelling], pipeline=pipeline)
    assert ops(f) == ["input", "silu"]
    np.testing.assert_allclose(f(POINTS), POINTS * np.exp(-np.logaddexp(0, -POINTS)), rtol=1e-14)


def test_the_parameter_allows_the_rules_that_hold_over_the_reals_only():
    difference = silu(x) - silu(-x)
    assert ops(go.function([x], difference, pipeline="canonicalize,recognize-silu{fast=true},lower")) == ["input"]
    assert "silu" in ops(go.function([x], difference, pipeline="canonicalize,recognize-silu,lower"))


@pytest.mark.parametrize("target", ["c", "cuda-emulated"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_op_agrees_with_the_interpreter(target, dtype):
    v = go.variable("v", f"{dtype}[n]")
    outputs = [silu(v), go.grad(T.sum(silu(v)), v)]
    values = POINTS.astype(dtype)
    found, expected = (go.function([v], outputs, target=t)(values) for t in (target, "numpy"))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=32 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny)


@pytest.mark.parametrize(("k", "kernels"), [(1, 7), (2, 4), (4, 2), (100, 1)])
def test_chains_are_as_short_as_the_parameter_says(k, kernels):
    y = T.exp(x)
    for function in (silu, T.sin, T.tanh, T.sqrt, T.log1p, T.cos):
        y = function(y)
    f = go.function([x], y, pipeline=f"canonicalize,lower,fuse-short{{k={k}}}")
    assert len(f.kernels) == kernels
    assert all(len(group) <= k for group in f.graph.fusion.groups)
    np.testing.assert_allclose(f(POINTS), go.function([x], y, target="numpy")(POINTS), rtol=1e-13)
