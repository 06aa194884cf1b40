"""Derivatives of programs, as programs: reverse and forward mode over the graph."""

from graphopt.autodiff.forward import hvp, jvp
from graphopt.autodiff.jacobians import hessian, jacobian
from graphopt.autodiff.reverse import grad, vjp

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "vjp"]
