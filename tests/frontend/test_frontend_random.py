"""Random SymPy expressions, evaluated and not: the graph has the value that mpmath finds, and so has the way back."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as s
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sympy_oracle import close, exactly, run, truth

from graphopt.errors import UnsupportedExpression
from graphopt.frontend import Importer, from_sympy, to_sympy
from graphopt.tensor import matrix, sigmoid, sum, vector
from graphopt.variable import variable

x, y, z = s.symbols("x y z", real=True)
LEAVES = st.sampled_from(
    [x, y, z, s.S.One, s.Integer(-2), s.Integer(3), s.Rational(1, 2), s.Rational(-7, 4), s.Float(0.375)]
)
TOTAL = [s.sin, s.cos, s.atan, s.tanh, s.asinh, s.Abs, s.erf]  # real and bounded, or nearly, on all reals


def _sum(a: Any, b: Any, evaluate: bool) -> Any:
    return s.Add(a, b, evaluate=evaluate)


def _product(a: Any, b: Any, evaluate: bool) -> Any:
    return s.Mul(a, b, evaluate=evaluate)


def _difference(a: Any, b: Any, evaluate: bool) -> Any:
    return s.Add(a, s.Mul(-1, b, evaluate=evaluate), evaluate=evaluate)


def _quotient(a: Any, b: Any, evaluate: bool) -> Any:
    divisor = s.Add(1, s.Pow(b, 2, evaluate=evaluate), evaluate=evaluate)
    return s.Mul(a, s.Pow(divisor, -1, evaluate=evaluate), evaluate=evaluate)


def _root(a: Any, b: Any, evaluate: bool) -> Any:
    radicand = s.Add(2, s.sin(a, evaluate=evaluate), evaluate=evaluate)
    return s.Mul(b, s.Pow(radicand, s.Rational(-1, 2), evaluate=evaluate), evaluate=evaluate)


def _third(a: Any, b: Any, evaluate: bool) -> Any:
    return s.Add(s.Mul(s.Rational(-2, 3), s.sin(a, evaluate=evaluate), evaluate=evaluate), b, evaluate=evaluate)


def _case(a: Any, b: Any, evaluate: bool) -> Any:
    return s.Piecewise((a, x < y), (b, True), evaluate=evaluate)


def _extremum(a: Any, b: Any, evaluate: bool) -> Any:
    return s.Max(a, b, evaluate=evaluate)


BINARY = st.sampled_from([_sum, _product, _difference, _quotient, _root, _third, _case, _extremum])


@st.composite
def grown(draw: Any, children: Any) -> Any:
    evaluate = draw(st.booleans())
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return draw(st.sampled_from(TOTAL))(draw(children), evaluate=evaluate)
    if kind == 1:
        return s.Pow(draw(children), draw(st.integers(2, 5)), evaluate=evaluate)
    return draw(BINARY)(draw(children), draw(children), evaluate)


EXPRESSIONS = st.recursive(LEAVES, grown, max_leaves=12)
POINTS = st.fixed_dictionaries({symbol: st.integers(-64, 64).map(lambda k: k / 32) for symbol in (x, y, z)})
RUNS = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def has_exact_numbers(expression: Any) -> bool:
    """Whether float64 holds all its numbers; others are rounded on import, and evalf rounds where Floats take part."""
    atoms = expression.atoms(s.Number, s.NumberSymbol)
    return all(isinstance(atom, s.Rational) and atom.q & (atom.q - 1) == 0 and abs(atom.p) < 2**53 for atom in atoms)


def expected_at(expression: Any, point: dict[Any, float]) -> Any:
    """The truth, or no example: evalf cannot decide every unevaluated zero."""
    try:
        value = truth(expression, point)
    except (TypeError, ValueError, s.PrecisionExhausted):
        assume(False)
    assume(isinstance(value, mpmath.mpf) and not mpmath.isnan(value))
    return value


@RUNS
@given(EXPRESSIONS, POINTS)
def test_imported_expressions_have_mpmath_values(expression: Any, point: dict[Any, float]) -> None:
    expected = expected_at(expression, point)
    assume(abs(expected) < 1e30)
    assert close(exactly(expression, point), expected, 25 if has_exact_numbers(expression) else 9)


@RUNS
@given(EXPRESSIONS, POINTS)
def test_what_goes_back_to_sympy_has_the_same_value(expression: Any, point: dict[Any, float]) -> None:
    back = to_sympy(from_sympy(expression))
    first, second = exactly(expression, point), exactly(back, point)
    assert close(second, first, 25)


@RUNS
@given(EXPRESSIONS)
def test_importing_does_not_change_the_expression(expression: Any) -> None:
    before = s.srepr(expression)
    from_sympy(expression)
    assert s.srepr(expression) == before


@pytest.mark.parametrize(
    "expression",
    [
        s.Piecewise((x, x > 0), (y, True)),
        s.And(x > 0, s.Or(y > 0, z <= 0)),
        s.Matrix([[x, 1], [s.sin(y), x * y]]),
        s.Max(x, y, z) + s.Mod(x, y) + s.atan2(x, y),
        s.gamma(x**2 + 1) + s.loggamma(x**2 + 1) + s.digamma(x**2 + 1) + s.polygamma(1, x**2 + 1),
        s.pi * x / 3,
        s.Xor(x > 0, y > 0),
        s.Ne(x, y),
        s.Heaviside(x),
    ],
    ids=str,
)
def test_the_way_there_and_back_keeps_the_value(expression: Any) -> None:
    importer = Importer()
    back = to_sympy(importer.convert(expression))
    for point in ({x: 0.5, y: 1.25, z: -1.0}, {x: 1.5, y: -0.25, z: 2.0}):
        np.testing.assert_allclose(run(back, point), run(expression, point), rtol=1e-14)


def test_imported_inputs_come_back_as_the_objects_they_were() -> None:
    positive = s.Symbol("x", positive=True)
    assert to_sympy(from_sympy(positive + x)).free_symbols == {positive, x}


def test_matrices_go_back_as_matrices() -> None:
    n = s.Symbol("n", integer=True)
    A, B = s.MatrixSymbol("A", n, n), s.MatrixSymbol("B", n, n)
    assert to_sympy(from_sympy(A * B.T + 2 * A)) == A * B.T + 2 * A
    M, N = matrix("M"), variable("N", "float64[k, 3]")
    assert isinstance(to_sympy(variable("P", "float64[2, k]") @ N), s.MatMul)
    assert to_sympy(M.T).args[0].name == "M"


def test_ops_without_a_sympy_form_of_one_node_are_spelled_out() -> None:
    a = variable("a", "float64")
    assert run(to_sympy(sigmoid(a)), {s.Symbol("a"): 0.5}) == pytest.approx(1 / (1 + np.exp(-0.5)))


def test_a_deep_variable_goes_back_without_recursion() -> None:
    a = value = variable("a", "float64")
    for _ in range(20_000):
        value = value * a + 1
    assert isinstance(to_sympy(value), s.Add)


@pytest.mark.parametrize("made", [lambda: sum(vector("v")), lambda: variable("c", "float64[2, 2, 2]"),
                                  lambda: variable("a", "float64").astype("int64")])  # fmt: skip
def test_what_sympy_cannot_say_gets_one_clear_error(made: Any) -> None:
    with pytest.raises(UnsupportedExpression, match="SymPy"):
        to_sympy(made())
