"""Unevaluated derivatives are taken through the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as s
from sympy_oracle import close, exactly, grid, run, truth

from graphopt.errors import UnsupportedExpression
from graphopt.frontend import from_sympy

pytest.importorskip("graphopt.autodiff")
x, y, t = s.symbols("x y t")
q = s.Function("q")(t)


@pytest.mark.parametrize(
    "expression",
    [
        s.Derivative(s.sin(x) * y**2, x),
        s.Derivative(s.exp(x * y), (x, 2), y),
        s.Derivative(s.log(x**2 + y), x) / x,
        s.Derivative(s.cos(x), y),
    ],
    ids=str,
)
def test_derivatives_agree_with_those_of_sympy(expression: Any) -> None:
    for point in grid(x, y):
        assert close(exactly(expression, point), truth(expression.doit() + 0 * x, point), 25)


def test_a_derivative_by_an_accepted_function_is_taken() -> None:
    assert run(s.Derivative(q**3, q), {q: 2.0}, inputs=[q]) == 12


def test_a_derivative_passes_through_a_sum() -> None:
    i, n = s.symbols("i n", integer=True)
    a = s.IndexedBase("a")
    expression = s.Derivative(s.log(s.Sum(s.exp(x * a[i]), (i, 0, n - 1))), x)
    values = np.array([0.5, 1.0, -2.0])
    weights = np.exp(2 * values)
    assert run(expression, {x: 2.0, a: values}) == pytest.approx((values * weights).sum() / weights.sum())


def test_derivatives_of_arrays_are_refused() -> None:
    with pytest.raises(UnsupportedExpression, match="only scalars are differentiated"):
        from_sympy(s.Derivative(s.sin(x), x), types={x: "float64[n]"})
