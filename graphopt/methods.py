"""Methods of expressions that are functions of `graphopt.tensor` by the same name: NumPy's, and Theano's `dimshuffle`.

Operators and what a symbolic value refuses are in `graphopt.operators`.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Methods"]


class Methods:
    """A mixin; every method is a call of the function it is named after."""

    __slots__ = ()

    @property
    def mT(self) -> Any:
        """The last two axes exchanged."""
        return _tensor().matrix_transpose(self)

    @property
    def real(self) -> Any:
        """The value itself."""
        return self

    @property
    def imag(self) -> Any:
        """Zeros."""
        return _tensor().zeros_like(self)

    def conj(self) -> Any:
        """The value itself."""
        return self

    conjugate = conj

    def argmax(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Where the largest element along an axis stands first."""
        return _tensor().argmax(self, axis, keepdims)

    def argmin(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Where the smallest element along an axis stands first."""
        return _tensor().argmin(self, axis, keepdims)

    def clip(self, min: Any = None, max: Any = None) -> Any:
        """Held between two bounds, either of which may be None."""
        return _tensor().clip(self, min, max)

    def round(self, decimals: int = 0) -> Any:
        """To so many decimals, halves to even."""
        return _tensor().round(self, decimals) if decimals else _tensor().round(self)

    def repeat(self, repeats: Any, axis: Any = None) -> Any:
        """Each element so many times in a row."""
        return _tensor().repeat(self, repeats, axis)

    def cumsum(self, axis: Any = None, dtype: Any = None) -> Any:
        """The sums of all elements up to each one."""
        return _tensor().cumsum(self, axis, dtype)

    def cumprod(self, axis: Any = None, dtype: Any = None) -> Any:
        """The products of all elements up to each one."""
        return _tensor().cumprod(self, axis, dtype)

    def take(self, indices: Any, axis: Any = None, mode: str = "raise") -> Any:
        """The elements at positions along an axis."""
        return _tensor().take(self, indices, axis, mode)

    def choose(self, choices: Any, mode: str = "raise") -> Any:
        """For each element, an integer, the element of the choice with that number."""
        return _tensor().choose(self, choices, mode)

    def sort(self, axis: Any = -1) -> Any:
        """In ascending order along an axis: a new array, as with Theano, since nothing changes in place."""
        return _tensor().sort(self, axis)

    def argsort(self, axis: Any = -1) -> Any:
        """The positions from which `sort` takes the elements."""
        return _tensor().argsort(self, axis)

    def searchsorted(self, v: Any, side: str = "left", sorter: Any = None) -> Any:
        """Where values would be inserted to keep it sorted."""
        return _tensor().searchsorted(self, v, side, sorter)

    def nonzero(self) -> Any:
        """For each axis, the positions of the elements that are not 0."""
        return _tensor().nonzero(self)

    def compress(self, condition: Any, axis: Any = None) -> Any:
        """The parts along an axis where a vector of truth values is true."""
        return _tensor().compress(condition, self, axis)

    def ravel(self) -> Any:
        """All elements in one axis."""
        return _tensor().ravel(self)

    def flatten(self, ndim: int = 1) -> Any:
        """All elements in one axis; with `ndim`, Theano's: so many axes."""
        return _tensor().flatten(self, ndim)

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        """Two axes exchanged."""
        return _tensor().swapaxes(self, axis1, axis2)

    def dimshuffle(self, *pattern: Any) -> Any:
        """Theano's: axes in another order, with "x" where a new one of length 1 stands."""
        return _tensor().dimshuffle(self, *pattern)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        """The diagonal of two axes, at the end of the others."""
        return _tensor().diagonal(self, offset, axis1, axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        """The sum of the diagonal of two axes."""
        return _tensor().trace(self, offset, axis1, axis2)

    def norm(self, L: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
        """Theano's: the norm of order L."""
        return _tensor().linalg.norm(self, L, axis, keepdims)


def _tensor() -> Any:
    from graphopt import tensor

    return tensor
