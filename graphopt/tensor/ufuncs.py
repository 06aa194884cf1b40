"""NumPy's elementwise functions: the ops under NumPy's names, and what is composed of them.

`FUNCTIONS` is what the package exports: every elementwise op under its own name, and the aliases below.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphopt.errors import TypeMismatch
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
    name: op for name, op in TABLE.items() if "elementwise" in op.traits and name not in ("barrier", "cast")
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


def _in_loop_of(ufunc: np.ufunc, x: Any) -> Any:
    """A value in the dtype that NumPy's function of one value computes in."""
    x = expression(x)
    return cast(x, ufunc_signature(ufunc)((x.dtype,))[0][0]) if isinstance(x, Variable) else x


def _as_float(x: Any) -> Any:
    """A value in the float dtype that functions of it have: float32 for what fits it, else float64."""
    x = expression(x)
    return cast(x, floating_signature(1)((x.dtype,))[1]) if isinstance(x, Variable) else x


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
    return x * 0 if not isinstance(x, Variable) else zeros_like(x)


FUNCTIONS["conj"] = conjugate


@_composed
def reciprocal(x: Any) -> Any:
    """1/x; of integers, rounded towards 0, and 0 of 0."""
    x = _in_loop_of(np.reciprocal, x)
    if isinstance(x, Variable) and is_integer(x.dtype):
        return l.where(l.equal(a.absolute(x), 1), x, 0)
    return 1 / x


@_composed
def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """Held between two bounds, either of which may be None."""
    x = expression(x)
    x = x if low is None else a.maximum(x, low)
    return x if high is None else a.minimum(x, high)


@_composed
def relu(x: Any) -> Any:
    """max(x, 0), with derivative 0 at 0."""
    x = expression(x)
    return l.where(l.greater(x, 0), x, 0)


@_composed
def deg2rad(x: Any) -> Any:
    """Degrees to radians."""
    return _as_float(x) * (math.pi / 180)


@_composed
def rad2deg(x: Any) -> Any:
    """Radians to degrees."""
    return _as_float(x) * (180 / math.pi)


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
        If the exponent is no integer, or is unsigned of 64 bits.
    """
    x, exponent = _as_float(x), expression(exponent)
    if not (isinstance(x, Variable) and isinstance(exponent, Variable)):
        return f.times_power_of_two(x, exponent)
    if is_float(exponent.dtype) or exponent.dtype == "uint64":
        raise TypeMismatch(f"ldexp takes exponents that are integers of at most 63 bits, found {exponent.type}")
    return f.times_power_of_two(x, cast(exponent, x.dtype))


@_composed
def frexp(x: Any) -> tuple[Any, Any]:
    """The significand m, 0.5 <= |m| < 1, and the int32 exponent e of x = m · 2^e; zero and what is not finite has 0."""
    x = _as_float(x)
    return f.frexp_mantissa(x), f.frexp_exponent(x)


@_composed
def spacing(x: Any) -> Any:
    """The distance to the next number away from zero, with the sign of x."""
    x = _as_float(x)
    return a.nextafter(x, a.copysign(math.inf, x)) - x


@_composed
def fabs(x: Any) -> Any:
    """The absolute value as a float."""
    return a.absolute(_as_float(x))


@_composed
def float_power(x: Any, y: Any) -> Any:
    """x to the power y in float64."""
    return a.power(cast(x, "float64"), cast(y, "float64"))


@_composed
def round(x: Any) -> Any:
    """To the nearest integer, halves to even, as a float."""
    return a.rint(x)


@_composed
def modf(x: Any) -> tuple[Any, Any]:
    """Fractional and integral part, both with the sign of x."""
    x = _as_float(x)
    whole = a.trunc(x)
    return a.copysign(l.where(l.isinf(x), 0, x - whole), x), whole


@_composed
def divmod(x: Any, y: Any) -> tuple[Any, Any]:
    """Floor quotient and remainder."""
    return a.floor_divide(x, y), a.remainder(x, y)


@_composed
def cast(x: Any, dtype: Any) -> Any:
    """The values in another dtype; out of range and NaN to integer is the least integer, as on x86."""
    x, name = expression(x), check_dtype(dtype)
    return x if isinstance(x, Variable) and x.dtype == name else a.cast(x, dtype=name)
