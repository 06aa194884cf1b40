"""Shared by the tests of ops: running one expression, and comparing arrays."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from graphopt.graph import Graph
from graphopt.graph.build import topological
from graphopt.interpret import interpret
from graphopt.ops.leaves import input_
from graphopt.types import DTYPES, TensorType
from graphopt.variable import variable

DTYPE = st.sampled_from(DTYPES)
FLOAT = st.sampled_from(("float64", "float32"))


def inputs_like(*arrays):
    """An input variable for each array, with its exact type."""
    return [variable(f"x{k}", TensorType(a.dtype.name, a.shape)) for k, a in enumerate(arrays)]


def evaluate(output, *arrays, arithmetic=None):
    """The value of an expression over `inputs_like(*arrays)`; its type is checked as well."""
    inputs = sorted((v for v in topological([output]) if v.op is input_), key=lambda v: v.name)
    graph = Graph.from_outputs(inputs, output)
    graph.verify()
    (value,) = interpret(graph, {f"x{k}": a for k, a in enumerate(arrays)}, arithmetic).values()
    if arithmetic is None:
        assert value.dtype.name == output.dtype
    assert value.shape == output.shape
    return value


def assert_same(found, expected, ulps=0):
    """Equal dtype and values; floats to that many units in the last place, NaN for NaN."""
    expected = np.asarray(expected)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    if found.dtype.kind == "f" and ulps:
        np.testing.assert_allclose(found, expected, rtol=ulps * np.finfo(found.dtype).eps, atol=0, equal_nan=True)
    else:
        np.testing.assert_array_equal(found, expected)


@st.composite
def broadcastable_arrays(draw, dtypes, elements=None):
    """Arrays whose shapes broadcast, sizes 0 and 1 included."""
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=len(dtypes), min_side=0, max_side=3, max_dims=3))
    return [
        draw(hnp.arrays(dtype, shape, elements=elements))
        for dtype, shape in zip(dtypes, shapes.input_shapes, strict=True)
    ]
