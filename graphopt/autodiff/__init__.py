"""Derivatives of programs, as programs: reverse and forward mode over the graph."""

from graphopt.autodiff.forward import hvp, jvp
from graphopt.autodiff.reverse import grad, vjp

__all__ = ["grad", "hvp", "jvp", "vjp"]
