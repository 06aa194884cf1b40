"""Arithmetics in which programs are interpreted: how numbers are held, and what an op makes of them.

- `Native()`: each op's NumPy meaning, in the node's dtype;
- `Exact(digits)`: floats are mpmath numbers, an op's `exact` meaning; the truth to that many digits;
- `Rounded(format)`: operands and results are numbers of a small floating-point format, each operation correctly
  rounded to it, sums from left to right. Formats: "float16", "bfloat16", "float32", "float64".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import mpmath
import numpy as np

from graphopt.errors import InvalidArgument, UnsupportedExpression
from graphopt.integers import convert, truncated
from graphopt.op import Op
from graphopt.types import TensorType, is_float

__all__ = ["Arithmetic", "Exact", "Native", "Rounded", "from_mpf", "round_mpf"]

Array = Any  # a NumPy array; of dtype object where it holds mpmath numbers


class Arithmetic(Protocol):
    """How numbers are held and an op is evaluated."""

    def enter(self, value: Any, type: TensorType) -> Array:
        """An input or constant as this arithmetic holds it."""

    def apply(self, op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any], type: TensorType) -> Array:
        """An op's result."""


class Native:
    """NumPy, in each node's own dtype."""

    def enter(self, value: Any, type: TensorType) -> Array:
        array = np.asarray(value)
        return array if array.dtype == type.dtype else convert(array, type.dtype)

    def apply(self, op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any], type: TensorType) -> Array:
        if op.numpy is None:
            raise UnsupportedExpression(f"op {op.name} has no NumPy meaning")
        with np.errstate(all="ignore"):
            return np.asarray(op.numpy(*operands, **attributes)).astype(type.dtype, copy=False)


class Exact:
    """mpmath with the given number of decimal digits; integers and bools stay NumPy's."""

    def __init__(self, digits: int = 50) -> None:
        self.digits = digits

    def enter(self, value: Any, type: TensorType) -> Array:
        if isinstance(value, np.ndarray) and value.dtype == object:  # mpmath numbers already: kept to the last digit
            return value
        array = np.asarray(value, type.dtype)
        return _to_mpf(array) if is_float(type.dtype) else array

    def apply(self, op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any], type: TensorType) -> Array:
        with mpmath.workdps(self.digits), np.errstate(all="ignore"):
            return self._apply(op, operands, attributes, type)

    def _apply(self, op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any], type: TensorType) -> Array:
        if op.name == "cast":
            return _cast_exact(operands[0], type)
        if not any(operand.dtype == object for operand in operands) and not is_float(type.dtype):
            return Native().apply(op, operands, attributes, type)
        if op.exact is None:
            raise UnsupportedExpression(f"op {op.name} has no exact meaning")
        if "elementwise" not in op.traits or op.name == "barrier":
            return np.asarray(op.exact(*operands, **attributes), dtype=object if is_float(type.dtype) else type.dtype)
        result = np.asarray(np.frompyfunc(op.exact, len(operands), 1)(*operands), dtype=object)
        return result if is_float(type.dtype) else result.astype(type.dtype)


class Rounded:
    """Every operation correctly rounded to a floating-point format.

    Values are held in float64, which holds every number of the smaller formats. An operation is evaluated in
    float64 (or, if it is transcendental and the format "float64", in mpmath) and rounded once. Rounding twice is
    innocuous for + - * / and sqrt because 53 ≥ 2p + 2 for p ≤ 24 (S. A. Figueroa, "When is double rounding
    innocuous?", 1995); elementary functions may, rarely, differ from a correct rounding by one unit.
    """

    FORMATS: Mapping[str, tuple[int, int]] = {
        "float16": (11, -14), "bfloat16": (8, -126), "float32": (24, -126), "float64": (53, -1022),
    }  # fmt: skip

    def __init__(self, format: str) -> None:
        if format not in self.FORMATS:
            raise InvalidArgument(f"unknown format {format!r}; expected one of {', '.join(self.FORMATS)}")
        self.format = format
        self.precision, self.least_exponent = self.FORMATS[format]
        self._exact = Exact(40)

    def round(self, values: Array) -> Array:
        """float64 values rounded to the format: ties to even, gradual underflow, overflow to infinity."""
        if self.format == "float64":
            return values
        if self.format != "bfloat16":
            with np.errstate(over="ignore"):
                return np.asarray(values).astype(self.format).astype(np.float64)
        _, exponent = np.frexp(values)
        scale = np.ldexp(1.0, np.maximum(exponent - 1, self.least_exponent) - (self.precision - 1))
        rounded = np.where(np.isfinite(values), np.rint(values / scale) * scale, values)
        largest = (2.0 - 2.0 ** (1 - self.precision)) * 2.0 ** (1 - self.least_exponent)
        return np.where(np.abs(rounded) > largest, np.copysign(np.inf, rounded), rounded)

    def enter(self, value: Any, type: TensorType) -> Array:
        array = np.asarray(value, np.float64 if is_float(type.dtype) else type.dtype)
        return self.round(array) if is_float(type.dtype) else array

    def apply(self, op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any], type: TensorType) -> Array:
        if not is_float(type.dtype):
            return Native().apply(op, operands, attributes, type)
        if op.name == "cast":
            return self.round(np.asarray(operands[0], np.float64))
        if op.name in _FOLDS:
            return self._fold(_FOLDS[op.name], operands[0], attributes["axis"])
        if op.name == "matmul":
            a, b = operands
            products = self.round(a[..., :, :, None] * b[..., None, :, :])
            return self._fold(np.add, products, (products.ndim - 2,))
        if self.format == "float64" and "transcendental" in op.traits:
            return self._through_exact(op, operands, attributes, type)
        with np.errstate(all="ignore"):
            assert op.numpy is not None
            return self.round(np.asarray(op.numpy(*operands, **attributes), np.float64))

    def _fold(self, ufunc: np.ufunc, x: Array, axis: tuple[int, ...]) -> Array:
        kept = tuple(size for k, size in enumerate(x.shape) if k not in axis)
        count = int(np.prod([x.shape[k] for k in axis]))
        moved = np.moveaxis(x, axis, range(len(axis))).reshape(count, *kept)
        total = moved[0] if len(moved) else np.full(moved.shape[1:], float(ufunc.identity or 0))
        with np.errstate(all="ignore"):
            for term in moved[1:]:
                total = self.round(ufunc(total, term))
        return np.asarray(total)

    def _through_exact(
        self, op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any], type: TensorType
    ) -> Array:
        wide = tuple(_to_mpf(x) if x.dtype == np.float64 else x for x in operands)
        result = from_mpf(self._exact.apply(op, wide, attributes, type), "float64")
        edge = (result == 0) | np.isinf(result)
        if op.numpy is None or not edge.any():
            return result
        with np.errstate(all="ignore"):  # mpmath has no negative zero, and so may miss the sign of a zero or a pole
            native = np.asarray(op.numpy(*operands, **attributes), np.float64)
            return np.where(edge & (np.abs(native) == np.abs(result)), native, result)


_FOLDS = {"sum": np.add, "prod": np.multiply}


def _to_mpf(array: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(np.frompyfunc(lambda v: mpmath.mpf(float(v)), 1, 1)(array), dtype=object)


def from_mpf(array: Array, dtype: str) -> Array:
    """mpmath numbers rounded to a float dtype, to nearest; other arrays unchanged."""
    if array.dtype != object:
        return array
    with np.errstate(all="ignore"):
        return np.asarray(np.frompyfunc(lambda v: round_mpf(v, dtype), 1, 1)(array)).astype(dtype)


def round_mpf(value: Any, dtype: str) -> float:
    """The float nearest to an mpmath number, subnormals and overflow included."""
    if not mpmath.isfinite(value):
        return float(value)
    precision, least = Rounded.FORMATS[dtype]
    sign, mantissa, exponent, bits = value._mpf_
    if not mantissa:
        return 0.0
    keep = min(precision, exponent + bits - (least - (precision - 1)))  # fewer bits remain below the normal range
    if keep < 0:
        return -0.0 if sign else 0.0
    if keep == 0:  # between half of the least subnormal and all of it: half rounds to even, zero; mantissas are odd
        size = mpmath.ldexp(1 if mantissa > 1 else 0, least - (precision - 1))
        rounded = -size if sign else size
    else:
        with mpmath.workprec(keep):
            rounded = +value
    try:
        wide = float(rounded)
    except OverflowError:
        return -np.inf if sign else np.inf
    with np.errstate(over="ignore"):
        return float(np.float32(wide)) if dtype == "float32" else wide


def _cast_exact(x: Array, type: TensorType) -> Array:
    if is_float(type.dtype):
        return x if x.dtype == object else _to_mpf(x)
    if x.dtype == object and type.dtype != "bool":
        return np.asarray(np.frompyfunc(lambda v: truncated(v, type.dtype), 1, 1)(x)).astype(type.dtype)
    return convert(x != 0 if type.dtype == "bool" else x, type.dtype)
