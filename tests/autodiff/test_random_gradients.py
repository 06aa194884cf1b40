"""Gradients of random programs against central differences in 50 digits, before and after stabilizing."""

import numpy as np
from gradient_support import central_difference, weighted
from hypothesis import given, settings
from hypothesis import strategies as st

from graphopt.autodiff import grad
from graphopt.dimensions import evaluate
from graphopt.graph import Graph
from graphopt.graph.build import topological
from graphopt.interpret import interpret
from graphopt.testing import strategies
from graphopt.types import TensorType
from graphopt.variable import variable

SMOOTH = tuple(family for family in strategies.FAMILIES if family != "kinks")


def fixed_sizes(expression, sizes):
    """The same expression with integers for its named dimensions: weights need a shape."""
    made = {}
    for v in topological([expression]):
        attributes = {
            key: tuple(evaluate(s, sizes) for s in value) if key == "shape" else value
            for key, value in v.attributes.items()
        }
        if v.op.name == "input":
            made[v] = variable(v.name, TensorType(v.dtype, tuple(evaluate(s, sizes) for s in v.shape)))
        elif v.op.name == "dimension":
            made[v] = type(v).build(
                v.op, (), v.attributes.__class__(value=evaluate(v.attributes["value"], sizes), dtype=v.dtype)
            )
        else:
            made[v] = v.op(*[made[operand] for operand in v.operands], **attributes)
    return made[expression]


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_the_gradient_of_a_random_program_is_right(data):
    expression = data.draw(strategies.expressions(max_nodes=6, families=tuple(f for f in SMOOTH if f != "reduction")))
    expression = fixed_sizes(expression, {"n": data.draw(st.integers(1, 3)), "m": data.draw(st.integers(1, 3))})
    inputs = sorted((v for v in topological([expression]) if v.op.name == "input"), key=lambda v: v.name)
    arrays = data.draw(strategies.inputs_for(expression))
    cost = weighted(expression)
    truths = [central_difference_by_name(inputs, cost, [arrays[v.name] for v in inputs], k) for k in range(len(inputs))]
    for stabilize in (False, True):
        gradients = grad(cost, inputs, stabilize=stabilize)
        graph = Graph.from_outputs(inputs, {f"g{k}": g for k, g in enumerate(gradients)})
        graph.verify()
        found = interpret(graph, arrays)
        for k, truth in enumerate(truths):
            np.testing.assert_allclose(found[f"g{k}"], truth, rtol=1e-8, atol=1e-8)


def central_difference_by_name(inputs, cost, arrays, which):
    """The oracle names inputs x0, x1, …: the same cost over inputs of those names."""
    graph = Graph.from_outputs(inputs, cost)
    renamed = [variable(f"x{k}", v.type) for k, v in enumerate(inputs)]
    from graphopt.graph.export import to_variables

    substitutions = {graph.inputs[v.name]: r for v, r in zip(inputs, renamed, strict=True)}
    (copy,) = to_variables(graph, list(graph.outputs.values()), substitutions)
    return central_difference(renamed, copy, arrays, which)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_stabilizing_changes_no_gradient_of_a_tame_program(data):
    expression = data.draw(strategies.expressions(families=SMOOTH))
    inputs = [v for v in topological([expression]) if v.op.name == "input"]
    arrays = data.draw(strategies.inputs_for(expression))
    cost = expression.sum()
    results = []
    for stabilize in (False, True):
        gradients = grad(cost, inputs, stabilize=stabilize)
        graph = Graph.from_outputs(inputs, {f"g{k}": g for k, g in enumerate(gradients)})
        results.append(interpret(graph, arrays))
    for name, plain in results[0].items():
        np.testing.assert_allclose(results[1][name], plain, rtol=1e-8, atol=1e-7)
