"""SymPy's special functions on the way in and on the way out, against mpmath."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as s
from sympy.functions.special.error_functions import erf2
from sympy_oracle import close, exactly, grid, run, truth

from graphopt.errors import UnsupportedExpression
from graphopt.frontend import from_sympy, to_sympy
from graphopt.frontend.special_functions import MAKERS
from graphopt.ops import TABLE
from graphopt.testing.domains import WHOLE, domain
from graphopt.variable import variable

x, y, z = s.symbols("x y z")
n = s.symbols("n", integer=True)
HALF = s.Rational(1, 2)

FUNCTIONS = [
    *(f(x) for f in (
        s.erfi, s.Ei, s.Si, s.Ci, s.Shi, s.Chi, s.fresnels, s.fresnelc, s.airyai, s.airyaiprime, s.airybi,
        s.airybiprime, s.LambertW, s.li, s.E1,
    )),
    *(f(order, x) for f in (s.besselj, s.bessely, s.besseli, s.besselk) for order in (0, 1, 2, HALF, y)),
    s.jn(0, x), s.jn(2, x), s.yn(1, x), s.polygamma(2, x), s.polygamma(0, x), s.digamma(x, evaluate=False),
    s.trigamma(x, evaluate=False), s.expint(1, x), s.expint(3, x), s.zeta(x + 2), s.zeta(x + 2, y), s.beta(x, y),
    s.binomial(x + 3, y), s.lowergamma(x, y), s.uppergamma(x, y), s.factorial(x),
]  # fmt: skip
WITHIN_ONE = [
    s.erfinv(x), s.elliptic_k(x), s.elliptic_e(x), s.LambertW(-x / 3, -1),
    s.betainc_regularized(y + 1, z + 2, 0, x), s.betainc(y + 1, z + 2, 0, x), s.betainc_regularized(2, z, x / 2, x),
]  # fmt: skip


@pytest.mark.parametrize("expression", FUNCTIONS, ids=str)
def test_special_functions_agree_with_mpmath(expression: Any) -> None:
    for point in grid(x, y, count=3):
        assert close(exactly(expression, point), truth(expression, point))


@pytest.mark.parametrize("expression", WITHIN_ONE, ids=str)
def test_special_functions_of_the_unit_interval_agree_with_mpmath(expression: Any) -> None:
    for point in grid(x, y, z, low=0.1, high=0.9, count=3):
        known = {symbol: point[symbol] for symbol in expression.free_symbols}
        assert close(exactly(expression, known), truth(expression, known))


def test_functions_that_sympy_does_not_evaluate_mean_what_their_definition_says() -> None:
    for made, plain in ((erf2(x, y), s.erf(y) - s.erf(x)), (s.erfcinv(x), s.erfinv(1 - x))):
        for point in grid(x, y, low=0.1, high=0.9, count=3):
            known = {symbol: point[symbol] for symbol in made.free_symbols}
            assert close(exactly(made, known), truth(plain, known))


def test_orders_that_are_integers_select_the_functions_that_c_has() -> None:
    for expression, name in ((s.besselj(2, x), "jn"), (s.besselj(n, x), "jn"), (s.besselj(1, x), "j1"),
                             (s.bessely(0, x), "y0"), (s.besselj(y, x), "jv")):  # fmt: skip
        assert from_sympy(expression).op.name == name
    assert run(s.besselj(n, x), {n: 3, x: 1.5}) == pytest.approx(0.06096395)


@pytest.mark.parametrize(
    "expression", [s.elliptic_e(x, y), s.polygamma(HALF, x), s.LambertW(x, 2), s.besselj(2, x).rewrite(s.besselj) * s.I]
)
def test_what_has_no_real_value_here_is_refused_by_name(expression: Any) -> None:
    with pytest.raises(UnsupportedExpression):
        from_sympy(expression)


@pytest.mark.parametrize("name", sorted(MAKERS.keys() - {"erfcinv"}))  # which SymPy does not evaluate
def test_an_op_goes_to_sympy_and_keeps_its_value(name: str) -> None:
    op = TABLE[name]
    inputs = [variable(f"x{k}", "float64") for k in range(op.arity or 0)]
    rng = np.random.default_rng(0)
    values: list[float] = [float(rng.uniform(*interval)) for interval in domain(name, op.arity or 0)]
    orders = {0: float(round(values[0]))} if name in WHOLE else {}
    operands = [orders.get(k, x) for k, x in enumerate(inputs)]
    symbols = {s.Symbol(f"x{k}"): value for k, value in enumerate(values) if k not in orders}
    made = to_sympy(op(*operands))
    known = {symbol: value for symbol, value in symbols.items() if symbol in made.free_symbols}
    expected = op.numpy(*[np.asarray(orders.get(k, v)) for k, v in enumerate(values)])
    assert float(truth(made, known)) == pytest.approx(float(expected), rel=1e-11)
