"""What derivatives are where a function has a kink, a pole, a tie, or no value: the table of docs/gradients.md.

    python tests/autodiff/conventions.py        # prints the table

The programs are expressions of `x`, `y` and `T`, which is `graphopt.tensor`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["ROWS", "TABLE", "Row", "markdown"]

inf, nan = float("inf"), float("nan")


@dataclass(frozen=True)
class Row:
    """A program at a point, and its derivatives there.

    Attributes
    ----------
    program
        Python text of an expression of scalar value.
    at
        The point: a number; a list of them for a vector `x`; a pair for scalars `x` and `y`.
    first
        The gradient there; one number stands for a vector of it.
    second
        The Hessian there; one number stands for a matrix of it. None where nothing is promised.
    reason
        Why it is that, and what others do.
    stabilized
        Whether it needs the stabilizing rewrites, which `grad` runs unless told otherwise.
    reverse
        Whether the second derivative is that also in reverse over reverse mode, where an infinite cotangent meets both
        factors of a product that is 0.
    """

    program: str
    at: float | list[float] | tuple[float, float]
    first: float | list[float]
    second: float | list[Any] | None
    reason: str = ""
    stabilized: bool = False
    reverse: bool = True


LN2 = 0.6931471805599453

TABLE: dict[str, tuple[Row, ...]] = {
    "Absolute value, sign, steps": (
        Row("T.abs(x)", 0, 0, 0, "the middle of [-1, 1]; so PyTorch, Theano and TensorFlow, while JAX has 1"),
        Row("T.sign(x)", 0, 0, 0, "flat on both sides"),
        Row("T.copysign(x, 1.0)", 0, 1, 0, "the sign bit of +0; -1 at -0"),
        Row("T.copysign(1.0, x)", 0, 0, 0, "flat on both sides"),
        Row("T.heaviside(x, 0.5)", 0, 0, 0, "flat on both sides"),
        Row("T.floor(x) + T.ceil(x) + T.trunc(x) + T.rint(x)", 2, 0, 0, "flat on both sides"),
        Row("T.round(x, 1)", 0.25, 0, 0, "flat on both sides"),
        Row("T.floor_divide(x, 2.0)", 4, 0, 0, "flat on both sides"),
        Row("T.remainder(x, 2.0)", 4, 1, 0, "1 on both sides of the jump"),
        Row("T.fmod(x, 2.0)", -4, 1, 0, "1 on both sides of the jump"),
        Row("T.modf(x)[0]", 2, 1, 0, "1 on both sides of the jump"),
        Row("T.frexp(x)[0]", 1, 0.5, 0, "from the right, where the exponent stays"),
        Row("T.ldexp(x, 3)", 0, 8, 0, "linear"),
        Row("T.nan_to_num(x)", nan, 0, 0, "replaced by a constant"),
        Row("T.nan_to_num(x)", inf, 0, 0, "replaced by a constant"),
        Row("T.nextafter(x, inf)", 0, 1, 0, "x, but for rounding"),
    ),
    "Extrema, bounds": (
        Row("T.maximum(x, 0.0)", 0, 0.5, 0, "each of two equal operands has a half; so JAX and PyTorch"),
        Row("T.minimum(x, 0.0)", 0, 0.5, 0),
        Row("T.maximum(x, y)", (1, 1), 0.5, 0, "a half each"),
        Row("T.maximum(x, x)", 1, 1, 0, "the halves add up: it is x"),
        Row("T.fmax(x, 0.0)", 0, 0.5, 0),
        Row("T.fmin(x, 0.0)", 0, 0.5, 0),
        Row("T.fmax(x, nan)", 1, 1, 0, "NaN does not take part"),
        Row("T.maximum(x, nan)", 1, 0, 0, "neither reaches NaN"),
        Row("T.fdim(x, 0.0)", 0, 0, 0, "flat from below, as relu"),
        Row("T.max(x)", [1, 0, 1], [0.5, 0, 0.5], 0, "what ties has equal shares; so JAX and PyTorch"),
        Row("T.min(x)", [1, 0, 0], [0, 0.5, 0.5], 0),
        Row("T.max(x)", [inf, 1], [1, 0], 0),
        Row("T.max(x)", [-inf, -inf], 0.5, 0),
        Row("T.ptp(x)", [1, 1], 0, 0),
        Row("T.clip(x, 0.0, 1.0)", 0, 0.5, 0, "the middle of [0, 1]; so JAX, while PyTorch and TensorFlow have 1"),
        Row("T.clip(x, 0.0, 1.0)", 1, 0.5, 0),
        Row("T.clip(x, 1.0, 1.0)", 1, 0, 0, "flat; JAX has 1/4, as here for bounds not known, PyTorch 1"),
        Row("T.clip(x, 2.0, 1.0)", 1, 0, 0, "flat: it is the upper bound"),
        Row("T.clip(x, nan, 1.0)", 0, 0, 0, "NaN everywhere"),
    ),
    "Activations": (
        Row("T.relu(x)", 0, 0, 0, "so JAX, PyTorch and TensorFlow; T.maximum(x, 0) has a half"),
        Row("T.nnet.leaky_relu(x)", 0, 0.01, 0, "from the left, as every rectifier here; so PyTorch, while JAX has 1"),
        Row("T.nnet.elu(x)", 0, 1, 1, "from the left; so JAX"),
        Row("T.nnet.elu(x)", 1e4, 1, 0),
        Row("T.nnet.selu(x)", 0, 1.7580993408473766, 1.7580993408473766),
        Row("T.nnet.softsign(x)", 0, 1, 0),
        Row("T.nnet.silu(x)", 0, 0.5, 0.5),
        Row("T.nnet.silu(x)", 1e4, 1, 0),
        Row("T.nnet.silu(x)", -1e4, 0, 0),
        Row("T.nnet.gelu(x)", 0, 0.5, 0.7978845608028654),
        Row("T.nnet.gelu(x)", 1e4, 1, 0),
        Row("T.nnet.gelu(x)", -1e4, 0, 0),
        Row("T.nnet.hard_sigmoid(x)", 2.5, 0.1, 0, "half the slope, as clip"),
        Row("T.clip(x, -1.0, 1.0)", -1, 0.5, 0, "the hard tangent"),
        Row("T.sigmoid(x)", 1e4, 0, 0),
        Row("T.sigmoid(x)", -1e4, 0, 0),
        Row("T.tanh(x)", 1e4, 0, 0),
        Row("T.tanh(x)", -inf, 0, 0),
        Row("T.softplus(x)", 1e4, 1, 0),
        Row("T.softplus(x)", -1e4, 0, 0),
        Row("T.log_expit(x)", -1e4, 1, 0),
        Row("T.log(T.sigmoid(x))", -1e4, 1, 0, stabilized=True),
        Row("T.log(1 + T.exp(x))", 1e4, 1, 0, stabilized=True),
        Row("T.nnet.binary_crossentropy(x, 0.0)", 0, 1, 1, "0·log 0 is 0: only what is true costs"),
        Row("T.nnet.binary_crossentropy(x, 1.0)", 1, -1, 1),
        Row("T.nnet.categorical_crossentropy(x, T.constant([0.0, 1.0]))", [0, 1], [0, -1], [[0, 0], [0, 1]]),
    ),
    "Roots, powers": (
        Row("T.sqrt(x)", 0, inf, -inf, "the limits; norms, lengths and deviations have 0"),
        Row("T.cbrt(x)", 0, inf, None, "∞ from both sides; the second derivative has two limits"),
        Row("T.reciprocal(x)", 0, -inf, inf, "from the right, as x⁻¹ and all powers below 0"),
        Row("T.square(x)", 0, 0, 2),
        Row("x**0", 0, 0, 0, "x⁰ is 1 everywhere"),
        Row("x**1", 0, 1, 0),
        Row("x**2", 0, 0, 2),
        Row("x**3", 0, 0, 0),
        Row("x**0.5", 0, inf, -inf),
        Row("x**1.5", 0, 0, inf, "from the right"),
        Row("x**2.5", 0, 0, 0),
        Row("x**-1", 0, -inf, inf),
        Row("x**-0.5", 0, -inf, inf),
        Row("x**2", -3, -6, 2),
        Row("x**3", -2, 12, -12),
        Row("x**-1", -2, -0.25, -0.25),
        Row("x**0.5", -1, nan, nan, "no value, no derivative"),
        Row("0.0**x", 2, 0, 0),
        Row("0.0**x", 0, 0, 0, "0ˣ jumps; from the right it is flat"),
        Row("x**y", (0, 0), 0, 0, "x⁰ is flat in x, 0ʸ in y from the right; JAX has NaN in x"),
        Row("x**y", (0, 1), [1, 0], None, "mixed, it has no finite limit"),
        Row("x**y", (0, 2), 0, [[2, 0], [0, 0]], "PyTorch has NaN at second order"),
        Row("x**y", (0, 3), 0, 0),
        Row("x**y", (0, 0.5), [inf, 0], None, "mixed, it has no finite limit"),
        Row("x**y", (0, -1), -inf, None, "the limits from the right; JAX has NaN in y"),
        Row("x**y", (-2, 3), [12, nan], None, "defined for whole y only: no derivative in y"),
        Row("x**y", (2, 0), [0, LN2], [[0, 0.5], [0.5, LN2**2]], "PyTorch loses one of the mixed ones"),
        Row("T.float_power(x, 2)", 0, 0, 2),
        Row("T.power(x, 3)", 0, 0, 0),
        Row("T.exp2(x)", -1e4, 0, 0),
    ),
    "Norms, lengths": (
        Row("T.linalg.norm(x)", [0, 0], 0, 0, "the middle of the ball of subgradients; so PyTorch, while JAX has NaN"),
        Row("T.linalg.norm(x, 1)", [0, 2], [0, 1], 0),
        Row("T.linalg.norm(x, 3)", [0, 2], [0, 1], 0),
        Row("T.linalg.norm(x, 3)", [0, 0], 0, 0),
        Row("T.linalg.norm(x, 1.5)", [0, 0], 0, 0),
        Row("T.linalg.norm(x, 0.5)", [0, 1], [0, 1], 0, "a cusp in the first; so PyTorch, while JAX has ∞"),
        Row("T.linalg.norm(x, 0)", [0, 2], 0, 0, "counts: flat on both sides"),
        Row("T.linalg.norm(x, -1)", [0, 2], 0, 0, "like |x| in the first"),
        Row("T.linalg.norm(x, inf)", [1, -1], [0.5, -0.5], 0, "a tie, shared"),
        Row("T.linalg.norm(x, inf)", [0, 0], 0, 0),
        Row("T.linalg.norm(x, -inf)", [0, 2], 0, 0),
        Row('T.linalg.norm(x.reshape((1, 2)), "fro")', [0, 0], 0, 0),
        Row("T.linalg.norm(x.reshape((1, 2)), 1)", [0, 0], 0, 0),
        Row("T.hypot(x, y)", (0, 0), 0, 0, "a norm; PyTorch has NaN"),
        Row("T.sqrt(T.sum(x**2))", [0, 0], 0, 0, "a norm written out; JAX and PyTorch have NaN", stabilized=True),
        Row("T.sqrt(x**2 + y**2)", (0, 0), 0, 0, "becomes hypot", stabilized=True),
        Row("T.sqrt(x**2)", 0, 0, 0, "becomes |x|", stabilized=True),
        Row("T.var(x)", [1, 1], 0, [[0.5, -0.5], [-0.5, 0.5]]),
        Row("T.std(x)", [1, 1], 0, 0, "the norm of deviations; so PyTorch, while JAX has NaN"),
        Row("T.std(x)", [1], 0, 0),
        Row("T.nanstd(x)", [1, 1, nan], 0, 0),
    ),
    "Logarithms, exponentials": (
        Row("T.log(x)", 0, inf, -inf),
        Row("T.log2(x)", 0, inf, -inf),
        Row("T.log1p(x)", -1, inf, -inf),
        Row("T.log1mexp(x)", 0, -inf, -inf, "from the left, at +0 as well"),
        Row("T.log1mexp(x)", -1e4, 0, 0),
        Row("T.xlogy(x, x)", 0, 0, 0, "not the limit, -∞: see above; JAX and PyTorch have NaN"),
        Row("T.xlogy(0.0, x)", 0, 0, 0),
        Row("T.xlogy(x, 2.0)", 0, LN2, 0, "linear; TensorFlow has 0"),
        Row("T.xlogy(x, y)", (0, 2), [LN2, 0], [[0, 0.5], [0.5, 0]]),
        Row("T.xlogy(x, y)", (0, 0), 0, 0, "as above"),
        Row("T.xlog1py(x, x)", 0, 0, 2),
        Row("x * T.log(x)", 0, 0, 0, "becomes xlogy", stabilized=True),
        Row("T.entr(x)", 0, 0, 0, "-xlogy(x, x); JAX and PyTorch have ∞"),
        Row("T.rel_entr(x, 2.0)", 0, 0, 0, "as xlogy; so JAX"),
        Row("T.rel_entr(0.0, x)", 2, 0, 0),
        Row("T.rel_entr(0.0, x)", 0, 0, 0),
        Row("T.kl_div(x, 2.0)", 0, -1, 0, "rel_entr(x, 2) - x + 2"),
        Row("T.logaddexp(x, y)", (-inf, -inf), 0, 0, "nothing flows to what is impossible; JAX and PyTorch have NaN"),
        Row("T.logaddexp(x, y)", (-inf, 0), [0, 1], 0),
        Row("T.logaddexp(x, y)", (1e4, -1e4), [1, 0], 0),
        Row("T.logaddexp2(x, y)", (-inf, -inf), 0, 0),
        Row("T.logsumexp(x)", [1e4, -1e4], [1, 0], 0),
        Row("T.logsumexp(x)", [-inf, 0, 0], [0, 0.5, 0.5], [[0, 0, 0], [0, 0.25, -0.25], [0, -0.25, 0.25]]),
        Row("T.logsumexp(x)", [-inf, -inf], 0, 0, "as logaddexp; JAX and PyTorch have NaN"),
        Row("T.log(T.sum(T.exp(x)))", [1e4, -1e4], [1, 0], 0, stabilized=True),
        Row("T.softmax(x)[0]", [1e4, -1e4], 0, 0),
        Row("T.softmax(x)[0]", [0, -inf], 0, 0),
        Row("T.log_softmax(x)[1]", [1e4, -1e4], [-1, 1], 0),
        Row("T.log_softmax(x)[0]", [0, -inf], 0, 0),
        Row("T.log_softmax(x)[1]", [0, -inf], [-1, 1], 0),
        Row("T.log(T.softmax(x))[1]", [1e4, -1e4], [-1, 1], 0, stabilized=True),
    ),
    "Trigonometric": (
        Row("T.arcsin(x)", 1, inf, inf, "the limits within the domain", reverse=False),
        Row("T.arcsin(x)", -1, inf, -inf, reverse=False),
        Row("T.arccos(x)", 1, -inf, -inf, reverse=False),
        Row("T.arccosh(x)", 1, inf, -inf, reverse=False),
        Row("T.arctanh(x)", 1, inf, inf, reverse=False),
        Row("T.arctanh(x)", -1, inf, -inf, reverse=False),
        Row("T.arctan2(x, y)", (0, 0), 0, 0, "a jump in every direction; so PyTorch, while JAX has NaN"),
        Row("T.arctan2(x, y)", (0, -1), [-1, 0], [[0, -1], [-1, 0]], "from above the cut"),
        Row("T.arctan2(x, y)", (1e-30, 1e-30), [5e29, -5e29], None, "JAX and PyTorch square: ∞, 0"),
        Row("T.sinc(x)", 0, 0, -3.289868133696453),
        Row("T.logit(x)", 0, inf, -inf, reverse=False),
        Row("T.erf(x)", 1e4, 0, 0),
        Row("T.log_ndtr(x)", 1e4, 0, 0),
    ),
    "Reductions, orders": (
        Row("T.prod(x)", [0, 2, 3], [6, 0, 0], [[0, 3, 2], [3, 0, 0], [2, 0, 0]], "the products of the others"),
        Row("T.prod(x)", [0, 0, 3], 0, [[0, 3, 0], [3, 0, 0], [0, 0, 0]]),
        Row("T.prod(x)", [0, 0, 0], 0, 0),
        Row("T.cumprod(x)[2]", [0, 2, 3], [6, 0, 0], [[0, 3, 2], [3, 0, 0], [2, 0, 0]]),
        Row("T.cumprod(x)[2]", [0, 0, 3], 0, [[0, 3, 0], [3, 0, 0], [0, 0, 0]]),
        Row("T.sort(x)[0]", [1, 1, 2], [1, 0, 0], 0, "of equal elements the first comes first; so JAX and PyTorch"),
        Row("T.sort(x)[1]", [1, 1, 2], [0, 1, 0], 0),
        Row("T.median(x)", [1, 1, 1], [0, 1, 0], 0, "the middle of the stable order; so JAX, PyTorch shares"),
        Row("T.median(x)", [1, 1], [0.5, 0.5], 0),
        Row("T.quantile(x, 0.5)", [1, 1], [0.5, 0.5], 0),
        Row("T.quantile(x, 0.5)", [2, 1, 3], [1, 0, 0], 0),
        Row("T.nansum(x)", [nan, 1], [0, 1], 0),
        Row("T.nanmax(x)", [nan, 1], [0, 1], 0),
        Row("T.nanmean(x)", [nan, 1], [0, 1], 0),
        Row("T.nanprod(x)", [nan, 2], [0, 1], 0),
        Row("T.sum(T.sqrt(x[2:]))", [0, 0], 0, 0, "no elements"),
        Row("T.prod(x[2:])", [0, 0], 0, 0),
        Row(
            "T.sqrt(x)[1]", [0, 4], [0, 0.25], [[0, 0], [0, -0.03125]], "takes no part; JAX and PyTorch have NaN",
            stabilized=True,
        ),
        Row("T.take(T.log(x), 1)", [0, 1], [0, 1], [[0, 0], [0, -1]]),
    ),
    "Branches not taken": (
        Row("T.where(x > 0, T.log(x), 0.0)", 0, 0, 0, "what is not taken takes no part; JAX, PyTorch: NaN"),
        Row("T.where(x > 0, T.log(x), 2 * x)", -1, 2, 0),
        Row("T.where(x > 0, T.sqrt(x), x)", -1, 1, 0),
        Row("T.where(x > 0, 1 / x, 3 * x)", 0, 3, 0),
        Row("T.where(x == 0, 1.0, T.sin(x) / x)", 0, 0, 0),
        Row("T.where(x == 0, 0.0, x * T.log(T.abs(x)))", 0, 0, 0),
        Row("T.where(x < 100, x, T.exp(T.exp(x)))", 50, 1, 0),
        Row("T.where(x > 0, T.where(x > 1, T.log(x - 1), T.sqrt(x)), x**2)", 0, 0, 2),
        Row("T.where(x == -inf, 1.0, T.where(x > 0, (x - 1) ** 2, -((x - 1) ** 2)))", -inf, 0, 0),
        Row("T.sqrt(T.where(x > 0, x, 0.0))", -1, 0, 0, "in forward mode, too"),
        Row("T.where(x > 0, x**1.5, 0.0)", -1, 0, 0),
        Row("T.where(x > 0, T.arccos(x), x)", -2, 1, 0),
        Row("T.where(x > 0, T.arctan2(x, x), x)", 0, 1, 0),
        Row("T.where(x > 0, T.linalg.norm(T.stack([x, x])), x)", 0, 1, 0),
        Row("T.where(x > 0, x / T.sqrt(T.sum(T.stack([x, x]) ** 2)), x)", 0, 1, 0),
        Row("T.maximum(T.sqrt(x), 1.0)", 0, 0, 0, "nor what does not reach the maximum"),
        Row("T.relu(T.log(x))", 0, 0, 0),
        Row("T.where(x > 0, 1 / x, 0.0) + T.where(x > 1, T.square(1 / x), 0.0)", 0, 0, 0),
        Row("T.cond(x > 0, T.log(x), x)", -1, 1, 0),
        Row("T.cond(x > 0, T.cond(x > 1, T.log(x - 1), T.sqrt(x)), x**2)", 0, 0, 2),
        Row("T.nan_to_num(T.log(x) * x)", 0, 0, 0, "the value is NaN, and replaced by a constant"),
    ),
}  # fmt: skip

ROWS = [row for rows in TABLE.values() for row in rows]


def markdown() -> str:
    """The table of the page."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "| program | at | first | second | why |"
    yield "|---|---|---|---|---|"
    for family, rows in TABLE.items():
        yield f"| **{family}** | | | | |"
        for row in rows:
            marks = "".join(mark for mark, is_meant in (("ˢ", row.stabilized), ("ᶠ", not row.reverse)) if is_meant)
            program = row.program.replace("T.", "").replace("|", "\\|")
            at, first, second = (_shown(value) for value in (row.at, row.first, row.second))
            yield f"| `{program}`{marks} | {at} | {first} | {second} | {row.reason.replace('|', chr(92) + '|')} |"


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        inner = ", ".join(map(_shown, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    text = f"{value:.6g}".replace("inf", "∞").replace("nan", "NaN")
    return text.replace("e+0", "e")


if __name__ == "__main__":
    print(markdown())
