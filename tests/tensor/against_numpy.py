"""Shared by the tests of compositions: one program on arrays and on variables."""

import numpy as np

import graphopt as go
import graphopt.tensor as T
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.types import TensorType
from graphopt.variable import variable


def variables_like(arrays, symbolic=False):
    """An input for each array; symbolic sizes are named after their value, so that equal ones have one name."""
    return [
        variable(f"x{k}", TensorType(a.dtype.name, tuple(_named(n) if symbolic else n for n in a.shape)))
        for k, a in enumerate(arrays)
    ]


def _named(size):
    return go.dim(f"n{size}") if size > 1 else size


def flattened(results):
    return [part for one in results for part in flattened(one)] if isinstance(results, list | tuple) else [results]


def evaluated(inputs, outputs, arrays):
    """The interpreter's values of some expressions."""
    graph = Graph.from_outputs(inputs, outputs)
    graph.verify()
    with np.errstate(all="ignore"):
        return list(interpret(graph, {v.name: a for v, a in zip(inputs, arrays, strict=True)}).values())


def assert_like(found, expected, rtol=1e-12, dtype=True):
    """NumPy's values, shapes and dtypes."""
    assert len(found) == len(expected)
    for one, wanted in zip(found, expected, strict=True):
        assert one.shape == np.shape(wanted)
        if dtype:
            assert one.dtype == np.asarray(wanted).dtype
        np.testing.assert_allclose(one, wanted, rtol=rtol, atol=rtol)


def check(program, *arrays, symbolic=False, rtol=1e-12):
    """`program(module, *values)`, on NumPy and arrays and on ours and variables, has the same results."""
    inputs = variables_like(arrays, symbolic)
    with np.errstate(all="ignore"):
        expected = flattened(program(np, *arrays))
    assert_like(evaluated(inputs, flattened(program(T, *inputs)), arrays), expected, rtol)


def check_gradients(costs, inputs, arrays, step=1e-6, tolerance=1e-6):
    """The derivatives of some scalars by all inputs, against central differences."""
    values = go.function(inputs, costs, target="numpy")
    slopes = [go.grad(cost, inputs, disconnected_inputs="ignore") for cost in costs]
    found = go.function(inputs, [slope for row in slopes for slope in row], target="numpy")(*arrays)
    for which, array in enumerate(arrays):
        truth = np.empty((len(costs), *array.shape))
        for index in np.ndindex(*array.shape):
            ends = []
            for side in (step, -step):
                moved = [a.copy() for a in arrays]
                moved[which][index] += side
                ends.append(np.array(values(*moved)))
            truth[(slice(None), *index)] = (ends[0] - ends[1]) / (2 * step)
        for wanted, slope in zip(truth, found[which :: len(inputs)], strict=True):
            np.testing.assert_allclose(slope, wanted, rtol=tolerance, atol=tolerance)
