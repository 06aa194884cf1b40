"""NumPy's arrays with a pattern (arange, eye, tri, …), diagonals and triangles, and repetition.

Sizes are integers in patterns: a range as long as a named dimension has no op yet. Patterns are constants, so that
what is made with them is folded, seen through and stored like any other constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt.config import config
from graphopt.dimensions import Dim, DimLike, opaque
from graphopt.errors import InvalidArgument, ShapeMismatch, UnsupportedExpression
from graphopt.ops import indexing as ops
from graphopt.ops import shape as views
from graphopt.ops.indexing import put
from graphopt.ops.logic import where
from graphopt.tensor.creation import ones, zeros
from graphopt.tensor.indexing import concatenate, getitem
from graphopt.tensor.reduction import sum as total
from graphopt.tensor.shape import broadcast_to, canonical_axes, expression, moveaxis, rank
from graphopt.types import check_dtype
from graphopt.variable import Variable, as_variable

__all__ = [
    "arange",
    "diag",
    "diagonal",
    "eye",
    "identity",
    "kron",
    "linspace",
    "repeat",
    "tile",
    "trace",
    "tri",
    "tril",
    "triu",
]


def _known(value: Any, what: str) -> Any:
    if isinstance(value, Dim | Variable):
        raise UnsupportedExpression(f"{what} takes numbers that are known while the program is built, found {value}")
    return value


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Variable:
    """Evenly spaced values from `start` up to, not including, `stop`; int64 for integers, as in NumPy."""
    bounds = [_known(value, "arange") for value in (start, stop, step)]
    try:
        return as_variable(np.arange(*bounds, dtype=None if dtype is None else check_dtype(dtype)))
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise InvalidArgument(f"arange({start}, {stop}, {step}, dtype={dtype}): {error}") from None


def linspace(start: float, stop: float, num: int = 50, endpoint: bool = True, dtype: Any = None) -> Variable:
    """`num` evenly spaced values from `start` to `stop`, of dtype `go.config.floatX` unless another is given."""
    low, high, count = (_known(value, "linspace") for value in (start, stop, num))
    return as_variable(np.linspace(low, high, count, endpoint, dtype=check_dtype(dtype or config.floatX)))


def eye(N: DimLike, M: DimLike | None = None, k: int = 0, dtype: Any = None) -> Variable:
    """Ones on the k-th diagonal, zeros elsewhere, of dtype `go.config.floatX` unless another is given.

    The size of a square one may be a dimension with a name.
    """
    if isinstance(N, Dim) and M in (None, N) and k == 0:
        return diag(ones(N, dtype))  # type: ignore[no-any-return]
    return as_variable(np.eye(_known(N, "eye"), _known(M, "eye"), k, dtype=check_dtype(dtype or config.floatX)))


def identity(n: DimLike, dtype: Any = None) -> Variable:
    """The identity matrix."""
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Variable:
    """Ones on and below the k-th diagonal."""
    return as_variable(np.tri(_known(N, "tri"), _known(M, "tri"), k, dtype=check_dtype(dtype or config.floatX)))


def tril(x: Any, k: int = 0) -> Any:
    """The elements on and below the k-th diagonal of the last two axes, zeros elsewhere."""
    x = expression(x)
    rows, columns = _matrix(x, "tril")
    return where(np.tri(rows, columns, k, dtype=bool), x, as_variable(0, x.dtype))


def triu(x: Any, k: int = 0) -> Any:
    """The elements on and above the k-th diagonal of the last two axes, zeros elsewhere."""
    x = expression(x)
    rows, columns = _matrix(x, "triu")
    return where(np.tri(rows, columns, k - 1, dtype=bool), as_variable(0, x.dtype), x)


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal of two axes, at the end of the others; `offset` columns to the right of the main one.

    Lengths need not be known. Raises ShapeMismatch if there are no two axes, InvalidArgument if they are one.
    """
    x = expression(x)
    if rank(x, "diagonal") < 2:
        raise ShapeMismatch(f"diagonal takes an array of at least two axes, found {x.type}")
    canonical_axes((axis1, axis2), x.ndim, "diagonal")
    pair = (axis1 % x.ndim, axis2 % x.ndim)
    order = (*(k for k in range(x.ndim) if k not in pair), *pair)
    x = x if order == tuple(range(x.ndim)) else views.transpose(x, axes=order)
    *lead, rows, columns = x.shape
    if isinstance(rows, int) and isinstance(columns, int):
        start, length = (offset, min(rows, columns - offset)) if offset >= 0 else (-offset * columns, rows + offset)
        length = max(min(length, columns), 0)
        flat = views.reshape(x, shape=(*lead, rows * columns))
        return _steps(flat, start if length else 0, columns + 1, length)
    x = getitem(x, (..., slice(max(-offset, 0), None), slice(max(offset, 0), None)))
    if (rows := x.shape[-2]) != (columns := x.shape[-1]):
        size = opaque("min", rows, columns)
        x = ops.slice_(x, start=(0,) * x.ndim, step=(1,) * x.ndim, shape=(*lead, size, size))
    # With as many elements more as there are rows, the elements of the diagonal stand below one another.
    size = x.shape[-1]
    flat = views.reshape(x, shape=(*lead, size * size))
    flat = concatenate([flat, zeros((*lead, size), x.dtype)], axis=-1)
    return views.squeeze(_steps(views.reshape(flat, shape=(*lead, size, size + 1)), 0, 1, 1), axis=(x.ndim - 1,))


def _steps(x: Any, start: int, step: int, length: DimLike) -> Any:
    """So many elements along the last axis."""
    lead = x.ndim - 1
    return ops.slice_(x, start=(0,) * lead + (start,), step=(1,) * lead + (step,), shape=(*x.shape[:-1], length))


def diag(x: Any, k: int = 0) -> Any:
    """The k-th diagonal of a matrix, or the matrix that has a vector as its k-th diagonal."""
    x = expression(x)
    if x.ndim == 1:
        return _with_diagonal(x, k)
    if x.ndim != 2:
        raise ShapeMismatch(f"diag takes a vector or a matrix, found {x.type}")
    return diagonal(x, k)


def _with_diagonal(x: Any, k: int) -> Any:
    size = x.shape[0] + abs(k)
    start = k if k >= 0 else -k * size
    if isinstance(size, int):
        flat = put(zeros(size * size, x.dtype), x, start=(start,), step=(size + 1,))
    else:  # the first column of a matrix that has one column more, read in rows of the right length
        column = concatenate([x, zeros(abs(k), x.dtype)]) if k else x
        wide = concatenate([views.expand_dims(column, axis=(1,)), zeros((size, size), x.dtype)], axis=1)
        flat = views.reshape(wide, shape=(size * size + size,))
        flat = _steps(concatenate([zeros(start, x.dtype), flat]) if k else flat, 0, 1, size * size)
    return views.reshape(flat, shape=(size, size))


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of the diagonal of two axes."""
    return total(diagonal(x, offset, axis1, axis2), -1)


def _matrix(x: Any, what: str) -> tuple[int, int]:
    if x.ndim < 2:
        raise ShapeMismatch(f"{what} takes a matrix, found {x.type}")
    rows, columns = (_known(size, what) for size in x.shape[-2:])
    return rows, columns


def repeat(x: Any, repeats: int, axis: int | None = None) -> Any:
    """Each element so many times in a row along an axis; of all elements in one axis if none is given."""
    x = expression(x)
    if not isinstance(repeats, int) or isinstance(repeats, bool) or repeats < 0:
        raise InvalidArgument(f"repeat: repeats is an integer of at least 0, found {repeats!r}")
    if axis is None:
        x, axis = views.reshape(x, shape=(x.size,)), 0
    (axis,) = canonical_axes(axis, x.ndim, "repeat")
    shape: list[DimLike] = list(x.shape)
    stretched = broadcast_to(views.expand_dims(x, axis=(axis + 1,)), (*shape[: axis + 1], repeats, *shape[axis + 1 :]))
    shape[axis] = shape[axis] * repeats
    return views.reshape(stretched, shape=tuple(shape))


def tile(x: Any, reps: int | Sequence[int]) -> Any:
    """Laid out so many times along each axis, the last ones first, as NumPy does."""
    x = expression(x)
    counts = [reps] if isinstance(reps, int) else list(reps)
    if any(not isinstance(count, int) or count < 0 for count in counts):
        raise InvalidArgument(f"tile: reps are integers of at least 0, found {reps!r}")
    counts = [1] * (x.ndim - len(counts)) + counts
    shape = (1,) * (len(counts) - x.ndim) + tuple(x.shape)
    apart = [part for count, size in zip(counts, shape, strict=True) for part in (count, size)]
    single = [part for size in shape for part in (1, size)]
    stretched = broadcast_to(views.reshape(x, shape=tuple(single)), tuple(apart))
    return views.reshape(stretched, shape=tuple(count * size for count, size in zip(counts, shape, strict=True)))


def kron(a: Any, b: Any) -> Any:
    """The Kronecker product of two arrays of one rank: every element of the first times the second."""
    a, b = expression(a), expression(b)
    if a.ndim != b.ndim:
        raise ShapeMismatch(f"kron takes arrays of one rank, found {a.type} and {b.type}")
    n = a.ndim
    products = views.expand_dims(a, axis=tuple(range(n, 2 * n))) * b
    for k in range(n):  # (i, j, k, l) to (i, k, j, l)
        products = moveaxis(products, n + k, 2 * k + 1)
    return views.reshape(products, shape=tuple(p * q for p, q in zip(a.shape, b.shape, strict=True)))
