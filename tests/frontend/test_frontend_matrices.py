"""Matrices of expressions are stacks of scalars; symbolic matrices are arrays of rank 2."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as s
from sympy.matrices.expressions.hadamard import HadamardPower, HadamardProduct
from sympy_oracle import graph_of, run

import graphopt as go
from graphopt.errors import ShapeMismatch, UnsupportedExpression
from graphopt.frontend import Importer, from_sympy

x, y = s.symbols("x y")
n, m = s.symbols("n m", integer=True)
A, B, C = s.MatrixSymbol("A", m, n), s.MatrixSymbol("B", n, m), s.MatrixSymbol("C", n, n)
D = s.MatrixSymbol("D", m, n)
GENERATOR = np.random.default_rng(4)
a, b, c, d = (GENERATOR.normal(size=size) for size in ((3, 4), (4, 3), (4, 4), (3, 4)))
V: dict[Any, Any] = {A: a, B: b, C: c, D: d, x: 1.5, y: 0.5}

EXPRESSIONS = [
    (A * B, a @ b),
    (2 * A * B, 2 * a @ b),
    (-A, -a),
    (x * A - 2 * D, 1.5 * a - 2 * d),
    (A - D, a - d),
    (-A - D, -a - d),
    (A.T, a.T),
    (A.T * A + C, a.T @ a + c),
    (s.Adjoint(A), a.T),
    (HadamardProduct(A, D), a * d),
    (HadamardPower(A, 2), a**2),
    (HadamardPower(HadamardProduct(A, A), s.Rational(1, 2)), np.abs(a)),
    (C**3, c @ c @ c),
    (s.Trace(A * B), np.trace(a @ b)),
    (s.Trace(A * C * B), np.trace(a @ c @ b)),
    (A + s.ZeroMatrix(m, n), a),
    (A + s.OneMatrix(m, n), a + 1),
    (A.applyfunc(s.Lambda(x, s.exp(x) + x**2)), np.exp(a) + a**2),
    (s.MatMul(s.Matrix([[1, x, 0, y]]), C), np.array([[1, 1.5, 0, 0.5]]) @ c),
    (s.Matrix([[x, 1], [y, x * y]]), [[1.5, 1], [0.5, 0.75]]),
    (s.ImmutableMatrix([[x, 1], [y, x * y]]), [[1.5, 1], [0.5, 0.75]]),
    (s.SparseMatrix(2, 2, {(0, 1): x}), [[0, 1.5], [0, 0]]),
    (s.Matrix([x, y, 1]), [[1.5], [0.5], [1]]),
    (s.Matrix([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    (s.Array([[x, 1, 2], [y, 3, 4]]), [[1.5, 1, 2], [0.5, 3, 4]]),
    (s.Array([x, y]), [1.5, 0.5]),
    (s.Matrix([[10**30, x]]), [[1e30, 1.5]]),
    (s.Array([x, 2 * x]), [1.5, 3]),
]


@pytest.mark.parametrize(("expression", "expected"), EXPRESSIONS, ids=lambda e: str(e)[:40])
def test_matrices_agree_with_numpy(expression: Any, expected: Any) -> None:
    found = run(expression, V)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)


def test_dimensions_are_named_by_the_symbols() -> None:
    graph, _ = graph_of(A * B)
    assert {str(graph.type(node)) for node in graph.inputs.values()} == {"float64[m, n]", "float64[n, m]"}
    assert str(from_sympy(A * B).type) == "float64[m, m]"
    assert str(from_sympy(A * B, types={A: "float32[m, n]", B: "float32[n, m]"}).type) == "float32[m, m]"


def test_identities_of_a_known_size_are_constants() -> None:
    square = s.MatrixSymbol("S", 3, 3)
    value = GENERATOR.normal(size=(3, 3))
    np.testing.assert_allclose(run(square + s.Identity(3), {square: value}), value + np.eye(3))


def test_elements_of_a_matrix_take_one_dtype() -> None:
    k = s.Symbol("k", integer=True)
    assert from_sympy(s.Matrix([[k, 1]])).dtype == "int64"
    assert from_sympy(s.Matrix([[k, x]])).dtype == "float64"
    assert from_sympy(s.Matrix([[x, 1]]), types={x: "float32"}).dtype == "float32"
    assert from_sympy(s.Matrix([[k, s.Rational(1, 2)]])).dtype == "float64"


def test_a_matrix_of_arrays_has_the_elements_last() -> None:
    points = np.array([1.0, 2.0, 3.0])
    found = run(s.Matrix([[x, 1], [x**2, 0]]), {x: points}, types={x: "float64[points]"})
    assert found.shape == (3, 2, 2)
    np.testing.assert_array_equal(found[2], [[3, 1], [9, 0]])


def test_a_matrix_that_changes_is_read_again() -> None:
    importer, matrix = Importer(), s.Matrix([[x, 1]])
    first = importer.convert(matrix)
    matrix[0, 1] = x**2
    assert importer.convert(matrix) is not first


def test_inverses_and_determinants_are_linear_algebras() -> None:
    m, column = s.MatrixSymbol("m", 3, 3), s.MatrixSymbol("column", 3, 1)
    array, right = np.array([[2.0, 1, 0], [1, 3, 1], [0, 1, 4]]), np.ones((3, 1))
    outputs = [m.I * column, s.Determinant(m) * m, m.T.I + m, (m * m * m).I]
    found = go.function([m, column], outputs, target="numpy")(array, right)
    inverse = np.linalg.inv(array)
    expected = [inverse @ right, np.linalg.det(array) * array, inverse.T + array, inverse @ inverse @ inverse]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    whole = go.function([m], [m.I], types={m: "int64[3, 3]"}, target="numpy")(array.astype("int64"))
    np.testing.assert_allclose(whole[0], inverse, rtol=1e-12)


def test_matrices_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeMismatch):
        from_sympy(s.MatMul(s.MatrixSymbol("P", 2, 3), s.MatrixSymbol("Q", 3, 2)) + s.ZeroMatrix(2, 2),
                   types={s.MatrixSymbol("Q", 3, 2): "float64[4, 2]"})  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        (s.Sum(s.Determinant(A), (s.Symbol("i"), 0, 3)), "under a Sum"),
        (s.Trace(C), "product of matrices"),
        (C**n, "integer exponents"),
        (s.Identity(n), "known size"),
        (s.kronecker_product(C, C), "KroneckerProduct"),
        (s.Sum(s.Trace(A * B) + x, (s.Symbol("i"), 0, 3)), "under a Sum"),
        (s.Matrix([[x, s.I]]), "I"),
    ],
    ids=lambda e: str(e)[:30],
)  # fmt: skip
def test_matrices_without_a_meaning_get_one_clear_error(expression: Any, says: str) -> None:
    with pytest.raises(UnsupportedExpression, match=says):
        from_sympy(expression)
