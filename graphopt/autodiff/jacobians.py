"""`jacobian` and `hessian`: whole matrices of derivatives, all rows or all columns at once.

A row is a vector-Jacobian product with a unit vector, a column a Jacobian-vector product. The product is written down
once, for a placeholder, and computed for all unit vectors together (`graphopt.autodiff.batch`), so that the program's
size does not depend on the matrix's, and sizes may be named. What does not depend on the placeholder, such as the
function itself, is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.autodiff.batch import batched
from graphopt.autodiff.forward import jvp
from graphopt.autodiff.problem import differentiable, listed
from graphopt.autodiff.reverse import grad, vjp
from graphopt.autodiff.sparse import compressed, pattern_of
from graphopt.errors import InvalidArgument
from graphopt.ops.arithmetic import cast
from graphopt.ops.leaves import iota
from graphopt.ops.logic import equal
from graphopt.ops.shape import expand_dims, transpose
from graphopt.types import TensorType
from graphopt.variable import Variable, literal, variable

__all__ = ["columns", "hessian", "jacobian", "rows"]


def jacobian(
    y: Any,
    x: Any,
    *,
    sparsity: Any = None,
    packed: bool = False,
    disconnected_inputs: str = "raise",
    stabilize: bool = True,
) -> Any:
    """All partial derivatives of an array: the element at (*i, *j) is ∂y[i] / ∂x[j].

    Forward mode makes a column for each element of x, reverse mode a row for each of y. Whichever are fewer are made;
    rows, if the sizes do not tell.

    Parameters
    ----------
    y
        A variable of a float dtype, of any shape.
    x
        A variable or a list of variables, inputs or intermediate results, of a float dtype.
    sparsity
        Where the Jacobian is not zero, if that is known: an array, or a sparse matrix of SciPy's, of the Jacobian's
        shape or of shape (elements of y, elements of x). Columns, or rows, that do not meet are then made by one
        product (`graphopt.autodiff.sparse`). Elements left out of the pattern are taken to be zero, and make others
        wrong if they are not. If `x` is a list, a list of patterns, each of which may be None. Sizes must be numbers.
    packed
        Whether to give the elements of the pattern alone, row by row in a vector, as SciPy's `csr_array` has them in
        `data`: for Jacobians that are too large to be written out. A pattern must be given for each of `x`.
    disconnected_inputs, stabilize
        As for `grad`.

    Returns
    -------
    Variable or list of Variable
        An array of shape `(*y.shape, *x.shape)`, or, if packed, a vector, for each of `x`. A list if `x` is one.

    Raises
    ------
    TypeMismatch
        If y or a variable of `x` is of an integer dtype or bool.
    DisconnectedInput, NotDifferentiable
        As for `grad`.
    InvalidArgument, ShapeMismatch
        If the pattern does not fit, or there is none and the result should be packed.
    UnsupportedExpression
        If an op on the way cannot be computed for many unit vectors at once.
    """
    y = differentiable(y, "an output")
    sources = [differentiable(v, "x") for v in listed(x)]
    patterns = [sparsity] if not isinstance(x, Sequence) else [None] * len(sources) if sparsity is None else sparsity
    if len(patterns) != len(sources):
        raise InvalidArgument(f"expected a pattern or None for each of x, found {len(patterns)} for {len(sources)}")
    made = []
    for v, pattern in zip(sources, patterns, strict=True):
        options = {"disconnected_inputs": disconnected_inputs, "stabilize": stabilize}
        if pattern is not None:
            made.append(compressed(y, v, pattern_of(pattern, y, v), packed, **options))
        elif packed:
            raise InvalidArgument(f"a Jacobian is packed by its pattern of zeros; give sparsity= for {v!r}")
        else:
            made.append((columns if _has_fewer(v, y) else rows)(y, v, **options))
    return made if isinstance(x, Sequence) else made[0]


def hessian(cost: Any, x: Any, *, disconnected_inputs: str = "raise", stabilize: bool = True) -> Any:
    """All second partial derivatives of a scalar: the element at (*i, *j) is ∂²cost / ∂x[i] ∂x[j].

    Parameters
    ----------
    cost
        A float scalar.
    x
        A variable or a list of variables of a float dtype.
    disconnected_inputs, stabilize
        As for `grad`.

    Returns
    -------
    Variable, or list of lists of Variable
        An array of shape `(*x.shape, *x.shape)`. If `x` is a list, a list of rows of such blocks: that in row k and
        column l has the derivatives with respect to the k-th variable and then the l-th.

    Raises
    ------
    TypeMismatch, ShapeMismatch, DisconnectedInput, NotDifferentiable, UnsupportedExpression
        As for `grad` and `jacobian`.
    """
    slopes = grad(cost, x, disconnected_inputs=disconnected_inputs, stabilize=stabilize)
    # A slope may be constant, or not vary with another of the variables: its derivative is zero then.
    if not isinstance(x, Sequence):
        return jacobian(slopes, x, disconnected_inputs="ignore", stabilize=stabilize)
    return [jacobian(slope, x, disconnected_inputs="ignore", stabilize=stabilize) for slope in slopes]


def _has_fewer(x: Variable, y: Variable) -> bool:
    """Whether x is known to have fewer elements than y; a number is taken to be less than a size with a name."""
    return isinstance(x.size, int) and (x.size < y.size if isinstance(y.size, int) else True)


def rows(y: Variable, x: Variable, **options: Any) -> Variable:
    """The Jacobian by reverse mode, a row for each element of y."""
    cotangent = variable(None, y.type)
    (made,) = batched([vjp(y, x, cotangent, **options)], {cotangent: _units(y.type)}, y.shape)
    return made


def columns(y: Variable, x: Variable, **options: Any) -> Variable:
    """The Jacobian by forward mode, a column for each element of x."""
    tangent = variable(None, x.type)
    (made,) = batched([jvp(y, x, tangent, **options)], {tangent: _units(x.type)}, x.shape)
    if not x.ndim or not y.ndim:
        return made
    axes = (*range(x.ndim, x.ndim + y.ndim), *range(x.ndim))
    result: Variable = transpose(made, axes=axes)
    return result


def _units(type: TensorType) -> Variable:
    """All unit vectors of a type: 1 where the leading axes and the others have the same index, 0 elsewhere."""
    rank = type.ndim
    if not rank:
        return literal(1.0, type.dtype)
    same: Any = None
    for axis, size in enumerate(type.shape):
        along = equal(_position(size, axis, 2 * rank), _position(size, rank + axis, 2 * rank))
        same = along if same is None else same & along
    result: Variable = cast(same, dtype=type.dtype)
    return result


def _position(size: Any, axis: int, rank: int) -> Variable:
    result: Variable = expand_dims(iota(size=size), axis=tuple(k for k in range(rank) if k != axis))
    return result
