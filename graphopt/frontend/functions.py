"""The table of SymPy's functions: each class is one op, or a formula of a few.

Values are real. What SymPy defines over the complex numbers has its real value where there is one, and NaN elsewhere;
`loggamma` is the logarithm of |Γ|.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sympy as s
from sympy.codegen import cfunctions as c
from sympy.codegen.numpy_nodes import logaddexp, logaddexp2
from sympy.codegen.scipy_nodes import cosm1, powm1
from sympy.core.function import AppliedUndef
from sympy.functions.elementary.exponential import exp_polar

from graphopt.frontend import special_functions
from graphopt.frontend.arithmetic import exponential, fold
from graphopt.frontend.builder import Value
from graphopt.frontend.describe import unsupported
from graphopt.frontend.form import Form, Reader, arguments, composed, nothing, of_op
from graphopt.frontend.literals import number_value
from graphopt.ops import arithmetic as a
from graphopt.ops import elementary as e
from graphopt.ops import logic as l
from graphopt.variable import Variable, as_variable

__all__ = ["FORMS"]

Apply = Callable[..., Value]


def _reciprocal_of(op: Any) -> Form:
    """1/f(x)."""
    return composed(lambda apply, x: apply(a.divide, 1, apply(op, x)))


def _of_reciprocal(op: Any) -> Form:
    """f(1/x)."""
    return composed(lambda apply, x: apply(op, apply(a.divide, 1, x)))


def _folded(op: Any) -> Form:
    return composed(lambda apply, *values: fold(apply, op, values))


def _sinc(apply: Apply, x: Value) -> Value:
    zero = apply(l.equal, x, 0)
    safe = apply(l.where, zero, 1, x)  # its derivative is finite at 0 as well
    return apply(l.where, zero, 1, apply(a.divide, apply(e.sin, safe), safe))


def _cosm1(apply: Apply, x: Value) -> Value:
    """cos x − 1 = −2 sin²(x/2), which does not cancel."""
    return apply(a.multiply, -2, apply(a.square, apply(e.sin, apply(a.divide, x, 2))))


def _powm1(apply: Apply, x: Value, y: Value) -> Value:
    """xʸ − 1 = expm1(y log x), for x > 0."""
    return apply(e.expm1, apply(a.multiply, y, apply(e.log, x)))


def _frac(apply: Apply, x: Value) -> Value:
    return apply(a.subtract, x, apply(a.floor, x))


def _argument(apply: Apply, x: Value) -> Value:
    return apply(l.where, apply(l.less, x, 0), number_value(s.pi), 0)


def _log(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    if len(values) == 1:
        return reader.apply(e.log, values[0])
    x, base = values
    if not isinstance(base, Variable) and base in (2, 10):
        return reader.apply(e.log2 if base == 2 else e.log10, x)
    return reader.apply(a.divide, reader.apply(e.log, x), reader.apply(e.log, base))


def _applied(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
    """An undefined function: an input where it is listed, else what the user says it is."""
    if reader.leaves.accepts(node):
        return reader.leaves.variable_for(node)
    function = type(node)
    for key in (function, function.__name__):
        if key in reader.functions:
            made = reader.functions[key](*[reader.builder.variable(value) for value in values])
            return as_variable(made)
    raise unsupported(
        node,
        f"the function {function.__name__} is not defined; list it among the inputs as it stands here, or say what it "
        f"computes with functions={{{function.__name__}: …}}",
    )


def _applied_parts(reader: Reader, node: Any) -> Sequence[Any]:
    return () if reader.leaves.accepts(node) else node.args


def _unsupported(reason: str) -> Form:
    def build(reader: Reader, node: Any, values: Sequence[Value]) -> Value:
        raise unsupported(node, reason)

    return Form(nothing, build)


def _unary(table: dict[Any, Any]) -> dict[Any, Form]:
    return {kind: of_op(op) for kind, op in table.items()}


FORMS: dict[type, Form] = {
    **_unary({
        s.log: e.log, s.sin: e.sin, s.cos: e.cos, s.tan: e.tan, s.asin: e.arcsin, s.acos: e.arccos, s.atan: e.arctan,
        s.atan2: e.arctan2, s.sinh: e.sinh, s.cosh: e.cosh, s.tanh: e.tanh, s.asinh: e.arcsinh, s.acosh: e.arccosh,
        s.atanh: e.arctanh, s.Abs: a.absolute, s.sign: a.sign, s.floor: a.floor, s.ceiling: a.ceil,
        s.Mod: a.remainder, s.Heaviside: a.heaviside, s.erf: e.erf, s.erfc: e.erfc, s.gamma: e.gamma,
        s.loggamma: e.lgamma,
        c.expm1: e.expm1, c.log1p: e.log1p, c.exp2: e.exp2, c.log2: e.log2, c.log10: e.log10, c.fma: a.fma,
        c.Sqrt: a.sqrt, c.Cbrt: a.cbrt, c.hypot: a.hypot, c.isnan: l.isnan, c.isinf: l.isinf,
        logaddexp: e.logaddexp, logaddexp2: e.logaddexp2,
    }),
    s.log: Form(arguments, _log),
    s.exp: Form(arguments, lambda reader, node, values: exponential(reader, values[0])),
    s.sec: _reciprocal_of(e.cos), s.csc: _reciprocal_of(e.sin), s.cot: _reciprocal_of(e.tan),
    s.sech: _reciprocal_of(e.cosh), s.csch: _reciprocal_of(e.sinh), s.coth: _reciprocal_of(e.tanh),
    s.asec: _of_reciprocal(e.arccos), s.acsc: _of_reciprocal(e.arcsin), s.acot: _of_reciprocal(e.arctan),
    s.asech: _of_reciprocal(e.arccosh), s.acsch: _of_reciprocal(e.arcsinh), s.acoth: _of_reciprocal(e.arctanh),
    s.Max: _folded(a.maximum), s.Min: _folded(a.minimum),
    s.sinc: composed(_sinc), s.frac: composed(_frac), cosm1: composed(_cosm1), powm1: composed(_powm1),
    s.re: composed(lambda apply, x: x),
    s.conjugate: composed(lambda apply, x: x),
    s.im: composed(lambda apply, x: 0),
    s.arg: composed(_argument),
    s.UnevaluatedExpr: composed(lambda apply, x: x),
    s.factorial: composed(lambda apply, x: apply(e.gamma, apply(a.add, x, 1))),
    s.KroneckerDelta: composed(lambda apply, i, j, *limits: apply(l.where, apply(l.equal, i, j), 1, 0)),
    **special_functions.FORMS,
    AppliedUndef: Form(_applied_parts, _applied),
    exp_polar: _unsupported("polar numbers are complex; write it with exp"),
    s.DiracDelta: _unsupported("a distribution has no values; integrate it first"),
    s.Integral: _unsupported("an integral is not evaluated here; call .doit() first, or write it as a Sum"),
    s.Limit: _unsupported("a limit is not evaluated here; call .doit() first"),
    s.Function: _unsupported("this function has no meaning here yet; write it in others, for instance by .rewrite(…)"),
}  # fmt: skip
