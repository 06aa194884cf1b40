"""Shared variables: values that live between calls, read by functions and changed by their updates.

    W = go.shared(np.zeros((784, 10)), name="W")
    step = go.function([x], cost, updates={W: W - 0.1 * go.grad(cost, W)})

To expressions a shared variable is an input like any other; a function finds those it needs by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.errors import InvalidArgument, ShapeMismatch
from graphopt.op import Attributes
from graphopt.ops.leaves import input_
from graphopt.runtime.arguments import as_array, contiguous
from graphopt.runtime.copies import Value
from graphopt.types import TensorType, check_dtype
from graphopt.updates import Turn, turns
from graphopt.variable import Variable, caller

__all__ = ["SharedVariable", "shared"]

Array = Any


class SharedVariable(Variable):
    """A variable with a value of its own. What goes in and out is copied: no array is shared with the user unasked.

    The value lies where it was last made: after an update by a function of a device target, on the device. Who needs
    it elsewhere has a copy, which is kept until the value changes.
    """

    __slots__ = ("_spare", "_turn", "_value")

    def __init__(self, value: Array, type: TensorType, name: str | None) -> None:
        attributes = Attributes(dtype=type.dtype, shape=type.shape)
        super().__init__(type, input_, (), attributes, name, caller())
        self._value = Value(value, is_ours=False)
        self._spare: Array | None = None  # an array of ours for a value to come, where the value lies
        self._turn = Turn()

    def get_value(self, borrow: bool = False) -> Array:
        """The value now, on the host: copied there once, if a device has it.

        Parameters
        ----------
        borrow
            Give the array itself, read-only, rather than a copy. It is the value until the next update or `set_value`,
            which put another array in its place.
        """
        array = self._value.at(None)
        if not borrow:
            return array.copy()
        view = array.view()
        view.flags.writeable = False
        return view

    def set_value(self, value: Any, borrow: bool = False) -> None:
        """Replace the value. A refused one changes nothing.

        Parameters
        ----------
        value
            An array or nested lists of the variable's rank and sizes, of a dtype that converts without loss.
        borrow
            Keep the array itself, if it is row-major and of the right dtype, rather than a copy. (A device has a copy
            in any case, made when a function needs it there: what becomes of the array afterwards is not seen there.)

        Raises
        ------
        TypeMismatch
            If the dtype does not convert without loss.
        ShapeMismatch
            If the shape is another.
        """
        given = self._checked(as_array(str(self.name or "of a shared variable"), value, self.dtype))
        kept = contiguous(given) if borrow else np.array(given, order="C")
        with turns([self]):
            self._value, self._spare = Value(kept, is_ours=not borrow), None

    def _checked(self, given: Array) -> Array:
        """An array of this dtype, if it has a shape that this type may have."""
        if not _fits(given.shape, self.type):
            name = self.name or "a shared variable"
            raise ShapeMismatch(f"the value of {name} has shape {given.shape}; expected {self.type}")
        return given

    def __reduce__(self) -> tuple[object, ...]:
        """A pickle holds type, name and value; shared by what is pickled together, it is shared again afterwards."""
        return (SharedVariable, (self._value.at(None), self.type, self.name))

    def __repr__(self) -> str:
        return f"<shared {self.name or ''}: {self.type}>".replace(" :", ":")


def _fits(shape: tuple[int, ...], type: TensorType) -> bool:
    """Whether a shape is one of a type's, as far as integers and bare names say it; calls check the rest."""
    sizes: dict[str, int] = {}
    return len(shape) == type.ndim and all(
        wanted == actual
        if isinstance(wanted, int)
        else wanted.symbol is None or sizes.setdefault(wanted.symbol, actual) == actual
        for wanted, actual in zip(type.shape, shape, strict=True)
    )


def shared(value: Any, name: str | None = None, *, type: str | TensorType | None = None, borrow: bool = False) -> Any:
    """A variable that holds a value between calls.

    Parameters
    ----------
    value
        An array, a number or nested lists: the first value. It is copied.
    name
        What messages and generated code call it.
    type
        Its type, such as `"float32[n, 784]"`, if sizes may change from value to value. Without it, the dtype and the
        sizes are those of the value, and stay.
    borrow
        Keep the array itself rather than a copy, if it is row-major and of the right dtype.

    Raises
    ------
    TypeMismatch
        If there is no such array: ragged lists, objects, text, complex numbers.
    ShapeMismatch
        If the value is not of the given type.
    InvalidArgument
        If the name is no text or the type cannot be read.
    """
    if name is not None and (not isinstance(name, str) or not name):
        raise InvalidArgument(f"a shared variable's name is a non-empty text or None, found {name!r}")
    if isinstance(type, str):
        type = TensorType.parse(type)
    if type is None:
        array = np.asarray(value)
        type = TensorType(check_dtype(array.dtype), array.shape)
    result = SharedVariable(np.empty(0), type, name)
    result.set_value(value, borrow)
    return result
