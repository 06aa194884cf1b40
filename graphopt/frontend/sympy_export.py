"""Variables as SymPy expressions: `to_sympy`, the way back where SymPy has the node.

Expressions are built unevaluated, so that what comes back is what was there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import sympy as s
from sympy.codegen import cfunctions as c
from sympy.codegen.numpy_nodes import logaddexp, logaddexp2
from sympy.matrices.expressions.hadamard import HadamardProduct
from sympy.matrices.expressions.matexpr import MatrixExpr

from graphopt.dimensions import DimLike
from graphopt.errors import UnsupportedExpression
from graphopt.frontend import special_functions
from graphopt.frontend.describe import Subexpression
from graphopt.graph.build import topological
from graphopt.ops.leaves import ArrayConstant
from graphopt.types import is_float, is_integer
from graphopt.variable import Variable

__all__ = ["to_sympy"]

Make = Callable[..., Any]


def _kept(kind: Any) -> Make:
    """A SymPy class applied without evaluation."""
    return lambda *operands: kind(*operands, evaluate=False)


def _is_matrix(value: Any) -> bool:
    return isinstance(value, MatrixExpr | s.MatrixBase)


def _add(x: Any, y: Any) -> Any:
    return s.MatAdd(x, y) if _is_matrix(x) and _is_matrix(y) else s.Add(x, y, evaluate=False)


def _multiply(x: Any, y: Any) -> Any:
    if _is_matrix(x) and _is_matrix(y):
        return HadamardProduct(x, y)
    return s.MatMul(x, y) if _is_matrix(x) or _is_matrix(y) else s.Mul(x, y, evaluate=False)


def _negative(x: Any) -> Any:
    return -x if isinstance(x, s.Number) else _multiply(s.S.NegativeOne, x)


def _power(x: Any, y: Any) -> Any:
    return s.Pow(x, y, evaluate=False)


MAKERS: dict[str, Make] = {
    "add": _add,
    "subtract": lambda x, y: _add(x, _negative(y)),
    "multiply": _multiply,
    "divide": lambda x, y: _multiply(x, _power(y, s.S.NegativeOne)),
    "negative": _negative,
    "square": lambda x: _power(x, s.Integer(2)),
    "sqrt": lambda x: _power(x, s.S.Half),
    "power": _power,
    "cbrt": lambda x: c.Cbrt(x),
    "fma": lambda x, y, z: c.fma(x, y, z),
    "hypot": lambda x, y: c.hypot(x, y),
    "expm1": lambda x: c.expm1(x, evaluate=False),
    "log1p": lambda x: c.log1p(x, evaluate=False),
    "exp2": lambda x: c.exp2(x, evaluate=False),
    "log2": lambda x: c.log2(x, evaluate=False),
    "log10": lambda x: c.log10(x, evaluate=False),
    "logaddexp": lambda x, y: logaddexp(x, y),
    "logaddexp2": lambda x, y: logaddexp2(x, y),
    "sigmoid": lambda x: _power(_add(s.S.One, s.exp(_negative(x), evaluate=False)), s.S.NegativeOne),
    "softplus": lambda x: s.log(_add(s.S.One, s.exp(x, evaluate=False)), evaluate=False),
    "trigamma": lambda x: s.polygamma(1, x, evaluate=False),
    "digamma": lambda x: s.polygamma(0, x, evaluate=False),
    "where": lambda condition, yes, no: _where(condition, yes, no),
    "if_else": lambda condition, yes, no: _where(condition, yes, no),
    "not_equal": _kept(s.Ne),
    "matmul": lambda x, y: s.MatMul(x, y),
    **special_functions.MAKERS,
    "cast": lambda x: x,
    "barrier": lambda x: x,
    "check": lambda x, condition: x,
    "stop_gradient": lambda x: x,
    "with_derivative": lambda x, *arguments: x,
    **{
        name: _kept(kind)
        for name, kind in {
            "absolute": s.Abs, "sign": s.sign, "floor": s.floor, "ceil": s.ceiling, "remainder": s.Mod,
            "maximum": s.Max, "minimum": s.Min, "heaviside": s.Heaviside,
            "exp": s.exp, "log": s.log, "sin": s.sin, "cos": s.cos, "tan": s.tan, "arcsin": s.asin, "arccos": s.acos,
            "arctan": s.atan, "arctan2": s.atan2, "sinh": s.sinh, "cosh": s.cosh, "tanh": s.tanh, "arcsinh": s.asinh,
            "arccosh": s.acosh, "arctanh": s.atanh, "erf": s.erf, "erfc": s.erfc, "gamma": s.gamma,
            "lgamma": s.loggamma,
            "equal": s.Eq, "less": s.Lt, "less_equal": s.Le, "greater": s.Gt, "greater_equal": s.Ge,
            "logical_and": s.And, "logical_or": s.Or, "logical_xor": s.Xor, "logical_not": s.Not,
        }.items()
    },
}  # fmt: skip
"""What SymPy calls each op."""


def to_sympy(variable: Variable) -> Any:
    """A variable as a SymPy expression.

    Inputs that were imported come back as the SymPy objects they were. Other scalars become symbols of their name,
    arrays of rank 1 symbols that stand for every element, arrays of rank 2 `MatrixSymbol`s. A constant is the number
    that its dtype holds.

    Parameters
    ----------
    variable
        Scalar or elementwise, a stack of scalars, or built of matrices by + and @.

    Raises
    ------
    UnsupportedExpression
        If SymPy has nothing that means the same.
    """
    made: dict[int, Any] = {}
    unnamed: dict[int, str] = {}
    for node in topological([variable]):
        made[id(node)] = _expression(node, [made[id(operand)] for operand in node.operands], unnamed)
    return made[id(variable)]


def _expression(node: Variable, operands: list[Any], unnamed: dict[int, str]) -> Any:
    name, attributes = node.op.name, node.attributes
    match name:
        case "input":
            return _leaf(node, unnamed)
        case "constant":
            return _constant(attributes["value"], attributes)
        case "dimension":
            return _size(attributes["value"])
        case "stack" if all(not operand.ndim for operand in node.operands):
            return _stack(operands, attributes["shape"])
        case "transpose" if _is_matrix(operands[0]):
            return operands[0] if attributes["axes"] == (0, 1) else s.Transpose(operands[0])
    matrices = any(_is_matrix(operand) for operand in operands)
    if name not in MAKERS or (matrices and name not in _OF_MATRICES):
        kind = "matrices" if matrices else "scalars"
        raise UnsupportedExpression(f"SymPy has no {name} of {kind} that to_sympy knows; made at {node.origin}")
    if name == "cast" and is_integer(node.dtype) and is_float(node.operands[0].dtype):
        raise UnsupportedExpression(f"SymPy has no cast from float to {node.dtype}; made at {node.origin}")
    return MAKERS[name](*operands)


_OF_MATRICES = ("add", "subtract", "multiply", "negative", "matmul", "cast", "barrier")


def _leaf(node: Variable, unnamed: dict[int, str]) -> Any:
    source = node.origin.code if node.origin is not None else None
    if isinstance(source, Subexpression):
        return source.expression
    name = node.name or unnamed.setdefault(id(node), f"x{len(unnamed)}")
    if node.ndim == 2:
        return s.MatrixSymbol(name, *(_size(size) for size in node.shape))
    if node.ndim > 2:
        raise UnsupportedExpression(f"input {name} of type {node.type} has no SymPy form: its rank is above 2")
    return s.Symbol(name, integer=True) if is_integer(node.dtype) else s.Symbol(name)


def _constant(value: Any, attributes: Mapping[str, Any]) -> Any:
    if isinstance(value, ArrayConstant):
        if value.array.ndim != 2:
            raise UnsupportedExpression(f"a constant array of shape {value.array.shape} has no SymPy form here")
        return s.ImmutableDenseMatrix(*value.array.shape, [_number(item) for item in value.array.reshape(-1).tolist()])
    if len(attributes["shape"]) == 2 and value in (0, 1):
        return (s.OneMatrix if value else s.ZeroMatrix)(*(_size(size) for size in attributes["shape"]))
    return _number(value)


def _number(value: bool | int | float) -> Any:
    if isinstance(value, bool):
        return s.true if value else s.false
    if isinstance(value, int) or (math.isfinite(value) and value == int(value) and abs(value) < 2**53):
        return s.Integer(int(value))
    if math.isfinite(value):
        return s.Float(value, 17)
    return s.nan if math.isnan(value) else s.oo if value > 0 else -s.oo


def _size(size: DimLike) -> Any:
    if isinstance(size, int):
        return s.Integer(size)
    total = s.S.Zero
    for names, factor in size.terms:
        if not all(isinstance(name, str) for name in names):
            raise UnsupportedExpression(f"the dimension {size} has no SymPy form here")
        total += factor * s.Mul(*(s.Symbol(str(name), integer=True) for name in names))
    return total


def _stack(operands: list[Any], sizes: tuple[int, ...]) -> Any:
    if len(sizes) == 2:
        return s.ImmutableDenseMatrix(*sizes, operands)
    return s.ImmutableDenseNDimArray(operands, sizes)


def _where(condition: Any, yes: Any, no: Any) -> Any:
    if _is_matrix(condition) or _is_matrix(yes) or _is_matrix(no):
        raise UnsupportedExpression("SymPy has no choice between the elements of matrices that to_sympy knows")
    return s.Piecewise((yes, condition), (no, True), evaluate=False)
