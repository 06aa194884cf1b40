"""NumPy's functions that move elements: reshape, transpose, expand_dims, squeeze, broadcast_to, stack of scalars.

Arguments take NumPy's forms and are made canonical here. Over a pattern, whose rank is not known yet, only forms
that need no rank are accepted; an `Attr` passes through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.dimensions import Dim, DimLike, product
from graphopt.errors import InvalidArgument, ShapeMismatch, TypeMismatch
from graphopt.op import Expression
from graphopt.ops import shape as ops
from graphopt.types import shape_text
from graphopt.variable import Variable, as_variable, caller, described

__all__ = ["broadcast_to", "canonical_axes", "expand_dims", "expression", "moveaxis", "ravel", "reshape", "squeeze",
           "swapaxes", "transpose"]  # fmt: skip


def expression(x: Any) -> Any:
    """Expressions as they are, anything else as a constant."""
    return x if isinstance(x, Expression) else as_variable(x)


def canonical_axes(axis: Any, ndim: int, what: str, of: Variable | None = None) -> tuple[int, ...]:
    """Ascending, non-negative, distinct axes; None means all. `of` is the array that messages name.

    Raises
    ------
    InvalidArgument
        If an axis is outside the rank, repeated, or no integer.
    """
    if axis is None:
        return tuple(range(ndim))
    axes = tuple(axis) if isinstance(axis, Sequence) else (axis,)
    for a in axes:
        if not isinstance(a, int) or isinstance(a, bool):
            raise InvalidArgument(
                f"{what}: axis must be an integer, a tuple of integers or None, found {axis!r}; at {caller()}"
            )
        if not -ndim <= a < ndim:
            array = described(of) if of is not None else f"an array of rank {ndim}"
            raise InvalidArgument(f"{what}: axis {a} is outside {array}; at {caller()}")
    result = tuple(sorted(a % ndim for a in axes))
    if len(set(result)) != len(result):
        raise InvalidArgument(f"{what}: axis {axis!r} names an axis twice; at {caller()}")
    return result


def rank(x: Any, what: str) -> int:
    """The rank of a variable; a pattern has none yet."""
    if not isinstance(x, Variable):
        raise TypeMismatch(f"{what}: the rank of {x!r} is not known; give axes by Attr")
    return x.ndim


def reshape(x: Any, shape: Any) -> Any:
    """The same elements in another shape, row-major. One size may be -1.

    Raises
    ------
    ShapeMismatch
        If the number of elements differs.
    InvalidArgument
        If -1 stands more than once.
    """
    x = expression(x)
    sizes: list[DimLike] = list(shape) if isinstance(shape, Sequence) else [shape]
    if any(not isinstance(size, int | Dim) for size in sizes):
        raise InvalidArgument(f"reshape: sizes are integers or dimensions, found {shape!r}; at {caller()}")
    if any(isinstance(size, int) and size < -1 for size in sizes):
        raise InvalidArgument(
            f"reshape: sizes are at least 0, or one of them -1, found {shape_text(sizes)}; at {caller()}"
        )
    unknown = [k for k, size in enumerate(sizes) if size == -1]
    if len(unknown) > 1:
        raise InvalidArgument(f"reshape: at most one size may be -1, found {shape_text(sizes)}; at {caller()}")
    if unknown:
        rest = product(size for size in sizes if size != -1)
        if isinstance(rest, int) and isinstance(x.size, int) and (rest == 0 or x.size % rest):
            raise ShapeMismatch(f"reshape({described(x)}): no size makes it {shape_text(sizes)}; at {caller()}")
        sizes[unknown[0]] = x.size // rest
    return ops.reshape(x, shape=tuple(sizes))


def transpose(x: Any, axes: Any = None) -> Any:
    """The axes in another order; reversed if none is given."""
    x = expression(x)
    n = rank(x, "transpose")
    order = tuple(range(n))[::-1] if axes is None else tuple(a % n if -n <= a < n else a for a in axes)
    return ops.transpose(x, axes=order)


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    x = expression(x)
    order = list(range(rank(x, "swapaxes")))
    (first,), (second,) = (canonical_axes(axis, len(order), "swapaxes") for axis in (axis1, axis2))
    order[first], order[second] = order[second], order[first]
    return transpose(x, order)


def moveaxis(x: Any, source: int, destination: int) -> Any:
    """One axis moved to another position."""
    x = expression(x)
    order = list(range(rank(x, "moveaxis")))
    (source,), (destination,) = (canonical_axes(axis, len(order), "moveaxis") for axis in (source, destination))
    order.insert(destination, order.pop(source))
    return transpose(x, order)


def expand_dims(x: Any, axis: Any) -> Any:
    """New axes of length 1 at the given positions of the result."""
    x = expression(x)
    if not isinstance(x, Variable):
        return ops.expand_dims(x, axis=axis)
    count = len(axis) if isinstance(axis, Sequence) else 1
    return ops.expand_dims(x, axis=canonical_axes(axis, x.ndim + count, "expand_dims"))


def squeeze(x: Any, axis: Any = None) -> Any:
    """Without axes of length 1: all of them, or the given ones."""
    x = expression(x)
    if not isinstance(x, Variable):
        return ops.squeeze(x, axis=axis)
    axes = (
        tuple(k for k, size in enumerate(x.shape) if size == 1)
        if axis is None
        else canonical_axes(axis, x.ndim, "squeeze", x)
    )
    return ops.squeeze(x, axis=axes) if axes else x


def broadcast_to(x: Any, shape: Any) -> Any:
    """Stretched to a shape by NumPy's rules, without copying."""
    x = expression(x)
    return ops.broadcast_to(x, shape=tuple(shape) if isinstance(shape, Sequence) else (shape,))


def ravel(x: Any) -> Any:
    """All elements in one axis."""
    return reshape(x, (-1,))
