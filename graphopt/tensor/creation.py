"""Making variables: Theano's constructors by rank and dtype prefix, constants, and arrays of one value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.config import config
from graphopt.dimensions import DimLike, anonymous_dim
from graphopt.errors import InvalidArgument
from graphopt.types import TensorType, check_dtype
from graphopt.variable import Variable, as_variable, literal, variable

__all__ = ["constant", "full", "ones", "ones_like", "tensor", "zeros", "zeros_like"]

PREFIXES = {
    "": None, "b": "int8", "w": "int16", "i": "int32", "l": "int64", "f": "float32", "d": "float64",
}  # fmt: skip
# The integer 1 marks an axis that broadcasts; None one of unknown size.
RANKS: dict[str, tuple[int | None, ...]] = {
    "scalar": (),
    "vector": (None,),
    "row": (1, None),
    "col": (None, 1),
    "matrix": (None, None),
    "tensor3": (None,) * 3,
    "tensor4": (None,) * 4,
    "tensor5": (None,) * 5,
}
PLURALS = {"scalar": "scalars", "vector": "vectors", "matrix": "matrices"}


def _constructor(kind: str, pattern: tuple[int | None, ...], fixed: str | None, public: str) -> Any:
    def construct(name: str | None = None, dtype: Any = None) -> Variable:
        chosen = fixed or check_dtype(dtype if dtype is not None else config.floatX)
        shape = tuple(anonymous_dim() if size is None else size for size in pattern)
        return variable(name, TensorType(chosen, shape))

    construct.__name__ = construct.__qualname__ = public
    construct.__doc__ = f"A symbolic {kind} of dtype {fixed or 'go.config.floatX'}; its sizes are found at the call."
    return construct


def _plural(single: Any, public: str) -> Any:
    def construct(names: str, dtype: Any = None) -> tuple[Variable, ...]:
        return tuple(single(name, dtype) for name in names.split())

    construct.__name__ = construct.__qualname__ = public
    construct.__doc__ = f"Several at once, named by a text such as 'a b': see `{single.__name__}`."
    return construct


CONSTRUCTORS: dict[str, Any] = {}
for _prefix, _dtype in PREFIXES.items():
    for _kind, _pattern in RANKS.items():
        _single = _constructor(_kind, _pattern, _dtype, _prefix + _kind)
        CONSTRUCTORS[_prefix + _kind] = _single
        if _kind in PLURALS:
            CONSTRUCTORS[_prefix + PLURALS[_kind]] = _plural(_single, _prefix + PLURALS[_kind])


def tensor(name: str | None, dtype: Any, shape: Sequence[DimLike | None]) -> Variable:
    """A symbolic array; None in `shape` is a size found at the call."""
    sizes = tuple(anonymous_dim() if size is None else size for size in shape)
    return variable(name, TensorType(check_dtype(dtype), sizes))


def constant(value: Any, dtype: Any = None) -> Variable:
    """A constant from a number, an array or nested lists."""
    return as_variable(value, None if dtype is None else check_dtype(dtype))


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Variable:
    """An array of one value, never stored: a broadcast constant."""
    from graphopt.tensor.shape import broadcast_to

    sizes = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    value = as_variable(fill_value, None if dtype is None else check_dtype(dtype))
    if value.ndim:
        raise InvalidArgument(f"full takes a scalar to fill with, found {value.type}")
    if value.operands or "value" not in value.attributes or value.op.name != "constant":
        return broadcast_to(value, sizes)  # type: ignore[no-any-return]
    return literal(value.attributes["value"], value.dtype, sizes)


def zeros(shape: Any, dtype: Any = None) -> Variable:
    """An array of zeros of dtype `go.config.floatX` unless another is given."""
    return full(shape, 0, dtype or config.floatX)


def ones(shape: Any, dtype: Any = None) -> Variable:
    """An array of ones of dtype `go.config.floatX` unless another is given."""
    return full(shape, 1, dtype or config.floatX)


def zeros_like(x: Any, dtype: Any = None) -> Variable:
    """Zeros of the type of `x`."""
    x = as_variable(x)
    return full(x.shape, 0, dtype or x.dtype)


def ones_like(x: Any, dtype: Any = None) -> Variable:
    """Ones of the type of `x`."""
    x = as_variable(x)
    return full(x.shape, 1, dtype or x.dtype)
