"""Arrays made from numbers or from other arrays' types: spacings, grids of coordinates, powers of a vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt.config import config
from graphopt.dimensions import Dim
from graphopt.errors import InvalidArgument, ShapeMismatch, UnsupportedExpression
from graphopt.tensor.creation import full, zeros
from graphopt.tensor.parts import stack
from graphopt.tensor.rearranging import broadcast_arrays
from graphopt.tensor.shape import expression, rank, reshape
from graphopt.tensor.ufuncs import cast
from graphopt.types import check_dtype
from graphopt.variable import Variable, as_variable

__all__ = ["empty", "empty_like", "full_like", "geomspace", "indices", "logspace", "meshgrid", "vander"]


def full_like(x: Any, fill_value: Any, dtype: Any = None, shape: Any = None) -> Any:
    """One value in the shape and the dtype of `x`, unless others are given."""
    x = expression(x)
    return full(x.shape if shape is None else shape, cast(fill_value, dtype or x.dtype))


def empty(shape: Any, dtype: Any = None) -> Variable:
    """Zeros: values have no memory here whose contents could be left as they are."""
    return zeros(shape, dtype)


def empty_like(x: Any, dtype: Any = None, shape: Any = None) -> Any:
    """Zeros in the shape and the dtype of `x`, unless others are given."""
    return full_like(x, 0, dtype, shape)


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: float = 10.0, dtype: Any = None
) -> Variable:
    """`base` to the power of evenly spaced numbers, of dtype `go.config.floatX` unless another is given."""
    return _spaced(np.logspace, start, stop, num, dtype, endpoint=endpoint, base=base)


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None) -> Variable:
    """Numbers of constant ratio from `start` to `stop`, of dtype `go.config.floatX` unless another is given."""
    return _spaced(np.geomspace, start, stop, num, dtype, endpoint=endpoint)


def _spaced(function: Any, start: Any, stop: Any, num: Any, dtype: Any, **options: Any) -> Variable:
    for value in (start, stop, num, *options.values()):
        if isinstance(value, Dim | Variable):
            raise UnsupportedExpression(f"{function.__name__} takes numbers known while the program is built: {value}")
    return as_variable(function(start, stop, num, **options).astype(check_dtype(dtype or config.floatX)))


def meshgrid(*xi: Any, indexing: str = "xy", sparse: bool = False) -> tuple[Any, ...]:
    """Coordinates of a grid from those along its axes; the first two axes exchanged for "xy".

    Raises
    ------
    InvalidArgument
        If `indexing` is neither "xy" nor "ij".
    ShapeMismatch
        If an array has more than one axis.
    """
    if indexing not in ("xy", "ij"):
        raise InvalidArgument(f"meshgrid: indexing is 'xy' or 'ij', found {indexing!r}")
    values = [expression(x) for x in xi]
    if any(rank(x, "meshgrid") > 1 for x in values):
        raise ShapeMismatch("meshgrid takes vectors")
    places = list(range(len(values)))
    if indexing == "xy" and len(values) > 1:
        places[:2] = [1, 0]
    lying = [
        reshape(x, tuple(x.size if k == place else 1 for k in range(len(values))))
        for x, place in zip(values, places, strict=True)
    ]
    return tuple(lying) if sparse else broadcast_arrays(*lying)


def indices(dimensions: Sequence[int], dtype: Any = "int64", sparse: bool = False) -> Any:
    """The positions in a grid of known sizes, along each axis; with `sparse` one array an axis that broadcasts.

    Raises
    ------
    UnsupportedExpression
        If a size is not known.
    InvalidArgument
        If the dtype is bool, or a size is no integer.
    """
    if any(isinstance(size, Dim) for size in dimensions):
        raise UnsupportedExpression(
            f"indices takes sizes that are known while the program is built, found {dimensions}"
        )
    places: Any = np.indices
    try:
        found = places(dimensions, check_dtype(dtype), sparse)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"indices of {dimensions} in {dtype}: {error}") from None
    return tuple(as_variable(one) for one in found) if sparse else as_variable(found)


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The powers of the elements of a vector, each in a row: from N - 1 down to 0, or up from 0.

    Raises
    ------
    ShapeMismatch
        If `x` is no vector.
    UnsupportedExpression
        If N is not given and the length is not known.
    """
    x = expression(x)
    if rank(x, "vander") != 1:
        raise ShapeMismatch(f"vander takes a vector, found {x.type}")
    count = x.shape[0] if N is None else N
    if not isinstance(count, int):
        raise UnsupportedExpression(f"vander: the number of columns must be known, found {count}; give N")
    x = cast(x, np.promote_types(x.dtype, int))
    powers = [full_like(x, 1)]
    while len(powers) < count:
        powers.append(powers[-1] * x)
    powers = powers[:count] if increasing else powers[:count][::-1]
    return stack(powers, 1) if powers else zeros((*x.shape, 0), x.dtype)
