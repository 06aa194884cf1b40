"""What holds for every import: inputs, identity, provenance, size, odd names, assignments."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest
import sympy as s
from sympy.codegen.ast import Assignment, CodeBlock
from sympy.physics.mechanics import dynamicsymbols
from sympy.physics.mechanics.models import n_link_pendulum_on_cart
from sympy_oracle import graph_of, run

from graphopt.errors import InvalidArgument, TypeMismatch, UnsupportedExpression
from graphopt.frontend import Importer, from_sympy
from graphopt.graph.build import topological
from graphopt.graph.graph import Graph
from graphopt.interpret import interpret
from graphopt.variable import variable

x, y, t = s.symbols("x y t")
f = s.Function("f")


def test_one_importer_gives_a_symbol_one_variable() -> None:
    importer = Importer()
    first, second = importer.convert([s.cos(x), s.sin(x)])
    assert first.operands[0] is second.operands[0] is importer.variable_for(x)
    assert list(importer.variables) == [x]


def test_a_variable_given_as_type_stands_for_the_symbol() -> None:
    mine = variable("mine", "float32[k]")
    for expression in (x**2, s.exp(x)):
        imported = from_sympy(expression, types={x: mine})
        assert imported.operands == (mine,) and str(imported.type) == "float32[k]"


def test_assumptions_decide_the_dtype() -> None:
    k = s.Symbol("k", integer=True)
    importer = Importer(types={y: "float32[n]"})
    importer.convert([k + x, y])
    assert [str(importer.variable_for(leaf).type) for leaf in (k, x, y)] == ["int64", "float64", "float32[n]"]


def test_symbols_that_differ_in_assumptions_alone_are_two_inputs() -> None:
    other = s.Symbol("x", positive=True)
    graph, names = graph_of(x - other)
    assert names[x] != names[other] and len(graph.inputs) == 2


def test_a_condition_and_a_number_are_converted_alone() -> None:
    assert run(x > 0, {x: 1.0})
    assert run(s.true, {}) and run(s.Integer(3), {}) == 3
    assert Importer().convert(2.5).attributes["value"] == 2.5


def test_lists_and_dicts_are_converted_item_by_item() -> None:
    converted = Importer().convert({"a": x, "b": [x + 1, (y, 2)]})
    assert set(converted) == {"a", "b"} and len(converted["b"]) == 2


def test_assignments_see_those_before_them() -> None:
    a, b = s.symbols("a b")
    importer = Importer()
    block = importer.convert(CodeBlock(Assignment(a, x**2), Assignment(b, a + s.sin(a))))
    assert list(block) == ["a", "b"] and list(importer.variables) == [x]
    graph = Graph.from_outputs([importer.variable_for(x)], block)
    assert interpret(graph, {"x": 2.0})["b"] == 4 + math.sin(4)


def test_an_assignment_after_a_use_is_refused() -> None:
    with pytest.raises(UnsupportedExpression, match="has a value already"):
        Importer().convert(CodeBlock(Assignment(y, x), Assignment(x, 1)))


def test_undefined_functions_are_inputs_where_they_are_listed() -> None:
    q = f(t)
    importer = Importer(inputs=[q, q.diff(t)])
    output = importer.convert(q**2 + q.diff(t))
    assert set(importer.variables) == {q, q.diff(t)}
    graph = Graph.from_outputs([importer.variable_for(q), importer.variable_for(q.diff(t))], output)
    assert interpret(graph, dict(zip(graph.inputs, (3.0, 0.5), strict=True)))["output"] == 9.5


def test_undefined_functions_that_are_not_listed_are_named() -> None:
    with pytest.raises(UnsupportedExpression, match=r"f\(t\): the function f is not defined"):
        from_sympy(f(t) + 1)
    with pytest.raises(UnsupportedExpression, match=r"f\(x\)"):
        from_sympy(f(x) + f(t), inputs=[f(t)])


def test_undefined_functions_can_be_implemented() -> None:
    assert run(f(x + 1), {x: 2.0}, functions={f: lambda v: v * v}) == 9
    assert run(f(x + 1), {x: 2.0}, functions={"f": lambda v: v * v}) == 9


def test_substitution_and_element_functions_bind_symbols() -> None:
    assert run(s.Subs(s.sin(x) * y, x, y + 1), {y: 1.0}) == math.sin(2)
    assert run(s.Lambda(x, x**2 + 1), {x: 2.0}) == 5


def test_origins_name_the_subexpression_and_are_made_when_asked_for() -> None:
    imported = from_sympy(s.sqrt(x) / (1 + s.exp(y)))
    origins = {node.op.name: str(node.origin) for node in topological([imported])}
    assert origins["exp"] == "exp(y)" and origins["add"] == "exp(y) + 1" and origins["input"] in ("x", "y")
    large = from_sympy(s.Add(*[s.sin(k * x) for k in range(1, 1000)]))
    assert len(str(large.origin)) <= 72 and "\n" not in str(large.origin)


NAMES = ["I", "double", "a b", 'x"; system("…")', "lambda", "E", r"\alpha_{1}", "self", "x'", "*/", "b\nc", "0"]


@pytest.mark.parametrize("name", NAMES)
def test_symbol_names_are_labels_and_nothing_more(name: str) -> None:
    odd = s.Symbol(name)
    assert run(odd**2 + x, {odd: 3.0, x: 1.0}) == 10


def test_all_odd_names_live_in_one_graph() -> None:
    odd = [s.Symbol(name) for name in NAMES]
    assert run(s.Add(*odd), dict.fromkeys(odd, 1.0)) == len(NAMES)


def test_a_shared_dag_is_visited_once() -> None:
    expression = x
    for _ in range(200):  # as a tree, 2²⁰⁰ nodes
        expression = s.Mul(expression, s.Add(expression, y, evaluate=False), evaluate=False)
    imported = from_sympy(expression)
    assert len(topological([imported])) == 402
    assert len(str(imported.origin)) <= 72


def test_equal_dags_that_share_no_object_become_one() -> None:
    def tower() -> Any:
        expression = x
        for _ in range(100):
            expression = s.Mul(expression, s.Add(expression, y, evaluate=False), evaluate=False)
        return expression

    assert len(topological([from_sympy(s.Add(tower(), tower(), evaluate=False))])) == 203


def chain(operations: int) -> Any:
    """x ↦ 1/((x + y)·z) + 1, again and again: that many operations in one path."""
    z = s.Symbol("z")
    expression = x
    for _ in range(operations // 4):
        product = s.Mul._from_args([s.Add._from_args([expression, y]), z])
        expression = s.Add._from_args([s.Pow(product, -1, evaluate=False), s.S.One])
    return expression


@pytest.mark.parametrize("size", [10**4, pytest.param(10**5, marks=pytest.mark.long)])
def test_a_long_chain_of_operations_is_imported_without_recursion(size: int) -> None:
    limit = sys.getrecursionlimit()
    imported = from_sympy(chain(size))
    assert len(topological([imported])) == size + 4
    assert len(str(imported.origin)) <= 72 and sys.getrecursionlimit() == limit


@pytest.mark.parametrize("size", [10**4, pytest.param(10**5, marks=pytest.mark.long)])
def test_a_sum_of_many_terms_is_imported(size: int) -> None:
    terms = [s.Mul._from_args([s.Integer(k), x]) for k in range(2, size // 2)]
    imported = from_sympy(s.Add._from_args(terms))
    assert len(topological([imported])) > size


def test_an_error_at_the_bottom_of_a_deep_chain_is_short() -> None:
    expression = s.I
    for _ in range(20_000):
        expression = s.Add._from_args([s.Mul._from_args([expression, y]), x])
    with pytest.raises(UnsupportedExpression) as caught:
        from_sympy(expression)
    assert len(str(caught.value)) < 300


def test_what_cannot_be_an_input_is_refused() -> None:
    for bad in (x + 1, s.sin(x), 3, "x", [x]):
        with pytest.raises(InvalidArgument, match="cannot be an input"):
            Importer().variable_for(bad)
    with pytest.raises(InvalidArgument, match="cannot be an input"):
        from_sympy(x, types={x + 1: "float64"})


def test_types_that_cannot_be_are_refused() -> None:
    with pytest.raises(TypeMismatch, match="complex128"):
        from_sympy(x, types={x: "complex128"})
    with pytest.raises(InvalidArgument, match=r"types names y"):
        from_sympy(x, types={y: "float64"})
    with pytest.raises(InvalidArgument, match="several expressions"):
        from_sympy([x, y])


def test_the_pendulum_agrees_with_lambdify() -> None:
    model = n_link_pendulum_on_cart(2)
    states = [*model.q, *model.u, dynamicsymbols("F")]
    mass, forcing = model.mass_matrix_full, model.forcing_full
    parameters = sorted((mass.free_symbols | forcing.free_symbols) - {s.Symbol("t")} - set(states), key=str)
    importer = Importer(inputs=states)
    outputs = importer.convert({"mass": mass, "forcing": forcing})
    used = [leaf for leaf in (*states, *parameters) if leaf in importer.variables]
    graph = Graph.from_outputs([importer.variable_for(leaf) for leaf in used], outputs)
    generator = np.random.default_rng(5)
    points = dict(zip(used, generator.uniform(0.5, 1.5, len(used)), strict=True))
    found = interpret(graph, dict(zip(graph.inputs, points.values(), strict=True)))
    for name, matrix in (("mass", mass), ("forcing", forcing)):
        expected = s.lambdify(used, matrix, modules="numpy")(*points.values())
        np.testing.assert_allclose(found[name], expected, rtol=1e-13, atol=1e-13)
