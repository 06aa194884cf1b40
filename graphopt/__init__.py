"""graphopt: formulas and tensor programs to rewritten graphs, gradients, C and CUDA.

>>> import graphopt as go, graphopt.tensor as T
>>> x = T.matrix("x")
>>> f = go.function([x], T.log(T.exp(x) / T.exp(x).sum(axis=1, keepdims=True)))
>>> f([[1000.0, 0.0]])
array([[    0., -1000.]])
"""

from typing import TYPE_CHECKING, Any

from graphopt import tensor
from graphopt.autodiff.custom import custom_derivative
from graphopt.config import config
from graphopt.dimensions import dim
from graphopt.errors import (
    CheckFailed,
    CompilationFailed,
    CompilerNotFound,
    DeviceFailed,
    DisconnectedInput,
    GraphoptError,
    IndexOutOfRange,
    InvalidArgument,
    MissingInput,
    NotDifferentiable,
    RewriteFailed,
    ShapeMismatch,
    TargetUnavailable,
    TypeMismatch,
    UnsupportedExpression,
    UnusedInput,
    VerificationFailed,
)
from graphopt.frontend.gradient import grad, hessian, hvp, jacobian, jvp, vjp
from graphopt.frontend.state import In
from graphopt.function import Function
from graphopt.graph import Graph
from graphopt.graph.draw import draw
from graphopt.lowering import Lowered, c_source, cuda_source, lower
from graphopt.make_function import function
from graphopt.ops.custom import define_op
from graphopt.options import Options
from graphopt.rewrite.pipeline import Pipeline
from graphopt.rewrite.registry import available_passes
from graphopt.shared_variable import SharedVariable, shared
from graphopt.types import TensorType
from graphopt.variable import Variable, variable

if TYPE_CHECKING:
    from graphopt.frontend import from_sympy, to_sympy

__version__ = "0.1.0"

__all__ = [
    "CheckFailed",
    "CompilationFailed",
    "CompilerNotFound",
    "DeviceFailed",
    "DisconnectedInput",
    "Function",
    "Graph",
    "GraphoptError",
    "In",
    "IndexOutOfRange",
    "InvalidArgument",
    "Lowered",
    "MissingInput",
    "NotDifferentiable",
    "Options",
    "Pipeline",
    "RewriteFailed",
    "ShapeMismatch",
    "SharedVariable",
    "TargetUnavailable",
    "TensorType",
    "TypeMismatch",
    "UnsupportedExpression",
    "UnusedInput",
    "Variable",
    "VerificationFailed",
    "available_passes",
    "c_source",
    "config",
    "cuda_source",
    "custom_derivative",
    "define_op",
    "dim",
    "draw",
    "from_sympy",
    "function",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "lower",
    "shared",
    "tensor",
    "to_sympy",
    "variable",
    "vjp",
]


def __getattr__(name: str) -> Any:
    if name in ("from_sympy", "to_sympy"):  # those who need no SymPy need not wait for it
        from graphopt import frontend

        return getattr(frontend, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
