"""Tensor types: a dtype and a shape, how they are written, promoted and broadcast.

A type is written `float32[n, 784]`; a scalar is just `float64`. Names of dimensions stand for sizes that are known
when a function is called (`graphopt.dimensions`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from graphopt.dimensions import Dim, DimLike, parse_dim, product
from graphopt.errors import InvalidArgument, ShapeMismatch, TypeMismatch

__all__ = [
    "DTYPES",
    "TensorType",
    "Unify",
    "agree",
    "broadcast",
    "check_dtype",
    "is_float",
    "is_integer",
    "refuse_mask",
    "shape_text",
]

DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64",
)  # fmt: skip

Unify = Callable[[DimLike, DimLike], DimLike]
"""Decides whether two dimensions may be equal, and which of them speaks for both. Raises ShapeMismatch if never."""


def check_dtype(dtype: Any) -> str:
    """The name of a supported dtype, given its name, a NumPy dtype or a scalar type.

    Raises
    ------
    TypeMismatch
        For half precision, complex numbers, objects, strings and dates, which have no meaning here.
    """
    if isinstance(dtype, str) and dtype in DTYPES:
        return dtype
    try:
        name: str = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in DTYPES:
        raise TypeMismatch(f"dtype {name} is not supported; expected one of {', '.join(DTYPES)}")
    return name


def refuse_mask(value: Any, what: str) -> None:
    """Raise TypeMismatch for a masked array: as a plain one it would lose its mask."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeMismatch(f"{what} is a masked array, whose mask would be lost; give .filled(…) of it, or .data")


def is_float(dtype: str) -> bool:
    """Whether a dtype is a floating-point one."""
    return dtype.startswith("float")


def is_integer(dtype: str) -> bool:
    """Whether a dtype is a signed or unsigned integer (bool is not)."""
    return "int" in dtype


@dataclass(frozen=True, slots=True)
class TensorType:
    """The type of a variable: `dtype` (a name of `DTYPES`) and `shape` (a tuple of integers and `Dim`s).

    `str()` and `TensorType.parse` are inverse to each other.
    """

    dtype: str
    shape: tuple[DimLike, ...] = ()

    @property
    def ndim(self) -> int:
        """Number of axes; 0 for a scalar."""
        return len(self.shape)

    @property
    def size(self) -> DimLike:
        """Number of elements."""
        return product(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return np.dtype(self.dtype).itemsize

    def with_dtype(self, dtype: str) -> TensorType:
        """The same shape with another dtype."""
        return self if dtype == self.dtype else TensorType(dtype, self.shape)

    def with_shape(self, shape: Sequence[DimLike]) -> TensorType:
        """The same dtype with another shape."""
        return TensorType(self.dtype, tuple(shape))

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]" if self.shape else self.dtype

    @staticmethod
    @lru_cache(maxsize=4096)
    def parse(text: str) -> TensorType:
        """Read `dtype[dimension, …]`.

        Raises
        ------
        TypeMismatch
            If the dtype is not supported.
        InvalidArgument
            If the text has another form, or a negative dimension.
        """
        if not isinstance(text, str):
            raise InvalidArgument(f"a type is written as text such as 'float32[n, 784]', found {text!r}")
        head, bracket, tail = text.strip().partition("[")
        dtype = check_dtype(head.strip())
        if not bracket:
            return TensorType(dtype)
        if not tail.endswith("]"):
            raise InvalidArgument(f"type {text!r} lacks its closing bracket; write for instance float32[n, 784]")
        body = tail[:-1].strip()
        shape = tuple(parse_dim(part) for part in _split(body)) if body else ()
        if any(isinstance(size, int) and size < 0 for size in shape):
            raise InvalidArgument(f"type {text!r} has a negative dimension")
        return TensorType(dtype, shape)


def shape_text(shape: Sequence[DimLike]) -> str:
    """A shape as users write it: `(n, 784)`, `(n,)`, `()`."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def agree(a: DimLike, b: DimLike) -> DimLike:
    """The `Unify` of expressions under construction: trust that two dimensions are equal unless that is impossible.

    An integer speaks for a name; between two names the first does. What was trusted is collected again, and made a
    guard, when a graph is built.

    Raises
    ------
    ShapeMismatch
        If the two differ by a constant, so that no sizes can make them equal.
    """
    if a == b:
        return a
    if isinstance(a - b, int):
        raise ShapeMismatch(f"sizes {a} and {b} differ")
    return b if isinstance(a, Dim) and isinstance(b, int) else a


def broadcast(shapes: Sequence[tuple[DimLike, ...]], unify: Unify = agree) -> tuple[DimLike, ...]:
    """NumPy's broadcasting. Only a dimension that is the integer 1 is stretched: never one that might turn out to be 1.

    Raises
    ------
    ShapeMismatch
        If the shapes cannot go together.
    """
    first = shapes[0]
    if tuple(shapes).count(first) == len(shapes):
        return first
    ndim = max(len(shape) for shape in shapes)
    result: list[DimLike] = []
    for axis in range(-ndim, 0):
        size: DimLike = 1
        for shape in shapes:
            if -axis > len(shape) or shape[axis] == 1:
                continue
            try:
                size = shape[axis] if size == 1 else unify(size, shape[axis])
            except ShapeMismatch:
                listing = " and ".join(shape_text(shape) for shape in shapes)
                raise ShapeMismatch(
                    f"shapes {listing} do not broadcast: sizes {size} and {shape[axis]} meet at axis {axis}"
                ) from None
        result.append(size)
    return tuple(result)


def _split(body: str) -> list[str]:
    """Split at the commas that are outside parentheses."""
    parts, depth, start = [], 0, 0
    for position, character in enumerate(body):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append(body[start:position])
            start = position + 1
    return [*parts, body[start:]]
