"""`go.grad` and `go.vjp` for variables and SymPy expressions alike."""

from __future__ import annotations

from typing import Any

from graphopt import autodiff
from graphopt.frontend.declare import is_sympy
from graphopt.frontend.sympy_import import Importer

__all__ = ["grad", "vjp"]


def grad(cost: Any, wrt: Any, **options: Any) -> Any:
    """The gradient of a scalar cost; see `graphopt.autodiff.grad` for the options and errors.

    A SymPy cost is imported first. The result is made of variables; `go.function` joins their leaves to the SymPy
    symbols among its inputs.
    """
    if is_sympy(cost):
        importer = Importer(inputs=[leaf for leaf in _listed(wrt) if is_sympy(leaf)])
        cost = importer.convert(cost)
        if isinstance(wrt, list | tuple):
            wrt = [importer.variable_for(leaf) if is_sympy(leaf) else leaf for leaf in wrt]
        elif is_sympy(wrt):
            wrt = importer.variable_for(wrt)
    return autodiff.grad(cost, wrt, **options)


def vjp(outputs: Any, wrt: Any, cotangents: Any, **options: Any) -> Any:
    """The vector-Jacobian product; see `graphopt.autodiff.vjp`."""
    return autodiff.vjp(outputs, wrt, cotangents, **options)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
