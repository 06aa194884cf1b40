"""Sums of products over chosen axes: einsum, and what is a case of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt.dimensions import DimLike
from graphopt.errors import InvalidArgument, ShapeMismatch
from graphopt.ops import shape as views
from graphopt.tensor.diagonals import diagonal
from graphopt.tensor.einsum_notation import Labels, label_text, read
from graphopt.tensor.factors import Factor, contracted, joined
from graphopt.tensor.shape import broadcast_to, canonical_axes, expression, rank, reshape
from graphopt.types import agree, shape_text
from graphopt.variable import convert

__all__ = ["batched_dot", "einsum", "inner", "tensordot", "vdot"]


def einsum(*arguments: Any, optimize: Any = True) -> Any:
    """Einstein's summation: the sum of products over all labels that the result does not have.

    Parameters
    ----------
    *arguments
        Subscripts and operands, `"ij,jk->ik", a, b`, or operands each followed by a list of labels, and at the end
        perhaps the labels of the result. A label that an operand has twice is its diagonal.
    optimize
        True for the order that opt_einsum finds, the name of one of its methods ("optimal", "greedy", "dp", …), a
        list of positions to be joined as NumPy's `einsum_path` gives it, or False for from left to right.

    Raises
    ------
    InvalidArgument
        If the subscripts cannot be read, or there is no such method.
    ShapeMismatch
        If sizes with one label differ, or a term has not as many labels as its operand has axes.
    """
    operands, terms, result = read(arguments)
    factors = [_without_repeats(value, labels) for value, labels in zip(_alike(operands), terms, strict=True)]
    return contracted(_agreed(factors), result, optimize)


def multi_dot(arrays: Sequence[Any]) -> Any:
    """The product of several matrices in the cheapest order; the first and the last may be vectors.

    Raises
    ------
    ShapeMismatch
        If there are fewer than two, or ranks or inner sizes do not fit.
    """
    values = [expression(array) for array in arrays]
    ranks = [rank(value, "multi_dot") for value in values]
    if len(values) < 2:
        raise ShapeMismatch(f"multi_dot takes at least two arrays, found {len(values)}")
    if any(n != 2 for n in ranks[1:-1]) or any(n not in (1, 2) for n in (ranks[0], ranks[-1])):
        raise ShapeMismatch(f"multi_dot takes matrices, and vectors at the ends; found ranks {ranks}")
    terms = [[k, k + 1] for k in range(len(values))]
    terms[0], terms[-1] = terms[0][-ranks[0] :], terms[-1][: ranks[-1]]
    result = [label for label in (0, len(values)) if label in (terms[0][0], terms[-1][-1])]
    arguments = [part for pair in zip(values, terms, strict=True) for part in pair]
    return einsum(*arguments, result, optimize="dp")


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The sum of products over axes of both: so many last of `a` and first of `b`, or a pair of axes or of lists.

    Raises
    ------
    InvalidArgument
        If there are not as many axes of one as of the other, or one is outside its array.
    ShapeMismatch
        If sizes that are summed over together differ.
    """
    a, b = expression(a), expression(b)
    n, m = rank(a, "tensordot"), rank(b, "tensordot")
    if isinstance(axes, int):
        if not 0 <= axes <= min(n, m):
            raise InvalidArgument(f"tensordot: {axes} axes of arrays of ranks {n} and {m}")
        left, right = list(range(n - axes, n)), list(range(axes))
    else:
        left, right = _in_order(axes[0], n), _in_order(axes[1], m)
    if len(left) != len(right):
        raise InvalidArgument(f"tensordot: {len(left)} axes of the first array, but {len(right)} of the second")
    first = tuple(range(n))
    second = tuple(left[right.index(k)] if k in right else n + k for k in range(m))
    for j, k in zip(left, right, strict=True):
        if (a.shape[j] == 1) != (b.shape[k] == 1):  # einsum would stretch it
            a, b = _with_size(a, j, 1), _with_size(b, k, 1)
    one, other = _agreed([Factor(x, labels) for x, labels in zip(_alike([a, b]), (first, second), strict=True)])
    result = (*(k for k in first if k not in left), *(label for label in second if label >= n))
    return joined(one, other, result, result).arranged(result)


def _in_order(axes: Any, ndim: int) -> list[int]:
    """Axes counted from the start, in the order given."""
    given = list(axes) if isinstance(axes, Sequence) else [axes]
    canonical_axes(given, ndim, "tensordot")
    return [axis % ndim for axis in given]


def inner(a: Any, b: Any) -> Any:
    """The sum of products over the last axes; scalars multiply."""
    a, b = expression(a), expression(b)
    return tensordot(a, b, (-1, -1)) if rank(a, "inner") and rank(b, "inner") else a * b


def vdot(a: Any, b: Any) -> Any:
    """The sum of the products of all elements of two arrays of one size."""
    return tensordot(reshape(a, (-1,)), reshape(b, (-1,)), 1)


def batched_dot(a: Any, b: Any) -> Any:
    """Theano's: `dot` of the parts along the first axis of both, one after another.

    Raises
    ------
    ShapeMismatch
        If one is a scalar, or sizes differ.
    """
    a, b = expression(a), expression(b)
    n, m = rank(a, "batched_dot"), rank(b, "batched_dot")
    if not (n and m):
        raise ShapeMismatch(f"batched_dot takes arrays with a first axis, found {a.type} and {b.type}")
    if n == 1 or m == 1:  # a number in every part
        return einsum(a, list(range(n)), b, [0, *range(n, n + m - 1)], list(range(n + m - 1)))
    others = list(range(n, n + m - 2))
    second = [0, *others[:-1], n - 1, *others[-1:]]
    return einsum(a, list(range(n)), b, second, [*range(n - 1), *others])


# --- before: one dtype, axes that one operand has twice, axes of length 1 ---------------------------------------------


def _alike(operands: Sequence[Any]) -> list[Any]:
    """In the dtype of the result."""
    dtype = str(np.result_type(*[operand.dtype for operand in operands]))
    return [convert(operand, dtype) if operand.dtype != dtype else operand for operand in operands]


def _without_repeats(value: Any, labels: Labels) -> Factor:
    """An operand of which no two axes have one label: diagonals are taken."""
    while len(set(labels)) < len(labels):
        label = next(label for label in labels if labels.count(label) > 1)
        first = labels.index(label)
        second = labels.index(label, first + 1)
        size = _agreement(value.shape[first], value.shape[second], label)
        value = diagonal(_with_size(_with_size(value, first, size), second, size), 0, first, second)
        labels = (*(name for k, name in enumerate(labels) if k not in (first, second)), label)
    return Factor(value, labels)


def _agreed(factors: Sequence[Factor]) -> list[Factor]:
    """Factors of one size for every label; an axis of length 1 that another has longer takes no part."""
    sizes: dict[int, DimLike] = {}
    for value, labels in factors:
        for label, size in zip(labels, value.shape, strict=True):
            known = sizes.get(label, 1)
            sizes[label] = known if size == 1 else size if known == 1 else _agreement(known, size, label)
    result = []
    for value, labels in factors:
        short = tuple(k for k, label in enumerate(labels) if value.shape[k] == 1 and sizes[label] != 1)
        value = views.squeeze(value, axis=short) if short else value
        labels = tuple(label for k, label in enumerate(labels) if k not in short)
        for k, label in enumerate(labels):
            value = _with_size(value, k, sizes[label])
        result.append(Factor(value, labels))
    return result


def _agreement(size: DimLike, other: DimLike, label: int) -> DimLike:
    try:
        return agree(size, other)
    except ShapeMismatch as error:
        raise ShapeMismatch(f"axes that go together, with label {label_text(label)}: {error}") from None


def _with_size(value: Any, axis: int, size: DimLike) -> Any:
    """The array, where the length of an axis is called `size`; that it is this long becomes a guard."""
    if value.shape[axis] == size:
        return value
    if isinstance(value.shape[axis], int) and isinstance(size, int):
        raise ShapeMismatch(f"axis {axis} of shape {shape_text(value.shape)} is not of length {size}")
    shape = tuple(size if k == axis else n for k, n in enumerate(value.shape))
    return views.reshape(value, shape=shape) if size == 1 else broadcast_to(value, shape)
