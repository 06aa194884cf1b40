"""NumPy's elementwise functions: the ops under NumPy's names, and what is composed of them.

`FUNCTIONS` is what the package exports: every elementwise op under its own name, and the aliases below.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from graphopt.errors import TypeMismatch, UnsupportedExpression
from graphopt.ops import arithmetic as a
from graphopt.ops import binary_form as f
from graphopt.ops import elementary as e
from graphopt.ops import logic as l
from graphopt.ops.define import TABLE
from graphopt.ops.signatures import floating_signature, ufunc_signature
from graphopt.tensor.creation import zeros_like
from graphopt.tensor.shape import expression
from graphopt.types import check_dtype, is_float, is_integer
from graphopt.variable import Variable

FUNCTIONS: dict[str, Any] = {
    name: op for name, op in TABLE.items() if "elementwise" in op.traits and name not in ("barrier", "cast", "where")
}
FUNCTIONS |= {
    "abs": a.absolute,
    "acos": e.arccos,
    "acosh": e.arccosh,
    "asin": e.arcsin,
    "asinh": e.arcsinh,
    "atan": e.arctan,
    "atan2": e.arctan2,
    "atanh": e.arctanh,
    "bitwise_invert": l.invert,
    "bitwise_left_shift": l.left_shift,
    "bitwise_not": l.invert,
    "bitwise_right_shift": l.right_shift,
    "eq": l.equal,
    "fix": a.trunc,
    "ge": l.greater_equal,
    "gt": l.greater,
    "le": l.less_equal,
    "lt": l.less,
    "mod": a.remainder,
    "neq": l.not_equal,
    "pow": a.power,
    "sgn": a.sign,
    "sqr": a.square,
    "switch": l.where,
    "true_divide": a.divide,
}


def _composed(function: Any) -> Any:
    FUNCTIONS[function.__name__] = function
    return function


def floating(x: Any) -> Any:
    """As floats, of the width in which NumPy computes elementary functions of the dtype."""
    x = expression(x)
    return a.cast(x, dtype=floating_signature(1)((x.dtype,))[1]) if _has_dtype(x) and not is_float(x.dtype) else x


def _has_dtype(x: Any) -> bool:
    return isinstance(x, Variable)  # a pattern has none yet


def _in_loop_of(ufunc: np.ufunc, x: Any) -> Any:
    """A value in the dtype that NumPy's function of one value computes in."""
    x = expression(x)
    return cast(x, ufunc_signature(ufunc)((x.dtype,))[0][0]) if _has_dtype(x) else x


@_composed
def positive(x: Any) -> Any:
    """The value itself; not for bools."""
    return _in_loop_of(np.positive, x)


@_composed
def conjugate(x: Any) -> Any:
    """The value itself, for it is real; a bool as int8."""
    return _in_loop_of(np.conjugate, x)


@_composed
def real(x: Any) -> Any:
    """The value itself."""
    return expression(x)


@_composed
def imag(x: Any) -> Any:
    """Zeros: values are real."""
    x = expression(x)
    return zeros_like(x) if _has_dtype(x) else x * 0


FUNCTIONS["conj"] = conjugate


@_composed
def reciprocal(x: Any) -> Any:
    """1/x; of integers the integral part, as in NumPy: 0 for all but 1, -1, and 0 itself."""
    x = _in_loop_of(np.reciprocal, x)
    if _has_dtype(x) and is_integer(x.dtype):
        return l.where(l.equal(a.absolute(x), 1), x, 0)
    return 1 / x


@_composed
def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """Held between two bounds, either of which may be None."""
    x = expression(x)
    if _has_dtype(x) and is_integer(x.dtype):  # bounds that every number of the dtype keeps
        least, greatest = np.iinfo(x.dtype).min, np.iinfo(x.dtype).max
        low = None if type(low) is int and low <= least else low
        high = None if type(high) is int and high >= greatest else high
    if isinstance(low, int | float) and low == high and _has_dtype(x):  # flat, which two kinks in one would not be
        return l.where(l.isnan(x), x, low) if is_float(x.dtype) else a.minimum(a.maximum(x, low), high)
    x = x if low is None else a.maximum(x, low)
    return x if high is None else a.minimum(x, high)


@_composed
def relu(x: Any) -> Any:
    """max(x, 0), with derivative 0 at 0; NaN stays NaN."""
    x = expression(x)
    return l.where(l.less_equal(x, 0), 0, x)


@_composed
def deg2rad(x: Any) -> Any:
    """Degrees to radians."""
    return floating(x) * (math.pi / 180)


@_composed
def rad2deg(x: Any) -> Any:
    """Radians to degrees."""
    return floating(x) * (180 / math.pi)


FUNCTIONS |= {"radians": deg2rad, "degrees": rad2deg}


@_composed
def exp10(x: Any) -> Any:
    """10 to the power x."""
    return a.power(10.0, expression(x))


@_composed
def ldexp(x: Any, exponent: Any) -> Any:
    """x · 2^exponent, exactly.

    Raises
    ------
    TypeMismatch
        If the exponent is a float, or of uint64.
    """
    x, exponent = floating(x), expression(exponent)
    if _has_dtype(exponent) and not np.can_cast(exponent.dtype, "int64"):
        raise TypeMismatch(f"ldexp: an exponent is an integer that int64 holds, found {exponent.type}")
    both = _has_dtype(x) and _has_dtype(exponent)
    return f.times_power_of_two(x, cast(exponent, x.dtype) if both else exponent)


@_composed
def frexp(x: Any) -> tuple[Any, Any]:
    """The significand m, 0.5 <= |m| < 1, and the int32 exponent e of x = m · 2^e; zero and what is not finite has 0."""
    x = floating(x)
    return f.frexp_mantissa(x), f.frexp_exponent(x)


@_composed
def spacing(x: Any) -> Any:
    """The distance to the next number away from zero, with the sign of x."""
    x = floating(x)
    away = l.where(l.equal(x, 0), math.inf, a.copysign(math.inf, x))  # of -0, too, it is positive
    return a.nextafter(x, away) - x


@_composed
def fabs(x: Any) -> Any:
    """The absolute value as a float."""
    return a.absolute(floating(x))


@_composed
def float_power(x: Any, y: Any) -> Any:
    """x to the power y in float64."""
    return a.power(cast(x, "float64"), cast(y, "float64"))


@_composed
def round(x: Any, decimals: int = 0) -> Any:
    """To the nearest number of so many decimals, halves to even; integers are whole already."""
    x = expression(x)
    if _has_dtype(x) and is_integer(x.dtype):
        if decimals < 0:
            raise UnsupportedExpression(f"round: integers are not rounded to {decimals} decimals; make them floats")
        return x
    if not decimals:
        return a.rint(x)
    scale = 10.0 ** builtins.abs(decimals)
    return a.rint(x * scale) / scale if decimals > 0 else a.rint(x / scale) * scale


@_composed
def modf(x: Any) -> tuple[Any, Any]:
    """Fractional and integral part, both with the sign of x."""
    x = floating(x)
    whole = a.trunc(x)
    return a.copysign(l.where(l.isinf(x), 0, x - whole), x), whole


@_composed
def divmod(x: Any, y: Any) -> tuple[Any, Any]:
    """Floor quotient and remainder."""
    return a.floor_divide(x, y), a.remainder(x, y)


@_composed
def cast(x: Any, dtype: Any) -> Any:
    """The values in another dtype. What becomes of NaN and of what is out of range: docs/semantics.md."""
    x, name = expression(x), check_dtype(dtype)
    return x if isinstance(x, Variable) and x.dtype == name else a.cast(x, dtype=name)
