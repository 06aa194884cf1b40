"""Functions that move axes and elements about, composed of `transpose`, `reshape`, `expand_dims` and slices.

NumPy's names, the array API standard's, and Theano's: `dimshuffle`, `flatten`, `shape_padleft`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.dimensions import product
from graphopt.errors import InvalidArgument, ShapeMismatch, UnsupportedExpression
from graphopt.ops import shape as views
from graphopt.tensor.indexing import getitem
from graphopt.tensor.parts import flip
from graphopt.tensor.shape import broadcast_to, canonical_axes, expression, rank, reshape, swapaxes, transpose
from graphopt.types import broadcast

__all__ = ["atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "broadcast_shapes", "dimshuffle", "flatten",
           "fliplr", "flipud", "matrix_transpose", "permute_dims", "rollaxis", "rot90", "shape_padaxis",
           "shape_padleft", "shape_padright", "unstack"]  # fmt: skip

permute_dims = transpose


def matrix_transpose(x: Any) -> Any:
    """The last two axes exchanged. Raises ShapeMismatch if there are no two."""
    x = _of_rank(x, 2, "matrix_transpose")
    return swapaxes(x, -1, -2)


def _of_rank(x: Any, least: int, what: str) -> Any:
    x = expression(x)
    if rank(x, what) < least:
        raise ShapeMismatch(f"{what} takes an array of at least {least} axes, found {x.type}")
    return x


def rollaxis(x: Any, axis: int, start: int = 0) -> Any:
    """One axis moved before another; `moveaxis` is easier to read."""
    x = expression(x)
    n = rank(x, "rollaxis")
    (axis,) = canonical_axes(axis, n, "rollaxis")
    if not -n <= start <= n:
        raise InvalidArgument(f"rollaxis: start {start} is outside an array of rank {n}")
    start = start + n if start < 0 else start
    order = [k for k in range(n) if k != axis]
    order.insert(start - (start > axis), axis)
    return transpose(x, order)


def dimshuffle(x: Any, *pattern: Any) -> Any:
    """Theano's: axes in another order, with "x" where a new one of length 1 stands; axes of length 1 may be left out.

    Raises
    ------
    InvalidArgument
        If the pattern has anything else in it, or an axis twice.
    ShapeMismatch
        If an axis is left out that is not of length 1.
    """
    x = expression(x)
    places = list(pattern[0]) if len(pattern) == 1 and isinstance(pattern[0], Sequence) else list(pattern)
    kept = [place for place in places if place != "x"]
    canonical_axes(kept, rank(x, "dimshuffle"), "dimshuffle")
    kept = [place % x.ndim for place in kept]
    left_out = tuple(k for k in range(x.ndim) if k not in kept)
    x = views.squeeze(x, axis=left_out) if left_out else x
    x = transpose(x, [k - sum(gone < k for gone in left_out) for k in kept])
    new = tuple(k for k, place in enumerate(places) if place == "x")
    return views.expand_dims(x, axis=new) if new else x


def flatten(x: Any, ndim: int = 1) -> Any:
    """All elements in one axis; with `ndim`, Theano's: so many axes, of which the last takes all that is left."""
    x = expression(x)
    if not 1 <= ndim <= max(rank(x, "flatten"), 1):
        raise InvalidArgument(f"flatten: {x.type} cannot be made one of {ndim} axes")
    return reshape(x, (*x.shape[: ndim - 1], product(x.shape[ndim - 1 :])))


def shape_padleft(x: Any, n_ones: int = 1) -> Any:
    """Theano's: so many axes of length 1 before the others."""
    return views.expand_dims(expression(x), axis=tuple(range(n_ones))) if n_ones else expression(x)


def shape_padright(x: Any, n_ones: int = 1) -> Any:
    """Theano's: so many axes of length 1 after the others."""
    x = expression(x)
    return views.expand_dims(x, axis=tuple(range(x.ndim, x.ndim + n_ones))) if n_ones else x


def shape_padaxis(x: Any, axis: int) -> Any:
    """Theano's: an axis of length 1 at a position of the result."""
    x = expression(x)
    return views.expand_dims(x, axis=canonical_axes(axis, x.ndim + 1, "shape_padaxis"))


def atleast_1d(*arrays: Any) -> Any:
    """Each as an array of at least one axis."""
    return _each([x if x.ndim else shape_padleft(x) for x in map(expression, arrays)])


def atleast_2d(*arrays: Any) -> Any:
    """Each as an array of at least two axes, new ones first."""
    return _each([shape_padleft(x, max(2 - x.ndim, 0)) for x in map(expression, arrays)])


def atleast_3d(*arrays: Any) -> Any:
    """Each as an array of at least three axes: a vector is 1×n×1, a matrix m×n×1."""
    padded = [shape_padleft(x) if x.ndim == 1 else x for x in map(expression, arrays)]
    return _each([shape_padright(x, max(3 - x.ndim, 0)) for x in padded])


def _each(results: list[Any]) -> Any:
    return results[0] if len(results) == 1 else tuple(results)


def broadcast_arrays(*arrays: Any) -> tuple[Any, ...]:
    """All stretched to the one shape that NumPy's broadcasting gives."""
    values = [expression(x) for x in arrays]
    shape = broadcast([x.shape for x in values]) if values else ()
    return tuple(x if x.shape == shape else broadcast_to(x, shape) for x in values)


def broadcast_shapes(*shapes: Any) -> Any:
    """The one shape that NumPy's broadcasting gives; sizes are integers or dimensions."""
    return broadcast([tuple(s) if isinstance(s, Sequence) else (s,) for s in shapes]) if shapes else ()


def unstack(x: Any, axis: int = 0) -> tuple[Any, ...]:
    """The parts along an axis, without it. Raises UnsupportedExpression if its length is not known."""
    x = _of_rank(x, 1, "unstack")
    (axis,) = canonical_axes(axis, x.ndim, "unstack")
    if not isinstance(count := x.shape[axis], int):
        raise UnsupportedExpression(f"unstack: the length {count} of axis {axis} must be known")
    return tuple(getitem(x, (*(slice(None),) * axis, k)) for k in range(count))


def fliplr(x: Any) -> Any:
    """The columns in the opposite order."""
    return flip(_of_rank(x, 2, "fliplr"), 1)


def flipud(x: Any) -> Any:
    """The rows in the opposite order."""
    return flip(_of_rank(x, 1, "flipud"), 0)


def rot90(x: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """Turned by k quarters, from the first of two axes to the second."""
    x = _of_rank(x, 2, "rot90")
    canonical_axes(tuple(axes), x.ndim, "rot90")
    first, second = axes
    if k % 4 == 0:
        return x
    if k % 4 == 2:
        return flip(x, (first, second))
    return swapaxes(flip(x, second), first, second) if k % 4 == 1 else flip(swapaxes(x, first, second), second)
