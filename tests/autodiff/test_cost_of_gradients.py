"""What derivatives cost: at most a small multiple of the function, whatever the number of inputs; linear in its size.

The bounds are those of the theory of algorithmic differentiation, in operations with the value included: a gradient
costs at most 4 times what the function does (W. Baur, V. Strassen, "The complexity of partial derivatives",
Theoretical Computer Science 22, 1983), or 5 where memory counts (A. Griewank, "On automatic differentiation", 1989); a
Hessian-vector product with its gradient 7 to 10 times (A. Griewank, A. Walther, "Evaluating Derivatives", 2nd ed.,
SIAM 2008, section 4). They are counted by `graphopt.analysis.cost` after the default pipeline. Nothing is run.
"""

from __future__ import annotations

import numpy as np
import pytest
from benchmark_graphs import GROWING, PROGRAMS, optimized, with_gradient, with_products, with_tangents

import graphopt as go
import graphopt.tensor as T
from graphopt.analysis.cost import graph_cost
from graphopt.autodiff import grad, hvp, jvp, vjp
from graphopt.graph import Graph
from graphopt.graph.build import topological
from graphopt.ops.leaves import ArrayConstant, constant
from graphopt.types import is_float

GRADIENT, TANGENT, SECOND = 5, 4, 10
DEARER = {"product of all": (12.1, 14.1, 45), "Gaussian log-density": (5, 4, 15)}
"""Those that exceed a bound, with what they cost: gradient, tangent, second order.

A product costs one operation an element, and its derivative must hold at zeros: they are counted, and the quotient by
each element weighs four. The derivative of the solution of a triangular system by its matrix is a whole product of
matrices, twice what the solution takes, of which a triangle is used.
"""


@pytest.mark.parametrize("name", PROGRAMS)
def test_derivatives_cost_a_small_multiple_of_the_function(name):
    program = PROGRAMS[name]()
    function = graph_cost(optimized(program.inputs, program.outputs))
    gradient, tangent, second = DEARER.get(name, (GRADIENT, TANGENT, SECOND))
    found = graph_cost(with_gradient(program))
    assert found.flops <= gradient * function.flops
    assert found.bytes <= 3 * gradient * function.bytes  # each node computed alone; fusion lowers both
    assert graph_cost(with_tangents(program)).flops <= tangent * function.flops
    if program.is_scalar:
        assert graph_cost(with_products(program)).flops <= second * function.flops


# --- size --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GROWING)
@pytest.mark.parametrize("size", [(100, 400), pytest.param((10_000, 100_000), marks=pytest.mark.long)])
def test_a_gradient_grows_as_its_function_does(name, size):
    found = []
    for nodes in size:
        cost, wrt = GROWING[name](nodes)
        function, gradient = (Graph.from_outputs(wrt, outputs) for outputs in (cost, [cost, *grad(cost, wrt)]))
        assert len(gradient) <= 7 * len(function)
        costs = [graph_cost(graph) for graph in (function, gradient)]
        found.append([len(gradient) / len(function), *(b / a for a, b in zip(*costs, strict=True))])
    np.testing.assert_array_less(found[1], 1.1 * np.array(found[0]) + 0.1)


# --- zeros, and what is not asked for ----------------------------------------------------------------------------


def zeros_that_are_added(variables):
    """Sums one of whose operands is zero throughout, and products with one."""

    def is_zero(v):
        while v.op.name in ("broadcast_to", "expand_dims", "reshape", "cast"):
            (v,) = v.operands
        value = v.attributes.get("value") if v.op is constant else None
        return value is not None and not isinstance(value, ArrayConstant) and value == 0

    found = [v for v in topological(list(variables)) if v.op.name in ("add", "subtract", "multiply")]
    return [v for v in found if any(map(is_zero, v.operands))]


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_zeros_are_made_to_be_added(name, stabilize=False):
    program = PROGRAMS[name]()
    written = len(zeros_that_are_added(program.outputs))  # a user's own sum(…) begins at 0
    directions = [go.variable(None, v.type) for v in program.wrt]
    tangents = jvp(program.outputs, program.wrt, directions, stabilize=stabilize)
    cotangents = [go.variable(None, v.type) for v in program.outputs]
    gradients = vjp(program.outputs, program.wrt, cotangents, stabilize=stabilize, disconnected_inputs="ignore")
    assert len(zeros_that_are_added([*tangents, *gradients])) <= written
    if program.is_scalar:
        second = hvp(program.outputs[0], program.wrt, directions, stabilize=stabilize)
        assert len(zeros_that_are_added(second)) <= written


def ops_of(*variables):
    return {v.op.name for v in topological(list(variables))}


def test_what_no_path_leads_through_is_not_differentiated():
    x, y, i = T.vector("x"), T.vector("y"), T.lvector("i")
    cost = T.sum(T.sin(x) * T.exp(y) + T.cosh(y) * i) + 0 * T.sum(T.floor(T.sinh(x)))
    assert "cos" in ops_of(grad(cost, x, stabilize=False))
    assert not {"sinh", "cosh", "floor"} & ops_of(grad(cost, x, stabilize=False))
    assert "cos" not in ops_of(grad(cost, y, stabilize=False))


def test_an_input_that_a_second_derivative_does_not_vary_with_costs_nothing():
    x, y = T.vectors("x y")
    slope = grad(T.sum(T.sin(x)) + T.sum(x * T.tanh(y)), x, stabilize=False)
    second = vjp(slope, x, y, stabilize=False)
    assert "tanh" not in ops_of(second)
    assert not {"cos", "sin"} & ops_of(vjp(slope, y, x, stabilize=False))


def test_both_branches_of_an_elementwise_choice_share_one_cotangent_and_of_a_conditional_one_is_run():
    x = go.variable("x", "float64[1000]")
    chosen = T.cond(x[0] > 0, lambda: T.sum(T.sin(x)), lambda: T.sum(x * 2))
    graph = optimized([x], [grad(chosen, x)])
    assert "cos" not in {graph.op(node).name for node in graph.order()}, "it is computed in the branch that needs it"


def test_an_integer_path_makes_no_node():
    x = T.vector("x")
    rounded = T.cast(T.rint(x * 3), "int64")
    gradient = grad(T.sum(x * T.cast(rounded * rounded, "float64")), x, stabilize=False)
    products = [v for v in topological([gradient]) if v.op.name == "multiply" and not is_float(v.dtype)]
    assert len(products) == 1, "the value's own product, and no derivative of it"
