"""Python's operators and NumPy's methods on expressions: `x + 1`, `x @ w`, `x > 0`, `x.sum(axis=0)`, `x.T`.

A mixin of variables and patterns. What has no meaning for a symbolic value (truth, iteration over an unknown length,
membership) raises and names what does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphopt.errors import InvalidArgument, TypeMismatch
from graphopt.methods import Methods
from graphopt.ops import arithmetic as a
from graphopt.ops import logic as l

__all__ = ["Operators"]


class Operators(Methods):
    """Operators and methods; every one is a call of an op or of a function of `graphopt.tensor`."""

    __slots__ = ()

    # NumPy's functions and operators of arrays
    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        from graphopt.tensor.protocols import array_ufunc

        return array_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, arguments: tuple[Any, ...], options: Any) -> Any:
        from graphopt.tensor.protocols import array_function

        return array_function(function, arguments, options)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeMismatch("a symbolic value is no array; compile it with go.function and call the function")

    # arithmetic
    def __add__(self, other: Any) -> Any:
        return a.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return a.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return a.subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return a.subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return a.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return a.multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return a.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return a.divide(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return a.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return a.floor_divide(other, self)

    def __mod__(self, other: Any) -> Any:
        return a.remainder(self, other)

    def __rmod__(self, other: Any) -> Any:
        return a.remainder(other, self)

    def __pow__(self, other: Any) -> Any:
        return a.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return a.power(other, self)

    def __neg__(self) -> Any:
        return a.negative(self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return a.absolute(self)

    def __matmul__(self, other: Any) -> Any:
        return _tensor().matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return _tensor().matmul(other, self)

    # comparisons and bits: elementwise, never Python truth
    def __eq__(self, other: object) -> Any:
        return l.equal(self, other)

    def __ne__(self, other: object) -> Any:
        return l.not_equal(self, other)

    def __lt__(self, other: Any) -> Any:
        return l.less(self, other)

    def __le__(self, other: Any) -> Any:
        return l.less_equal(self, other)

    def __gt__(self, other: Any) -> Any:
        return l.greater(self, other)

    def __ge__(self, other: Any) -> Any:
        return l.greater_equal(self, other)

    def __and__(self, other: Any) -> Any:
        return l.bitwise_and(self, other)

    def __rand__(self, other: Any) -> Any:
        return l.bitwise_and(other, self)

    def __or__(self, other: Any) -> Any:
        return l.bitwise_or(self, other)

    def __ror__(self, other: Any) -> Any:
        return l.bitwise_or(other, self)

    def __xor__(self, other: Any) -> Any:
        return l.bitwise_xor(self, other)

    def __rxor__(self, other: Any) -> Any:
        return l.bitwise_xor(other, self)

    def __invert__(self) -> Any:
        return l.invert(self)

    def __lshift__(self, other: Any) -> Any:
        return l.left_shift(self, other)

    def __rlshift__(self, other: Any) -> Any:
        return l.left_shift(other, self)

    def __rshift__(self, other: Any) -> Any:
        return l.right_shift(self, other)

    def __rrshift__(self, other: Any) -> Any:
        return l.right_shift(other, self)

    __hash__ = object.__hash__  # by identity, since == builds an expression

    # methods
    @property
    def T(self) -> Any:
        """The transpose: all axes reversed."""
        return _tensor().transpose(self)

    def astype(self, dtype: Any) -> Any:
        """The values cast to another dtype."""
        return _tensor().cast(self, dtype)

    def reshape(self, *shape: Any) -> Any:
        """The elements in another shape; one entry may be -1."""
        return _tensor().reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        """The axes in another order; reversed if none are given."""
        return _tensor().transpose(self, axes[0] if len(axes) == 1 else axes or None)

    def squeeze(self, axis: Any = None) -> Any:
        """Without the axes of length 1."""
        return _tensor().squeeze(self, axis)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The sum over axes."""
        return _tensor().sum(self, axis, keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The product over axes."""
        return _tensor().prod(self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The arithmetic mean over axes."""
        return _tensor().mean(self, axis, keepdims)

    def var(self, axis: Any = None, keepdims: bool = False, ddof: Any = 0) -> Any:
        """The variance over axes; the divisor is the count less `ddof`."""
        return _tensor().var(self, axis, ddof, keepdims)

    def std(self, axis: Any = None, keepdims: bool = False, ddof: Any = 0) -> Any:
        """The standard deviation over axes; the divisor is the count less `ddof`."""
        return _tensor().std(self, axis, ddof, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The largest element over axes."""
        return _tensor().max(self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The smallest element over axes."""
        return _tensor().min(self, axis, keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Whether any element over axes is nonzero."""
        return _tensor().any(self, axis, keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Whether every element over axes is nonzero."""
        return _tensor().all(self, axis, keepdims)

    def dot(self, other: Any) -> Any:
        """The matrix product."""
        return _tensor().dot(self, other)

    # what a symbolic value cannot do
    def __bool__(self) -> bool:
        raise TypeMismatch("a symbolic value is neither true nor false; use T.where, T.cond, or T.any and T.all")

    def __contains__(self, item: object) -> bool:
        raise TypeMismatch("membership in a symbolic value is not known; use T.any(x == item)")

    def __float__(self) -> float:
        raise TypeMismatch("a symbolic value is not a number; compile it with go.function and call the function")

    __int__ = __index__ = __float__

    def __len__(self) -> int:
        shape = getattr(self, "shape", None)
        if shape and isinstance(shape[0], int):
            return shape[0]
        raise TypeMismatch("the length of this symbolic value is not known while it is built; use x.shape[0]")

    def __getitem__(self, key: Any) -> Any:
        return _indexing().getitem(self, key)

    @property
    def at(self) -> Any:
        """`x.at[key].set(y)`, `.add(y)`, `.multiply(y)`, `.max(y)`, `.min(y)`: a new array with another part."""
        return _indexing().Selector(self)

    def __iter__(self) -> Iterator[Any]:
        shape = getattr(self, "shape", None)
        if not shape or not isinstance(shape[0], int):
            raise InvalidArgument(
                "a symbolic value of unknown length cannot be iterated over; use functions of whole arrays"
            )
        return (self[k] for k in range(shape[0]))


def _indexing() -> Any:
    from graphopt.tensor import indexing

    return indexing


def _tensor() -> Any:
    from graphopt import tensor

    return tensor
