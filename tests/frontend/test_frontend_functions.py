"""Every scalar function of the table against mpmath, and what it becomes."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as s
from sympy.codegen import cfunctions as c
from sympy.codegen.numpy_nodes import logaddexp, logaddexp2
from sympy.codegen.scipy_nodes import cosm1, powm1
from sympy_oracle import close, exactly, grid, run, truth

from graphopt.errors import UnsupportedExpression
from graphopt.frontend import from_sympy

x, y, z = s.symbols("x y z")
p, q = s.symbols("p q")

NEAR_ONE = [f(x) for f in (
    s.exp, s.log, s.sin, s.cos, s.tan, s.atan, s.sinh, s.cosh, s.tanh, s.asinh, s.sec, s.csc, s.cot, s.acot, s.sech,
    s.csch, s.coth, s.acsch, s.sinc, s.Abs, s.sign, s.floor, s.ceiling, s.frac, s.erf, s.erfc, s.gamma, s.loggamma,
    s.digamma, s.factorial, s.sqrt, s.cbrt, s.re,
)]  # fmt: skip
WITHIN_ONE = [f(x) for f in (s.asin, s.acos, s.atanh, s.asech)]
ABOVE_ONE = [f(x) for f in (s.acosh, s.asec, s.acsc, s.acoth)]
TWO = [
    s.atan2(y, x), s.Mod(x, y), s.Mod(-x, y), s.Mod(x, -y), s.Max(x, y, z), s.Min(x, y, z), s.log(x, 3, evaluate=False),
    s.log(x, y, evaluate=False), x**y, y ** (-x), 2**x, s.polygamma(1, x), s.Heaviside(x - y),
    s.Piecewise((x, x > y), (y**2, x > y / 2), (z, True)), s.KroneckerDelta(x, y), s.conjugate(x) + s.im(x),
]  # fmt: skip
WITH_CONSTANTS = [s.pi * x, s.E * x, s.EulerGamma + x, s.Catalan * x, s.GoldenRatio / x, s.Float("0.1", 40) * x,
                  s.Rational(1, 3) + x, x ** s.Rational(1, 3), s.sqrt(2) * x, s.exp(1) * x]  # fmt: skip


@pytest.mark.parametrize("expression", NEAR_ONE + TWO, ids=str)
def test_functions_agree_with_mpmath(expression: Any) -> None:
    for point in grid(x, y, z):
        assert close(exactly(expression, point), truth(expression, point), 15 if expression.has(s.cbrt(x)) else 30)


@pytest.mark.parametrize("expression", WITHIN_ONE, ids=str)
def test_functions_of_the_unit_interval_agree_with_mpmath(expression: Any) -> None:
    for point in grid(x, low=0.1, high=0.9):
        assert close(exactly(expression, point), truth(expression, point))


@pytest.mark.parametrize("expression", ABOVE_ONE, ids=str)
def test_functions_beyond_one_agree_with_mpmath(expression: Any) -> None:
    for point in grid(x, low=1.1, high=4):
        assert close(exactly(expression, point), truth(expression, point))


@pytest.mark.parametrize("expression", WITH_CONSTANTS, ids=str)
def test_constants_are_rounded_once_to_float64(expression: Any) -> None:
    for point in grid(x):
        expected = float(truth(expression, point))
        assert abs(float(run(expression, point)) - expected) <= 4 * np.spacing(abs(expected))


@pytest.mark.parametrize(
    ("made", "plain"),
    [
        (c.expm1(x), s.exp(x) - 1), (c.log1p(x), s.log(1 + x)), (c.exp2(x), 2**x), (c.log2(x), s.log(x) / s.log(2)),
        (c.log10(x), s.log(x) / s.log(10)), (c.fma(x, y, z), x * y + z), (c.Sqrt(x), s.sqrt(x)),
        (c.Cbrt(x), s.cbrt(x)), (c.hypot(x, y), s.sqrt(x**2 + y**2)), (logaddexp(x, y), s.log(s.exp(x) + s.exp(y))),
        (logaddexp2(x, y), s.log(2**x + 2**y) / s.log(2)), (cosm1(x), s.cos(x) - 1), (powm1(x, y), x**y - 1),
    ],
    ids=str,
)  # fmt: skip
def test_functions_of_code_generation_mean_what_their_definition_says(made: Any, plain: Any) -> None:
    for point in grid(x, y, z):
        assert close(exactly(made, point), truth(plain, point))


def test_isnan_and_isinf_classify() -> None:
    for expression, value in ((c.isnan(x), math.nan), (c.isinf(x), -math.inf)):
        assert run(expression, {x: value}) and not run(expression, {x: 1.0})


def test_what_is_held_unevaluated_is_read_through() -> None:
    assert run(s.UnevaluatedExpr(x + 1) * 2, {x: 2.0}) == 6


def test_sinc_is_one_at_zero() -> None:
    assert run(s.sinc(x), {x: 0.0}) == 1.0


def test_cosm1_does_not_cancel() -> None:
    assert run(cosm1(x), {x: 1e-9}) == pytest.approx(-5e-19, rel=1e-12, abs=0)


def test_the_argument_of_a_real_number_is_zero_or_pi() -> None:
    assert run(s.arg(x), {x: -2.0}) == math.pi and run(s.arg(x), {x: 2.0}) == 0


def test_a_step_has_the_value_at_zero_that_it_states() -> None:
    assert run(s.Heaviside(x), {x: 0.0}) == 0.5 and run(s.Heaviside(x, 1), {x: 0.0}) == 1


def test_infinities_and_nan_are_those_of_ieee() -> None:
    assert run(s.Max(x, -s.oo, evaluate=False), {x: 2.0}) == 2
    assert run(s.Add(x, s.oo, evaluate=False), {x: 2.0}) == math.inf
    assert math.isnan(run(s.Add(x, s.nan, evaluate=False), {x: 2.0}))


CHOICES = [
    (s.And(x > 0, y > 0, z > 0), lambda x, y, z: x > 0 and y > 0 and z > 0),
    (s.Or(x > 0, y > 0, z > 0), lambda x, y, z: x > 0 or y > 0 or z > 0),
    (s.Xor(x > 0, y > 0, z > 0), lambda x, y, z: (x > 0) ^ (y > 0) ^ (z > 0)),
    (s.Not(s.And(x > 0, y >= 0)), lambda x, y, z: not (x > 0 and y >= 0)),
    (s.Implies(x > 0, y > 0), lambda x, y, z: not x > 0 or y > 0),
    (s.Equivalent(x > 0, y > 0, z > 0), lambda x, y, z: (x > 0) == (y > 0) == (z > 0)),
    (s.ITE(x > 0, y > 0, z > 0), lambda x, y, z: (y > 0) if x > 0 else (z > 0)),
    (s.Ne(x, y), lambda x, y, z: x != y),
    (s.Eq(x, y), lambda x, y, z: x == y),
    (s.And(x < y, y <= z), lambda x, y, z: x < y <= z),
    (s.Contains(x, s.Interval.Ropen(-1, y), evaluate=False), lambda x, y, z: -1 <= x < y),
    (s.Contains(x, s.Interval.open(0, s.oo), evaluate=False), lambda x, y, z: x > 0),
    (s.Contains(x, s.FiniteSet(1, y), evaluate=False), lambda x, y, z: x in (1, y)),
    (s.Nand(x > 0, y > 0), lambda x, y, z: not (x > 0 and y > 0)),
]


@pytest.mark.parametrize(("expression", "meaning"), CHOICES, ids=lambda e: str(e) if isinstance(e, s.Basic) else "")
def test_logic_has_the_values_of_python(expression: Any, meaning: Any) -> None:
    for a in (-1.0, 0.0, 1.0):
        for b in (-1.0, 0.0, 1.0):
            for d in (-1.0, 1.0):
                found = run(expression, {x: a, y: b, z: d})
                assert found.dtype == bool and found == meaning(a, b, d)


def test_symbols_under_logic_are_truth_values() -> None:
    variable = from_sympy(s.And(p, s.Or(q, x > 0)))
    assert {v.dtype for v in variable.operands if v.op.name == "input"} == {"bool"}
    assert from_sympy(s.ITE(p, q, ~q)).dtype == "bool"
    assert run(s.Piecewise((1, p), (2, True)), {p: False}) == 2


def test_a_case_that_no_condition_meets_is_nan() -> None:
    assert math.isnan(run(s.Piecewise((x, x > 0)), {x: -1.0}))
    assert run(s.Piecewise((x, x > 0)), {x: 1.0}) == 1


def test_the_first_condition_that_holds_decides() -> None:
    expression = s.Piecewise((1, x > 0), (2, x > -1), (3, x > -2), (4, True))
    assert [float(run(expression, {x: v})) for v in (1.0, -0.5, -1.5, -3.0)] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        (s.I * x, "I"),
        (s.zoo, "zoo"),
        (s.exp_polar(x), "polar"),
        (s.LambertW(x, 2), "LambertW"),
        (s.polygamma(s.Rational(1, 2), x), "whole orders"),
        (s.elliptic_pi(x, y), "elliptic_pi"),
        (s.Integral(x**2, x), "integral"),
        (s.Limit(s.sin(x) / x, x, 0), "limit"),
        (s.DiracDelta(x), "distribution"),
        (s.Function("f")(x), "functions={f: …}"),
        (s.Derivative(s.Function("f")(x), x), "f(x)"),
        (s.Symbol("A", commutative=False) * x, "commute"),
        (s.Contains(x, s.S.Integers, evaluate=False), "intervals"),
        ("x + 1", "found str"),
        (object(), "found object"),
    ],
    ids=lambda e: str(e)[:20],
)
def test_what_has_no_meaning_gets_one_error_that_names_it(expression: Any, says: str) -> None:
    with pytest.raises(UnsupportedExpression) as caught:
        from_sympy(expression)
    message = str(caught.value)
    assert says in message and "\n" not in message and len(message) < 300


def test_an_error_inside_a_large_expression_stays_short_and_names_its_neighbourhood() -> None:
    large = s.Add(*[s.sin(k * x) for k in range(1, 500)], s.I * s.cos(y))
    with pytest.raises(UnsupportedExpression, match=r"I: only real numbers .* found in I\*cos\(y\)"):
        from_sympy(large)


def test_mpmath_is_left_in_its_precision() -> None:
    before = mpmath.mp.dps
    run(s.pi * x, {x: 1.0})
    assert mpmath.mp.dps == before
