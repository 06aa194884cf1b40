"""What becomes one kernel, what is computed again rather than stored, and why the rest is not."""

import numpy as np
import pytest
from hypothesis import given, settings

import graphopt as go
import graphopt.tensor as T
from graphopt.passes.fuse import Fuse
from graphopt.rewrite import Pipeline
from graphopt.testing.strategies import graphs

PLAIN = "lower,cse,fuse"
n, m = go.dim("n"), go.dim("m")
x, y = (go.variable(name, "float64[n, m]") for name in "xy")
v = go.variable("v", "float64[n]")


def kernels(inputs, outputs, pipeline=PLAIN):
    """The forms of the kernels, in order."""
    return [fact.form for fact in go.lower(inputs, outputs, pipeline=pipeline).kernels]


def large(inputs, outputs, pipeline=PLAIN):
    """How many temporaries have two axes."""
    program = go.lower(inputs, outputs, pipeline=pipeline).program
    return sum(buffer.type.ndim == 2 for buffer in program.of_role("temporary"))


def agrees(inputs, outputs, sizes, pipeline=PLAIN):
    generator = np.random.default_rng(3)
    arrays = [generator.uniform(0.5, 2, [go.dimensions.evaluate(s, sizes) for s in each.shape]) for each in inputs]
    found = go.function(inputs, outputs, pipeline=pipeline)(*arrays)
    expected = go.function(inputs, outputs, pipeline="lower", target="numpy")(*arrays)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_numbers_and_vectors_meet_in_one_loop_whatever_is_written_first():
    s, t = go.variable("s", "float64"), go.variable("t", "float64")
    a, b = go.variable("a", "float64[n]"), go.variable("b", "float64[n]")
    outputs = [T.log(a / b) + (s + t**2 / 2) * a / T.sqrt(b)]
    assert kernels([a, b, s, t], outputs) == ["map"]
    agrees([a, b, s, t], outputs, {"n": 7})


def test_a_map_before_the_rows_it_meets_joins_them():
    gain = go.variable("gain", "float64[m]")
    scaled = y * gain
    outputs = [scaled / T.sum(x, axis=1, keepdims=True)]
    assert kernels([x, y, gain], outputs) == ["rows"]
    agrees([x, y, gain], outputs, {"n": 5, "m": 33})


def test_vectors_of_rows_join_what_is_computed_for_each_element():
    outputs = [x * T.exp(v)[:, None] + y]
    assert kernels([x, y, v], outputs) == ["map"]
    agrees([x, y, v], outputs, {"n": 4, "m": 9})


def test_one_over_a_dimension_is_computed_by_every_kernel_that_needs_it():
    outputs = [T.sum(x, axis=1) / (1.0 / T.mean(T.ones_like(x))), T.mean(x, axis=0)]
    program = go.lower([x], outputs).program
    assert not [buffer for buffer in program.of_role("temporary") if not buffer.type.ndim]
    agrees([x], outputs, {"n": 4, "m": 9}, "default")


def test_what_takes_few_operations_is_computed_again_and_not_stored():
    shifted = x - v[:, None]
    outputs = [T.sum(T.square(shifted), axis=0), shifted @ T.transpose(y)]
    assert large([x, v], [T.sum(shifted, axis=1), T.sum(shifted, axis=0)], "lower,cse,fuse{crossing=false}") == 0
    assert large([x, y, v], outputs) == 1  # the product reads it from memory
    agrees([x, y, v], outputs, {"n": 6, "m": 8})


def test_what_is_computed_again_is_stored_once_if_it_is_an_output():
    shifted = x - v[:, None]
    outputs = [shifted, T.sum(shifted, axis=0), T.sum(shifted, axis=1)]
    agrees([x, v], outputs, {"n": 6, "m": 8})
    program = go.lower([x, v], outputs, pipeline=PLAIN).program
    writers = [step.name for step in program.kernels if "output0_out" in step.writes]
    assert len(writers) == 1


def test_elementary_functions_are_stored_rather_than_computed_again():
    e = T.exp(x)
    outputs = [T.sum(e, axis=0), T.sum(e, axis=1)]
    assert large([x], outputs, "lower,cse,fuse{crossing=false}") == 1
    assert large([x], outputs) == 0  # one kernel goes down the rows and along them


def test_what_stands_before_a_product_is_computed_after_it_where_only_that_needs_it():
    row, column = T.sum(T.square(x), axis=1), T.sum(T.square(y), axis=1)
    outputs = [row[:, None] + column - 2 * x @ T.transpose(y)]
    assert large([x, y], outputs, "default") <= 2  # the product, and twice a factor
    sizes = {"n": 5, "m": 3}
    agrees([x, y], outputs, sizes, "default")


def test_recomputing_can_be_left_out():
    shifted = x - v[:, None]
    outputs = [T.sum(shifted, axis=1), T.sum(shifted, axis=0)]
    assert large([x, v], outputs, "lower,cse,fuse{recompute=false,crossing=false}") == 1


def test_the_plan_says_why_a_node_did_not_join():
    graph = go.lower([x, y], [T.exp(x) @ T.transpose(y), T.sum(x * y, axis=0) / T.sum(x * y)], pipeline=PLAIN).graph
    reasons = {str(graph.op(node)): reason for node, reason in graph.fusion.reasons.items()}
    assert reasons["matmul"] == "matmul is not a nest of loops"
    assert "loops" in reasons["divide"]


@settings(max_examples=25)
@given(graphs(max_nodes=12))
def test_plans_are_legal_and_change_no_value(graph):
    before = graph.copy()
    Pipeline.parse("lower").run(before)
    planned = before.copy()
    Pipeline([Fuse()]).run(planned)
    assert str(before) == str(planned)
    groups = planned.fusion.groups
    assert all(node in planned for group in groups for node in group)
    again = planned.copy()
    Pipeline([Fuse()]).run(again)
    assert again.fusion.groups == groups


@pytest.mark.parametrize("pipeline", ["default", "fast"])
def test_layer_normalization_and_its_gradient_keep_one_array_of_rows_at_most(pipeline):
    gain, bias = (go.variable(name, "float64[m]") for name in ("gain", "bias"))
    centred = x - T.mean(x, axis=1, keepdims=True)
    normal = centred / T.sqrt(T.mean(T.square(centred), axis=1, keepdims=True) + 1e-5) * gain + bias
    gradient = go.grad(T.sum(normal * y), [x, gain])
    assert large([x, gain, y], gradient, pipeline) <= 1
    assert kernels([x, gain, y], gradient, pipeline) == ["crossed"]
    agrees([x, gain, y], gradient, {"n": 6, "m": 40}, pipeline)
