"""What derivatives are where a function has a kink, a pole, a tie, or no value: the table of docs/gradients.md, as data.

The rule: the derivative where there is one, even if the formula for it says 0·∞; elsewhere a finite element of the
subdifferential, if there is one; else the limit, from within the domain or from the right.

    python tests/autodiff/conventions.py        # prints the table

The programs are expressions of `x` and of `T`, which is `graphopt.tensor`, or any module with NumPy's names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["TABLE", "Row", "markdown"]

inf, nan = float("inf"), float("nan")


@dataclass(frozen=True)
class Row:
    """A program at a point, and its derivatives there.

    Attributes
    ----------
    program
        Python text of an expression of `x` and `T`, with a scalar value.
    at
        The point: a number, or a list of them for a vector.
    first
        The gradient there; one number stands for a vector of it.
    second
        The Hessian there; one number stands for a matrix of it.
    reason
        Why it is that, and what others do.
    stabilized
        Whether it needs the stabilizing rewrites, which `grad` runs unless told otherwise.
    """

    program: str
    at: float | list[float]
    first: float | list[float]
    second: float | list[Any]
    reason: str = ""
    stabilized: bool = False


LN2 = 0.6931471805599453

TABLE: dict[str, tuple[Row, ...]] = {
    "Absolute value, sign, steps": (
        Row("T.abs(x)", 0, 0, 0, "the middle of [-1, 1]"),
        Row("T.sign(x)", 0, 0, 0, "flat on both sides"),
        Row("T.copysign(x, 1.0)", 0.0, 1, 0),
        Row("T.copysign(1.0, x)", 0, 0, 0, "flat on both sides"),
        Row("T.heaviside(x, 0.5)", 0, 0, 0, "flat on both sides"),
        Row("T.floor(x) + T.ceil(x) + T.trunc(x) + T.rint(x)", 2, 0, 0, "flat on both sides"),
        Row("T.round(x, 1)", 0.25, 0, 0),
        Row("T.floor_divide(x, 2.0)", 4, 0, 0),
        Row("T.remainder(x, 2.0)", 4, 1, 0),
        Row("T.fmod(x, 2.0)", -4, 1, 0),
        Row("T.modf(x)[0]", 2, 1, 0),
        Row("T.frexp(x)[0]", 1, 0.5, 0),
        Row("T.frexp(x)[0]", 0, 1, 0),
        Row("T.ldexp(x, 3)", 0, 8, 0),
        Row("T.nan_to_num(x)", nan, 0, 0),
        Row("T.nan_to_num(x)", inf, 0, 0),
        Row("T.nextafter(x, inf)", 0, 1, 0),
    ),
    "Extrema, bounds": (
        Row("T.maximum(x, 0.0)", 0, 0.5, 0),
        Row("T.minimum(x, 0.0)", 0, 0.5, 0),
        Row("T.maximum(x[0], x[1])", [1, 1], 0.5, 0),
        Row("T.maximum(x, x)", 1, 1, 0),
        Row("T.fmax(x, 0.0)", 0, 0.5, 0),
        Row("T.fmin(x, 0.0)", 0, 0.5, 0),
        Row("T.fmax(x, nan)", 1, 1, 0),
        Row("T.maximum(x, nan)", 1, 0, 0),
        Row("T.fdim(x, 0.0)", 0, 0, 0),
        Row("T.max(x)", [1, 0, 1], [0.5, 0, 0.5], 0),
        Row("T.min(x)", [1, 0, 0], [0, 0.5, 0.5], 0),
        Row("T.max(x)", [inf, 1], [1, 0], 0),
        Row("T.max(x)", [-inf, -inf], 0.5, 0),
        Row("T.ptp(x)", [1, 1], 0, 0),
        Row("T.clip(x, 0.0, 1.0)", 0, 0.5, 0),
        Row("T.clip(x, 0.0, 1.0)", 1, 0.5, 0),
        Row("T.clip(x, 1.0, 1.0)", 1, 0, 0),
        Row("T.clip(x, 2.0, 1.0)", 1, 0, 0),
        Row("T.clip(x, nan, 1.0)", 0, 0, 0),
    ),
    "Activations": (
        Row("T.relu(x)", 0, 0, 0),
        Row("T.nnet.leaky_relu(x)", 0, 0.01, 0),
        Row("T.nnet.elu(x)", 0, 1, 1),
        Row("T.nnet.elu(x)", 1e4, 1, 0),
        Row("T.nnet.selu(x)", 0, 1.7580993408473766, 1.7580993408473766),
        Row("T.nnet.softsign(x)", 0, 1, 0),
        Row("T.nnet.softsign(x)", inf, 0, 0),
        Row("T.nnet.silu(x)", 0, 0.5, 0.5),
        Row("T.nnet.silu(x)", 1e4, 1, 0),
        Row("T.nnet.silu(x)", -1e4, 0, 0),
        Row("T.nnet.gelu(x)", 0, 0.5, 0.7978845608028654),
        Row("T.nnet.gelu(x)", 1e4, 1, 0),
        Row("T.nnet.gelu(x)", -1e4, 0, 0),
        Row("T.nnet.hard_sigmoid(x)", 2.5, 0.1, 0),
        Row("T.clip(x, -1.0, 1.0)", -1, 0.5, 0),
        Row("T.sigmoid(x)", 1e4, 0, 0),
        Row("T.sigmoid(x)", -1e4, 0, 0),
        Row("T.tanh(x)", 1e4, 0, 0),
        Row("T.tanh(x)", -inf, 0, 0),
        Row("T.softplus(x)", 1e4, 1, 0),
        Row("T.softplus(x)", -1e4, 0, 0),
        Row("T.log_expit(x)", -1e4, 1, 0),
        Row("T.log(T.sigmoid(x))", -1e4, 1, 0, stabilized=True),
        Row("T.log(1 + T.exp(x))", 1e4, 1, 0, stabilized=True),
        Row("T.nnet.binary_crossentropy(x, 0.0)", 0, 1, 1),
        Row("T.nnet.binary_crossentropy(x, 1.0)", 1, -1, 1),
        Row("T.nnet.categorical_crossentropy(x, T.constant([0.0, 1.0]))", [0, 1], [0, -1], [[0, 0], [0, 1]]),
    ),
    "Roots, powers": (
        Row("T.sqrt(x)", 0, inf, -inf),
        Row("T.cbrt(x)", 0, inf, -inf),
        Row("T.reciprocal(x)", 0, -inf, inf),
        Row("T.square(x)", 0, 0, 2),
        Row("x**0", 0, 0, 0),
        Row("x**1", 0, 1, 0),
        Row("x**2", 0, 0, 2),
        Row("x**3", 0, 0, 0),
        Row("x**0.5", 0, inf, -inf),
        Row("x**1.5", 0, 0, inf),
        Row("x**2.5", 0, 0, 0),
        Row("x**-1", 0, -inf, inf),
        Row("x**-0.5", 0, -inf, inf),
        Row("x**2", -3, -6, 2),
        Row("x**3", -2, 12, -12),
        Row("x**-1", -2, -0.25, -0.25),
        Row("x**0.5", -1, nan, nan),
        Row("0.0**x", 2, 0, 0),
        Row("0.0**x", 0, 0, 0),
        Row("x[0] ** x[1]", [0, 0], [0, 0], 0),
        Row("x[0] ** x[1]", [0, 1], [1, 0], 0),
        Row("x[0] ** x[1]", [0, 2], [0, 0], [[2, 0], [0, 0]]),
        Row("x[0] ** x[1]", [0, 3], [0, 0], 0),
        Row("x[0] ** x[1]", [0, 0.5], [inf, 0], 0),
        Row("x[0] ** x[1]", [0, -1], [-inf, -inf], 0),
        Row("x[0] ** x[1]", [-2, 3], [12, nan], [[-12, nan], [nan, nan]]),
        Row("x[0] ** x[1]", [2, 0], [0, LN2], [[0, 0.5], [0.5, LN2**2]]),
        Row("T.float_power(x, 2)", 0, 0, 2),
        Row("T.power(x, 3)", 0, 0, 0),
        Row("T.exp2(x)", -1e4, 0, 0),
    ),
    "Norms, lengths": (
        Row("T.linalg.norm(x)", [0, 0], 0, 0),
        Row("T.linalg.norm(x, 1)", [0, 2], [0, 1], 0),
        Row("T.linalg.norm(x, 3)", [0, 2], [0, 1], 0),
        Row("T.linalg.norm(x, 3)", [0, 0], 0, 0),
        Row("T.linalg.norm(x, 1.5)", [0, 0], 0, 0),
        Row("T.linalg.norm(x, 0.5)", [0, 1], [0, 1], 0),
        Row("T.linalg.norm(x, 0)", [0, 2], 0, 0),
        Row("T.linalg.norm(x, -1)", [0, 2], 0, 0),
        Row("T.linalg.norm(x, inf)", [1, -1], [0.5, -0.5], 0),
        Row("T.linalg.norm(x, inf)", [0, 0], 0, 0),
        Row("T.linalg.norm(x, -inf)", [0, 2], 0, 0),
        Row('T.linalg.norm(x.reshape((1, 2)), "fro")', [0, 0], 0, 0),
        Row("T.linalg.norm(x.reshape((1, 2)), 1)", [0, 0], 0, 0),
        Row("T.hypot(x[0], x[1])", [0, 0], 0, 0),
        Row("T.sqrt(T.sum(x**2))", [0, 0], 0, 0),
        Row("T.sqrt(x[0] ** 2 + x[1] ** 2)", [0, 0], 0, 0),
        Row("T.sqrt(x**2)", 0, 0, 0),
        Row("T.var(x)", [1, 1], 0, [[0.5, -0.5], [-0.5, 0.5]]),
        Row("T.std(x)", [1, 1], 0, 0),
        Row("T.std(x)", [1], 0, 0),
        Row("T.nanstd(x)", [1, 1, nan], 0, 0),
    ),
    "Logarithms, exponentials": (
        Row("T.log(x)", 0, inf, -inf),
        Row("T.log2(x)", 0, inf, -inf),
        Row("T.log1p(x)", -1, inf, -inf),
        Row("T.log1mexp(x)", 0, -inf, -inf),
        Row("T.log1mexp(x)", -1e4, 0, 0),
        Row("T.xlogy(x, x)", 0, -inf, inf),
        Row("T.xlogy(0.0, x)", 0, 0, 0),
        Row("T.xlogy(x, 2.0)", 0, LN2, 0),
        Row("T.xlogy(x[0], x[1])", [0, 0], [-inf, 0], 0),
        Row("T.xlog1py(x, x)", 0, 0, 2),
        Row("x * T.log(x)", 0, -inf, inf),
        Row("T.entr(x)", 0, inf, -inf),
        Row("T.rel_entr(x, 2.0)", 0, -inf, inf),
        Row("T.rel_entr(0.0, x)", 2, 0, 0),
        Row("T.rel_entr(0.0, x)", 0, 0, 0),
        Row("T.kl_div(x, 2.0)", 0, -inf, inf),
        Row("T.logaddexp(x[0], x[1])", [-inf, -inf], 0.5, 0),
        Row("T.logaddexp(x[0], x[1])", [-inf, 0], [0, 1], 0),
        Row("T.logaddexp(x[0], x[1])", [1e4, -1e4], [1, 0], 0),
        Row("T.logaddexp2(x[0], x[1])", [-inf, -inf], 0.5, 0),
        Row("T.logsumexp(x)", [1e4, -1e4], [1, 0], 0),
        Row("T.logsumexp(x)", [-inf, 0, 0], [0, 0.5, 0.5], [[0, 0, 0], [0, 0.25, -0.25], [0, -0.25, 0.25]]),
        Row("T.logsumexp(x)", [-inf, -inf], 0, 0),
        Row("T.log(T.sum(T.exp(x)))", [1e4, -1e4], [1, 0], 0, stabilized=True),
        Row("T.softmax(x)[0]", [1e4, -1e4], 0, 0),
        Row("T.softmax(x)[0]", [0, -inf], 0, 0),
        Row("T.log_softmax(x)[1]", [1e4, -1e4], [-1, 1], 0),
        Row("T.log_softmax(x)[0]", [0, -inf], 0, 0),
        Row("T.log_softmax(x)[1]", [0, -inf], [-1, 1], 0),
        Row("T.log(T.softmax(x))[1]", [1e4, -1e4], [-1, 1], 0, stabilized=True),
    ),
    "Trigonometric": (
        Row("T.arcsin(x)", 1, inf, inf),
        Row("T.arcsin(x)", -1, inf, -inf),
        Row("T.arccos(x)", 1, -inf, -inf),
        Row("T.arccosh(x)", 1, inf, -inf),
        Row("T.arctanh(x)", 1, inf, inf),
        Row("T.arctanh(x)", -1, inf, -inf),
        Row("T.arctan(x)", inf, 0, 0),
        Row("T.arctan2(x[0], x[1])", [0, 0], 0, 0),
        Row("T.arctan2(x[0], x[1])", [0, -1], [-1, 0], [[0, -1], [-1, 0]]),
        Row("T.sinc(x)", 0, 0, -3.289868133696453),
        Row("T.logit(x)", 0, inf, -inf),
        Row("T.erf(x)", 1e4, 0, 0),
        Row("T.log_ndtr(x)", 1e4, 0, 0),
    ),
    "Reductions, orders": (
        Row("T.prod(x)", [0, 2, 3], [6, 0, 0], [[0, 3, 2], [3, 0, 0], [2, 0, 0]]),
        Row("T.prod(x)", [0, 0, 3], 0, [[0, 3, 0], [3, 0, 0], [0, 0, 0]]),
        Row("T.prod(x)", [0, 0, 0], 0, 0),
        Row("T.cumprod(x)[2]", [0, 2, 3], [6, 0, 0], [[0, 3, 2], [3, 0, 0], [2, 0, 0]]),
        Row("T.cumprod(x)[2]", [0, 0, 3], 0, [[0, 3, 0], [3, 0, 0], [0, 0, 0]]),
        Row("T.sort(x)[0]", [1, 1, 2], [1, 0, 0], 0),
        Row("T.sort(x)[1]", [1, 1, 2], [0, 1, 0], 0),
        Row("T.median(x)", [1, 1, 1], [0, 1, 0], 0),
        Row("T.median(x)", [1, 1], [0.5, 0.5], 0),
        Row("T.quantile(x, 0.5)", [1, 1], [0.5, 0.5], 0),
        Row("T.quantile(x, 0.5)", [2, 1, 3], [1, 0, 0], 0),
        Row("T.nansum(x)", [nan, 1], [0, 1], 0),
        Row("T.nanmax(x)", [nan, 1], [0, 1], 0),
        Row("T.nanmean(x)", [nan, 1], [0, 1], 0),
        Row("T.nanprod(x)", [nan, 2], [0, 1], 0),
        Row("T.sum(T.sqrt(x[2:]))", [0, 0], 0, 0),
        Row("T.prod(x[2:])", [0, 0], 0, 0),
        Row("T.sqrt(x)[1]", [0, 4], [0, 0.25], [[0, 0], [0, -0.03125]]),
        Row("T.take(T.log(x), 1)", [0, 1], [0, 1], [[0, 0], [0, -1]]),
    ),
    "Branches not taken": (
        Row("T.where(x > 0, T.log(x), 0.0)", 0, 0, 0),
        Row("T.where(x > 0, T.log(x), 2 * x)", -1, 2, 0),
        Row("T.where(x > 0, T.sqrt(x), x)", -1, 1, 0),
        Row("T.where(x > 0, 1 / x, 3 * x)", 0, 3, 0),
        Row("T.where(x == 0, 1.0, T.sin(x) / x)", 0, 0, 0),
        Row("T.where(x == 0, 0.0, x * T.log(T.abs(x)))", 0, 0, 0),
        Row("T.where(x < 100, x, T.exp(T.exp(x)))", 50, 1, 0),
        Row("T.where(x > 0, T.where(x > 1, T.log(x - 1), T.sqrt(x)), x**2)", 0, 0, 2),
        Row("T.where(x == -inf, 1.0, T.where(x > 0, (x - 1) ** 2, -((x - 1) ** 2)))", -inf, 0, 0),
        Row("T.sqrt(T.where(x > 0, x, 0.0))", -1, 0, 0),
        Row("T.where(x > 0, x**1.5, 0.0)", -1, 0, 0),
        Row("T.where(x > 0, T.arccos(x), x)", -2, 1, 0),
        Row("T.where(x > 0, T.arctan2(x, x), x)", 0, 1, 0),
        Row("T.where(x > 0, T.linalg.norm(T.stack([x, x])), x)", 0, 1, 0),
        Row("T.where(x > 0, x / T.sqrt(T.sum(T.stack([x, x]) ** 2)), x)", 0, 1, 0),
        Row("T.maximum(T.sqrt(x), 1.0)", 0, 0, 0),
        Row("T.relu(T.log(x))", 0, 0, 0),
        Row("T.where(x > 0, 1 / x, 0.0) + T.where(x > 1, T.square(1 / x), 0.0)", 0, 0, 0),
        Row("T.cond(x > 0, T.log(x), x)", -1, 1, 0),
        Row("T.cond(x > 0, T.cond(x > 1, T.log(x - 1), T.sqrt(x)), x**2)", 0, 0, 2),
        Row("T.nan_to_num(T.log(x) * x)", 0, 0, 0),
    ),
}  # fmt: skip
