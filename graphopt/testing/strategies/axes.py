"""How ops along axes are applied: reductions, softmax and its kin, running sums, recurrences, orders."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import graphopt.tensor as T
from graphopt.ops import logic, running
from graphopt.ops.sorting import SIDES, argsort, searchsorted, sort
from graphopt.testing.domains import Interval
from graphopt.testing.strategies.draft import Application, Draft, Value
from graphopt.testing.strategies.intervals import LIMIT
from graphopt.testing.strategies.sizes import least, most
from graphopt.variable import Variable, literal

__all__ = ["composite", "cumulate", "order", "recur", "reduce_", "search", "truths"]

Axes = tuple[int, ...]


def _axes(draft: Draft, x: Variable) -> Axes:
    """One axis, the last being the simplest, or all of them together."""
    single: list[Axes] = [(axis,) for axis in reversed(range(x.ndim))]
    return draft.choose([*single, tuple(range(x.ndim))] if x.ndim > 1 else single)


def _along(value: Value, axes: Axes) -> tuple[Any, ...]:
    return tuple(value.shape[axis] for axis in axes)


def _axis(draft: Draft, x: Value) -> int:
    return draft.choose(list(reversed(range(x.variable.ndim))))


def _sum_of(interval: Interval, count: int, at_least: int) -> Interval:
    low, high = interval
    return min(low * count, low * at_least), max(high * count, high * at_least)


def reduce_(name: str) -> Application:
    """The application of `T.sum`, `T.prod`, `T.max`, `T.min` or `T.mean`, with and without `keepdims`."""
    function: Callable[..., Any] = getattr(T, name)

    def fits(value: Value, empty: bool) -> bool:
        count, bound = most(value.shape), max(value.bound, 1.0)
        if not value.shape or value.dtype == "bool":
            return False
        if name == "sum":
            return bound * count <= LIMIT
        if name == "prod":
            return count * math.log(bound) <= math.log(LIMIT)
        if name == "mean" and (not value.is_float or bound * count > LIMIT):
            return False
        return not empty and least(value.shape) > 0

    def apply(draft: Draft) -> Value | None:
        x = draft.operand(lambda value: fits(value, draft.empty))
        if x is None:
            return None
        axes = _axes(draft, x.variable)
        made = function(x.variable, axis=axes, keepdims=bool(draft.below(2)))
        count, low = most(_along(x, axes)), x.interval[0]
        steady = x.steady and (name in ("max", "min") or not x.is_float)
        if name == "sum":
            at_least = 0 if draft.empty else least(_along(x, axes))
            return Value(made, _sum_of(x.interval, count, at_least), steady)
        if name == "prod":
            bound = max(x.bound, 1.0) ** count
            return Value(made, (-bound if low < 0 else 0.0, bound), steady)
        return Value(made, x.interval, steady)

    return apply


def truths(name: str) -> Application:
    """The application of `T.any` or `T.all` to truth values, which comparisons make where there are none."""
    function: Callable[..., Any] = getattr(T, name)

    def apply(draft: Draft) -> Value | None:
        x = draft.operand(lambda value: bool(value.shape) and value.dtype == "bool")
        if x is None:
            base = draft.operand(lambda value: bool(value.shape) and value.steady)
            if base is None:
                return None
            x = Value(logic.greater(base.variable, 0), (0.0, 1.0), True)
        made = function(x.variable, axis=_axes(draft, x.variable), keepdims=bool(draft.below(2)))
        return Value(made, (0.0, 1.0), x.steady)

    return apply


def composite(name: str) -> Application:
    """The application of `T.softmax`, `T.log_softmax` or `T.logsumexp`."""
    function: Callable[..., Any] = getattr(T, name)

    def apply(draft: Draft) -> Value | None:
        if draft.empty:
            return None
        x = draft.operand(
            lambda v: (
                v.is_float and least(v.shape) > 0 and bool(v.shape) and 2 * v.bound + math.log(most(v.shape)) <= LIMIT
            )
        )
        if x is None:
            return None
        axes, (low, high) = _axes(draft, x.variable), x.interval
        spread = math.log(most(_along(x, axes)))
        if name == "softmax":
            return Value(function(x.variable, axis=axes), (0.0, 1.0))
        if name == "log_softmax":
            return Value(function(x.variable, axis=axes), (low - high - spread, 0.0))
        return Value(function(x.variable, axis=axes, keepdims=bool(draft.below(2))), (low, high + spread))

    return apply


def cumulate(name: str) -> Application:
    """The application of `cumsum` or `cumprod`."""
    op = getattr(running, name)
    product = name == "cumprod"

    def apply(draft: Draft) -> Value | None:
        x = draft.operand(
            lambda v: bool(v.shape) and v.dtype != "bool" and (
                most(v.shape) * math.log(max(v.bound, 1.0)) <= math.log(LIMIT) if product
                else most(v.shape) * v.bound <= LIMIT
            )
        )  # fmt: skip
        if x is None:
            return None
        axis = _axis(draft, x)
        count = max(most((x.shape[axis],)), 1)
        bound = max(x.bound, 1.0) ** count
        interval = (-bound if x.interval[0] < 0 else 0.0, bound) if product else _sum_of(x.interval, count, 1)
        return Value(op(x.variable, axis=(axis,)), interval, x.steady and not x.is_float)

    return apply


def recur(draft: Draft) -> Value | None:
    """A linear recurrence: terms, and factors of their type; factors may be the terms themselves."""
    terms = draft.operand(lambda v: bool(v.shape) and v.is_float and v.bound <= LIMIT / 2)
    if terms is None:
        return None
    axis = _axis(draft, terms)
    count = max(most((terms.shape[axis],)), 1)
    factors = draft.like(terms)
    bound = terms.bound * sum(max(factors.bound, 0.0) ** k for k in range(count))
    if bound > LIMIT:
        factors, bound = Value(literal(0.5, terms.dtype, terms.shape), (0.5, 0.5)), 2 * terms.bound
    return Value(running.recurrence(factors.variable, terms.variable, axis=(axis,)), (-bound, bound))


def order(name: str) -> Application:
    """The application of `sort` or `argsort`; positions only of values that no rounding has touched."""
    op = sort if name == "sort" else argsort

    def apply(draft: Draft) -> Value | None:
        x = draft.operand(lambda v: bool(v.shape) and (v.steady or name == "sort"))
        if x is None:
            return None
        axis = _axis(draft, x)
        made = op(x.variable, axis=(axis,))
        if name == "sort":
            return x.moved(made)
        return Value(made, (0.0, float(max(most((x.shape[axis],)) - 1, 0))), True)

    return apply


def search(draft: Draft) -> Value | None:
    """Places in a sorted vector."""
    vector = draft.operand(lambda v: len(v.shape) == 1 and v.steady)
    values = draft.operand(lambda v: v.steady)
    if vector is None or values is None:
        return None
    ordered = sort(vector.variable, axis=(0,))
    side = draft.choose(sorted(SIDES))
    return Value(searchsorted(ordered, values.variable, side=side), (0.0, float(most(vector.shape))), True)
