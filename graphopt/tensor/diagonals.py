"""NumPy's arrays with a pattern (arange, eye, tri, …), diagonals and triangles, and repetition.

Patterns of known sizes are constants, so that what is made with them is folded and seen through like any other. With
sizes that have names they are comparisons of positions (`iota`), which take no memory.
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
from graphopt.ops.arithmetic import add
from graphopt.ops.gather import gather
from graphopt.ops.indexing import put
from graphopt.ops.leaves import iota
from graphopt.ops.logic import equal, greater_equal, where
from graphopt.tensor.creation import zeros
from graphopt.tensor.parts import concatenate
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
    """Evenly spaced values from `start` up to, not including, `stop`, as NumPy gives them; int64 for integers.

    Parameters
    ----------
    start, stop, step
        Integers, dimensions or floats. With dimensions, the step is an integer other than 0.

    Raises
    ------
    InvalidArgument
        If NumPy has no meaning for them.
    UnsupportedExpression
        If one is a variable: the length would depend on data.
    """
    low, high = (0, start) if stop is None else (start, stop)
    if any(isinstance(bound, Dim) for bound in (low, high)) and isinstance(step, int) and step:
        room = high - low if step > 0 else low - high
        values = iota(size=opaque("max", (room + (abs(step) - 1)) // abs(step), 0) if low else room) * step + low
        return values if dtype is None else values.astype(check_dtype(dtype))  # type: ignore[no-any-return]
    bounds = [_known(value, "arange") for value in (low, high, step)]
    try:
        return as_variable(np.arange(*bounds, dtype=None if dtype is None else check_dtype(dtype)))
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise InvalidArgument(f"arange({start}, {stop}, {step}, dtype={dtype}): {error}") from None


def linspace(start: float, stop: float, num: int = 50, endpoint: bool = True, dtype: Any = None) -> Variable:
    """`num` evenly spaced values from `start` to `stop`, of dtype `go.config.floatX` unless another is given."""
    low, high, count = (_known(value, "linspace") for value in (start, stop, num))
    return as_variable(np.linspace(low, high, count, endpoint, dtype=check_dtype(dtype or config.floatX)))


def _positions(rows: DimLike, columns: DimLike, k: int) -> tuple[Any, Any]:
    """Row + k and column of every element of a matrix."""
    return views.expand_dims(add(iota(size=rows), k), axis=(1,)), iota(size=columns)


def eye(N: DimLike, M: DimLike | None = None, k: int = 0, dtype: Any = None) -> Variable:
    """Ones on the k-th diagonal, zeros elsewhere, of dtype `go.config.floatX` unless another is given."""
    dtype = check_dtype(dtype or config.floatX)
    if isinstance(N, int) and isinstance(M, int | None):
        return as_variable(np.eye(N, M, k, dtype=dtype))
    return equal(*_positions(N, N if M is None else M, k)).astype(dtype)  # type: ignore[no-any-return]


def identity(n: DimLike, dtype: Any = None) -> Variable:
    """The identity matrix."""
    return eye(n, dtype=dtype)


def _lower(rows: DimLike, columns: DimLike, k: int) -> Any:
    """Whether an element lies on or below the k-th diagonal."""
    if isinstance(rows, int) and isinstance(columns, int):
        return as_variable(np.tri(rows, columns, k, dtype=bool))
    return greater_equal(*_positions(rows, columns, k))


def tri(N: DimLike, M: DimLike | None = None, k: int = 0, dtype: Any = None) -> Variable:
    """Ones on and below the k-th diagonal."""
    return _lower(N, N if M is None else M, k).astype(check_dtype(dtype or config.floatX))  # type: ignore[no-any-return]


def tril(x: Any, k: int = 0) -> Any:
    """The elements on and below the k-th diagonal of the last two axes, zeros elsewhere."""
    x = _matrices(x, "tril")
    return where(_lower(x.shape[-2], x.shape[-1], k), x, as_variable(0, x.dtype))


def triu(x: Any, k: int = 0) -> Any:
    """The elements on and above the k-th diagonal of the last two axes, zeros elsewhere."""
    x = _matrices(x, "triu")
    return where(_lower(x.shape[-2], x.shape[-1], k - 1), as_variable(0, x.dtype), x)


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
    down, right = max(-offset, 0), max(offset, 0)
    position = iota(size=opaque("max", opaque("min", rows - down, columns - right), 0))
    count = x.ndim - 2
    pair_first = views.transpose(x, axes=(count, count + 1, *range(count)))
    found = gather(pair_first, add(position, down), add(position, right))
    return moveaxis(found, 0, -1) if count else found


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
    if isinstance(size, int):
        flat = put(zeros(size * size, x.dtype), x, start=(k if k >= 0 else -k * size,), step=(size + 1,))
        return views.reshape(flat, shape=(size, size))
    rest = zeros(abs(k), x.dtype)
    column = concatenate([x, rest] if k > 0 else [rest, x]) if k else x
    return where(equal(*_positions(size, size, k)), views.expand_dims(column, axis=(1,)), as_variable(0, x.dtype))


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of the diagonal of two axes."""
    return total(diagonal(x, offset, axis1, axis2), -1)


def _matrices(x: Any, what: str) -> Any:
    x = expression(x)
    if x.ndim < 2:
        raise ShapeMismatch(f"{what} takes a matrix, found {x.type}")
    return x


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
