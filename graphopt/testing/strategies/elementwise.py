"""How elementwise ops are applied to what a draft has: any op with that trait, a stranger's too.

Operands come from the values that lie where the op is tame and whose dtypes it takes. One that is nowhere to be had is
a new input that is declared to lie there, or a constant.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import graphopt.tensor as T
from graphopt.op import Op
from graphopt.ops.arithmetic import cast
from graphopt.testing.domains import PARAMETERS, WHOLE, Interval
from graphopt.testing.strategies.draft import Application, Draft, Value
from graphopt.testing.strategies.intervals import domain_of, image, inside, loop, permitted, safe
from graphopt.testing.strategies.sizes import fit
from graphopt.types import DTYPES, is_float

__all__ = ["elementwise", "jumps", "recast", "where"]

_JUMPS = frozenset({
    "sign", "floor", "ceil", "trunc", "rint", "floor_divide", "remainder", "fmod", "heaviside", "copysign", "nextafter",
    "frexp_mantissa",
})  # fmt: skip
"""Ops of floats to floats that are not continuous. Those of floats to anything else never are."""
_UNROUNDED = frozenset({
    "negative", "absolute", "maximum", "minimum", "fmax", "fmin", "sign", "floor", "ceil", "trunc", "rint", "heaviside",
    "copysign", "frexp_mantissa", "times_power_of_two", "fmod", "barrier",
})  # fmt: skip
"""Ops of floats that give their results without rounding."""
_TRIED = (1.0, 0.5, 2.0, 0.0, 3.0)
"""Numbers that stand for an operand where nothing else that was drawn keeps the result small."""


@lru_cache
def jumps(op: Op, dtype: str) -> bool:
    """Whether an op is discontinuous in operands of a dtype."""
    if not is_float(dtype):
        return False
    found = loop(op, (dtype,) * (op.arity or 1))
    return op.name in _JUMPS or (found is not None and not is_float(found[1]))


@lru_cache
def elementwise(op: Op) -> Application:
    """The application of an elementwise op without attributes."""
    arity = op.arity or 1
    symmetric = arity == 1 or "commutative" in op.traits
    parameters = PARAMETERS.get(op.name, 0)
    free = list(range(parameters, arity)) or list(range(arity))

    def fits(value: Value, position: int) -> bool:
        return (
            inside(value.interval, safe(op, position))
            and loop(op, (value.dtype,) * arity) is not None
            and (value.steady or not jumps(op, value.dtype))
        )

    def apply(draft: Draft) -> Value | None:
        position = free[0] if symmetric else draft.choose(free)
        first = draft.operand(lambda value: fits(value, position))
        if first is None:
            where = domain_of(op, position)
            dtype = next((d for d in _wanted(draft, where) if loop(op, (d,) * arity) is not None), None)
            if dtype is None:
                return None
            first = draft.leaf(where, dtype)
        chosen: dict[int, Value | float] = {position: first}
        shape = first.shape
        for other in range(arity):
            if other == position:
                continue
            candidates: list[Value] = []
            if other >= parameters:
                candidates = [v for v in draft.values if fits(v, other) and fit(v.shape, shape) is not None]
            found = draft.below(len(candidates) + 1)
            if found < len(candidates):
                chosen[other] = candidates[-1 - found]
                shape = fit(candidates[-1 - found].shape, shape) or shape
            else:
                chosen[other] = _number(draft, op, other)
        operands = [chosen[k] for k in range(arity)]
        tried: list[list[Value | float]] = [
            operands,
            *([first if k == position else n for k in range(arity)] for n in _TRIED),
        ]
        return next((made for attempt in tried if (made := _applied(op, attempt)) is not None), None)

    return apply


def _wanted(draft: Draft, interval: Interval) -> list[str]:
    """Dtypes of leaves that have values in an interval, those of the draft's values first."""
    dtypes = dict.fromkeys((*(v.dtype for v in draft.values), "int64", "bool"))
    return [d for d in dtypes if is_float(d) or inside((0.0, 1.0) if d == "bool" else (1.0, 1.0), interval)]


def _number(draft: Draft, op: Op, position: int) -> float:
    number = draft.number(domain_of(op, position) if position < PARAMETERS.get(op.name, 0) else safe(op, position))
    return float(round(number)) if op.name in WHOLE and position == 0 else number


def _applied(op: Op, operands: list[Value | float]) -> Value | None:
    """The op applied to values and numbers, if it has a meaning there and stays small."""
    dtypes = {operand.dtype for operand in operands if isinstance(operand, Value)}
    floats = any(is_float(dtype) for dtype in dtypes)
    made: list[Any] = []
    kinds: list[Any] = []
    intervals: list[Interval] = []
    for operand in operands:
        if isinstance(operand, Value):
            made.append(operand.variable)
            kinds.append(operand.dtype)
            intervals.append(operand.interval)
            continue
        number: Any = operand if floats else round(operand)
        if not floats and any(dtype.startswith("u") for dtype in dtypes):
            number = abs(number)
        if dtypes == {"bool"}:
            number = bool(number)
        made.append(number)
        kinds.append("bool" if isinstance(number, bool) else type(number))
        intervals.append((float(number), float(number)))
    found = loop(op, tuple(kinds))
    if found is None:
        return None
    computed, result = found
    if not permitted(op, tuple(intervals), computed):
        return None
    steady = all(operand.steady for operand in operands if isinstance(operand, Value))
    steady &= op.name in _UNROUNDED or not is_float(result)
    return Value(op(*made), image(op, tuple(intervals), computed), steady)


def where(draft: Draft) -> Value | None:
    """Elements of two values, or of a value and a number, chosen by a condition."""
    x = draft.operand(lambda value: value.is_float)
    if x is None:
        return None
    condition = draft.condition(x.shape)
    candidates = [v for v in draft.values if v.dtype == x.dtype and fit(v.shape, x.shape) is not None]
    found = draft.below(len(candidates) + 1)
    y: Value | None = candidates[-1 - found] if found < len(candidates) else None
    if y is not None and fit(y.shape, x.shape, condition.shape) is None:
        y = None
    number = draft.number() if y is None else 0.0
    other = y.interval if y is not None else (number, number)
    interval = min(x.interval[0], other[0]), max(x.interval[1], other[1])
    made = T.where(condition.variable, x.variable, y.variable if y is not None else number)
    return Value(made, interval, x.steady and condition.steady and (y is None or y.steady))


def recast(draft: Draft) -> Value | None:
    """A value in another dtype that holds it; floats become integers only if no rounding has touched them."""
    x = draft.operand(lambda value: True)
    if x is None:
        return None
    choices = [
        dtype for dtype in DTYPES
        if dtype != x.dtype and (is_float(dtype) or x.steady or not x.is_float)
        and not (dtype.startswith("u") and x.interval[0] < 0)
    ]  # fmt: skip
    dtype = draft.choose(choices[::-1])
    low, high = x.interval
    interval = (
        (0.0, 1.0) if dtype == "bool" else (low, high) if is_float(dtype) else (float(int(low)), float(int(high)))
    )
    return Value(
        cast(x.variable, dtype=dtype), interval, x.steady and not (x.dtype == "float64" and dtype == "float32")
    )
