"""Arithmetics in which a program is differentiated numerically: float64 throughout, and complex numbers.

The complex step (W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions", SIAM
Review 40, 1998): for a real analytic f, f'(x) = Im f(x + ih)/h + O(h²). Nothing is subtracted, so h may be 1e-100 and
the result is good to rounding. It is right for analytic ops only, which `ANALYTIC` lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import special

from graphopt.arithmetics import Native
from graphopt.errors import UnsupportedExpression
from graphopt.op import Op
from graphopt.types import TensorType, is_float

__all__ = ["ANALYTIC", "Complex", "Wide"]

Array = Any


class Wide(Native):
    """NumPy in float64, whatever the program's own float dtypes."""

    def enter(self, value: Any, type: TensorType) -> Array:
        return np.asarray(value, np.float64) if is_float(type.dtype) else super().enter(value, type)

    def apply(self, op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any], type: TensorType) -> Array:
        if not is_float(type.dtype):
            return super().apply(op, operands, attributes, type)
        if op.name == "cast":
            return np.asarray(operands[0], np.float64)
        return super().apply(op, operands, attributes, TensorType("float64", type.shape))


class Complex(Wide):
    """Complex numbers where a value depends on what was moved along the imaginary axis, float64 elsewhere."""

    def enter(self, value: Any, type: TensorType) -> Array:
        array = np.asarray(value)
        return array if array.dtype.kind == "c" else super().enter(array, type)

    def apply(self, op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any], type: TensorType) -> Array:
        if not any(operand.dtype.kind == "c" for operand in operands):
            return super().apply(op, operands, attributes, type)
        if not is_float(type.dtype):  # comparisons and the like: of the real parts
            return super().apply(op, tuple(np.real(operand) for operand in operands), attributes, type)
        meaning = ANALYTIC.get(op.name, op.numpy if "view" in op.traits else None)
        if meaning is None:
            raise UnsupportedExpression(f"op {op.name} is not among those known to be analytic: no complex step")
        with np.errstate(all="ignore"):
            return np.asarray(meaning(*operands, **attributes) if attributes else meaning(*operands))


def _numpy(name: str) -> Callable[..., Any]:
    """An op's own NumPy meaning, which holds for complex numbers too."""

    def meaning(*operands: Array, **attributes: Any) -> Array:
        from graphopt.ops import TABLE

        numpy = TABLE[name].numpy
        assert numpy is not None
        return numpy(*[x.astype(complex) if x.dtype.kind == "f" else x for x in operands], **attributes)

    return meaning


def _sigmoid(x: Array) -> Array:
    decay = np.exp(-np.abs(x.real) - 1j * np.where(x.real < 0, -x.imag, x.imag))
    return np.where(x.real < 0, decay, 1) / (1 + decay)


def _softplus(x: Array) -> Array:
    return _logaddexp(x, np.zeros_like(x))


def _logaddexp(a: Array, b: Array) -> Array:
    larger, smaller = _larger(a, b), _smaller(a, b)
    return larger + np.log1p(np.exp(smaller - larger))


def _larger(a: Array, b: Array) -> Array:
    return np.where(np.real(a) >= np.real(b), a, b)


def _smaller(a: Array, b: Array) -> Array:
    return np.where(np.real(a) >= np.real(b), b, a)


def _extremum(place: Callable[..., Any]) -> Callable[..., Any]:
    def meaning(x: Array, axis: tuple[int, ...]) -> Array:
        last = tuple(range(x.ndim - len(axis), x.ndim))
        rows = np.moveaxis(x, axis, last).reshape(*np.delete(x.shape, axis), -1)
        return np.take_along_axis(rows, place(np.real(rows), axis=-1)[..., None], -1)[..., 0]

    return meaning


def _shifted(x: Array, axis: tuple[int, ...]) -> tuple[Array, Array]:
    most = np.max(np.real(x), axis=axis, keepdims=True)
    return np.exp(x - most), most


def _softmax(x: Array, axis: tuple[int, ...]) -> Array:
    terms, _ = _shifted(x, axis)
    return terms / np.sum(terms, axis=axis, keepdims=True)


def _log_softmax(x: Array, axis: tuple[int, ...]) -> Array:
    terms, most = _shifted(x, axis)
    return x - most - np.log(np.sum(terms, axis=axis, keepdims=True))


def _logsumexp(x: Array, axis: tuple[int, ...]) -> Array:
    terms, most = _shifted(x, axis)
    return np.squeeze(most, axis) + np.log(np.sum(terms, axis=axis))


_AS_IT_IS = (
    "add", "subtract", "multiply", "divide", "negative", "square", "power", "barrier", "matmul", "cumsum", "cumprod",
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh",
    "arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh", "where", "stack", "concatenate", "put", "gather",
    "scatter", "recurrence", "pick",
)  # fmt: skip

ANALYTIC: Mapping[str, Callable[..., Any]] = {
    **{name: _numpy(name) for name in _AS_IT_IS},
    "cast": lambda x, dtype: x,
    "fma": lambda a, b, c: a * b + c,
    "sum": lambda x, axis: np.sum(x, axis=axis),
    "prod": lambda x, axis: np.prod(x, axis=axis),
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "logaddexp": _logaddexp,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "logsumexp": _logsumexp,
    "erf": special.erf,
    "erfc": special.erfc,
    # Analytic between their kinks and steps, where derivatives are not looked at.
    "absolute": lambda x: np.where(x.real < 0, -x, x),
    "maximum": _larger,
    "minimum": _smaller,
    "max": _extremum(np.argmax),
    "min": _extremum(np.argmin),
    "sign": lambda x: np.sign(x.real),
    "floor": lambda x: np.floor(x.real),
    "ceil": lambda x: np.ceil(x.real),
    "trunc": lambda x: np.trunc(x.real),
    "rint": lambda x: np.rint(x.real),
}
"""Ops whose complex meaning extends the real one, and that meaning."""
