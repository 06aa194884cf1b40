"""Sums and products over indices become reductions over whole axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as s
from sympy.tensor.array.expressions.array_expressions import ArraySymbol
from sympy_oracle import graph_of, run

from graphopt.errors import UnsupportedExpression
from graphopt.frontend import from_sympy

i, j, k, n, m = s.symbols("i j k n m", integer=True)
x = s.Symbol("x")
a, b, A, B = (s.IndexedBase(name) for name in ("a", "b", "A", "B"))

GENERATOR = np.random.default_rng(3)
VALUES = {a: GENERATOR.normal(size=4), b: GENERATOR.normal(size=3), x: 1.5}
MATRICES = {A: GENERATOR.normal(size=(3, 4)), B: GENERATOR.normal(size=(4, 3))}
ALL = {**VALUES, **MATRICES}
I, J = (i, 0, n - 1), (j, 0, m - 1)

va, vb, vA, vB = ALL[a], ALL[b], ALL[A], ALL[B]
SUMS = [
    (s.Sum(a[i], I), va.sum()),
    (s.Sum(a[i], (i, 1, n)), va.sum()),
    (s.Sum(a[i] ** 2 * x, I), 1.5 * (va**2).sum()),
    (s.Sum(A[j, i] * a[i], I, J), (vA @ va).sum()),
    (s.Sum(A[j, i] * a[i] * b[j], I, J), vb @ vA @ va),
    (s.Sum(A[j, i] * B[i, j], I, J), np.trace(vA @ vB)),
    (s.Sum(A[j, i] * B[i, j], J, I), np.trace(vA @ vB)),
    (s.Sum(b[j] * s.Sum(A[j, i], I) ** 2, J), (vb * vA.sum(1) ** 2).sum()),
    (s.Sum(s.Sum(a[i] * b[j], I), J), va.sum() * vb.sum()),
    (s.Sum(b[j] * s.Sum(a[k], (k, 0, n - 1)), J), va.sum() * vb.sum()),
    (s.Sum(s.exp(a[i]), I) / n, np.exp(va).mean()),
    (s.Sum(a[i] + x, I), va.sum() + 4 * 1.5),
    (s.Sum(x, (i, 0, 9)), 15.0),
    (s.Sum(x, (i, 0, -1)), 0.0),
    (s.Product(a[i], I), va.prod()),
    (s.Product(x, (i, 1, 3)), 1.5**3),
    (s.Sum(i**2, (i, 1, 10)), 385.0),
    (s.Sum(x**i / s.factorial(i), (i, 0, 30)), np.exp(1.5)),
    (s.log(s.Sum(s.exp(a[i]), I)), np.log(np.exp(va).sum())),
    (s.Sum(s.Piecewise((a[i], a[i] > 0), (0, True)), I), va[va > 0].sum()),
]


@pytest.mark.parametrize(("expression", "expected"), SUMS, ids=lambda e: str(e) if isinstance(e, s.Basic) else "")
def test_sums_agree_with_numpy(expression: Any, expected: float) -> None:
    np.testing.assert_allclose(run(expression, ALL), expected, rtol=1e-13)


def test_an_index_with_a_range_of_its_own_needs_no_bounds() -> None:
    index = s.Idx("i", n)
    assert run(s.Sum(a[index], index), ALL) == pytest.approx(va.sum())


def test_bounds_name_the_dimensions() -> None:
    graph, _ = graph_of(s.Sum(A[j, i] * a[i], I, J))
    assert {str(graph.type(node)) for node in graph.inputs.values()} == {"float64[m, n]", "float64[n]"}


def test_shapes_and_types_are_taken_where_they_are_given() -> None:
    fixed = s.IndexedBase("c", shape=(3, n))
    assert run(s.Sum(fixed[j, i], I, (j, 0, 2)), {fixed: vA}) == pytest.approx(vA.sum())
    single = from_sympy(s.Sum(a[i] * s.Rational(1, 3), I), types={a: "float32[n]"})
    assert single.dtype == "float32"


def test_a_number_of_elements_is_a_size_unless_it_is_an_input() -> None:
    _, names = graph_of(s.Sum(a[i], I) / n)
    assert list(names) == [a]
    _, names = graph_of(s.Sum(a[i], I) / n, inputs=[n])
    assert set(names) == {a, n}


def test_elements_at_known_places_are_picked() -> None:
    c = s.IndexedBase("c", shape=(3, 4))
    assert run(c[1, 2] - c[0, 3], {c: vA}) == vA[1, 2] - vA[0, 3]
    np.testing.assert_allclose(run(s.Sum(c[1, i], (i, 0, 3)), {c: vA}), vA[1].sum())
    np.testing.assert_allclose(run(s.Sum(c[i, 1], (i, 0, 2)), {c: vA}), vA[:, 1].sum())


def test_array_symbols_and_matrix_symbols_are_indexed_alike() -> None:
    Z, M = ArraySymbol("Z", (3, 4)), s.MatrixSymbol("M", m, n)
    assert run(s.Sum(Z[j, i], (i, 0, 3), (j, 0, 2)), {Z: vA}) == pytest.approx(vA.sum())
    assert run(s.Sum(M[j, i] * a[i], I, J), {M: vA, a: va}) == pytest.approx((vA @ va).sum())


def test_arrays_declared_for_scalars_broadcast_through_a_sum() -> None:
    points = np.array([0.5, 1.0, 2.0])
    found = run(s.Sum(a[i] * s.sin(x * a[i]), I), {a: va, x: points}, types={x: "float64[points]"})
    np.testing.assert_allclose(found, [(va * np.sin(p * va)).sum() for p in points])


def test_sums_over_the_same_range_are_read_once() -> None:
    inner = s.Sum(a[i] ** 2, I)
    variable = from_sympy(s.Add(inner, s.Sum(a[i] ** 2, I), evaluate=False))
    assert variable.operands[0] is variable.operands[1]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        (s.Sum(a[i + 1], I), "shifted"),
        (s.Sum(A[i, i], I), "stands twice"),
        (a[i], "free"),
        (s.Sum(a[i] * b[j], I), "summed over"),
        (s.Sum(A[i, j], (j, 0, i), I), "depends on another index"),
        (s.Sum(i * a[i], I), "known integers"),
        (s.Sum(1 / i**2, (i, 1, s.oo)), "no known size"),
        (s.Sum(s.IndexedBase("c", shape=(5,))[i], (i, 0, 3)), "only whole axes"),
        (s.Sum(a[i], (i, 0, n - 1)) + s.Sum(a[i], (i, 0, n - 2)), "only whole axes"),
        (s.IndexedBase("c", shape=(5,))[7], "known size"),
        (s.IndexedBase("c", shape=(5,), offset=2)[1], "offset"),
        (s.Sum(s.Idx("i") * x, (j, 0, 3)), "not summed over"),
    ],
    ids=lambda e: str(e)[:30],
)
def test_what_is_no_whole_axis_gets_one_clear_error(expression: Any, says: str) -> None:
    with pytest.raises(UnsupportedExpression, match=says) as caught:
        from_sympy(expression)
    assert len(str(caught.value)) < 300
