"""Costs are integers where sizes are, and polynomials of dimensions otherwise."""

import graphopt as go
import graphopt.tensor as T
from graphopt.analysis.cost import Cost, graph_cost, node_cost
from graphopt.graph import Graph


def cost_of(inputs, output):
    graph = Graph.from_outputs(inputs, output)
    return node_cost(graph, next(iter(graph.outputs.values())))


def test_elementwise_ops_count_elements_and_traffic():
    x = go.variable("x", "float32[3, 4]")
    assert cost_of([x], x + x) == Cost(12, 2 * 12 * 4)
    assert cost_of([x], x * go.TensorType.parse("float32").itemsize) == Cost(12, 2 * 12 * 4 + 4)


def test_sizes_that_are_names_stay_names():
    x = go.variable("x", "float64[n, m]")
    cost = cost_of([x], T.sum(x, axis=1))
    assert (str(cost.flops), str(cost.bytes)) == ("m*n", "8*m*n + 8*n")


def test_matrix_products_count_multiplications_and_additions():
    a, b = go.variable("a", "float32[n, k]"), go.variable("b", "float32[k, m]")
    assert str(cost_of([a, b], a @ b).flops) == "2*k*m*n"


def test_views_and_leaves_cost_nothing():
    x = go.variable("x", "float64[n, m]")
    assert cost_of([x], x.T) == cost_of([x], x) == Cost(0, 0)


def test_a_graph_costs_what_its_nodes_cost():
    x = go.variable("x", "float64[10]")
    graph = Graph.from_outputs([x], x + x * x)
    assert graph_cost(graph) == Cost(20, 160 + 240)
