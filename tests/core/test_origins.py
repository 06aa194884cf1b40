"""Every computed value remembers the line where the user made it, whichever way it was made."""

import pickle

import numpy as np
import pytest
import sympy

import graphopt as go
import graphopt.tensor as T
from graphopt.graph import Graph
from graphopt.graph.build import topological

x = go.variable("x", "float64[n, 6]")
array = np.ones((4, 6))

WAYS = {
    "a function of the package": lambda: T.softmax(x),
    "a method": lambda: x.std(axis=0),
    "an operator": lambda: x + 1,
    "an operator of a number": lambda: 1 / x,
    "an operator of an array": lambda: array[0] + x,
    "a product with an array": lambda: array.T @ x,
    "an index": lambda: x[1:, ::2],
    "a part that is set": lambda: x.at[0].set(1.0),
    "a ufunc of NumPy's": lambda: np.exp(x),
    "a reduction by a ufunc": lambda: np.add.reduce(x),
    "an outer product by a ufunc": lambda: np.multiply.outer(x, np.ones(3)),
    "a function of NumPy's": lambda: np.sum(x, axis=1),
    "a function of NumPy's over several": lambda: np.concatenate([x, array]),
    "Python's sum": lambda: sum([x, x, x]),
    "a function that NumPy calls": lambda: np.frompyfunc(lambda k: T.exp(x) * k, 1, 1)(np.arange(2.0))[1],
    "a function that SymPy made": lambda: sympy.lambdify("t", sympy.sin(sympy.Symbol("t")) + 1, "numpy")(x),
    "a gradient": lambda: go.grad(T.sum(x * x), x),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_value_knows_the_users_line_when_it_is_made_by(way):
    make = WAYS[way]
    made = [part for part in topological([make()]) if part.operands]
    assert made
    assert {str(part.origin) for part in made} == {f"{__file__}:{make.__code__.co_firstlineno}"}


def test_a_value_made_from_sympy_knows_its_subexpression():
    t = sympy.Symbol("t")
    made = topological([go.from_sympy(sympy.exp(sympy.sin(t)) + 1)])
    assert {str(part.origin) for part in made if part.operands} == {"sin(t)", "exp(sin(t))", "exp(sin(t)) + 1"}


def test_the_line_reaches_graphs_and_stays_through_passes_and_pickles():
    expression = T.log(np.exp(x) / np.exp(x).sum(axis=1, keepdims=True))
    line = str(expression.origin)
    f = go.function([x], expression, target="numpy")
    for graph in (Graph.from_outputs([x], expression), f.graph, pickle.loads(pickle.dumps(f)).graph):
        made = [node for node in graph.order() if graph.operands(node)]
        assert {str(origin) for node in made for origin in graph.origins(node)} == {line}
        assert all(graph.origins(node) for node in made)
