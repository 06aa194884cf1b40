"""Special functions beyond C's library: error functions, gamma and beta, zeta, integrals, entropies, elliptic ones.

Those that are short formulas of what the targets have bring their text; the others have the trait "host": there the
program calls their NumPy meaning, SciPy's. Derivatives stay in the family, so that they exist to every order, except
with respect to orders and shape parameters, for which no function is known here.

Names are those of `scipy.special`. Bessel and Airy functions are in `graphopt.ops.bessel`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np

from graphopt import exact_special as exact
from graphopt.exact import real
from graphopt.op import NoDerivative, Op
from graphopt.ops.arithmetic import absolute, square
from graphopt.ops.define import elementwise
from graphopt.ops.elementary import cos, cosh, digamma, exp, lgamma, log, sin, sinh, xlogy, xlogy_pullback
from graphopt.ops.logic import equal, greater, less, where
from graphopt.ops.signatures import scipy_signature

__all__ = ["exact_whole_order", "from_scipy", "host", "near_zero", "no_derivative", "of_whole_order"]

HALF_SQRT_PI, TWO_OVER_SQRT_PI = math.sqrt(math.pi) / 2, 2 / math.sqrt(math.pi)
SQRT_TWO_PI, SQRT_TWO_OVER_PI = math.sqrt(2 * math.pi), math.sqrt(2 / math.pi)
INF = mpmath.inf
HIGHEST_ORDER = 1_000_000


def from_scipy(name: str, *fixed: Any, part: int | None = None) -> Callable[..., Any]:
    """A function of scipy.special, imported when it is first called; results keep the operands' dtype.

    `fixed` are arguments behind the operands, `part` says which of several results is meant.
    """

    def function(*arrays: Any) -> Any:
        from scipy import special

        with np.errstate(all="ignore"):
            result = getattr(special, name)(*arrays, *fixed)
        return np.asarray(result if part is None else result[part]).astype(np.result_type(*arrays), copy=False)

    function.__name__ = name
    return function


def of_whole_order(function: Callable[..., Any], least: float = -math.inf) -> Callable[..., Any]:
    """A function (order, x) where the order is a whole number from `least` to a million, and NaN where it is not."""

    def value(order: Any, x: Any) -> Any:
        whole = (np.abs(order) <= HIGHEST_ORDER) & (np.rint(order) == order) & (order >= least)
        held = np.where(whole, order, max(least, 0))
        return np.where(whole, function(held.astype(np.int64), x.astype(np.float64)), np.nan).astype(x.dtype)

    return value


def exact_whole_order(function: Callable[..., Any], least: float = -math.inf) -> Callable[..., Any]:
    """The same of mpmath numbers."""

    def value(order: Any, x: Any) -> Any:
        known = abs(order) <= HIGHEST_ORDER and mpmath.isint(order) and order >= least
        return function(int(order), x) if known else mpmath.nan

    return value


def host(
    name: str,
    exact: Callable[..., Any],
    pullback: Callable[..., Sequence[Any]],
    *,
    numpy: Callable[..., Any] | None = None,
    arity: int = 1,
    cost: float = 200,
) -> Op:
    """Define a function that the targets have to ask SciPy for."""
    numpy, signature = numpy or from_scipy(name), scipy_signature(arity)
    return elementwise(name, numpy, real(exact), pullback, signature=signature, arity=arity, traits="host", cost=cost)


def no_derivative(what: str) -> NoDerivative:
    """The reason why there is no derivative with respect to a parameter."""
    return NoDerivative(f"the derivative with respect to {what} is not a function known here")


def near_zero(x: Any, radius: float, coefficients: Sequence[float], elsewhere: Callable[[Any], Any]) -> Any:
    """A power series where |x| < radius, a formula elsewhere: for formulas that cancel, or divide by zero, at 0.

    Neither branch meets numbers that only the other one is for, so that derivatives do not, either.
    """
    near = less(absolute(x), radius)
    inside = where(near, x, 0)
    series: Any = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        series = coefficient + inside * series
    return where(near, series, elsewhere(where(near, radius, x)))


# --- short formulas of what the targets have ------------------------------------------------------------------------


def _logit(x: Any) -> Any:
    return from_scipy("logit")(x)


def _exprel_slope(x: Any) -> Any:
    coefficients = [1 / (math.factorial(k) * (k + 2)) for k in range(18)]
    return near_zero(x, 1.0, coefficients, lambda x: (exp(x) - exprel(x)) / x)


def _sinc_slope(x: Any) -> Any:
    coefficients = [0.0] * 23
    for k in range(1, 12):
        coefficients[2 * k - 1] = (-1) ** k * 2 * k * math.pi ** (2 * k) / math.factorial(2 * k + 1)
    return near_zero(x, 0.4, coefficients, lambda x: (cos(math.pi * x) - sinc(x)) / x)


logit = elementwise(
    "logit", _logit, real(exact.logit), lambda g, y, x: (g / (x * (1 - x)),),
    signature=scipy_signature(1), cost=45,
    text="{x} < 0.3 || {x} > 0.65 ? log({x} / (1 - {x})) : log1p(2 * ({x} - 0.5)) - log1p(-2 * ({x} - 0.5))",
)  # fmt: skip
exprel: Op = elementwise(
    "exprel", from_scipy("exprel"), real(exact.exprel), lambda g, y, x: (g * _exprel_slope(x),),
    signature=scipy_signature(1), cost=25,
    text="fabs({x}) < 1e-30 ? 1 : {x} == INFINITY ? {x} : expm1({x}) / {x}",
)  # fmt: skip
sinc: Op = elementwise(
    "sinc", np.sinc, real(exact.sinc), lambda g, y, x: (g * _sinc_slope(x),),
    signature=scipy_signature(1), arity=1, cost=25,
    text="{x} == 0 ? 1 : sin(3.141592653589793 * {x}) / (3.141592653589793 * {x})",
)  # fmt: skip
xlog1py: Op = elementwise(
    "xlog1py", from_scipy("xlog1py"), real(exact.xlog1py),
    lambda g, y, a, b: xlogy_pullback(g, a, b, 1 + b, _log1p),
    signature=scipy_signature(2), arity=2, cost=25,
    text="{x} == 0 && {y} == {y} ? 0 : {x} * log1p({y})",
)  # fmt: skip
rel_entr = elementwise(
    "rel_entr", from_scipy("rel_entr"), real(exact.rel_entr),
    lambda g, y, a, b: _rel_entr_pullback(g, a, b),
    signature=scipy_signature(2), arity=2, cost=30,
    text="{x} > 0 && {y} > 0 ? (2 * {x} > {y} && {x} < 2 * {y} ? {x} * log1p(({x} - {y}) / {y}) : {x} * log({x} / {y}))"
    " : {x} == 0 && {y} >= 0 ? 0 : {x} == {x} && {y} == {y} ? INFINITY : NAN",
)  # fmt: skip


def _rel_entr_pullback(g: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """log(a/b) + 1 and -a/b; 0 where a is, as for `xlogy`, and where both are."""
    nothing = equal(a, 0)
    by_a = where(nothing, 0, g) * (log(where(nothing, 1, a / b)) + 1)
    nothing = nothing & equal(b, 0)
    return by_a, -(where(nothing, 0, g) * (a / where(nothing, 1, b)))


def _log1p(x: Any) -> Any:
    from graphopt.ops.elementary import log1p

    return log1p(x)


def _hazard(y: Any, x: Any) -> Any:
    """The normal density over the distribution function, whose logarithm is y; erfcx(-x/√2) overflows for large x."""
    above = greater(x, 0)
    density = exp(-(square(x) / 2) - y) / SQRT_TWO_PI
    return where(above, density, SQRT_TWO_OVER_PI / erfcx(where(above, 0, x) * -math.sqrt(0.5)))


# --- error functions and the normal distribution --------------------------------------------------------------------
erfinv = host("erfinv", mpmath.erfinv, lambda g, y, x: (g * (HALF_SQRT_PI * exp(square(y))),))
erfcinv = host("erfcinv", exact.erfcinv, lambda g, y, x: (g * (-HALF_SQRT_PI * exp(square(y))),))
erfcx: Op = host("erfcx", exact.erfcx, lambda g, y, x: (g * (2 * x * y - TWO_OVER_SQRT_PI),))
erfi = host("erfi", mpmath.erfi, lambda g, y, x: (g * (TWO_OVER_SQRT_PI * exp(square(x))),))
dawsn = host("dawsn", exact.dawsn, lambda g, y, x: (g * (1 - 2 * x * y),))
ndtri = host("ndtri", exact.ndtri, lambda g, y, p: (g * (SQRT_TWO_PI * exp(square(y) / 2)),))
log_ndtr = host("log_ndtr", exact.log_ndtr, lambda g, y, x: (g * _hazard(y, x),))

# --- gamma, beta, zeta ----------------------------------------------------------------------------------------------
_SHAPE = "the shape parameter"


def _gamma_density(a: Any, x: Any) -> Any:
    return exp(xlogy(a - 1, x) - x - lgamma(a))


def _betainc_pullback(g: Any, y: Any, a: Any, b: Any, x: Any) -> tuple[Any, Any, Any]:
    density = exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b))
    return no_derivative("a"), no_derivative("b"), g * density


def _beta_slopes(a: Any, b: Any) -> tuple[Any, Any]:
    both = digamma(a + b)
    return digamma(a) - both, digamma(b) - both


def _binom_pullback(g: Any, y: Any, n: Any, k: Any) -> tuple[Any, Any]:
    rest = digamma(n - k + 1)
    return g * (y * (digamma(n + 1) - rest)), g * (y * (rest - digamma(k + 1)))


gammainc = host(
    "gammainc", lambda a, x: mpmath.gammainc(a, 0, x, regularized=True),
    lambda g, y, a, x: (no_derivative(_SHAPE), g * _gamma_density(a, x)), arity=2,
)  # fmt: skip
gammaincc = host(
    "gammaincc", lambda a, x: mpmath.gammainc(a, x, INF, regularized=True),
    lambda g, y, a, x: (no_derivative(_SHAPE), -(g * _gamma_density(a, x))), arity=2,
)  # fmt: skip
beta = host("beta", mpmath.beta, lambda g, y, a, b: tuple(g * (y * slope) for slope in _beta_slopes(a, b)), arity=2)
betaln: Op = host(
    "betaln", lambda a, b: mpmath.log(abs(mpmath.beta(a, b))),
    lambda g, y, a, b: tuple(g * slope for slope in _beta_slopes(a, b)), arity=2,
)  # fmt: skip
betainc = host("betainc", lambda a, b, x: mpmath.betainc(a, b, 0, x, regularized=True), _betainc_pullback, arity=3)
binom = host("binom", mpmath.binomial, _binom_pullback, arity=2)
polygamma: Op = host(
    "polygamma", exact_whole_order(mpmath.psi, 0), numpy=of_whole_order(from_scipy("polygamma"), 0), arity=2,
    pullback=lambda g, y, n, x: (no_derivative("the order"), g * polygamma(n + 1, x)),
)  # fmt: skip
zeta: Op = host(
    "zeta", mpmath.zeta,
    lambda g, y, s, q: (no_derivative("the exponent"), g * (-s * zeta(s + 1, q))), arity=2,
)  # fmt: skip
riemann_zeta = host(
    "riemann_zeta", mpmath.zeta, lambda g, y, s: (no_derivative("the exponent"),), numpy=from_scipy("zeta")
)

# --- integrals ------------------------------------------------------------------------------------------------------


def _expn_pullback(g: Any, y: Any, n: Any, x: Any) -> tuple[Any, Any]:
    first = equal(n, 0)
    slope = where(first, exp(-x) / x * (1 + 1 / x), expn(where(first, 0, n - 1), x))
    return no_derivative("the order"), -(g * slope)


expi = host("expi", mpmath.ei, lambda g, y, x: (g * (exp(x) / x),))
exp1 = host("exp1", mpmath.e1, lambda g, y, x: (-(g * (exp(-x) / x)),))
expn: Op = host(
    "expn", exact_whole_order(mpmath.expint, 0), _expn_pullback, numpy=of_whole_order(from_scipy("expn"), 0), arity=2
)
sine_integral = host(
    "sine_integral", mpmath.si, lambda g, y, x: (g * sinc(x / math.pi),), numpy=from_scipy("sici", part=0)
)
cosine_integral = host(
    "cosine_integral", mpmath.ci, lambda g, y, x: (g * (cos(x) / x),), numpy=from_scipy("sici", part=1)
)
sinh_integral = host(
    "sinh_integral", mpmath.shi, numpy=from_scipy("shichi", part=0),
    pullback=lambda g, y, x: (g * where(equal(x, 0), 1, sinh(x) / where(equal(x, 0), 1, x)),),
)  # fmt: skip
cosh_integral = host(
    "cosh_integral", mpmath.chi, lambda g, y, x: (g * (cosh(x) / x),), numpy=from_scipy("shichi", part=1)
)
fresnel_sine = host(
    "fresnel_sine", mpmath.fresnels, lambda g, y, x: (g * sin(square(x) * (math.pi / 2)),),
    numpy=from_scipy("fresnel", part=0),
)  # fmt: skip
fresnel_cosine = host(
    "fresnel_cosine", mpmath.fresnelc, lambda g, y, x: (g * cos(square(x) * (math.pi / 2)),),
    numpy=from_scipy("fresnel", part=1),
)  # fmt: skip

# --- elliptic integrals, Lambert's W --------------------------------------------------------------------------------
# K(m) = π/2 Σ [(2n)! / (4ⁿ n!²)]² mⁿ, and E(m) has the terms of K over 1 - 2n (Abramowitz & Stegun 17.3.11-12).
_K = [math.pi / 2 * (math.comb(2 * n, n) / 4**n) ** 2 for n in range(26)]
_K_SLOPE = [n * _K[n] for n in range(1, 26)]
_E_SLOPE = [n * _K[n] / (1 - 2 * n) for n in range(1, 26)]


def _ellipk_slope(m: Any) -> Any:
    return near_zero(m, 0.15, _K_SLOPE, lambda m: (ellipe(m) - (1 - m) * ellipk(m)) / (2 * m * (1 - m)))


def _ellipe_slope(m: Any) -> Any:
    return near_zero(m, 0.15, _E_SLOPE, lambda m: (ellipe(m) - ellipk(m)) / (2 * m))


def _lambertw(branch: int) -> Op:
    def on_the_reals(x: Any) -> Any:
        from scipy.special import lambertw

        value = lambertw(x, branch)
        return np.where(value.imag == 0, value.real, np.nan).astype(x.dtype)

    return host(
        "lambertw" if branch == 0 else "lambertw_lower", lambda x: mpmath.lambertw(x, branch),
        lambda g, y, x: (g * (exp(-y) / (1 + y)),), numpy=on_the_reals,
    )  # fmt: skip


ellipk: Op = host("ellipk", mpmath.ellipk, lambda g, y, m: (g * _ellipk_slope(m),))
ellipe: Op = host("ellipe", mpmath.ellipe, lambda g, y, m: (g * _ellipe_slope(m),))
lambertw, lambertw_lower = _lambertw(0), _lambertw(-1)
