"""NumPy's functions whose results are as long as something is true: positions, chosen elements, distinct ones.

The length is counted when the program runs. It is a dimension like any other: what is chosen by the same mask has the
same length, and lengths that must be equal are compared by the call.
"""

from __future__ import annotations

from typing import Any

from graphopt.errors import InvalidArgument
from graphopt.ops import logic as l
from graphopt.ops import sorting
from graphopt.ops.gather import gather
from graphopt.ops.leaves import iota
from graphopt.ops.running import cumsum
from graphopt.tensor.indexing import getitem, take
from graphopt.tensor.parts import stack
from graphopt.tensor.positions import positions
from graphopt.tensor.reduction import truth
from graphopt.tensor.shape import canonical_axes, expression, rank, ravel, reshape
from graphopt.tensor.ufuncs import cast
from graphopt.types import is_float
from graphopt.variable import caller

__all__ = ["argwhere", "compress", "extract", "flatnonzero", "nonzero", "unique", "where"]


def nonzero(x: Any) -> tuple[Any, ...]:
    """The positions of the elements that are not 0: for each axis a vector of int64, in the order of the elements.

    Raises
    ------
    UnsupportedExpression
        If x has no axes.
    """
    x = expression(x)
    rank(x, "nonzero")
    return tuple(positions(truth(x)))


def flatnonzero(x: Any) -> Any:
    """The positions of the elements that are not 0, among all elements row by row: int64, ascending."""
    return nonzero(_flat(x))[0]


def _flat(x: Any) -> Any:
    x = expression(x)
    return x if rank(x, "flatnonzero") == 1 else ravel(x)


def argwhere(x: Any) -> Any:
    """The positions of the elements that are not 0, a row for each: int64[count, rank].

    Raises
    ------
    UnsupportedExpression
        If x has no axes.
    """
    return stack(nonzero(x), axis=1)


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """x where the condition is true, y elsewhere, broadcast; the positions where it is true (`nonzero`) without both.

    Raises
    ------
    InvalidArgument
        If one of x and y is given alone.
    """
    if (x is None) != (y is None):
        raise InvalidArgument(f"where takes a condition and both x and y, or the condition alone; at {caller()}")
    return nonzero(condition) if x is None else l.where(condition, x, y)


def extract(condition: Any, arr: Any) -> Any:
    """The elements of an array where a condition of its size is not 0, in one axis."""
    return getitem(_flat(arr), truth(_flat(condition)))


def compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    """The parts of an array along an axis (all elements in one, if it is None) where a vector of truth values is true.

    Raises
    ------
    InvalidArgument
        If the condition is no vector.
    IndexOutOfRange
        If a true element lies beyond the axis; the call raises it where that is not known before.
    """
    a, condition = expression(a), truth(condition)
    if condition.ndim != 1:
        raise InvalidArgument(f"compress: the condition is a vector, found {condition.type}; at {caller()}")
    if axis is None:
        a, axis = _flat(a), 0
    (axis,) = canonical_axes(axis, rank(a, "compress"), "compress", a)
    if condition.shape[0] == a.shape[axis]:
        return getitem(a, (*[slice(None)] * axis, condition))
    return take(a, positions(condition)[0], axis)


def unique(ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False) -> Any:
    """The distinct elements of an array in ascending order; NaN is one of them, the last.

    Parameters
    ----------
    return_index
        Whether to give the position of the first of each among all elements, too.
    return_inverse
        Whether to give the position of each element among the distinct ones, too, in the shape of the array.
    return_counts
        Whether to give how often each occurs, too.

    Returns
    -------
    Variable or tuple of Variable
        The elements; with what else was asked for, in this order.
    """
    ar = expression(ar)
    rank(ar, "unique")
    flat = ravel(ar)
    (size,) = flat.shape
    order = sorting.argsort(flat, axis=(0,))
    ordered, place = gather(flat, order), iota(size=size)
    before = gather(ordered, place - 1)
    changes = l.not_equal(ordered, before)
    if is_float(flat.dtype):
        changes = l.logical_and(changes, l.logical_not(l.logical_and(l.isnan(ordered), l.isnan(before))))
    first = l.logical_or(l.equal(place, 0), changes)
    (begin,) = positions(first)
    results = [gather(ordered, begin)]
    if return_index:
        results.append(gather(order, begin))
    if return_inverse:
        number = cumsum(cast(first, "int64"), axis=(0,)) - 1
        results.append(reshape(gather(number, sorting.argsort(order, axis=(0,))), ar.shape))
    if return_counts:
        (distinct,) = begin.shape
        each = iota(size=distinct)
        end = l.where(l.less(each, distinct - 1), gather(begin, each + 1), size)
        results.append(end - begin)
    return results[0] if len(results) == 1 else tuple(results)
