"""The catalogue of specimens has every op with a derivative, and is what it says it is."""

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.codegen.coverage import coverage
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.ops.reasons import FLAT, REASONS
from graphopt.testing.specimens import SPECIMENS

ALL = [specimen for specimens in SPECIMENS.values() for specimen in specimens]
DTYPES = ("float64", "float32")


def test_every_op_with_a_derivative_has_a_specimen_and_every_other_one_a_reason():
    rows = {row.name: row for row in coverage() if row.family}
    differentiable = {name for name, row in rows.items() if row.cells["derivative"]}
    zero = {name for name, reason in REASONS["derivative"].items() if reason == FLAT}
    assert set(SPECIMENS) == differentiable | zero | {"stop_gradient"}
    for name in rows.keys() - differentiable:
        assert rows[name].reasons["derivative"], f"{name}: no derivative, and no reason why"


def test_the_ops_without_a_derivative_have_results_that_are_not_of_floats_or_are_leaves_or_riemann_zeta():
    reasons = {row.name: row.reasons["derivative"] for row in coverage() if row.family and row.name not in SPECIMENS}
    told = {name: reason for name, reason in reasons.items() if not reason.startswith(("the result is", "a leaf"))}
    assert told == {"riemann_zeta": "the derivative with respect to the exponent is not a function known here"}


@pytest.mark.parametrize("op", SPECIMENS)
def test_a_specimen_has_a_name_of_its_own_and_holds_its_op(op):
    assert len({specimen.name for specimen in SPECIMENS[op]}) == len(SPECIMENS[op])
    for specimen in SPECIMENS[op]:
        inputs, output = specimen.build()
        ops = {v.op.name for v in _all(output)}
        graph = Graph.from_outputs(inputs, output)
        assert op in ops | {graph.op(node).name for node in graph.order(graph.outputs.values())}, str(specimen)


def _all(output):
    found, stack = {}, [output]
    while stack:
        v = stack.pop()
        if id(v) not in found:
            found[id(v)] = v
            stack.extend(v.operands)
    return found.values()


def test_points_are_of_the_inputs_types_and_the_program_is_finite_there():
    for specimen in ALL:
        for dtype in DTYPES:
            inputs, output = specimen.build(dtype)
            point = specimen.point(np.random.default_rng(1), dtype)
            assert [(v.name, v.dtype, v.shape) for v in inputs] == [(k, a.dtype, a.shape) for k, a in point.items()]
            found = interpret(Graph.from_outputs(inputs, {"y": output}), point)["y"]
            assert np.isfinite(found).all(), str(specimen)


def test_points_differ_between_seeds_and_their_elements_from_each_other():
    for specimen in ALL:
        first, second, again = (specimen.point(np.random.default_rng(seed)) for seed in (1, 2, 1))
        floats = [name for name, array in first.items() if array.dtype == "float64"]
        assert all(np.array_equal(first[name], again[name]) for name in floats)
        drawn = [name for name in floats if not np.array_equal(first[name], second[name])]
        for name in drawn:
            assert len(np.unique(first[name])) == first[name].size


@pytest.mark.parametrize("dtype", DTYPES)
def test_where_there_is_a_convention_it_holds(dtype):
    for specimen in ALL:
        inputs, output = specimen.build(dtype)
        for convention in specimen.conventions:
            wrt = [inputs[k] for k in specimen.wrt]
            slopes = go.grad(T.sum(output), wrt, disconnected_inputs="ignore")
            at = {v.name: np.asarray(a, v.dtype) for v, a in zip(inputs, convention.at, strict=True)}
            found = interpret(Graph.from_outputs(inputs, slopes), at).values()
            for slope, expected in zip(found, convention.slopes, strict=True):
                np.testing.assert_allclose(slope, expected, 1e-6, err_msg=str(specimen))
