"""Derivatives of programs, as programs: reverse mode over the graph."""

from graphopt.autodiff.reverse import grad, vjp

__all__ = ["grad", "vjp"]
