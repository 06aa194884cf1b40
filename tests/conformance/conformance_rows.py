"""The table, first part: ufuncs, reductions, shapes, creation; with the function of NumPy or SciPy each must equal.

A new function gets a row here or in the parts after this, or a reason in `conformance_table.WITHOUT`; a test
says so. What the columns mean is in `Row`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from conformance_families import (
    ALIKE,
    MEDIANS,
    PADDED,
    PAIRS,
    PLACES,
    QUANTILES,
    RESHAPED,
    SAME,
    SCALED,
    SPLIT,
    STACKED,
    STRETCHED,
    TILED,
    along,
    binary,
    compressed,
    distinct,
    expanded,
    joined,
    like,
    made,
    matrices,
    operands,
    pairs,
    parts,
    permuted,
    positioned,
    reduced,
    shaped,
    squeezed,
    ternary,
    two_axes,
    unary,
    with_one_of,
)
from conformance_programs import Program, Row
from conformance_values import narrowed
from scipy import special

import graphopt.tensor as T
from graphopt.types import DTYPES

FLOATS = ("float32", "float64")
INTEGERS = tuple(dtype for dtype in DTYPES if "int" in dtype)
NUMBERS = (*INTEGERS, *FLOATS)
WIDE, POSITIVE, UNIT, ABOVE_ONE = (-4.0, 4.0), (0.2, 4.0), (-0.9, 0.9), (1.1, 9.0)
QUOTIENT, BASE = (WIDE, POSITIVE), (POSITIVE, (-3.0, 3.0))


# --- references that neither library has as they stand --------------------------------------------------------------


def floats(*arrays: Any) -> list[np.ndarray]:
    """Operands in the float dtype that NumPy computes elementary functions in."""
    dtype = np.result_type(*[np.result_type(a, np.float32) if np.asarray(a).dtype.itemsize < 4 else
                             np.result_type(a, np.float64) if np.asarray(a).dtype.kind in "iu" else a
                             for a in arrays])  # fmt: skip
    return list(np.broadcast_arrays(*[np.asarray(a, dtype) for a in arrays]))


def in_float64(function: Any) -> Any:
    """A function computed in float64 and rounded to the dtype of its operands made floats."""

    def rounded(*arrays: Any) -> np.ndarray:
        converted = floats(*arrays)
        return np.asarray(function(*[a.astype("float64") for a in converted])).astype(converted[0].dtype)

    return rounded


def fma(a: Any, b: Any, c: Any) -> np.ndarray:
    """a·b + c in exact arithmetic."""
    exact = np.frompyfunc(lambda *each: float(Fraction(each[0]) * Fraction(each[1]) + Fraction(each[2])), 3, 1)
    return in_float64(lambda *arrays: exact(*[x.astype(object) for x in arrays]))(a, b, c)


def fdim(a: Any, b: Any) -> np.ndarray:
    a, b = floats(a, b)
    return np.where(np.isnan(a) | np.isnan(b), np.nan, np.where(a > b, a - b, 0)).astype(a.dtype)


def set_part(x: Any, y: Any, key: Any) -> np.ndarray:
    result = x.copy()
    result[key] = y
    return result


def add_to_part(x: Any, y: Any, key: Any) -> np.ndarray:
    return set_part(x, x[key] + y, key)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """SciPy's, but for scalars and arrays of no elements, which it mistreats."""
    x = x if x.dtype.kind == "f" else x.astype("float64")
    if not x.size or not x.ndim:
        return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))
    return special.logsumexp(x, axis=axis, keepdims=keepdims)


def softmax(x: Any, axis: Any = -1, function: Any = special.softmax) -> Any:
    """SciPy's, but for arrays of no elements, which it refuses; over the last axis if none is given."""
    (x,) = floats(x)
    return function(x, axis=axis) if x.size else x


def log_softmax(x: Any, axis: Any = -1) -> Any:
    return softmax(x, axis, special.log_softmax)


def percentile(x: Any, q: Any, function: Any = np.percentile) -> Any:
    """A function of percent for shares."""
    return function(x, [100 * share for share in q] if isinstance(q, list) else 100 * q)


# --- magnitudes of which a result's error is so many units -----------------------------------------------------------


def of_absolute(program: Program, result: Any, *arrays: Any) -> Any:
    """What the function makes of absolute values: what sums of products lose is a part of that."""
    return program.numpys(*[np.abs(array.astype("float64")) for array in arrays])[0]


def largest(program: Program, result: Any, *arrays: Any) -> Any:
    """The largest element, or 1."""
    return max(np.max(np.abs(x.astype("float64")), initial=1.0, where=np.isfinite(x)) for x in arrays)


def largest_squared(program: Program, result: Any, *arrays: Any) -> Any:
    return largest(program, result, *arrays) ** 2


def one(program: Program, result: Any, *arrays: Any) -> Any:
    return 1.0


def of_root(program: Program, result: Any, x: Any) -> Any:
    """The error of a root is that of its square over twice the root."""
    size = largest(program, result, x)
    return size**2 / np.maximum(result, size * np.sqrt(np.finfo(result.dtype).eps))


def _unary(ulps: float, names: str, **columns: Any) -> list[Row]:
    """Functions of one array that NumPy has under the same name."""
    return [Row(name, getattr(np, name), unary, ulps, **columns) for name in names.split()]


def _binary(ulps: float, names: str, **columns: Any) -> list[Row]:
    """Functions of two arrays that NumPy has under the same name."""
    return [Row(name, getattr(np, name), binary, ulps, **columns) for name in names.split()]


COMPARISONS = {
    "eq": np.equal, "neq": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}  # fmt: skip
SUMS: dict[str, Any] = {"values": "small", "scale": of_absolute}

ROWS: list[Row] = [
    # --- arithmetic
    *_binary(0, "add subtract multiply"),
    *_binary(0, "divide true_divide", smooth=QUOTIENT),
    *_unary(0, "negative abs absolute square floor ceil trunc rint fabs"),
    *_unary(0, "sqrt", smooth=(POSITIVE,)),
    Row("positive", np.positive, unary, dtypes=NUMBERS),
    *_unary(0, "sign", zeros=False),
    *_binary(0, "maximum minimum fmax fmin", zeros=False),
    *_binary(0, "floor_divide remainder mod fmod", smooth=QUOTIENT),
    *_binary(0, "copysign nextafter heaviside"),
    *_binary(4, "power pow", values="any counts", smooth=BASE),
    Row("sgn", np.sign, unary, zeros=False),
    Row("sqr", np.square, unary),
    Row("reciprocal", np.reciprocal, unary, values="nonzero", dtypes=NUMBERS, smooth=(POSITIVE,)),
    Row("fma", fma, ternary, 1, values="finite"),
    Row("fdim", fdim, operands(2, numbers=False)),
    Row("clip", np.clip, with_one_of((-1, 2), (None, 1), (0.5, None), (3, 3)), zeros=False),
    Row("relu", lambda x: np.maximum(x, 0), unary, zeros=False),
    Row("round", np.round, unary),
    Row("modf", np.modf, unary),
    Row("divmod", np.divmod, binary, smooth=QUOTIENT),
    Row("float_power", np.float_power, binary, 4, values="any counts", smooth=BASE),
    Row("ldexp", lambda x, n: np.ldexp(narrowed(x), n), binary, values="small places", smooth=None),
    *_unary(4, "cbrt", smooth=(POSITIVE,)),
    *_binary(4, "hypot", smooth=(POSITIVE, WIDE)),
    # --- exponentials, trigonometry
    *_unary(4, "exp exp2 expm1 sin cos arctan atan sinh cosh tanh arcsinh asinh deg2rad rad2deg radians degrees"),
    *_unary(4, "log log2 log10 log1p", smooth=(POSITIVE,)),
    *_unary(4, "tan", smooth=((-1.3, 1.3),)),
    *_unary(4, "arcsin arccos arctanh asin acos atanh", smooth=(UNIT,)),
    *_unary(4, "arccosh acosh", smooth=(ABOVE_ONE,)),
    *_binary(4, "arctan2 atan2", smooth=(POSITIVE, WIDE)),
    *_binary(4, "logaddexp logaddexp2"),
    Row("exp10", lambda x: np.power(10.0, x), unary, 4, values="small"),
    # --- special functions
    Row("erf", special.erf, unary, 16, values="small"),
    Row("erfc", special.erfc, unary, 16, values="small"),
    Row("gamma", special.gamma, unary, 16, values="finite", smooth=(POSITIVE,)),
    Row("lgamma", special.gammaln, unary, 16, values="finite", smooth=(POSITIVE,)),
    Row("digamma", special.digamma, unary, 64, values="finite", smooth=(POSITIVE,)),
    Row(
        "trigamma",
        lambda x: special.polygamma(1, x).astype(special.psi(x).dtype),
        unary,
        16,
        values="finite",
        smooth=(POSITIVE,),
    ),
    Row("sigmoid", special.expit, unary, 16, values="small"),
    Row("softplus", in_float64(lambda x: np.logaddexp(0, x)), unary, 16, values="small"),
    Row(
        "log1mexp",
        in_float64(lambda x: np.where(x > -0.7, np.log(-np.expm1(x)), np.log1p(-np.exp(x)))),
        unary,
        16,
        values="negative",
        smooth=((-5.0, -0.1),),
    ),
    Row("xlogy", special.xlogy, operands(2, numbers=False), 16, values="small", smooth=(POSITIVE,)),
    # --- comparisons, logic, bits
    *_binary(0, "equal not_equal less less_equal greater greater_equal", smooth=None),
    *_binary(0, "logical_and logical_or logical_xor", smooth=None),
    *_unary(0, "logical_not isnan isinf isfinite signbit", smooth=None),
    *_binary(0, "bitwise_and bitwise_or bitwise_xor left_shift right_shift gcd lcm", smooth=None),
    *_unary(0, "invert", smooth=None),
    *[Row(name, reference, binary, smooth=None) for name, reference in COMPARISONS.items()],
    Row("where", np.where, ternary),
    Row("switch", np.where, ternary),
    Row("cast", lambda x, dtype: x.astype(dtype), with_one_of(*[(dtype,) for dtype in DTYPES]), values="counts"),
    # --- reductions
    Row("sum", np.sum, reduced(), 16, **SUMS),
    Row("prod", np.prod, reduced(), 32, values="small"),
    Row("max", np.max, reduced(), least=1, zeros=False),
    Row("min", np.min, reduced(), least=1, zeros=False),
    Row("any", np.any, reduced(), smooth=None),
    Row("all", np.all, reduced(), smooth=None),
    Row("argmax", np.argmax, along(0, keepdims=(False, True)), known=True, least=1, smooth=None),
    Row("argmin", np.argmin, along(0, keepdims=(False, True)), known=True, least=1, smooth=None),
    Row("count_nonzero", np.count_nonzero, reduced(), smooth=None),
    Row("mean", np.mean, reduced(), 16, **SUMS),
    Row("var", np.var, reduced(ddof=(0, 0, 1)), 32, values="finite", scale=largest_squared, least=2),
    Row("std", np.std, reduced(ddof=(0, 0, 1)), 32, values="finite", scale=of_root, least=2, kink=0.0),
    Row("logsumexp", logsumexp, reduced(least=1), 32, values="finite", scale=largest, least=1),
    Row("softmax", softmax, along(), 32, values="finite", least=1),
    Row("log_softmax", log_softmax, along(), 32, values="finite", scale=largest, least=1),
    # --- orders
    Row("sort", lambda x, axis=-1: np.sort(x, axis, stable=True), along()),
    Row("argsort", lambda x, axis=-1: np.argsort(x, axis, stable=True), along(), smooth=None),
    Row("searchsorted", np.searchsorted, pairs(PLACES), smooth=None),
    # --- as many as there are
    Row("nonzero", np.nonzero, positioned, values="counts", smooth=None),
    Row("flatnonzero", np.flatnonzero, unary, values="counts", smooth=None),
    Row("argwhere", np.argwhere, positioned, values="counts", smooth=None),
    Row("extract", np.extract, pairs(SAME), values="counts any"),
    Row("compress", np.compress, compressed, values="counts any"),
    Row("unique", np.unique, distinct, values="counts", zeros=False),
    Row("median", np.median, shaped(MEDIANS), 2, values="small", least=1, dtypes=NUMBERS),
    Row("quantile", np.quantile, shaped(QUANTILES), 16, values="small", scale=largest, least=1, dtypes=NUMBERS),
    Row(
        "percentile",
        percentile,
        shaped(QUANTILES),
        64,
        values="small",
        scale=largest,
        least=1,
        dtypes=NUMBERS,
        ours=lambda x, q: percentile(x, q, T.percentile),
    ),
    # --- shapes
    Row("transpose", np.transpose, permuted),
    Row("swapaxes", np.swapaxes, two_axes),
    Row("moveaxis", np.moveaxis, two_axes),
    Row("expand_dims", np.expand_dims, expanded),
    Row("squeeze", np.squeeze, squeezed, least=2),
    Row("reshape", np.reshape, shaped(RESHAPED), least=1),
    Row("ravel", np.ravel, unary),
    Row("broadcast_to", np.broadcast_to, shaped(STRETCHED), least=2),
    Row("concatenate", np.concatenate, joined(new_axis=False), together=True),
    Row("stack", np.stack, joined(new_axis=True), together=True),
    Row("split", np.split, shaped(SPLIT), least=1),
    Row("flip", np.flip, reduced(keepdims=False)),
    Row("roll", np.roll, along(shift=(0, 1, -2, 7)), known=True),
    Row("diff", np.diff, along(n=(0, 1, 2))),
    Row("pad", np.pad, shaped(PADDED)),
    Row("repeat", np.repeat, along(0, repeats=(0, 1, 3))),
    Row("tile", np.tile, shaped(TILED)),
    # --- diagonals
    Row("diag", np.diag, matrices((4,), (1,), (2, 3), (3, 3), (0, 2), (5, 1)), known=True),
    Row("trace", np.trace, matrices((2, 3), (3, 3), (0, 2), (5, 1)), 16, known=True, **SUMS),
    Row("tril", np.tril, matrices((2, 3), (3, 3), (0, 2), (2, 4, 3)), known=True),
    Row("triu", np.triu, matrices((2, 3), (3, 3), (0, 2), (2, 4, 3)), known=True),
    # --- products
    Row("dot", np.dot, pairs(SCALED), 16, **SUMS),
    Row("matmul", np.matmul, pairs(STACKED), 16, **SUMS),
    Row("outer", np.outer, pairs(PAIRS)),
    Row("kron", np.kron, pairs(ALIKE)),
    # --- creation
    Row("constant", lambda value, dtype=None: np.asarray(value, dtype), made(([1, 0],), (1,), ([[True]],))),
    Row("arange", np.arange, made((5,), (2, 7), (1, 9, 3), (5, 0, -2), (0,))),
    Row("linspace", np.linspace, made((0, 1), (1, -1, 5), (0, 3, 4, False), (2, 2, 1), (0, 1, 0))),
    Row("eye", np.eye, made((3,), (2, 3), (3, 2, 1), (3, 3, -1), (0,))),
    Row("identity", np.identity, made((3,), (0,), (1,))),
    Row("tri", np.tri, made((3,), (2, 3), (3, 2, 1), (3, 3, -1), (0,))),
    Row("full", np.full, made(((2, 3), 1), ((), 0), (3, 1), ((0, 2), True))),
    Row("zeros", np.zeros, made((3,), ((),), ((2, 0),), ((2, 3),))),
    Row("ones", np.ones, made((3,), ((),), ((2, 0),), ((2, 3),))),
    Row("zeros_like", np.zeros_like, like, smooth=None),
    Row("ones_like", np.ones_like, like, smooth=None),
    # --- parts
    Row("set_subtensor", set_part, parts, least=2, ours=lambda x, y, key: T.set_subtensor(x[key], y)),
    Row("inc_subtensor", add_to_part, parts, least=2, ours=lambda x, y, key: T.inc_subtensor(x[key], y)),
]
