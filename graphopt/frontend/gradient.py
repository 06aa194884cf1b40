"""`go.grad`, `go.jvp` and their kin for variables and SymPy expressions alike.

SymPy expressions are imported first. Results are made of variables; `go.function` joins their leaves to the SymPy
symbols among its inputs, and so does what differentiates them again with respect to such a symbol.
"""

from __future__ import annotations

from typing import Any

from graphopt import autodiff
from graphopt.frontend.declare import imported_leaves, is_sympy, joined
from graphopt.variable import Variable

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "vjp"]


def grad(cost: Any, wrt: Any, **options: Any) -> Any:
    """The gradient of a scalar cost; see `graphopt.autodiff.grad` for the options and errors."""
    return autodiff.grad(*_imported(cost, wrt), **options)


def vjp(outputs: Any, wrt: Any, cotangents: Any, **options: Any) -> Any:
    """The vector-Jacobian product; see `graphopt.autodiff.vjp`."""
    return autodiff.vjp(*_imported(outputs, wrt), cotangents, **options)


def jvp(outputs: Any, wrt: Any, tangents: Any, **options: Any) -> Any:
    """The Jacobian-vector product; see `graphopt.autodiff.jvp`."""
    return autodiff.jvp(*_imported(outputs, wrt), tangents, **options)


def jacobian(y: Any, x: Any, **options: Any) -> Any:
    """All partial derivatives of an array; see `graphopt.autodiff.jacobian`."""
    return autodiff.jacobian(*_imported(y, x), **options)


def hessian(cost: Any, x: Any, **options: Any) -> Any:
    """All second partial derivatives of a scalar; see `graphopt.autodiff.hessian`."""
    return autodiff.hessian(*_imported(cost, x), **options)


def hvp(cost: Any, x: Any, v: Any, **options: Any) -> Any:
    """The Hessian-vector product; see `graphopt.autodiff.hvp`."""
    return autodiff.hvp(*_imported(cost, x), v, **options)


def _imported(outputs: Any, wrt: Any) -> tuple[Any, Any]:
    """Both as variables, one or a list as they were."""
    if not any(is_sympy(one) for one in (*_listed(outputs), *_listed(wrt))):
        return outputs, wrt
    from graphopt.frontend.sympy_import import Importer

    given = [output for output in _listed(outputs) if isinstance(output, Variable)]
    known = {symbol: leaf for leaf, symbol in reversed(imported_leaves(given))}  # the first to be met stands for all
    importer = Importer(types=known, inputs=[leaf for leaf in _listed(wrt) if is_sympy(leaf)])
    made = [importer.convert(output) if is_sympy(output) else output for output in _listed(outputs)]
    if all(isinstance(output, Variable) for output in made):  # otherwise the error says what was given
        made = joined(made, known)
    leaves = [importer.variable_for(leaf) if is_sympy(leaf) else leaf for leaf in _listed(wrt)]
    return (
        made if isinstance(outputs, list | tuple) else made[0],
        leaves if isinstance(wrt, list | tuple) else leaves[0],
    )


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
