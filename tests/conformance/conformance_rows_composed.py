"""The table, second part: functions that join, compare, count and contract, T.linalg and T.nnet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from conformance_families import (
    K,
    M,
    N,
    along,
    binary,
    calls,
    joined,
    like,
    made,
    matrices,
    of,
    operands,
    pairs,
    permuted,
    reduced,
    shaped,
    two_axes,
    typed,
    unary,
    with_one_of,
)
from conformance_programs import Row
from conformance_rows import FLOATS, NUMBERS, SUMS, floats, largest, largest_squared, of_absolute, of_root, one
from scipy import special

import graphopt.tensor as T
from graphopt.types import DTYPES

FINITE: dict[str, Any] = {"values": "finite", "dtypes": NUMBERS}
PROBABILITY = ((0.1, 0.9),)


def both(call: Callable[..., Any]) -> dict[str, Any]:
    """`call(on, …)` of NumPy as the reference and of `graphopt.tensor` as ours."""
    return {
        "reference": lambda *arrays, **keywords: call(np, *arrays, **keywords),
        "ours": lambda *variables, **keywords: call(T, *variables, **keywords),
    }


def of_floats(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of operands made floats as NumPy's elementary functions do."""
    return lambda *arrays, **keywords: function(*floats(*arrays), **keywords)


# --- shapes that go together ------------------------------------------------------------------------------------------

SUBSCRIPTS = (
    ("ij,jk->ik", (N, M), (M, K)), ("ij,ij->", (N, M), (N, M)), ("i,j->ij", (N,), (M,)), ("ij,j->i", (N, M), (M,)),
    ("bij,bjk->bik", (K, N, M), (K, M, 2)), ("ij,kj->ki", (N, M), (K, M)), ("...j,j->...", (N, 3), (3,)),
    ("ij,kl->", (2, N), (M, 2)), ("ijk,ik->j", (N, M, K), (N, K)),
)  # fmt: skip
ONE_SUBSCRIPTS = (("ii->i", (3, 3)), ("ij->ji", (N, M)), ("ij->", (N, M)), ("ijk->k", (N, M, K)), ("ii", (2, 2)))
AXES = (
    (0, (N,), (M,)), (1, (N, M), (M, K)), (2, (N, M), (N, M)), (([0], [1]), (N, M), (K, N)),
    (([0, 1], [1, 0]), (N, M, K), (M, N)),
)  # fmt: skip
ALIKE = (((N,), (N,)), ((N, M), (N, M)), ((2, 3), (2, 3)), ((), ()), ((N, M, K), (N, M, K)))
INNER = (((N,), (N,)), ((N, M), (M,)), ((N, M), (K, M)), ((N, M, K), (2, K)), ((), (N,)))
BATCHES = (((N, M, K), (N, K, 2)), ((N, M, 3), (N, 3, 1)))
VECTORS = (((3,), (3,)), ((N, 3), (N, 3)), ((N, 3), (3,)))
SQUARE = ((3, 3), (1, 1), (N, 2, 2))
MATRICES = ((N, M), (3, 2), (2, N, M))


def flat_norm(x: Any, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    return np.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)


def matrix_norms(random: Any) -> tuple[Any, ...]:
    """Matrices, and a norm of them."""
    keywords = {"ord": random.choice(("fro", 1, np.inf, -1)), "keepdims": random.random() < 0.5}
    return ((random.choice(DTYPES), random.choice(MATRICES)),), (), keywords


def products(program: Any, result: Any, x: Any, t: Any) -> Any:
    """The largest product of an element of one operand and one of the other, or 1."""
    return largest(program, result, x) * largest(program, result, t)


def powers(random: Any) -> tuple[Any, ...]:
    """Square matrices, and an exponent."""
    return ((random.choice(NUMBERS), random.choice(SQUARE)),), (random.choice((0, 1, 2, 3)),), {}


COMPARED = [
    Row("isclose", np.isclose, binary, smooth=None, **FINITE),
    Row("allclose", np.allclose, binary, smooth=None, **FINITE),
    Row("array_equal", np.array_equal, pairs(ALIKE), smooth=None),
    Row("array_equiv", np.array_equiv, pairs(ALIKE), smooth=None),
    Row("isin", np.isin, pairs((((N, M), (3,)), ((N,), (0,)), ((), (2,)))), values="finite", smooth=None),
    Row("choose", family=typed(("int64", (N, M)), ("float64", (M,)), ("float64", (N, 1))), values="counts finite",
        smooth=None, **both(lambda on, a, x, y: on.choose(a, [x, y], mode="clip"))),
    Row("select", family=unary, **both(lambda on, x: on.select([x > 2, x < 0], [x, x * x], 3)), **FINITE),
    Row("piecewise", family=unary, **both(lambda on, x: on.piecewise(x, [x < 0, x > 2], [1, 5, 3])), **FINITE),
    Row("nan_to_num", np.nan_to_num, unary),
    Row("angle", np.angle, with_one_of((), (True,)), 1, dtypes=NUMBERS, smooth=None),
    Row("isreal", np.isreal, unary, smooth=None),
    Row("iscomplex", np.iscomplex, unary, smooth=None),
    Row("asarray", np.asarray, unary),
    Row("astype", lambda x, dtype: x.astype(dtype), with_one_of(*[(d,) for d in DTYPES]), values="counts"),
    Row("stop_gradient", lambda x: x, unary, smooth=None),
]  # fmt: skip

JOINED = [
    Row("concat", np.concatenate, joined(new_axis=False), together=True),
    Row("append", np.append, pairs((((N, M), (K,)), ((N,), ()), ((0,), (M,))))),
    Row("vstack", np.vstack, pairs(((( N,), (N,)), ((N, M), (2, M)), ((), ()))), together=True),
    Row("hstack", np.hstack, pairs((((N,), (M,)), ((N, M), (N, 2)), ((), (1,)))), together=True),
    Row("dstack", np.dstack, pairs((((N,), (N,)), ((N, M), (N, M)), ((), ()))), together=True),
    Row("column_stack", np.column_stack, pairs((((N,), (N,)), ((N, M), (N,)))), together=True),
    Row("block", family=pairs((((N,), (N,)), ((N, M), (N, M)))), **both(lambda on, x, y: on.block([[x, y], [y, x]]))),
    Row("array_split", np.array_split, shaped((((5,), 2), ((4, M), 3), ((N,), [1, 2]), ((2,), 3)))),
    Row("vsplit", np.vsplit, shaped((((4, M), 2), ((N, M), [1])))),
    Row("hsplit", np.hsplit, shaped((((N, 4), 2), ((6,), 3), ((N, M), [1])))),
    Row("dsplit", np.dsplit, shaped((((N, M, 4), 2), ((N, M, K), [1])))),
    Row("unstack", lambda x, axis=0: [np.take(x, k, axis) for k in range(x.shape[axis])], along(), known=True),
    Row("atleast_1d", np.atleast_1d, unary),
    Row("atleast_2d", np.atleast_2d, unary),
    Row("atleast_3d", np.atleast_3d, unary),
    Row("broadcast_arrays", np.broadcast_arrays, operands(2, numbers=False)),
    Row("flatten", np.ravel, unary),
    Row("fliplr", np.fliplr, typed(("float32", (N, M)))),
    Row("flipud", np.flipud, unary),
    Row("matrix_transpose", np.matrix_transpose, of(*MATRICES)),
    Row("permute_dims", np.transpose, permuted),
    Row("rollaxis", np.rollaxis, two_axes),
    Row("rot90", np.rot90, shaped((((N, M), 1), ((N, M), 2), ((2, 3, K), -1), ((N, M), 0)))),
    Row("dimshuffle", lambda x, *_: x.T[:, None], typed(("float64", (N, M))),
        ours=lambda x: T.dimshuffle(x, 1, "x", 0)),
    Row("shape_padleft", lambda x, n: x.reshape((1,) * n + x.shape), with_one_of((1,), (2,))),
    Row("shape_padright", lambda x, n: x.reshape(x.shape + (1,) * n), with_one_of((1,), (2,))),
    Row("shape_padaxis", np.expand_dims, with_one_of((0,), (-1,))),
    Row("diagonal", np.diagonal, matrices((2, 3), (N, M), (2, 4, 3))),
    Row("ediff1d", np.ediff1d, unary, dtypes=NUMBERS),
    Row("gradient", np.gradient, along(axis=(0, -1)), 4, least=2, **FINITE),
    Row("trapezoid", np.trapezoid, along(dx=(1.0, 0.5)), 16, values="finite", scale=of_absolute,
        dtypes=NUMBERS),
    Row("full_like", np.full_like, with_one_of((2,), (0,)), smooth=None),
    Row("empty_like", np.zeros_like, like, smooth=None),
    Row("empty", np.zeros, made(((2, 3),), (3,), ((),))),
    Row("logspace", np.logspace, made((0, 2, 4), (1, -1, 3), dtype=False), 4),
    Row("geomspace", np.geomspace, made((1, 8, 4), (2, 0.5, 3), dtype=False), 4),
    Row("indices", np.indices, made(((2, 3),), ((4,),), ((0, 2),), dtype=False)),
    Row("meshgrid", np.meshgrid, pairs((((N,), (M,)), ((), (M,)))), smooth=None),
    Row("vander", np.vander, of((3,), (1,), (0,)), values="counts"),
]  # fmt: skip

COUNTED = [
    Row("average", family=calls(((0, (N, M), (N,)), (1, (N, M), (M,)), (None, (N, M), (N, M)))), ulps=16, least=1,
        values="finite unit", scale=largest, dtypes=FLOATS,
        **both(lambda on, x, w, axis: on.average(x, axis, weights=w))),
    Row("ptp", np.ptp, reduced(), least=1, dtypes=NUMBERS),
    Row("cov", np.cov, of((3, 4), (2, N), (N, 3)), 64, values="finite", scale=largest_squared, least=2),
    Row("corrcoef", np.corrcoef, of((3, 4), (2, N)), 256, values="finite", scale=one, least=3),
    *[Row(f"nan{name}", getattr(np, f"nan{name}"), reduced(), ulps, values="finite", least=1, **more)
      for name, ulps, more in (
          ("sum", 16, {"scale": of_absolute}), ("prod", 32, {}), ("max", 0, {"zeros": False}),
          ("min", 0, {"zeros": False}), ("mean", 16, {"scale": of_absolute}), ("var", 32, {"scale": largest_squared}),
          ("std", 32, {"scale": of_root, "kink": 0.0}))],
]  # fmt: skip

CONTRACTED = [
    Row("einsum", family=calls((*SUBSCRIPTS, *ONE_SUBSCRIPTS)), ulps=16,
        **both(lambda on, *arrays: on.einsum(arrays[-1], *arrays[:-1])), **SUMS),
    Row("tensordot", np.tensordot, calls(AXES), 16, **SUMS),
    Row("inner", np.inner, pairs(INNER), 16, **SUMS),
    Row("vdot", np.vdot, pairs(ALIKE), 16, **SUMS),
    Row("batched_dot", np.matmul, pairs(BATCHES), 16, **SUMS),
    Row("linalg.multi_dot", np.linalg.multi_dot, pairs((((N, M), (M, K)), ((M,), (M, K)))), 16, together=True, **SUMS),
    Row("cross", np.cross, pairs(VECTORS), 4, values="finite", scale=largest_squared, dtypes=NUMBERS),
]  # fmt: skip

NORMED = [
    Row("linalg.norm", np.linalg.norm, reduced(least=1), 16, values="finite", kink=0.0),
    Row("linalg.vector_norm", flat_norm, reduced(ord=(2, 1, np.inf)), 16, values="finite", least=1, kink=0.0),
    Row("linalg.matrix_norm", np.linalg.matrix_norm, matrix_norms, 16, values="finite", least=1, kink=0.0),
    Row("linalg.matrix_power", np.linalg.matrix_power, powers, 64, values="finite", scale=of_absolute),
    Row("linalg.diagonal", family=matrices(*MATRICES), **both(lambda on, x, k=0: on.linalg.diagonal(x, offset=k))),
    Row("linalg.trace", family=matrices(*MATRICES), ulps=16,
        **both(lambda on, x, k=0: on.linalg.trace(x, offset=k)), **SUMS),
    Row("linalg.outer", np.linalg.outer, pairs((((N,), (M,)), ((0,), (N,)))), values="finite"),
    Row("linalg.cross", np.linalg.cross, pairs(VECTORS), 4, values="finite", scale=largest_squared, dtypes=NUMBERS),
]  # fmt: skip


def relu(x: Any, alpha: Any = 0) -> Any:
    return np.where(x <= 0, x * alpha, x)


def elu(x: Any, alpha: Any = 1) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))).astype(x.dtype)


def selu(x: Any) -> Any:
    return (1.0507009873554805 * elu(x, 1.6732632423543772)).astype(x.dtype)


def gelu(x: Any) -> Any:
    return (x * special.ndtr(x)).astype(x.dtype)


def crossentropy(p: Any, t: Any) -> Any:
    return -(t * np.log(p) + (1 - t) * np.log1p(-p))


def sigmoid_crossentropy(x: Any, t: Any) -> Any:
    return np.logaddexp(0, x) - x * t


SMALL: dict[str, Any] = {"values": "finite", "dtypes": FLOATS}
NEURAL = [
    Row("nnet.relu", relu, unary, zeros=False, **SMALL),
    Row("nnet.leaky_relu", lambda x: relu(x, 0.01), unary, 1, **SMALL),
    Row("nnet.elu", elu, unary, 4, **SMALL),
    Row("nnet.selu", selu, unary, 8, **SMALL),
    Row("nnet.silu", lambda x: x * special.expit(x), unary, 16, **SMALL),
    Row("nnet.gelu", gelu, unary, 64, scale=largest, **SMALL),
    Row("nnet.hard_sigmoid", lambda x: np.clip(x * 0.2 + 0.5, 0, 1), unary, 4, scale=largest, **SMALL),
    Row("nnet.softsign", lambda x: x / (1 + np.abs(x)), unary, 4, **SMALL),
    Row("nnet.binary_crossentropy", crossentropy, operands(2, numbers=False), 16, values="unit", dtypes=("float64",),
        smooth=PROBABILITY),
    Row("nnet.sigmoid_binary_crossentropy", sigmoid_crossentropy, operands(2, numbers=False), 32, scale=products,
        values="finite", dtypes=("float64",)),
    Row("nnet.categorical_crossentropy", lambda p, t: -np.sum(t * np.log(p), axis=-1), pairs(ALIKE[:2]), 32,
        values="unit", dtypes=("float64",), smooth=PROBABILITY),
]  # fmt: skip

COMPOSED = [*COMPARED, *JOINED, *COUNTED, *CONTRACTED, *NORMED, *NEURAL]
