"""Derivatives of programs, as programs: reverse and forward mode over the graph."""

from graphopt.autodiff.custom import custom_derivative
from graphopt.autodiff.forward import hvp, jvp
from graphopt.autodiff.jacobians import hessian, jacobian
from graphopt.autodiff.reverse import grad, vjp

__all__ = ["custom_derivative", "grad", "hessian", "hvp", "jacobian", "jvp", "vjp"]
