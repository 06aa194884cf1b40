"""Expressions that ship with SymPy: densities, orbitals, polynomials, Jacobians."""

from __future__ import annotations

import itertools
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as s
from sympy import stats
from sympy.physics.hydrogen import R_nl
from sympy_oracle import close, exactly, grid, run, truth

x, y, z = s.symbols("x y z", positive=True)

SCALARS = [
    stats.density(stats.Normal("N", y, z))(x),
    stats.density(stats.Gamma("G", y, z))(x),
    stats.density(stats.Cauchy("C", y, z))(x),
    stats.density(stats.LogNormal("L", y, z))(x),
    stats.density(stats.Weibull("W", y, z))(x),
    stats.density(stats.Logistic("O", y, z))(x),
    R_nl(3, 1, x, 2),
    s.legendre(7, x),
    s.chebyshevt(9, x),
    s.hermite(6, x),
    s.assoc_laguerre(4, 2, x),
    s.diff(s.exp(-(x**2)) * s.sin(y * x) / s.sqrt(z + x), x, y, z),
    s.series(s.tan(x), x, 0, 12).removeO(),
    s.erf(x / s.sqrt(2)) / 2 + s.Rational(1, 2),
]


@pytest.mark.parametrize("expression", SCALARS, ids=lambda e: str(e)[:30])
def test_models_agree_with_mpmath(expression: Any) -> None:
    for point in grid(x, y, z):
        found, expected = exactly(expression, point), truth(expression, point)
        assert close(found, expected, 12)


def test_a_rosenbrock_hessian_agrees_with_lambdify() -> None:
    names = s.symbols("x0:8")
    cost = s.Add(*[100 * (b - a**2) ** 2 + (1 - a) ** 2 for a, b in itertools.pairwise(names)])
    hessian = s.hessian(cost, names)
    point = dict(zip(names, np.linspace(-1, 2, 8), strict=True))
    expected = s.lambdify(names, hessian, modules="numpy")(*point.values())
    np.testing.assert_allclose(run(hessian, point), expected, rtol=1e-13, atol=1e-12)


def test_black_scholes_agrees_with_mpmath() -> None:
    spot, strike, rate, sigma, years = symbols = s.symbols("S K r sigma T", positive=True)
    d1 = (s.log(spot / strike) + (rate + sigma**2 / 2) * years) / (sigma * s.sqrt(years))
    normal = s.Lambda(x, (1 + s.erf(x / s.sqrt(2))) / 2)
    price = spot * normal(d1) - strike * s.exp(-rate * years) * normal(d1 - sigma * s.sqrt(years))
    point = dict(zip(symbols, (105.0, 100.0, 0.0625, 0.25, 0.5), strict=True))
    with mpmath.workdps(40):
        assert abs(exactly(price, point) - truth(price, point)) < 1e-13
