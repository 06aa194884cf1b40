"""What SymPy's normal form hides is recovered: differences, quotients, roots, small powers, exact numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy as s
from sympy_oracle import close, exactly, grid, run, truth

from graphopt.frontend import from_sympy
from graphopt.graph.build import topological

x, y, z = s.symbols("x y z")
n, m = s.symbols("n m", integer=True)


def ops(expression: Any, **settings: Any) -> list[str]:
    """The ops of an imported expression, without leaves, in order of evaluation."""
    nodes = topological([from_sympy(expression, **settings)])
    return [node.op.name for node in nodes if "leaf" not in node.op.traits]


def numbers(expression: Any, **settings: Any) -> list[float]:
    nodes = topological([from_sympy(expression, **settings)])
    return [node.attributes["value"] for node in nodes if node.op.name == "constant"]


RECOVERED = [
    (x - y, ["subtract"]),
    (x - 1, ["subtract"]),
    (-x - y, ["add", "negative"]),
    (y - 2 * x, ["multiply", "subtract"]),
    (x / y, ["divide"]),
    (1 / x, ["divide"]),
    (-x / y, ["divide", "negative"]),
    (-1 / x, ["divide"]),
    (x / (y * z), ["multiply", "divide"]),
    (x / y**2, ["square", "divide"]),
    (-x, ["negative"]),
    (x / 3, ["divide"]),
    (2 * x / 3, ["multiply", "divide"]),
    (s.sqrt(x), ["sqrt"]),
    (1 / s.sqrt(x), ["sqrt", "divide"]),
    (x / s.sqrt(y), ["sqrt", "divide"]),
    (x ** s.Rational(3, 2), ["sqrt", "multiply"]),
    (x**2, ["square"]),
    (x**3, ["square", "multiply"]),
    (x**8, ["square"] * 3),
    (x**-2, ["square", "divide"]),
    (x**9, ["power"]),
    (x ** s.Float(2), ["square"]),
    (x ** s.Float("0.5"), ["sqrt"]),
    (x ** s.Rational(1, 3), ["power"]),
    (x**y, ["power"]),
    (2**x, ["exp2"]),
    (s.exp(x), ["exp"]),
    (s.Pow(s.E, x, evaluate=False), ["exp"]),
    (s.exp(-x), ["negative", "exp"]),
    (s.log(x) / s.log(2), ["log", "log", "divide"]),
]


@pytest.mark.parametrize(("expression", "expected"), RECOVERED, ids=lambda e: str(e) if isinstance(e, s.Basic) else "")
def test_arithmetic_comes_back_as_people_write_it(expression: Any, expected: list[str]) -> None:
    assert sorted(ops(expression)) == sorted(expected)
    for point in grid(x, y, z, count=2):
        exact = not expression.has(s.Rational(1, 3))
        assert close(exactly(expression, point), truth(expression, point), 30 if exact else 14)


def test_unevaluated_structure_is_imported_as_it_stands() -> None:
    assert ops(s.Add(x, s.Mul(-1, x, evaluate=False), evaluate=False)) == ["subtract"]
    assert ops(s.Mul(x, s.Pow(x, -1, evaluate=False), evaluate=False)) == ["divide"]
    assert ops(s.Add(1, 2, evaluate=False)) == ["add"]
    assert ops(s.Mul(2, s.Add(x, y, evaluate=False), evaluate=False)) == ["add", "multiply"]
    assert ops(s.log(s.exp(x, evaluate=False), evaluate=False)) == ["exp", "log"]
    assert ops(s.sin(0, evaluate=False)) == ["sin"]


def test_the_order_of_an_unevaluated_sum_is_kept() -> None:
    values = {x: 1.0, y: 1e16, z: -1e16}
    assert run(s.Add(y, z, x, evaluate=False), values) == 1.0
    assert run(s.Add(x, y, z, evaluate=False), values) == 0.0


def test_an_unevaluated_reciprocal_of_a_fraction_is_four_thirds() -> None:
    expression = s.Pow(s.Rational(3, 4), -1, evaluate=False)
    assert run(expression, {}) == 4 / 3
    assert run(s.Mul(x, expression, evaluate=False), {x: 1.0}) == 4 / 3


def test_one_half_is_not_zero() -> None:
    assert run(s.Rational(1, 2) * n, {n: 3}) == 1.5
    assert run(n ** s.Rational(1, 2), {n: 9}) == 3
    assert run(1 / n, {n: 2}) == 0.5
    assert run(n**-9, {n: 2}) == 2.0**-9
    assert run(n**m, {n: 2, m: -1}) == 0.5
    assert run(2**m, {m: -2}) == 0.25


def test_a_third_of_x_is_one_division() -> None:
    assert numbers(x / 3) == [3.0]
    assert run(x / 3, {x: 5.0}) == 5.0 / 3.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "number",
    [s.Rational(1, 3), s.Rational(10**40 + 1, 3 * 10**39), s.pi, s.E, s.Float("0.1", 60), s.EulerGamma,
     s.Rational(16777217, 16777216 * 3)],
    ids=lambda e: str(e)[:12],
)  # fmt: skip
def test_numbers_are_rounded_once_and_correctly(number: Any, dtype: str) -> None:
    (found,) = numbers(x + number, types={x: dtype})
    spacing = Fraction(float(np.spacing(np.dtype(dtype).type(found))))
    if isinstance(number, s.Rational):
        exact = Fraction(int(number.p), int(number.q))
    else:
        exact = Fraction(str(number.evalf(80)))
    assert abs(Fraction(found) - exact) <= spacing / 2


def test_numbers_beyond_every_dtype_become_infinite_or_zero() -> None:
    assert numbers(s.Add(x, s.Integer(10) ** 400, evaluate=False)) == [np.inf]
    assert numbers(s.Mul(s.Float("1e-100000", 15), x, evaluate=False)) == [0.0]
    assert numbers(s.Add(x, s.Float("-1e100000", 15), evaluate=False)) in ([np.inf], [-np.inf])


def test_numbers_take_the_dtype_of_what_they_meet() -> None:
    types = {x: "float32"}
    for expression in (x / 3, s.pi * x, s.sqrt(2) * x, x + s.exp(2), s.Piecewise((x, x > 0), (1, True)), x**2.5):
        assert from_sympy(expression, types).dtype == "float32", expression
    assert from_sympy(n + 1).dtype == "int64"
    assert from_sympy(n * (n + 1) / 2).dtype == "float64"
    assert from_sympy(s.Piecewise((1, n > 0), (2, True))).dtype == "int64"
    assert from_sympy(s.Integer(3)).dtype == "float64"


def test_equal_subexpressions_become_one_variable() -> None:
    once = s.sin(s.Mul(x, y, evaluate=False), evaluate=False)
    again = s.sin(s.Mul(x, y, evaluate=False), evaluate=False)
    assert ops(s.Add(once, again, evaluate=False)) == ["multiply", "sin", "add"]
    variable = from_sympy(s.Add(once, again, evaluate=False))
    assert variable.operands[0] is variable.operands[1]


def test_an_integer_and_a_float_of_the_same_value_are_told_apart() -> None:
    expression = s.Tuple(n + 1, n + s.Float(1.0))
    assert [run(part, {n: 1}).dtype.name for part in expression] == ["int64", "float64"]
    from graphopt.frontend import Importer

    first, second = Importer().convert(expression)
    assert (first.dtype, second.dtype) == ("int64", "float64")
