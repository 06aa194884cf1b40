"""How leaves, branches, checks and ops are applied that steer rewriting or differentiation without computing."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphopt.tensor as T
from graphopt.autodiff.custom import custom_derivative
from graphopt.dimensions import Dim
from graphopt.ops import control as ops
from graphopt.ops import logic
from graphopt.ops.leaves import barrier, iota
from graphopt.testing.strategies.draft import Draft, Value
from graphopt.testing.strategies.sizes import known, most
from graphopt.types import is_float
from graphopt.variable import as_variable, literal

__all__ = ["array", "branch", "check", "hold", "own_derivative", "positions", "size", "stop"]

_PATTERN = np.array([1.0, -0.5, 2.0, 0.25, -1.5, 0.0, 0.75])


def array(draft: Draft) -> Value | None:
    """A constant: an array of a known shape that the program has, or of three elements."""
    shapes = [v.shape for v in draft.values if v.shape and all(known(size) for size in v.shape)]
    shape = tuple(int(str(size)) for size in draft.choose([(3,), *shapes[:3]]))
    dtype = draft.choose([v.dtype for v in draft.values if v.is_float] or ["float64"])
    values = np.resize(np.roll(_PATTERN, -draft.below(3)), shape).astype(dtype)
    return Value(as_variable(values), (-1.5, 2.0), True)


def size(draft: Draft) -> Value | None:
    """A named size of the program, as a number."""
    named = [size for size in draft.sizes() if isinstance(size, Dim)]
    if not named:
        return None
    chosen = draft.choose(named)
    return Value(as_variable(chosen), (0.0, float(most((chosen,)))), True)


def positions(draft: Draft) -> Value | None:
    """The positions along an axis that the program has."""
    chosen = draft.choose([*draft.sizes(), 3])
    return Value(iota(size=chosen), (0.0, float(max(most((chosen,)) - 1, 0))), True)


def branch(draft: Draft) -> Value | None:
    """One of two values of a type, or a value and its negative: what a scalar condition asks for."""
    x = draft.operand(lambda v: v.is_float)
    if x is None:
        return None
    condition = draft.condition()
    if condition.variable.op.name == "constant":
        whole = draft.operand(lambda v: v.steady and bool(v.shape))
        if whole is not None:
            truth = whole.variable if whole.dtype == "bool" else logic.greater(whole.variable, 0)
            condition = Value(T.any(truth), (0.0, 1.0), True)
    other = draft.like(x)
    interval = min(x.interval[0], other.interval[0]), max(x.interval[1], other.interval[1])
    otherwise = other.variable
    if other is x:
        otherwise, interval = -x.variable, (-x.bound, x.bound)
    steady = x.steady and other.steady and condition.steady
    return Value(T.cond(condition.variable, x.variable, otherwise), interval, steady)


def check(draft: Draft) -> Value | None:
    """A value, with a check that holds."""
    x = draft.operand(lambda v: v.dtype != "bool")
    if x is None:
        return None
    limit: Any = 100.0 if is_float(x.dtype) else 100
    return x.moved(T.check(x.variable, x.variable <= limit, "a drawn value is small"))


def stop(draft: Draft) -> Value | None:
    """A value that derivatives take for a constant."""
    x = draft.operand(lambda v: v.is_float)
    return None if x is None else x.moved(ops.stop_gradient(x.variable))


def hold(draft: Draft) -> Value | None:
    """A value that rewrites do not see through."""
    x = draft.operand(lambda v: True)
    return None if x is None else x.moved(barrier(x.variable, tag=draft.below(2)))


def own_derivative(draft: Draft) -> Value | None:
    """Half of a value, with a derivative that is given by hand."""
    x = draft.operand(lambda v: v.is_float)
    if x is None:
        return None
    low, high = x.interval
    return Value(_half(x.variable), (low / 2, high / 2))


@custom_derivative
def _half(x: Any) -> Any:
    return x * literal(0.5, x.dtype)


@_half.pullback
def _half_pullback(g: Any, node: Any) -> Any:
    return [g * 0.5]
