"""Shared by the tests of gradients: the oracle, and values that keep away from kinks.

The oracle is a central difference in 50-digit arithmetic: with a step of 1e-15 it has an error of about 1e-30, far
below anything that the tests have to tell apart.
"""

import functools

import mpmath
import numpy as np
from hypothesis import strategies as st

import graphopt.tensor as T
from graphopt.arithmetics import Exact
from graphopt.autodiff import grad
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.types import TensorType
from graphopt.variable import variable

DIGITS, STEP = 50, "1e-15"

# The rules of the ops alone are tested here; what rewrites do before is tested where it is the subject.
plain_grad = functools.partial(grad, stabilize=False)


def values_in(interval, position):
    """Values on a grid that is shifted differently for each operand: no two are equal, and none is a round number."""
    low, high = interval
    shift = (0.3819, 0.6180, 0.1459)[position]
    return st.integers(0, 63).map(lambda k: low + (high - low) * (k + shift) / 64)


def arrays_in(interval, position, shape):
    """Arrays of such values, all elements distinct."""
    size = int(np.prod(shape))
    return st.permutations(range(64)).map(
        lambda order: np.array(
            [
                interval[0] + (interval[1] - interval[0]) * (k + (0.3819, 0.6180, 0.1459)[position]) / 64
                for k in order[:size]
            ]
        ).reshape(shape)
    )


def variables_for(arrays):
    return [variable(f"x{k}", TensorType("float64", a.shape)) for k, a in enumerate(arrays)]


def weighted(y, seed=0):
    """A scalar cost in which every element of `y` has a weight of its own."""
    weights = np.random.default_rng(seed).uniform(0.5, 1.5, tuple(y.shape))
    return T.sum(y * weights)


def run(inputs, output, arrays, arithmetic=None):
    graph = Graph.from_outputs(inputs, output)
    graph.verify()
    return interpret(graph, {f"x{k}": a for k, a in enumerate(arrays)}, arithmetic)


def to_float(array):
    return np.asarray(array, dtype=object).astype("float64")


def central_difference(inputs, cost, arrays, which):
    """∂cost/∂inputs[which] by central differences in 50 digits."""
    graph = Graph.from_outputs(inputs, {"cost": cost})
    with mpmath.workdps(DIGITS):
        exact, step = Exact(DIGITS), mpmath.mpf(STEP)
        held = [exact.enter(a, v.type) for a, v in zip(arrays, inputs, strict=True)]
        slopes = np.empty(arrays[which].shape, dtype=object)
        for index in np.ndindex(*arrays[which].shape):
            ends = []
            for side in (step, -step):
                moved = held[which].copy()
                moved[index] = moved[index] + side
                arguments = {f"x{k}": moved if k == which else a for k, a in enumerate(held)}
                ends.append(interpret(graph, arguments, exact)["cost"].item())
            slopes[index] = (ends[0] - ends[1]) / (2 * step)
    return to_float(slopes)


def check_gradient(function, arrays, wrt=None, order=1, differentiate=plain_grad):
    """Hold `grad` of a weighted sum of `function(*inputs)` against the oracle, in exact and in float64 arithmetic.

    At order 2 the same is done for a weighted sum of the gradient.
    """
    inputs = variables_for(arrays)
    wrt = range(len(arrays)) if wrt is None else wrt
    cost = weighted(function(*inputs))
    if order == 2:
        first = differentiate(cost, [inputs[k] for k in wrt])
        cost = sum((weighted(g, seed) for seed, g in enumerate(first, 1)), start=T.constant(0.0))
    gradients = differentiate(cost, [inputs[k] for k in wrt], disconnected_inputs="ignore")
    outputs = {f"g{k}": g for k, g in zip(wrt, gradients, strict=True)}
    in_floats = run(inputs, outputs, arrays)
    in_digits = run(inputs, outputs, arrays, Exact(DIGITS))
    for k, gradient in zip(wrt, gradients, strict=True):
        assert gradient.type == inputs[k].type
        truth = central_difference(inputs, cost, arrays, k)
        scale = max(1.0, np.max(np.abs(truth), initial=0.0))
        # Constants such as log 2 are float64's in the formulas, so 50 digits of working do not give 50 digits.
        np.testing.assert_allclose(to_float(in_digits[f"g{k}"]), truth, rtol=1e-13, atol=1e-14 * scale)
        np.testing.assert_allclose(in_floats[f"g{k}"], truth, rtol=1e-9, atol=1e-10 * scale)
