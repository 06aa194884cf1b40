"""NumPy's elementwise functions: the ops under NumPy's names, and what is composed of them.

`FUNCTIONS` is what the package exports: every elementwise op under its own name, and the aliases below.
"""

from __future__ import annotations

import math
from typing import Any

from graphopt.ops import arithmetic as a
from graphopt.ops import elementary as e
from graphopt.ops import logic as l
from graphopt.ops.define import TABLE
from graphopt.tensor.shape import expression
from graphopt.types import check_dtype
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
    "concat": None,
    "eq": l.equal,
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
del FUNCTIONS["concat"]


def _composed(function: Any) -> Any:
    FUNCTIONS[function.__name__] = function
    return function


@_composed
def positive(x: Any) -> Any:
    """The value itself."""
    return expression(x)


@_composed
def reciprocal(x: Any) -> Any:
    """1/x."""
    return 1 / expression(x)


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
    return expression(x) * (math.pi / 180)


@_composed
def rad2deg(x: Any) -> Any:
    """Radians to degrees."""
    return expression(x) * (180 / math.pi)


FUNCTIONS |= {"radians": deg2rad, "degrees": rad2deg}


@_composed
def exp10(x: Any) -> Any:
    """10 to the power x."""
    return a.power(10.0, expression(x))


@_composed
def ldexp(x: Any, exponent: Any) -> Any:
    """x · 2^exponent."""
    return expression(x) * e.exp2(expression(exponent) * 1.0)


@_composed
def fabs(x: Any) -> Any:
    """The absolute value as a float."""
    return a.absolute(expression(x) * 1.0)


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
    x = expression(x)
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
