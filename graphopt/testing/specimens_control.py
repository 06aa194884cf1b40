"""Specimens of what steers programs and derivatives: branches, checks, derivatives of one's own, and none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import graphopt.tensor as T
from graphopt.autodiff import custom_derivative
from graphopt.testing.specimen import Convention, Operand, Specimen, fixed, squared, within
from graphopt.variable import Variable

__all__ = ["control_specimens"]

_TWO = Operand((2,), within(-2.0, 2.0))
_NUMBER = Operand((), within(-2.0, 2.0))
_TRUE, _FALSE = (Operand((), fixed(value), "bool") for value in (True, False))


def control_specimens() -> Iterator[Specimen]:
    """Specimens of all of them. What is written as `if_else` is `cond` in a graph."""
    for op in ("if_else", "cond"):
        yield from (replace(specimen, op=op) for specimen in _BRANCHES)
    yield from _CHECKED
    yield from _OWN


def _branches(condition: Any, x: Variable, y: Variable) -> Variable:
    result: Variable = T.cond(condition, T.sin(x) * y, x + T.exp(y))
    return result


def _nested(condition: Any, x: Variable) -> Variable:
    shared = x * x
    result: Variable = T.cond(condition, T.cond(T.sum(shared) > -1, shared * x, x), T.exp(shared))
    return result


_BRANCHES = [
    Specimen("cond", "the first branch", _branches, (_TRUE, _TWO, _TWO), (1, 2)),
    Specimen("cond", "the second branch", squared(_branches), (_FALSE, _TWO, _TWO), (1, 2)),
    Specimen("cond", "a branch in a branch", squared(_nested), (_TRUE, _TWO), (1,)),
    Specimen("cond", "branches that use what both need", _nested, (_FALSE, _TWO), (1,)),
    Specimen("cond", "branches of their own", lambda c, x, y: T.cond(c, x * x, T.sin(y)), (_TRUE, _TWO, _TWO), (1, 2)),
    Specimen("cond", "of which one varies", squared(_branches), (_TRUE, _TWO, _TWO), (2,)),
    Specimen("cond", "a condition on the operand", lambda x: T.cond(x > 0, T.exp(x), T.cos(x)), (_NUMBER,), (0,)),
]

_CHECKED = [
    Specimen("check", "as it is", lambda x: T.check(x, x > -9, "too small"), (_TWO,), (0,)),
    Specimen("check", "squared", squared(lambda x: T.check(T.sin(x), x > -9, "too small")), (_TWO,), (0,)),
]


# --- derivatives of one's own -----------------------------------------------------------------------------------------


@custom_derivative
def _exponential(x: Any) -> Any:
    """Has a pullback alone."""
    return T.exp(x)


@_exponential.pullback
def _(g: Any, node: Any) -> Sequence[Any]:
    return [g * node.result]


@custom_derivative
def _weighted(x: Any, y: Any, *, power: int) -> Any:
    """Has both rules, and an option."""
    return x**power * y


@_weighted.pullback
def _(g: Any, node: Any) -> Sequence[Any]:
    (x, y), power = node.operands, node.attributes["power"]
    return [g * power * x ** (power - 1) * y, g * x**power]


@_weighted.pushforward
def _(tangents: Sequence[Any], node: Any) -> Any:
    (x, y), power = node.operands, node.attributes["power"]
    parts = [power * x ** (power - 1) * y, x**power]
    moved = [slope * tangent for slope, tangent in zip(parts, tangents, strict=True) if tangent is not None]
    return sum(moved[1:], moved[0])


_OWN = [
    Specimen("with_derivative", "a pullback alone", _exponential, (_TWO,), (0,)),
    Specimen("with_derivative", "a pullback alone, squared", squared(_exponential), (_TWO,), (0,)),
    Specimen("with_derivative", "both rules", lambda x, y: _weighted(x, y, power=3), (_TWO, _TWO), (0, 1)),
    Specimen("with_derivative", "of which one varies", lambda x, y: _weighted(x, y, power=3), (_TWO, _TWO), (1,)),
    Specimen("with_derivative", "one operand twice", squared(lambda x: _weighted(x, T.sin(x), power=2)), (_TWO,), (0,)),
    Specimen(
        "stop_gradient", "beside what moves", lambda x: x * T.stop_gradient(T.floor(x)), (_TWO,), (0,),
        (Convention(([1.5, -2.5],), ([1.0, -3.0],)),),
    ),
    Specimen(
        "stop_gradient", "of what moves", lambda x: x * T.stop_gradient(x), (_TWO,), (0,),
        (Convention(([1.5, -2.5],), ([1.5, -2.5],)),), generic=False,
    ),
]  # fmt: skip
