"""Elementwise arithmetic: the four operations, powers, rounding, extrema, remainders.

Derivatives at kinks: `absolute` has 0 at 0; `maximum` and `minimum` give each of two equal operands one half; `sign`,
the rounding functions and `heaviside` have 0 everywhere. All of them are listed in docs/gradients.md.
"""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np

from graphopt import exact
from graphopt.integers import convert, integer_power
from graphopt.op import Attributes, Op
from graphopt.ops.define import define, elementwise
from graphopt.ops.leaves import constant
from graphopt.ops.logic import equal, greater, greater_equal, isnan, less_equal, where
from graphopt.ops.signatures import floating_signature, ufunc_signature
from graphopt.types import TensorType, Unify, check_dtype, is_float


def _zero(g: Any, y: Any, *xs: Any) -> tuple[None, ...]:
    return (None,) * len(xs)


add = elementwise(
    "add", np.add, lambda a, b: a + b,
    lambda g, y, a, b: (g, g),
    traits="commutative associative linear",
)  # fmt: skip
subtract = elementwise(
    "subtract", np.subtract, lambda a, b: a - b,
    lambda g, y, a, b: (g, -g),
    traits="linear",
)  # fmt: skip
multiply = elementwise(
    "multiply", np.multiply, lambda a, b: a * b,
    lambda g, y, a, b: (g * b, g * a),
    traits="commutative associative",
)  # fmt: skip
divide = elementwise(
    "divide", np.true_divide, exact.divide,
    lambda g, y, a, b: (g / b, -(g / b) * y),
    cost=4,
)  # fmt: skip
negative = elementwise("negative", np.negative, lambda a: -a, lambda g, y, a: (-g,), traits="linear")
absolute = elementwise("absolute", np.absolute, abs, lambda g, y, a: (g * sign(a),))
sign: Op = elementwise("sign", np.sign, exact.sign, _zero)
square = elementwise("square", np.square, lambda a: a * a, lambda g, y, a: (g * (2 * a),))
sqrt = elementwise("sqrt", np.sqrt, exact.real(mpmath.sqrt), lambda g, y, a: (g / (2 * y),), cost=6)
cbrt = elementwise(
    "cbrt", np.cbrt, lambda a: exact.sign(a) * mpmath.cbrt(abs(a)),
    lambda g, y, a: (g / (3 * square(y)),),
    cost=20,
)  # fmt: skip


def _power_pullback(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
    if b.op is constant and isinstance(exponent := b.attributes["value"], float):
        return _power_rule(g, a, exponent), None
    # 0**b is flat in b for b > 0, and 1 at b = 0, where every formula says 0·∞: another base stands in for 0.
    zero = equal(a, 0)
    flat = zero & equal(b, 0)
    base = where(flat, 0, b * power(where(flat, 1, a), b - 1))
    flat = zero & greater_equal(b, 0)
    exponent = where(flat, 0, y * _log(where(flat, 1, a)))
    return g * base, g * exponent


def _power_rule(g: Any, a: Any, exponent: float) -> Any:
    if exponent in (0, 1):
        return g if exponent else None
    return g * (exponent * (a if exponent == 2 else power(a, exponent - 1)))


def _log(x: Any) -> Any:
    from graphopt.ops.elementary import log

    return log(x)


power = elementwise(
    "power", integer_power, exact.power, _power_pullback, signature=ufunc_signature(np.power), arity=2, cost=40
)
fma = elementwise(
    "fma", lambda a, b, c: _fma(a, b, c), lambda a, b, c: a * b + c,
    lambda g, y, a, b, c: (g * b, g * a, g),
    arity=3, signature=floating_signature(3), cost=2,
)  # fmt: skip
maximum = elementwise(
    "maximum", np.maximum, exact.maximum,
    lambda g, y, a, b: (_share(g, greater_equal(a, b), equal(a, b)), _share(g, less_equal(a, b), equal(a, b))),
    traits="commutative associative",
)  # fmt: skip
minimum = elementwise(
    "minimum", np.minimum, exact.minimum,
    lambda g, y, a, b: (_share(g, less_equal(a, b), equal(a, b)), _share(g, greater_equal(a, b), equal(a, b))),
    traits="commutative associative",
)  # fmt: skip
fmax = elementwise(
    "fmax", np.fmax, lambda a, b: b if mpmath.isnan(a) else a if mpmath.isnan(b) else max(a, b),
    lambda g, y, a, b: (
        _share(g, greater_equal(a, b) | isnan(b), equal(a, b)), _share(g, less_equal(a, b) | isnan(a), equal(a, b))
    ),
    traits="commutative associative",
)  # fmt: skip
fmin = elementwise(
    "fmin", np.fmin, lambda a, b: b if mpmath.isnan(a) else a if mpmath.isnan(b) else min(a, b),
    lambda g, y, a, b: (
        _share(g, less_equal(a, b) | isnan(b), equal(a, b)), _share(g, greater_equal(a, b) | isnan(a), equal(a, b))
    ),
    traits="commutative associative",
)  # fmt: skip
fdim = elementwise(
    "fdim", lambda a, b: np.where(np.isnan(a) | np.isnan(b), np.nan, np.where(a > b, a - b, 0)).astype(a.dtype),
    lambda a, b: exact.NAN if mpmath.isnan(a) or mpmath.isnan(b) else a - b if a > b else mpmath.mpf(0),
    lambda g, y, a, b: (where(greater(a, b), g, 0), where(greater(a, b), -g, 0)),
    arity=2, signature=floating_signature(2), cost=2,
)  # fmt: skip

floor = elementwise("floor", np.floor, exact.real(mpmath.floor), _zero)
ceil = elementwise("ceil", np.ceil, exact.real(mpmath.ceil), _zero)
trunc = elementwise("trunc", np.trunc, lambda a: a if mpmath.isinf(a) else exact.sign(a) * mpmath.floor(abs(a)), _zero)
rint = elementwise("rint", np.rint, exact.round_half_even, _zero)

floor_divide = elementwise("floor_divide", np.floor_divide, exact.floor_divide, _zero, cost=8)
remainder = elementwise(
    "remainder", np.remainder, exact.remainder,
    lambda g, y, a, b: (g, -g * floor_divide(a, b)),
    cost=8,
)  # fmt: skip
fmod = elementwise(
    "fmod", np.fmod, exact.fmod,
    lambda g, y, a, b: (g, -g * trunc(a / b)),
    cost=8,
)  # fmt: skip

copysign: Op = elementwise(
    "copysign", np.copysign, lambda a, b: -abs(a) if b < 0 else abs(a),
    lambda g, y, a, b: (g * copysign(1, a) * copysign(1, b), None),
)  # fmt: skip
nextafter = elementwise("nextafter", np.nextafter, None, lambda g, y, a, b: (g, None), cost=4)
heaviside = elementwise(
    "heaviside", np.heaviside, lambda a, b: exact.NAN if mpmath.isnan(a) else b if a == 0 else mpmath.mpf(a > 0),
    lambda g, y, a, b: (None, where(equal(a, 0), g, 0)),
)  # fmt: skip
hypot = elementwise(
    "hypot", np.hypot, lambda a, b: mpmath.inf if mpmath.isinf(a) or mpmath.isinf(b) else mpmath.hypot(a, b),
    lambda g, y, a, b: direction(g, y, a, b),
    traits="commutative", cost=20,
)  # fmt: skip


def direction(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """g·(a, b)/y, y the length of (a, b); 0 at the origin, to every order."""
    origin = equal(y, 0)
    g, y = where(origin, 0, g), where(origin, 1, y)
    return g * (a / y), g * (b / y)


def _share(g: Any, reaches: Any, ties: Any) -> Any:
    return where(reaches, where(ties, g * 0.5, g), 0)


def _fma(a: Any, b: Any, c: Any) -> Any:
    """One rounding: of a float64 sum rounded to odd for float32, of exact arithmetic for float64."""
    if np.result_type(a, b, c) == np.float32:
        return _sum_to_odd(np.multiply(a, b, dtype=np.float64), np.asarray(c, np.float64)).astype(np.float32)
    return np.asarray(np.frompyfunc(_fma_scalar, 3, 1)(a, b, c)).astype(np.float64)


def _sum_to_odd(a: Any, b: Any) -> Any:
    """a + b in float64, where inexact with an odd last bit, so that a second, narrower rounding does no harm.

    S. Boldo and G. Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to
    odd", IEEE Trans. Comput. 57 (2008).
    """
    total = np.asarray(a + b)
    part = total - a
    error = (a - (total - part)) + (b - part)
    even = (total.view(np.int64) & 1) == 0
    return np.where((error != 0) & np.isfinite(error) & even, np.nextafter(total, np.copysign(np.inf, error)), total)


def _fma_scalar(a: float, b: float, c: float) -> float:
    if not all(map(np.isfinite, (a, b, c))) or 0.0 in (a, b, c):
        return a * b + c
    with mpmath.workprec(2200):
        return float(mpmath.mpf(a) * b + c)


def _cast_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    return types[0].with_dtype(check_dtype(attributes["dtype"]))


cast: Op = define(
    Op(
        name="cast",
        arity=1,
        type_rule=_cast_rule,
        numpy=convert,
        exact=lambda x, dtype: x,
        pullback=lambda g, node: (cast(g, dtype=node.operands[0].dtype) if is_float(node.operands[0].dtype) else None,),
        traits=frozenset({"elementwise", "linear"}),
    )
)
