"""Matrices: explicit ones become a stack of their elements, symbolic ones arrays of rank 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy as s
from sympy.matrices import MatrixBase
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.matrices.expressions.hadamard import HadamardPower, HadamardProduct
from sympy.matrices.expressions.matexpr import MatrixExpr
from sympy.matrices.expressions.special import Identity, OneMatrix, ZeroMatrix
from sympy.tensor.array import NDimArray
from sympy.tensor.array.expressions.array_expressions import ArraySymbol

from graphopt.frontend.arithmetic import fold, general_power
from graphopt.frontend.builder import Value
from graphopt.frontend.describe import unsupported
from graphopt.frontend.form import Form, Reader, arguments, nothing
from graphopt.frontend.leaves import size_of
from graphopt.op import Op
from graphopt.ops import arithmetic as a
from graphopt.ops import decompositions, linear_algebra, reduction, shape
from graphopt.ops.signatures import ufunc_signature
from graphopt.types import is_float
from graphopt.variable import Variable, as_variable, convert, literal

__all__ = ["FORMS", "stacked"]

LARGEST_POWER = 64
_common = ufunc_signature(np.maximum)


def stacked(reader: Reader, values: Sequence[Value], sizes: tuple[int, ...]) -> Value:
    """Scalars as the elements of an array: all in the dtype that holds them all."""
    if not values:
        return literal(0, "float64", sizes)
    dtypes = list(dict.fromkeys(v.dtype for v in values if isinstance(v, Variable)))
    if not any(is_float(dtype) for dtype in dtypes):  # numbers are weak: floats hold them all, other dtypes may not
        dtypes += [reader.builder.variable(v).dtype for v in values if not isinstance(v, Variable)]
    dtype = dtypes[0]
    for other in dtypes[1:]:
        dtype = _common((dtype, other))[1]
    return reader.apply(shape.stack, *[reader.builder.cast(value, dtype) for value in values], shape=sizes)


# --- explicit ------------------------------------------------------------------------------------------------------


def _matrix_parts(reader: Reader, node: Any) -> Sequence[Any]:
    return node.flat()  # type: ignore[no-any-return]


def _array_parts(reader: Reader, node: Any) -> Sequence[Any]:
    return [node[index] for index in np.ndindex(*node.shape)]


def _explicit(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    return stacked(reader, values, tuple(int(size) for size in node.shape))


# --- symbolic ------------------------------------------------------------------------------------------------------


def _first(reader: Reader, node: Any) -> Sequence[Any]:
    return node.args[:1]  # type: ignore[no-any-return]


def _outside_sums(reader: Reader, node: Any) -> None:
    if reader.axes:
        raise unsupported(node, "whole matrices have no meaning under a Sum; sum over their elements A[i, j]")


def _leaf(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    _outside_sums(reader, node)
    return reader.bound[node] if node in reader.bound else reader.leaves.variable_for(node)


def _transposed(reader: Reader, value: Value) -> Value:
    return reader.apply(shape.transpose, value, axes=(1, 0))


def _matmul(reader: Reader, left: Value, right: Value) -> Value:
    return reader.apply(linear_algebra.matmul, left, right)


def _is_minus(term: Any) -> bool:
    return type(term) is s.MatMul and term.args[0] is s.S.NegativeOne and len(term.args) > 1


def _sum_parts(reader: Reader, node: Any) -> Sequence[Any]:
    parts: list[Any] = []
    for term in node.args:
        parts.extend(_product_parts(reader, term)[1:] if _is_minus(term) else (term,))
    return parts


def _sum(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    waiting = iter(values)
    total: Value | None = None
    for term in node.args:
        minus = _is_minus(term)
        value = _product(reader, term, [1, *(next(waiting) for _ in term.args[1:])]) if minus else next(waiting)
        if total is None:
            total = reader.apply(a.negative, value) if minus else value
        else:
            total = reader.apply(a.subtract if minus else a.add, total, value)
    assert total is not None
    return total


def _product_parts(reader: Reader, node: Any) -> Sequence[Any]:
    return node.args  # type: ignore[no-any-return]


def _product(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    """Matrices from left to right; scalars come last."""
    scalars: list[Value] = []
    matrices: list[Value] = []
    for factor, value in zip(node.args, values, strict=True):
        if not _is_matrix(factor):
            if isinstance(value, Variable) and value.ndim:
                raise unsupported(node, f"the factor {factor} has type {value.type}; only scalars multiply matrices")
            if isinstance(value, Variable) or value != 1:
                scalars.append(value)
        else:
            matrices.append(value)
    result = fold(lambda op, left, right: _matmul(reader, left, right), None, matrices)
    if not scalars:
        return result
    factor = fold(reader.apply, a.multiply, scalars)
    if not isinstance(factor, Variable) and factor == -1:
        return reader.apply(a.negative, result)
    return reader.apply(a.multiply, factor, result)


def _is_matrix(factor: Any) -> bool:
    return isinstance(factor, MatrixExpr | MatrixBase)


def _of_square(reader: Reader, op: Op, value: Value) -> Value:
    """The inverse or the determinant, of floats."""
    matrix = as_variable(value)
    return reader.apply(op, matrix if is_float(matrix.dtype) else convert(matrix, reader.builder.dtype))


def _power(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    exponent = node.args[1]
    if not isinstance(exponent, s.Integer) or not 1 <= abs(int(exponent)) <= LARGEST_POWER:
        raise unsupported(node, f"matrix powers have a meaning for integer exponents up to ±{LARGEST_POWER} only")
    result: Value | None = None
    square, remaining = values[0], abs(int(exponent))
    if int(exponent) < 0:
        square = _of_square(reader, decompositions.inv, square)
    while remaining:
        if remaining % 2:
            result = square if result is None else _matmul(reader, result, square)
        remaining //= 2
        square = _matmul(reader, square, square) if remaining else square
    assert result is not None
    return result


def _trace_parts(reader: Reader, node: Any) -> Sequence[Any]:
    return node.args[0].args if _is_trace_of_product(node) else ()


def _is_trace_of_product(node: Any) -> bool:
    return type(node.args[0]) is s.MatMul and all(_is_matrix(factor) for factor in node.args[0].args)


def _trace(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    """tr(A·B) = Σᵢⱼ Aᵢⱼ Bⱼᵢ; other traces would need a diagonal."""
    if not _is_trace_of_product(node):
        raise unsupported(node, "of traces, only that of a product of matrices has a meaning here yet")
    left = fold(lambda op, x, y: _matmul(reader, x, y), None, values[:-1])
    return reader.apply(reduction.sum_, reader.apply(a.multiply, left, _transposed(reader, values[-1])), axis=(0, 1))


def _identity(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    size = size_of(node.args[0])
    if not isinstance(size, int):
        raise unsupported(node, "an identity matrix needs a known size")
    return as_variable(np.eye(size, dtype=reader.builder.dtype))


def _filled(number: int) -> Form:
    def build(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
        return literal(number, reader.builder.dtype, tuple(size_of(size) for size in node.args))

    return Form(nothing, build)


def _hadamard_power(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    return general_power(reader, *values)


def _elementwise(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    function = node.args[0]
    if not isinstance(function, s.Lambda) or len(function.args[0]) != 1:
        raise unsupported(node, "the function applied to the elements must be a Lambda of one symbol")
    return reader.binding(function.args[0], values).read(function.args[1])


FORMS: dict[type, Form] = {
    MatrixBase: Form(_matrix_parts, _explicit),
    NDimArray: Form(_array_parts, _explicit),
    s.MatrixSymbol: Form(nothing, _leaf),
    ArraySymbol: Form(nothing, _leaf),
    s.MatAdd: Form(_sum_parts, _sum),
    s.MatMul: Form(_product_parts, _product),
    s.MatPow: Form(_first, _power),
    s.Transpose: Form(arguments, lambda reader, node, values: _transposed(reader, values[0])),
    s.Adjoint: Form(arguments, lambda reader, node, values: _transposed(reader, values[0])),
    HadamardProduct: Form(arguments, lambda reader, node, values: fold(reader.apply, a.multiply, values)),
    HadamardPower: Form(arguments, _hadamard_power),
    ElementwiseApplyFunction: Form(lambda reader, node: node.args[1:], _elementwise),
    Identity: Form(nothing, _identity),
    ZeroMatrix: _filled(0),
    OneMatrix: _filled(1),
    s.Trace: Form(_trace_parts, _trace),
    s.Inverse: Form(_first, lambda reader, node, values: _of_square(reader, decompositions.inv, values[0])),
    s.Determinant: Form(_first, lambda reader, node, values: _of_square(reader, decompositions.det, values[0])),
}
