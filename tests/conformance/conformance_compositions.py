"""The rows of functions that are compositions: contractions, statistics, what joins and rearranges.

They are a part of `conformance_rows`. What takes lists of conditions, functions, labels or other than arrays is held
against NumPy in `tests/tensor/`.
"""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
from conformance_families import (
    Shape,
    along,
    array,
    binary,
    joined,
    made,
    matrices,
    pairs,
    permuted,
    reduced,
    shaped,
    two_axes,
    unary,
    with_one_of,
)
from conformance_programs import Family, K, M, N, Program, Row

import graphopt.tensor as T
from graphopt.types import DTYPES

FLOATS = ("float32", "float64")
NUMBERS = tuple(dtype for dtype in DTYPES if dtype != "bool")

IN_COMPOSITIONS = "tests/tensor/test_compositions.py"
ELSEWHERE = {
    **dict.fromkeys(("block", "choose", "meshgrid", "piecewise", "select"), f"takes lists: {IN_COMPOSITIONS}"),
    **dict.fromkeys(("atleast_1d", "atleast_2d", "atleast_3d"), f"takes any number of arrays: {IN_COMPOSITIONS}"),
    **dict.fromkeys(("dimshuffle", "shape_padaxis", "shape_padleft", "shape_padright"), f"Theano's: {IN_COMPOSITIONS}"),
    **dict.fromkeys(("broadcast_shapes", "can_cast", "finfo", "iinfo", "isdtype", "result_type"), "about types alone"),
    **dict.fromkeys(("iscomplexobj", "isrealobj"), "the same for every argument"),
    **dict.fromkeys(("empty", "empty_like"), "zeros here; NumPy says nothing about their values"),
    **dict.fromkeys(("e", "inf", "nan", "newaxis", "pi", *DTYPES), "a constant or a dtype"),
    "batched_dot": "Theano's: tests/tensor/test_contraction.py",
    "corrcoef": f"what rounding leaves of a variance of 0 is ±1: {IN_COMPOSITIONS}",
    "linalg": "a module: tests/tensor/test_linalg.py",
    "nnet": "a module: tests/tensor/test_nnet.py",
}
"""Why others of the functions have no row."""

CONTRACTED: tuple[tuple[Shape, Shape, Any], ...] = (
    ((N, M), (M, K), 1), ((N, M), (N, M), 2), ((N,), (M, K), 0), ((N, M, K), (M, K), 2), ((N, M), (N, K), (0, 0)),
    ((N, M, K), (K, N), ((0, 2), (1, 0))), ((N, M), (M,), (-1, 0)), ((2, 3), (3, 0), 1), ((2, 3), (2, 4), 1),
)  # fmt: skip
SUMMED: tuple[tuple[Shape, Shape, str], ...] = (
    ((N, M), (M, K), "ij,jk"), ((N, M), (M, K), "ij,jk->ki"), ((K, N, M), (K, N, M), "bij,bij->b"),
    ((N, N), (N,), "ii,i"), ((N, M, K), (2, M), "ijk,lj->ilk"), ((N, 1), (N, M), "ij,ij->j"),
    ((N, N), (M,), "ii,j->j"), ((K, N, M), (M,), "...i,i"),
)  # fmt: skip
VECTORS: tuple[tuple[Shape, Shape], ...] = (((N, 3), (3,)), ((3,), (3,)), ((N, M, 3), (M, 3)), ((N, 3), (N, 3)))
SAME: tuple[tuple[Shape, Shape], ...] = (((N,), (N,)), ((N, M), (N, M)), ((), ()), ((2,), (3,)), ((0,), (0,)))
INNER: tuple[tuple[Shape, Shape], ...] = (
    ((N,), (N,)), ((N, M), (K, M)), ((), (N, M)), ((K, N, M), (M,)), ((2, 3), (2, 4)),
)  # fmt: skip
WHOLE: tuple[tuple[Shape, Shape], ...] = (((N,), (N,)), ((N, M), (N, M)), ((N, M), (M, N)), ((), ()), ((0,), (0,)))
UNEVEN: tuple[tuple[Shape, Any], ...] = (((N,), 3), ((N, M), 2), ((5,), 7), ((4,), [1, 3]), ((0,), 2), ((N, M), [1]))
SIDEWAYS: tuple[tuple[Shape, Any], ...] = (((4,), 2), ((N, 6), 3), ((N, M, K), 1), ((N, M), [1]), ((3, 0), 2))
DEEP: tuple[tuple[Shape, Any], ...] = (((N, M, 4), 2), ((N, M, K), 1), ((2, 3, 4), [1, 3]))
TALL: tuple[tuple[Shape, Any], ...] = (((4, M), 2), ((N, M), 1), ((N, M, K), [2]), ((0, 2), 3))


def with_argument(table: tuple[tuple[Shape, Shape, Any], ...]) -> Family:
    """Two arrays of one of these pairs of shapes, and what goes with it."""

    def family(random: Random) -> tuple[Any, ...]:
        first, second, argument = random.choice(table)
        types, _, _ = pairs(((first, second),))(random)
        return types, (argument,), {}

    return family


def several(random: Random) -> tuple[Any, ...]:
    """Arrays of one shape."""
    (_, shape), _ = array(random)
    return tuple((random.choice(DTYPES), shape) for _ in range(random.randint(1, 3))), (), {}


def after_another(random: Random) -> tuple[Any, ...]:
    """Two arrays of one shape, and an axis or none."""
    (_, shape), ndim = array(random)
    axis = random.choice((None, *range(-ndim, ndim)))
    return tuple((random.choice(DTYPES), shape) for _ in range(2)), (), {} if axis is None else {"axis": axis}


def of_absolute(program: Program, result: Any, *arrays: Any) -> Any:
    """What the function makes of absolute values: what sums of products lose is a part of that."""
    return program.numpys(*[np.abs(array.astype("float64")) for array in arrays])[0]


def largest_squared(program: Program, result: Any, x: Any) -> Any:
    return np.max(np.abs(x.astype("float64")), initial=1.0, where=np.isfinite(x)) ** 2


def unless_scalar(function: Any) -> Any:
    """A product, but for scalars, with which NumPy has BLAS multiply, where 0·∞ is 0."""
    return lambda a, b: function(a, b) if np.ndim(a) and np.ndim(b) else np.multiply(a, b)


def einsum(on: Any) -> Any:
    return lambda a, b, text: on.einsum(text, a, b)


SUMS: dict[str, Any] = {"values": "small", "scale": of_absolute}

COMPOSITIONS: list[Row] = [
    # --- products
    Row("einsum", einsum(np), with_argument(SUMMED), 16, ours=einsum(T), **SUMS),
    Row("tensordot", np.tensordot, with_argument(CONTRACTED), 16, **SUMS),
    Row("inner", unless_scalar(np.inner), pairs(INNER), 16, **SUMS),
    Row("vdot", np.vdot, pairs(WHOLE), 16, **SUMS),
    Row("cross", np.cross, pairs(VECTORS), zeros=False),
    # --- joined, taken apart, rearranged
    *[Row(name, getattr(np, name), several, together=True) for name in ("hstack", "vstack", "dstack", "column_stack")],
    Row("concat", np.concatenate, joined(new_axis=False), together=True),
    Row("append", np.append, after_another),
    Row("array_split", np.array_split, shaped(UNEVEN)),
    Row("hsplit", np.hsplit, shaped(SIDEWAYS), least=1),
    Row("vsplit", np.vsplit, shaped(TALL), least=1),
    Row("dsplit", np.dsplit, shaped(DEEP), least=1),
    Row("unstack", np.unstack, along(), known=True, least=1),
    Row("broadcast_arrays", np.broadcast_arrays, binary),
    Row("flatten", np.ravel, unary),
    Row("matrix_transpose", np.matrix_transpose, unary),
    Row("permute_dims", np.permute_dims, permuted),
    Row("rollaxis", np.rollaxis, two_axes),
    Row("rot90", np.rot90, with_one_of((), (0,), (-1,), (2, (1, 0)), (1, (-1, 0)))),
    *[Row(name, getattr(np, name), unary) for name in ("fliplr", "flipud")],
    Row("diagonal", np.diagonal, matrices((N, M), (N, N), (2, 3), (2, 4, 3), (0, 2), (5, 1), (N, M, K))),
    # --- made
    Row("asarray", np.asarray, made(([1, 2],), (2.5,), ([[True]],))),
    Row("astype", lambda x, dtype: x.astype(dtype), with_one_of(*[(d,) for d in DTYPES]), values="counts"),
    Row("full_like", np.full_like, with_one_of((3,), (0.5,), (True,))),
    Row("indices", np.indices, made(((2, 3),), ((0, 2),), ((4,),))),
    Row("logspace", np.logspace, made((0, 2, 5), (0, 3, 4, False, 2.0), (1, 1, 1), (0, 1, 0))),
    Row("geomspace", np.geomspace, made((1, 16, 5), (8, 1, 4), (1, 16, 4, False), (2, 3, 0))),
    Row("vander", np.vander, shaped((((4,), None), ((N,), 3), ((3,), 0), ((0,), 2))), 16, values="small"),
    # --- statistics
    Row("average", np.mean, reduced(), 16, **SUMS),
    Row("ptp", np.ptp, reduced(), least=1, dtypes=NUMBERS, zeros=False),
    Row(
        "cov",
        np.cov,
        shaped((((N,), None), ((N, M), None), ((2, 5), None))),
        32,
        values="finite",
        least=2,
        scale=largest_squared,
    ),
    Row("nansum", np.nansum, reduced(), 16, **SUMS),
    Row("nanprod", np.nanprod, reduced(), 32, values="small"),
    Row("nanmax", np.nanmax, reduced(), least=1, zeros=False),
    Row("nanmin", np.nanmin, reduced(), least=1, zeros=False),
    Row("nanmean", np.nanmean, reduced(), 16, **SUMS),
    Row("nanvar", np.nanvar, reduced(ddof=(0, 0, 1)), 32, values="finite", scale=largest_squared, least=2),
    Row("nanstd", np.nanstd, reduced(ddof=(0, 0, 1)), 1e7, values="counts", scale=largest_squared, least=2, kink=0.0),
    Row("nan_to_num", np.nan_to_num, unary),
    Row("trapezoid", np.trapezoid, along(default=-1), 16, **SUMS),
    Row("ediff1d", np.ediff1d, unary, dtypes=NUMBERS),
    Row("gradient", np.gradient, along(), 4, values="small", least=3, dtypes=NUMBERS, scale=of_absolute),
    # --- comparisons
    *[Row(name, getattr(np, name), binary, smooth=None) for name in ("isclose", "allclose", "array_equiv")],
    Row("array_equal", np.array_equal, pairs(SAME), smooth=None),
    Row("isin", np.isin, pairs(SAME), dtypes=FLOATS, smooth=None),
    *[Row(name, getattr(np, name), unary, smooth=None) for name in ("isreal", "iscomplex")],
    Row("angle", np.angle, unary, 4),
]
