"""Special functions under SciPy's names: the ops of `graphopt.ops.special` and `bessel`, pairs, and compositions.

`FUNCTIONS` is what the package exports. Where SciPy gives several results, they come as a tuple; where it would answer
with complex numbers, NaN stands.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from graphopt.errors import InvalidArgument, TypeMismatch
from graphopt.op import Op
from graphopt.ops import bessel as b
from graphopt.ops import elementary as e
from graphopt.ops import logic as l
from graphopt.ops import special as s
from graphopt.ops.arithmetic import square
from graphopt.tensor.shape import expression
from graphopt.tensor.ufuncs import floating
from graphopt.types import is_integer
from graphopt.variable import Variable

__all__ = ["FUNCTIONS"]

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "expit": e.sigmoid,
    "gammaln": e.lgamma,
    "loggamma": e.lgamma,
    "psi": e.digamma,
}


def _exported(function: Any) -> Any:
    FUNCTIONS[function.__name__] = function
    return function


# --- the normal distribution, entropies -----------------------------------------------------------------------------


@_exported
def ndtr(x: Any) -> Any:
    """The normal distribution's cumulative function, erfc(-x/√2)/2."""
    return 0.5 * e.erfc(expression(x) * -math.sqrt(0.5))


@_exported
def log_expit(x: Any) -> Any:
    """log(1 / (1 + exp(-x)))."""
    return -e.softplus(expression(x) * -1.0)  # of unsigned numbers, too


@_exported
def entr(x: Any) -> Any:
    """-x log x; 0 at 0, -∞ below."""
    x = expression(x)
    return l.where(l.less(x, 0), -math.inf, -e.xlogy(x, x))


@_exported
def kl_div(x: Any, y: Any) -> Any:
    """x log(x/y) - x + y, whose sum over a distribution is the Kullback-Leibler divergence; ∞ outside of x, y ≥ 0."""
    x, y = expression(x), expression(y)
    return s.rel_entr(x, y) - x + y


@_exported
def cosm1(x: Any) -> Any:
    """cos x - 1 = -2 sin²(x/2), which does not cancel near 0."""
    return -2.0 * square(e.sin(expression(x) * 0.5))


# --- gamma and its relatives ----------------------------------------------------------------------------------------


@_exported
def factorial(n: Any) -> Any:
    """n!, which is Γ(n + 1) for what is no integer, and 0 below 0; as a float."""
    n = floating(n)
    return l.where(l.less(n, 0), 0, e.gamma(n + 1))


@_exported
def polygamma(n: Any, x: Any) -> Any:
    """The nth derivative of digamma."""
    if _is_number(n) and n in (0, 1):
        return (e.digamma if n == 0 else e.trigamma)(expression(x))
    return s.polygamma(n, x)


@_exported
def zeta(x: Any, q: Any = None) -> Any:
    """Hurwitz' zeta function Σ (k + q)^-x, over k = 0, 1, …; without `q` Riemann's, for x below 1 as well."""
    return s.riemann_zeta(x) if q is None else s.zeta(x, q)


@_exported
def lambertw(x: Any, k: int = 0) -> Any:
    """The real w with w exp(w) = x: k = 0 is the branch above -1, k = -1 the one below; NaN where there is none.

    Raises
    ------
    InvalidArgument
        For another branch, which is complex everywhere.
    """
    if k not in (0, -1):
        raise InvalidArgument(f"lambertw has real values on the branches 0 and -1 only, found k={k!r}")
    return (s.lambertw if k == 0 else s.lambertw_lower)(x)


# --- several results ------------------------------------------------------------------------------------------------


@_exported
def sici(x: Any) -> tuple[Any, Any]:
    """The sine and cosine integral, Si and Ci."""
    return s.sine_integral(x), s.cosine_integral(x)


@_exported
def shichi(x: Any) -> tuple[Any, Any]:
    """The hyperbolic sine and cosine integral, Shi and Chi."""
    return s.sinh_integral(x), s.cosh_integral(x)


@_exported
def fresnel(x: Any) -> tuple[Any, Any]:
    """Fresnel's integrals S and C, of sin(πt²/2) and cos(πt²/2)."""
    return s.fresnel_sine(x), s.fresnel_cosine(x)


@_exported
def airy(x: Any) -> tuple[Any, Any, Any, Any]:
    """Airy's functions and their derivatives: Ai, Ai', Bi, Bi'."""
    return b.airy_ai(x), b.airy_ai_slope(x), b.airy_bi(x), b.airy_bi_slope(x)


# --- Bessel functions: whole orders are C's -------------------------------------------------------------------------


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _of_whole_order(order: int | Variable, x: Any, low: tuple[Op, Op], any_whole: Op) -> Any:
    if isinstance(order, int) and order in (0, 1):
        return low[order](x)
    return any_whole(order, x)


def _is_whole(order: Any) -> bool:
    return _is_number(order) or (isinstance(order, Variable) and is_integer(order.dtype))


@_exported
def jv(v: Any, x: Any) -> Any:
    """The Bessel function of the first kind of order v; where v is an integer by its type, it is C's own."""
    return _of_whole_order(v, x, (b.j0, b.j1), b.jn) if _is_whole(v) else b.jv(v, x)


@_exported
def yv(v: Any, x: Any) -> Any:
    """The Bessel function of the second kind of order v; where v is an integer by its type, it is C's own."""
    return _of_whole_order(v, x, (b.y0, b.y1), b.yn) if _is_whole(v) else b.yv(v, x)


@_exported
def yn(n: Any, x: Any) -> Any:
    """The Bessel function of the second kind of whole order n.

    Raises
    ------
    TypeMismatch
        If `n` is a float; `yv` takes any order.
    """
    if isinstance(n, float) or (isinstance(n, Variable) and not is_integer(n.dtype)):
        raise TypeMismatch(f"yn takes orders that are integers, found {n!r}; use T.yv")
    return _of_whole_order(n, x, (b.y0, b.y1), b.yn)


FUNCTIONS["jn"] = jv
