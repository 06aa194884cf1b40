"""Slices stand near the inputs: what a part leaves out is not computed."""

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T

x = go.variable("x", "float64[100, 40]")
w = go.variable("w", "float64[40, 30]")
PROGRAMS = {
    "a row of an elementwise op": lambda: T.exp(x)[3],
    "some sums": lambda: T.sum(T.exp(x), axis=1)[::50],
    "a row of a product": lambda: T.exp(x @ w)[0],
    "a column, through views": lambda: T.exp(x.T[:, None, :])[2, 0],
    "a slice of a slice": lambda: T.exp(T.exp(x)[1:, :4])[:2],
    "a part of what is broadcast": lambda: (T.exp(x[:, :1]) + w[0])[5:7, 3],
}


def work(expression):
    inputs = [v for v in (x, w) if v in ancestors(expression)]
    return sum(kernel.flops for kernel in go.lower(inputs, expression).kernels)


def ancestors(expression):
    found, waiting = set(), [expression]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += current.operands
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_only_what_a_part_needs_is_computed(name):
    part = PROGRAMS[name]()
    whole = part
    while whole.op.name in ("slice", "squeeze"):
        (whole,) = whole.operands
    assert 0 < work(part) < work(whole) / 10
    arrays = {"x": np.linspace(-1, 1, 4000).reshape(100, 40), "w": np.linspace(0, 1, 1200).reshape(40, 30)}
    inputs = [v for v in (x, w) if v in ancestors(part)]
    found, expected = (
        go.function(inputs, part, **options)(*(arrays[v.name] for v in inputs))
        for options in ({}, {"target": "numpy", "pipeline": "none"})
    )
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_a_whole_that_others_use_is_computed_once_and_its_part_read():
    whole = T.exp(x)
    function = go.function([x], [T.sum(whole), whole[0]])
    assert sum(node.op.name == "exp" for node in map(function.graph.handle, function.graph.order())) == 1
