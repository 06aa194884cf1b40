"""Specimens of elementwise ops: made from the table of ops and their domains, and those that need more than that."""

from __future__ import annotations

import math
from collections.abc import Iterator

import graphopt.tensor as T
from graphopt.errors import TypeMismatch
from graphopt.op import Op
from graphopt.ops import TABLE
from graphopt.testing.domains import PARAMETERS, WHOLE, domain
from graphopt.testing.specimen import Convention, Draw, Operand, Shape, Specimen, fixed, squared, within
from graphopt.types import is_float
from graphopt.variable import Variable, variable

__all__ = ["elementwise_specimens"]

_SHAPES: dict[int, tuple[tuple[Shape, ...], tuple[Shape, ...]]] = {
    1: (((2,),), ((),)),
    2: (((2,), (2,)), ((2, 1), (3,))),
    3: (((2,), (2,), (2,)), ((2, 1), (), (3,))),
}
"""By arity: operands of one shape, and those that broadcast, or a number."""

_FEWER: dict[int, tuple[tuple[Shape, ...], tuple[Shape, ...]]] = {
    1: (((),), ((),)),
    2: (((), ()), ((2,), ())),
    3: (((), (), ()), ((), (), (2,))),
}
"""The same for functions that it takes milliseconds to compute in high precision."""

_WIDE = within(-4.0, 4.0)
_EXPONENTS = (0, 1, 2, 3, -1, 0.5, -2.5)

_CONVENTIONS: dict[str, tuple[Convention, ...]] = {
    "absolute": (Convention(([0.0, -0.0],), ([0.0, 0.0],)),),
    "maximum": (Convention(([2.0, 1.0], [2.0, 3.0]), ([0.5, 0.0], [0.5, 1.0])),),
    "minimum": (Convention(([2.0, 1.0], [2.0, 3.0]), ([0.5, 1.0], [0.5, 0.0])),),
    "fmax": (
        Convention(([2.0, 1.0], [2.0, 3.0]), ([0.5, 0.0], [0.5, 1.0])),
        Convention(([2.0, math.nan], [math.nan, 3.0]), ([1.0, 0.0], [0.0, 1.0])),
    ),
    "fmin": (
        Convention(([2.0, 1.0], [2.0, 3.0]), ([0.5, 1.0], [0.5, 0.0])),
        Convention(([2.0, math.nan], [math.nan, 3.0]), ([1.0, 0.0], [0.0, 1.0])),
    ),
    "fdim": (Convention(([2.0, 3.0], [2.0, 1.0]), ([0.0, 1.0], [0.0, -1.0])),),
    "power": (
        Convention(([0.0, 0.0], [0.0, 2.0]), ([0.0, 0.0], [0.0, 0.0])),
        Convention(([0.0, 3.0], [1.0, 0.0]), ([1.0, 0.0], [0.0, math.log(3)])),
    ),
    **dict.fromkeys(("floor", "ceil", "trunc", "sign"), (Convention(([0.0, 2.0],), ([0.0, 0.0],)),)),
    "i0e": (Convention((0.0,), (0.0,)),),
    "rint": (Convention(([0.5, -1.5],), ([0.0, 0.0],)),),
}  # fmt: skip


def elementwise_specimens() -> Iterator[Specimen]:
    """Two of every elementwise op of floats that has a pullback, and the others."""
    for op in TABLE.values():
        if "elementwise" in op.traits and op.pullback is not None and op.name not in _OWN and _gives_floats(op):
            yield from _generated(op)
    yield from _POWERS
    yield from _CHOICES
    yield from _CASTS
    yield from _STEPS


def _gives_floats(op: Op) -> bool:
    """Whether an elementwise op of floats has a result of floats that varies with an operand in a known way."""
    arity = op.arity or 0
    try:
        result = op(*[variable(None, "float64") for _ in range(arity)])
    except TypeMismatch:  # it is for integers
        return False
    return is_float(result.dtype) and PARAMETERS.get(op.name, 0) < arity


def _generated(op: Op) -> Iterator[Specimen]:
    arity = op.arity or 0
    draws = [within(*interval) for interval in domain(op.name, arity)]
    if op.name in WHOLE:
        draws[0] = _rounded(draws[0])
    alike, broadcasting = (_FEWER if "host" in op.traits or op.name in PARAMETERS else _SHAPES)[arity]
    wrt = tuple(range(PARAMETERS.get(op.name, 0), arity))
    first = tuple(Operand(*pair) for pair in zip(alike, draws, strict=True))
    other = tuple(Operand(*pair) for pair in zip(broadcasting, draws, strict=True))
    yield Specimen(op.name, "of one shape", op, first, wrt, _CONVENTIONS.get(op.name, ()))
    yield Specimen(op.name, "broadcasting" if arity > 1 else "of a number", squared(op), other, wrt)


def _rounded(draw: Draw) -> Draw:
    def whole(*arguments: object) -> object:
        return draw(*arguments).round()  # type: ignore[arg-type]

    return whole


# --- those that the table does not tell how to use --------------------------------------------------------------------

_TWO = Operand((2,), _WIDE)

_POWERS = [
    Specimen(
        "power", f"with the exponent {c}", squared(lambda x, c=c: x**c), (Operand((2,), within(0.2, 4)),), (0,)
    )
    for c in _EXPONENTS
] + [
    Specimen("power", "of a negative number", lambda x: x**3, (Operand((2,), within(-4, -0.2)),), (0,)),
    Specimen("power", "of a number", lambda x: 2.5**x, (_TWO,), (0,)),
]  # fmt: skip

_CHOICES = [
    Specimen(
        "where", "of one shape", T.where, (Operand((2,), fixed(True, False), "bool"), _TWO, _TWO), (1, 2),
    ),
    Specimen(
        "where", "broadcasting", squared(T.where),
        (Operand((2, 1), fixed(True, False), "bool"), Operand((3,), _WIDE), Operand((), _WIDE)), (1, 2),
    ),
    Specimen(
        "where", "of which one varies", squared(T.where), (Operand((2,), fixed(True, False), "bool"), _TWO, _TWO), (2,)
    ),
    Specimen(
        "where", "with a formula that has no value where it is not taken",
        lambda x: T.where(x > 0, T.log(x), x * x), (Operand((4,), fixed(1.5, -1.5, 0.5, -0.5)),), (0,),
    ),
]  # fmt: skip


def _other(x: Variable) -> str:
    return "float32" if x.dtype == "float64" else "float64"


_CASTS = [
    Specimen("cast", "to the other float dtype", lambda x: T.cast(x, _other(x)), (_TWO,), (0,)),
    Specimen("cast", "there and back", squared(lambda x: T.cast(T.cast(x, _other(x)) * x, x.dtype)), (_TWO,), (0,)),
    Specimen("cast", "to an integer", lambda x: T.cast(T.cast(x, "int64"), x.dtype) * x, (_TWO,), (0,)),
]

_STEPS = [
    Specimen("heaviside", "away from its step", T.heaviside, (_TWO, _TWO), (0, 1)),
    Specimen(
        "heaviside", "at its step", squared(T.heaviside), (Operand((2, 1), fixed(0.0, 1.5)), Operand((3,), _WIDE)), (1,)
    ),
    Specimen(
        "times_power_of_two", "by whole numbers", squared(TABLE["times_power_of_two"]),
        (Operand((2, 1), _WIDE), Operand((3,), fixed(-2.0, 0.0, 3.0))), (0,),
    ),
]  # fmt: skip

_OWN = {specimen.op for specimen in (*_CHOICES, *_CASTS, *_STEPS)}
