"""Ops on square matrices, which LAPACK computes on the host: factors, solutions, inverses, determinants.

The last two axes are matrices, leading ones are batches that broadcast. `solve` and `solve_triangular` take matrices on
both sides; vectors are the business of `graphopt.tensor.decompositions`. All are total: `matrix_meanings` says how.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.dimensions import DimLike
from graphopt.errors import ShapeMismatch, TypeMismatch
from graphopt.op import Applied, Attributes, Op, Pullback, Pushforward, TypeRule
from graphopt.ops.define import define
from graphopt.ops.leaves import iota
from graphopt.ops.linear_algebra import matmul, swapped
from graphopt.ops.logic import equal, where
from graphopt.ops.matrix_meanings import exactly, numerically
from graphopt.ops.reduction import sum_, sum_to
from graphopt.ops.shape import expand_dims, pick
from graphopt.ops.signatures import Kinds
from graphopt.types import TensorType, Unify, broadcast, is_float, shape_text

__all__ = ["adjugate", "cholesky", "det", "inv", "slogdet", "solve", "solve_triangular", "triangle"]


# --- types -----------------------------------------------------------------------------------------------------------


def _dtypes(kinds: Kinds) -> tuple[str, ...]:
    """float32 if nothing else takes part, else float64: what NumPy's linear algebra computes in."""
    strong = [kind for kind in kinds if isinstance(kind, str)]
    single = bool(strong) and all(kind == "float32" for kind in strong)
    return ("float32" if single else "float64",) * len(kinds)


def _square(type: TensorType, unify: Unify) -> tuple[DimLike, ...]:
    """The shape of square matrices."""
    if not is_float(type.dtype):
        raise TypeMismatch(f"expected a matrix of floats, found {type}")
    if type.ndim < 2:
        raise ShapeMismatch(f"expected square matrices, found shape {shape_text(type.shape)}")
    try:
        order = unify(type.shape[-2], type.shape[-1])
    except ShapeMismatch:
        raise ShapeMismatch(f"expected square matrices, found shape {shape_text(type.shape)}") from None
    return (*type.shape[:-2], order, order)


def _matrix_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    return types[0].with_shape(_square(types[0], unify))


def _number_rule(*core: int) -> TypeRule:
    def rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
        return types[0].with_shape((*_square(types[0], unify)[:-2], *core))

    return rule


def _solution_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    a, b = _square(types[0], unify), types[1].shape
    if len(b) < 2:
        raise ShapeMismatch(f"expected a matrix on the right, found shape {shape_text(b)}")
    if types[0].dtype != types[1].dtype:
        raise TypeMismatch(f"expected matrices of one dtype, found {types[0]} and {types[1]}")
    try:
        rows = unify(a[-1], b[-2])
        batch = broadcast((a[:-2], b[:-2]), unify)
    except ShapeMismatch as error:
        raise ShapeMismatch(f"cannot solve {shape_text(a)} for {shape_text(b)}: {error}") from None
    return types[1].with_shape((*batch, rows, b[-1]))


# --- derivatives -----------------------------------------------------------------------------------------------------


def triangle(x: Any, lower: bool, diagonal: float) -> Any:
    """The lower or upper triangle of matrices, the diagonal multiplied by a number, zeros elsewhere."""
    row = expand_dims(iota(size=x.shape[-2]), axis=(1,))
    column = expand_dims(iota(size=x.shape[-1]), axis=(0,))
    inside = row > column if lower else row < column
    return where(inside, x, where(equal(row, column), diagonal * x, 0.0) if diagonal else 0.0)


def _cholesky_pullback(g: Any, node: Applied) -> Sequence[Any]:
    """Murray, "Differentiation of the Cholesky decomposition" (2016), equation 10; upper elements are not read.

    With Φ, the lower triangle with half its diagonal, S = L⁻ᵀ Φ(Lᵀ g) L⁻¹; an element below the diagonal stands for
    two of the symmetric matrix.
    """
    factor = node.result
    upper = swapped(factor)
    left = solve_triangular(upper, triangle(matmul(upper, g), True, 0.5), lower=False, unit_diagonal=False)
    both = solve_triangular(upper, swapped(left), lower=False, unit_diagonal=False)
    return (triangle(both + swapped(both), True, 0.5),)


def _solve_pullback(g: Any, node: Applied) -> Sequence[Any]:
    a, b = node.operands
    right = solve(swapped(a), g)
    return sum_to(-matmul(right, swapped(node.result)), a.shape), sum_to(right, b.shape)


def _solve_pushforward(tangents: Sequence[Any], node: Applied) -> Any:
    """Of a x = b: a ẋ = ḃ - ȧ x."""
    return solve(node.operands[0], _right_side(tangents[0], tangents[1], node))


def _right_side(a: Any, b: Any, node: Applied) -> Any:
    """ḃ - ȧ x, with the right side's rank as it is where ȧ is zero."""
    if a is None:
        return b
    moved = matmul(a, node.result)
    return -moved if b is None else b - moved


def _solve_triangular_pushforward(tangents: Sequence[Any], node: Applied) -> Any:
    """The same, for the triangle of a that is read."""
    lower, unit = node.attributes["lower"], node.attributes["unit_diagonal"]
    a = None if tangents[0] is None else triangle(tangents[0], lower, 0.0 if unit else 1.0)
    right = _right_side(a, tangents[1], node)
    return solve_triangular(node.operands[0], right, lower=lower, unit_diagonal=unit)


def _solve_triangular_pullback(g: Any, node: Applied) -> Sequence[Any]:
    a, b = node.operands
    lower, unit = node.attributes["lower"], node.attributes["unit_diagonal"]
    right = solve_triangular(swapped(a), g, lower=not lower, unit_diagonal=unit)
    slope = triangle(-matmul(right, swapped(node.result)), lower, 0.0 if unit else 1.0)
    return sum_to(slope, a.shape), sum_to(right, b.shape)


def _inv_pullback(g: Any, node: Applied) -> Sequence[Any]:
    transposed = swapped(node.result)
    return (-matmul(transposed, matmul(g, transposed)),)


def _over_matrices(g: Any) -> Any:
    return expand_dims(g, axis=(g.ndim, g.ndim + 1))


def _det_pullback(g: Any, node: Applied) -> Sequence[Any]:
    return (_over_matrices(g) * swapped(adjugate(node.operands[0])),)  # Jacobi's formula


def _adjugate_pullback(g: Any, node: Applied) -> Sequence[Any]:
    """Of det(a) a⁻¹, written with c = adj(a): (⟨g, c⟩ cᵀ - cᵀ g cᵀ) / det(a), which is NaN where a is singular."""
    c = swapped(node.result)
    inner = sum_(g * node.result, axis=(g.ndim - 2, g.ndim - 1))
    slope = _over_matrices(inner) * c - matmul(c, matmul(g, c))
    return (slope / _over_matrices(det(node.operands[0])),)


def _slogdet_pullback(g: Any, node: Applied) -> Sequence[Any]:
    """The sign does not change where there is a derivative; that of log |det a| is a⁻ᵀ."""
    return (_over_matrices(pick(g, index=1)) * swapped(inv(node.operands[0])),)


# --- ops -------------------------------------------------------------------------------------------------------------


def _define(
    name: str, arity: int, rule: TypeRule, pullback: Pullback, cost: float, core: tuple[int, ...] | None = None,
    pushforward: Pushforward | None = None,
) -> Op:  # fmt: skip
    return define(
        Op(
            name, arity, rule, numerically(name), exactly(name, core), pullback, _dtypes,
            traits=frozenset({"host", "factorization"}), cost=cost, pushforward=pushforward,
        )
    )  # fmt: skip


cholesky = _define("cholesky", 1, _matrix_rule, _cholesky_pullback, 1)
"""The lower factor L of a = L Lᵀ. The upper triangle of `a` is not read."""
solve = _define("solve", 2, _solution_rule, _solve_pullback, 2, pushforward=_solve_pushforward)
"""The x for which a x = b."""
solve_triangular = _define(
    "solve_triangular", 2, _solution_rule, _solve_triangular_pullback, 1, pushforward=_solve_triangular_pushforward
)
"""The x for which a x = b, reading one triangle of `a`, and not its diagonal if that is said to be of ones."""
inv = _define("inv", 1, _matrix_rule, _inv_pullback, 2)
det = _define("det", 1, _number_rule(), _det_pullback, 1, ())
slogdet = _define("slogdet", 1, _number_rule(2), _slogdet_pullback, 1, (2,))
"""The sign of the determinant and the logarithm of its size, in one axis behind the batch."""
adjugate = _define("adjugate", 1, _matrix_rule, _adjugate_pullback, 20)
"""The transposed matrix of cofactors: det(a) a⁻¹ where there is an inverse, and its limit where there is none."""
