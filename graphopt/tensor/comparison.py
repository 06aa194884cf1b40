"""Comparisons of whole arrays, and choices by conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt.errors import InvalidArgument, ShapeMismatch
from graphopt.ops.arithmetic import absolute, remainder
from graphopt.ops.logic import equal, isfinite, isnan, less, less_equal, logical_and, logical_not, logical_or, where
from graphopt.tensor import reduction
from graphopt.tensor.control import check
from graphopt.tensor.shape import expand_dims, expression, ravel
from graphopt.tensor.ufuncs import cast, clip
from graphopt.types import broadcast, is_float
from graphopt.variable import Variable, as_variable

__all__ = ["allclose", "array_equal", "array_equiv", "choose", "isclose", "isin", "piecewise", "select"]


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Where |a - b| ≤ atol + rtol·|b|; infinities are close to themselves, and NaN is with `equal_nan`."""
    a, b = expression(a), expression(b)
    b = b if is_float(b.dtype) else cast(b, "float64")
    near = logical_and(less_equal(absolute(a - b), atol + rtol * absolute(b)), isfinite(b))
    near = logical_or(near, equal(a, b))
    return logical_or(near, logical_and(isnan(a), isnan(b))) if equal_nan and is_float(a.dtype) else near


def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether all elements are close, as `isclose` says."""
    return reduction.all(isclose(a, b, rtol, atol, equal_nan))


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """Whether two arrays have the same shape and elements. Sizes that are not known are taken to be the same."""
    a, b = expression(a1), expression(a2)
    if a.ndim != b.ndim or any(isinstance(n - m, int) and n != m for n, m in zip(a.shape, b.shape, strict=True)):
        return as_variable(False)
    return _all_equal(a, b, equal_nan)


def array_equiv(a1: Any, a2: Any) -> Any:
    """Whether two arrays are equal after broadcasting; false where sizes are known not to broadcast."""
    a, b = expression(a1), expression(a2)
    try:
        broadcast([a.shape, b.shape])
    except ShapeMismatch:
        return as_variable(False)
    return _all_equal(a, b, False)


def _all_equal(a: Any, b: Any, equal_nan: bool) -> Any:
    same = equal(a, b)
    if equal_nan and is_float(a.dtype) and is_float(b.dtype):
        same = logical_or(same, logical_and(isnan(a), isnan(b)))
    return reduction.all(same)


def isin(element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    """Where an element equals one of some others. Each is compared with each, which suits a few."""
    element = expression(element)
    others = ravel(test_elements)
    found = reduction.any(equal(expand_dims(element, element.ndim), others), axis=-1)
    return logical_not(found) if invert else found


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """For each element the choice that belongs to the first condition which holds there, or the default.

    Raises
    ------
    InvalidArgument
        If there are none, not as many choices as conditions, or a condition is no boolean.
    """
    conditions = [expression(condition) for condition in condlist]
    if not conditions or len(conditions) != len(choicelist):
        raise InvalidArgument(f"select: {len(conditions)} conditions and {len(choicelist)} choices")
    if wrong := [condition for condition in conditions if condition.dtype != "bool"]:
        raise InvalidArgument(f"select: a condition is boolean, found {wrong[0].type}")
    result = default
    for condition, choice in zip(reversed(conditions), reversed(choicelist), strict=True):
        result = where(condition, choice, result)
    return result


def choose(a: Any, choices: Sequence[Any], mode: str = "raise") -> Any:
    """For each element of `a`, an integer, the element of the choice with that number.

    Raises
    ------
    InvalidArgument
        If there is no choice, `a` is not integer, or there is no such mode.
    CheckFailed
        By the call, if there is no choice with some number; with the mode "wrap", numbers are taken modulo the number
        of choices, with "clip" to the nearest that there is.
    """
    a, count = expression(a), len(choices)
    if not count or is_float(a.dtype):
        raise InvalidArgument(f"choose takes integers and at least one choice, found {a.type} and {count}")
    a = cast(a, "int64")
    if mode == "clip":
        a = clip(a, 0, count - 1)
    elif mode == "wrap":
        a = remainder(a, count)
    elif mode == "raise":
        a = check(a, logical_and(less_equal(0, a), less(a, count)), f"choose: a number is outside 0 to {count - 1}")
    else:
        raise InvalidArgument(f"choose: mode is 'raise', 'wrap' or 'clip', found {mode!r}")
    result = expression(choices[-1])
    for k in reversed(range(count - 1)):
        result = where(equal(a, k), choices[k], result)
    return result if count > 1 else where(equal(a, 0), result, result)


def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """For each element the function, or the number, of the last condition which holds there; in the dtype of `x`.

    Every function is applied to all of `x`. With one function more than there are conditions, the last is for where
    none holds; otherwise 0 stands there.

    Raises
    ------
    InvalidArgument
        If there are other numbers of functions.
    """
    x = expression(x)
    conditions = [expression(c) for c in (condlist if isinstance(condlist, Sequence) else [condlist])]
    if len(funclist) - len(conditions) not in (0, 1):
        raise InvalidArgument(f"piecewise: {len(conditions)} conditions and {len(funclist)} functions")
    values = [cast(_applied(function, x, args, kw), x.dtype) for function in funclist]
    result = values[-1] if len(values) > len(conditions) else cast(np.zeros(()), x.dtype)
    for condition, value in zip(conditions, values, strict=False):
        result = where(condition, value, result)
    return result


def _applied(function: Any, x: Any, args: Any, kw: Any) -> Any:
    is_function = isinstance(function, Callable) and not isinstance(function, Variable)  # type: ignore[arg-type]
    return function(x, *args, **kw) if is_function else function
