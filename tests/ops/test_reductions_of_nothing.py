"""Reductions over no elements: ops have neutral elements, functions are NumPy's, and stabilizing changes neither."""

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.dimensions import dim
from graphopt.errors import ShapeMismatch
from graphopt.frontend.formula import parse_formula
from graphopt.graph import Graph
from graphopt.graph.build import substituted
from graphopt.graph.unify import at_least_one
from graphopt.interpret import interpret
from graphopt.ops import TABLE
from graphopt.types import DTYPES

TARGETS = ("numpy", "c", "cuda-emulated")
SHAPES = [(3, 0), (0, 4), (0, 0), (3, 4)]


def neutral(dtype, name):
    if dtype == "bool":
        return name == "min"
    info = np.finfo(dtype) if dtype.startswith("float") else np.iinfo(dtype)
    low, high = (-np.inf, np.inf) if dtype.startswith("float") else (info.min, info.max)
    return low if name == "max" else high


@pytest.mark.parametrize("target", TARGETS)
def test_the_ops_max_and_min_over_nothing_are_neutral_in_every_dtype(target):
    inputs = [go.variable(f"x{k}", f"{dtype}[n, m]") for k, dtype in enumerate(DTYPES)]
    outputs = {f"{op}_{x.dtype}": TABLE[op](x, axis=(1,)) for op in ("max", "min") for x in inputs}
    function = go.function(inputs, outputs, target=target)
    found = function(*[np.zeros((2, 0), dtype) for dtype in DTYPES])
    for name, value in found.items():
        op, dtype = name.split("_")
        assert value.dtype == dtype and value.tolist() == [neutral(dtype, op)] * 2, name


@pytest.mark.parametrize("target", TARGETS)
def test_the_functions_max_and_min_refuse_a_size_of_0_at_the_call(target):
    x = go.variable("x", "float64[n, m]")
    function = go.function([x], {"max": T.max(x, axis=1), "min": -T.min(x * 2, axis=1, keepdims=True)}, target=target)
    for shape in SHAPES:
        array = np.ones(shape)
        if shape[1]:
            np.testing.assert_array_equal(function(array)["max"], array.max(axis=1))
        else:
            with pytest.raises(ValueError, match="no identity"):
                array.max(axis=1)
            with pytest.raises(ShapeMismatch, match="size m is 0, and so there is no largest or smallest element"):
                function(array)


def test_a_known_length_of_0_is_refused_where_the_maximum_is_written():
    x = go.variable("x", "float64[3, 0]")
    with pytest.raises(
        ShapeMismatch, match=r"max: axis 1 of shape \(3, 0\) has no largest element; at .*nothing.py:\d+"
    ):
        T.max(x, axis=(0, 1))
    assert T.min(x, axis=0).shape == (0,)
    y, z = go.variable("y", "float64[n]"), go.variable("z", "float64[0]")
    with pytest.raises(ShapeMismatch, match="there is no largest or smallest element"):  # known only in the graph
        Graph.from_outputs([z, y], z + T.max(y) * y)


def test_guards_against_no_elements_are_read_back_and_survive_names_substitution_and_formulas():
    x, y = go.variable("x", "float64[n]"), go.variable("y", "float64[n]")
    (moved,) = substituted([T.max(x * 2).named("top") + 1], {x: y})
    inputs, parsed = parse_formula("max(x * 2) + 1", {"x": y.type})
    for graph in (Graph.from_outputs([y], moved), Graph.from_outputs(inputs, parsed)):
        assert Graph.parse(str(graph)).guards == graph.guards == [at_least_one(dim("n"))]


def test_facts_know_the_neutral_element_unless_a_guard_excludes_it():
    x = go.variable("x", "float64[n]", domain=(2, 3))
    for outputs, bounds in ((T.max(x), (2, 3)), (TABLE["max"](x, axis=(0,)), (-np.inf, 3))):
        graph = Graph.from_outputs([x], outputs)
        facts = graph.facts(graph.outputs["output"])
        assert (facts.lo, facts.hi) == bounds


# --- what stabilization makes of formulas ------------------------------------------------------------------------


def formulas(on, x, w):
    """Written out, over NumPy's names."""
    e = on.exp(x)
    total = on.sum(e, axis=1, keepdims=True)
    return {
        "logsumexp": on.log(on.sum(e, axis=1)),
        "softmax": e / total,
        "log_softmax": on.log(e / total),
        "cross_entropy": -on.sum(w * on.log(e / total), axis=1),
        "loss": -on.mean(on.sum(w * on.log(e / total), axis=1)),
    }


@pytest.mark.parametrize("pipeline", ["none", "default"])
def test_softmax_and_its_kin_over_nothing_are_numpys_stabilized_or_not(pipeline):
    dtypes = ("float32", "float64")
    inputs = [go.variable(f"{name}_{dtype}", f"{dtype}[n, m]") for dtype in dtypes for name in "xw"]
    outputs = {}
    for x, w in (inputs[:2], inputs[2:]):
        whole = {"whole_softmax": T.softmax(x), "whole_log_softmax": T.log_softmax(x), "whole": T.logsumexp(x, axis=1)}
        outputs |= {f"{k} {x.dtype}": v for k, v in {**formulas(T, x, w), **whole}.items()}
    compiled = [go.function(inputs, outputs, target=target, pipeline=pipeline) for target in TARGETS]
    graph = Graph.from_outputs(inputs, outputs)
    go.Pipeline.named(pipeline).run(graph)
    for shape in SHAPES:
        generator = np.random.default_rng(1)
        arrays = [generator.normal(size=shape).astype(x.dtype) for x in inputs]
        runs = [function(*arrays) for function in compiled]
        runs.append(interpret(graph, dict(zip(graph.inputs, arrays, strict=True))))
        for x, w in (arrays[:2], arrays[2:]):
            with np.errstate(all="ignore"), pytest.warns() if not shape[0] else np.errstate():
                expected = formulas(np, x, w)
            expected |= {"whole_softmax": expected["softmax"], "whole_log_softmax": expected["log_softmax"]}
            expected["whole"] = expected["logsumexp"]
            for name, value in expected.items():
                for found in runs:
                    rtol = 64 * np.finfo(x.dtype).eps
                    np.testing.assert_allclose(found[f"{name} {x.dtype}"], value, rtol=rtol, atol=rtol, err_msg=name)
