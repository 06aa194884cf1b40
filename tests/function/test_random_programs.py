"""Random programs compute the same in the interpreter, in C and as CUDA, with and without each pass."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import graphopt as go
from graphopt.graph import Graph
from graphopt.graph.build import topological
from graphopt.interpret import interpret
from graphopt.testing import strategies

PASSES = ("canonicalize", "stabilize", "cse", "constant-folding", "dead-code", "fuse")
PIPELINES = {
    "default": go.Pipeline.named("default"),
    "none": go.Pipeline.named("none"),
    **{f"without {name}": go.Pipeline.named("default").without(name) for name in PASSES},
}
TOLERANCE = {"float64": 1e-9, "float32": 2e-3}  # relative to the largest value: what `expressions` promises


def programs(**parameters):
    """Several expressions in one program, so that a compiler run tests them all."""
    return st.lists(strategies.expressions(**parameters), min_size=1, max_size=5)


def inputs_of(outputs):
    return [v for v in topological(outputs) if v.op.name == "input"]


def check(outputs, arrays, pipeline, target, **options):
    inputs = inputs_of(outputs)
    graph = Graph.from_outputs(inputs, outputs)
    expected = interpret(graph, arrays)
    f = go.function(inputs, outputs, pipeline=pipeline, target=target, options=go.Options(**options))
    results = f(**{name: arrays[name] for name in graph.inputs})
    for result, reference in zip(results, expected.values(), strict=True):
        assert result.dtype == reference.dtype and result.shape == reference.shape
        scale = np.abs(reference).max(initial=1.0)
        np.testing.assert_allclose(result, reference, rtol=0, atol=TOLERANCE[reference.dtype.name] * scale)


def arrays_for(data, outputs, **options):
    return data.draw(strategies.inputs_for(Graph.from_outputs(inputs_of(outputs), outputs), **options))


@given(st.data())
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
def test_c_agrees_with_the_interpreter_with_and_without_each_pass(data):
    outputs = data.draw(programs(dtypes=("float64", "float32")))
    pipeline = data.draw(st.sampled_from(sorted(PIPELINES)))
    flags = ("-Wall", "-Wextra", "-Werror")
    check(outputs, arrays_for(data, outputs), PIPELINES[pipeline], "c", extra_flags=flags)


@given(st.data())
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_the_optimized_graph_means_what_was_written(data):
    outputs = data.draw(programs(dtypes=("float64", "float32")))
    pipeline = data.draw(st.sampled_from(sorted(PIPELINES)))
    check(outputs, arrays_for(data, outputs), PIPELINES[pipeline], "numpy")


@given(st.data())
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
def test_cuda_agrees_with_the_interpreter_under_emulation(data):
    outputs = data.draw(programs(dtypes=("float32", "float64"), max_nodes=8))
    pipeline = data.draw(st.sampled_from(["default", "none", "without stabilize"]))
    check(outputs, arrays_for(data, outputs), PIPELINES[pipeline], "cuda-emulated", seed=data.draw(st.integers(0, 3)))


@given(st.data())
@settings(max_examples=10, suppress_health_check=list(HealthCheck))
def test_empty_arrays_are_no_exception(data):
    outputs = data.draw(programs(empty=True))
    check(outputs, arrays_for(data, outputs, sizes=(0, 2)), PIPELINES["default"], "c")
