"""Elementary and special functions, elementwise, with the derivatives a table of calculus has.

The stable compositions (`sigmoid`, `softplus`, `log1mexp`, `logaddexp`, …) are ops of their own, so that rules can
introduce them and each target can write them well.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np

from graphopt import exact
from graphopt.exact import real
from graphopt.op import Op
from graphopt.ops.arithmetic import direction, hypot, sqrt, square
from graphopt.ops.define import elementwise
from graphopt.ops.logic import equal, less_equal, where
from graphopt.ops.signatures import floating_signature, scipy_signature

LN2, LN10 = math.log(2), math.log(10)


def _scipy(name: str) -> Callable[..., Any]:
    """A function of scipy.special, imported when it is first called; results keep the operands' dtype."""

    def function(*arrays: Any) -> Any:
        from scipy import special

        return np.asarray(getattr(special, name)(*arrays)).astype(np.result_type(*arrays), copy=False)

    function.__name__ = name
    return function


def _infinite(limits: tuple[Any, Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with its limits at -∞ and +∞, which mpmath does not know for every function."""
    return lambda x: (limits[0] if x < 0 else limits[1]) if mpmath.isinf(x) else real(function)(x)


INF, NAN = mpmath.inf, mpmath.nan

# --- exponentials and logarithms ---------------------------------------------------------------------------------
exp = elementwise("exp", np.exp, real(mpmath.exp), lambda g, y, x: (g * y,), cost=20)
exp2 = elementwise("exp2", np.exp2, real(lambda x: mpmath.power(2, x)), lambda g, y, x: (g * (y * LN2),), cost=20)
expm1 = elementwise("expm1", np.expm1, real(mpmath.expm1), lambda g, y, x: (g * (y + 1),), cost=20)
log = elementwise("log", np.log, real(mpmath.log), lambda g, y, x: (g / x,), cost=20)
log2 = elementwise("log2", np.log2, real(lambda x: mpmath.log(x, 2)), lambda g, y, x: (g / (x * LN2),), cost=20)
log10 = elementwise("log10", np.log10, real(mpmath.log10), lambda g, y, x: (g / (x * LN10),), cost=20)
log1p = elementwise("log1p", np.log1p, real(mpmath.log1p, -INF), lambda g, y, x: (g / (1 + x),), cost=20)

# --- trigonometric -----------------------------------------------------------------------------------------------
sin = elementwise("sin", np.sin, _infinite((NAN, NAN), mpmath.sin), lambda g, y, x: (g * cos(x),), cost=20)
cos: Op = elementwise("cos", np.cos, _infinite((NAN, NAN), mpmath.cos), lambda g, y, x: (-(g * sin(x)),), cost=20)
tan = elementwise("tan", np.tan, _infinite((NAN, NAN), mpmath.tan), lambda g, y, x: (g * (1 + square(y)),), cost=25)
arcsin = elementwise("arcsin", np.arcsin, real(mpmath.asin), lambda g, y, x: (g / sqrt((1 - x) * (1 + x)),), cost=25)
arccos = elementwise("arccos", np.arccos, real(mpmath.acos), lambda g, y, x: (-(g / sqrt((1 - x) * (1 + x))),), cost=25)
arctan = elementwise("arctan", np.arctan, real(mpmath.atan), lambda g, y, x: (g / (1 + square(x)),), cost=25)


def _arctan2_pullback(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
    # Divided twice by the length, whose square may overflow or vanish; 0 at the origin.
    length = hypot(a, b)
    along, across = direction(g, length, b, a)
    length = where(equal(length, 0), 1, length)
    return along / length, -(across / length)


arctan2 = elementwise("arctan2", np.arctan2, exact.arctan2, _arctan2_pullback, cost=30)

# --- hyperbolic --------------------------------------------------------------------------------------------------
sinh = elementwise("sinh", np.sinh, real(mpmath.sinh), lambda g, y, x: (g * cosh(x),), cost=25)
cosh: Op = elementwise("cosh", np.cosh, real(mpmath.cosh), lambda g, y, x: (g * sinh(x),), cost=25)
tanh = elementwise("tanh", np.tanh, real(mpmath.tanh), lambda g, y, x: (g * ((1 - y) * (1 + y)),), cost=25)
arcsinh = elementwise("arcsinh", np.arcsinh, real(mpmath.asinh), lambda g, y, x: (g / sqrt(1 + square(x)),), cost=25)
arccosh = elementwise(
    "arccosh", np.arccosh, real(mpmath.acosh), lambda g, y, x: (g / (sqrt(x - 1) * sqrt(x + 1)),), cost=25
)
arctanh = elementwise(
    "arctanh", np.arctanh, _infinite((NAN, NAN), mpmath.atanh), lambda g, y, x: (g / ((1 - x) * (1 + x)),), cost=25
)

# --- error and gamma functions -----------------------------------------------------------------------------------
TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)
_unary, _scipys = floating_signature(1), scipy_signature(1)


def _lgamma(x: Any) -> Any:
    """SciPy's, which has -∞ at -∞ and ∞ for subnormal numbers, with C's values there."""
    tiny = np.abs(x) < np.finfo(x.dtype).tiny
    with np.errstate(divide="ignore"):
        near_zero = -np.log(np.abs(x))
    return np.where(np.isinf(x), np.inf, np.where(tiny, near_zero, _scipy("gammaln")(x))).astype(x.dtype)


def _exact_lgamma(x: Any) -> Any:
    return INF if x <= 0 and x == mpmath.floor(x) else mpmath.log(abs(mpmath.gamma(x)))


def _trigamma(x: Any) -> Any:
    return np.where(x == -np.inf, np.nan, _scipy("polygamma")(np.ones_like(x), x)).astype(x.dtype)


erf = elementwise(
    "erf", _scipy("erf"), real(mpmath.erf),
    lambda g, y, x: (g * (TWO_OVER_SQRT_PI * exp(-square(x))),),
    signature=_scipys, cost=30,
)  # fmt: skip
erfc = elementwise(
    "erfc", _scipy("erfc"), real(lambda x: mpmath.erfc(x) if x < 1e10 else mpmath.mpf(0)),
    lambda g, y, x: (g * (-TWO_OVER_SQRT_PI * exp(-square(x))),),
    signature=_scipys, cost=40,
)  # fmt: skip
gamma = elementwise(
    "gamma", _scipy("gamma"), _infinite((NAN, INF), lambda x: mpmath.gamma(x) if x else INF),
    lambda g, y, x: (g * (y * digamma(x)),),
    signature=_scipys, cost=60,
)  # fmt: skip
lgamma = elementwise(
    "lgamma", _lgamma, _infinite((INF, INF), _exact_lgamma),
    lambda g, y, x: (g * digamma(x),),
    signature=_scipys, cost=60,
)  # fmt: skip
digamma: Op = elementwise(
    "digamma", _scipy("digamma"), _infinite((NAN, INF), lambda x: mpmath.digamma(x) if x else -INF),
    lambda g, y, x: (g * trigamma(x),),
    signature=_scipys, cost=80,
)  # fmt: skip
trigamma: Op = elementwise(
    "trigamma", _trigamma,
    _infinite((NAN, mpmath.mpf(0)), real(lambda x: mpmath.psi(1, x), INF)),
    lambda g, y, x: (g * _polygamma(2, x),),
    signature=_scipys, cost=80,
)  # fmt: skip


def _polygamma(n: int, x: Any) -> Any:
    from graphopt.ops.special import polygamma

    return polygamma(n, x)


# --- stable compositions -----------------------------------------------------------------------------------------


def _sigmoid(x: Any) -> Any:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small)).astype(x.dtype)


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _log1mexp(x: Any) -> Any:
    """log(1 - exp(x)) for x <= 0, split at -ln 2 (M. Mächler, "Accurately computing log(1 - exp(-|a|))", 2012)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(x > -LN2, np.log(-np.expm1(x)), np.log1p(-np.exp(x))).astype(x.dtype)


def _shares(g: Any, y: Any, gap: Any) -> tuple[Any, Any]:
    """The slopes of a sum of exponentials' logarithm; nothing flows where both are 0."""
    nothing = equal(y, -math.inf)
    g, gap = where(nothing, 0, g), where(nothing, 0, gap)
    return g * sigmoid(gap), g * sigmoid(-gap)


def xlogy_pullback(g: Any, a: Any, b: Any, argument: Any, logarithm: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Of a·log(argument), which is b or 1 + b; 0 where a and the argument are, so that entropies are flat there."""
    nothing = equal(a, 0) & less_equal(argument, 0)
    g = where(nothing, 0, g)
    return g * logarithm(where(nothing, 1, b)), g * (a / where(nothing, 1, argument))


sigmoid: Op = elementwise(
    "sigmoid", _sigmoid, real(lambda x: 1 / (1 + mpmath.exp(-x))),
    lambda g, y, x: (g * (y * sigmoid(-x)),),
    signature=_scipys, cost=25,
)  # fmt: skip
softplus = elementwise(
    "softplus", _softplus, lambda x: exact.logaddexp(mpmath.mpf(0), x),
    lambda g, y, x: (g * sigmoid(x),),
    signature=_unary, cost=40,
)  # fmt: skip
log1mexp = elementwise(
    "log1mexp", _log1mexp,
    real(lambda x: mpmath.log(-mpmath.expm1(x)) if x > -LN2 else mpmath.log1p(-mpmath.exp(x)), -INF),
    lambda g, y, x: (-(g * (exp(x) / (0 - expm1(x)))),),  # -∞ at both zeros: 0 - 0 has no sign
    signature=_unary, cost=40,
)  # fmt: skip
logaddexp = elementwise(
    "logaddexp", np.logaddexp, exact.logaddexp,
    lambda g, y, a, b: _shares(g, y, a - b),
    traits="commutative associative", cost=40,
)  # fmt: skip
logaddexp2 = elementwise(
    "logaddexp2", np.logaddexp2,
    lambda a, b: exact.logaddexp(a * mpmath.ln2, b * mpmath.ln2) / mpmath.ln2,
    lambda g, y, a, b: _shares(g, y, (a - b) * LN2),
    traits="commutative associative", cost=40,
)  # fmt: skip
xlogy = elementwise(
    "xlogy", _scipy("xlogy"), exact.xlogy,
    lambda g, y, a, b: xlogy_pullback(g, a, b, b, log),
    arity=2, signature=scipy_signature(2), cost=25,
)  # fmt: skip
