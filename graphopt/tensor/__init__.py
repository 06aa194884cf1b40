"""The array language under NumPy's and Theano's names: `import graphopt.tensor as T`.

Argument forms and defaults are NumPy's. Everything works on variables, arrays, numbers and rule patterns alike.
"""

from typing import Any

from graphopt.ops.custom import elementwise
from graphopt.tensor import creation as _creation
from graphopt.tensor import ufuncs as _ufuncs
from graphopt.tensor.control import check, cond, stop_gradient
from graphopt.tensor.creation import *  # noqa: F403
from graphopt.tensor.creation import constant, full, ones, ones_like, tensor, zeros, zeros_like
from graphopt.tensor.diagonals import (
    arange,
    diag,
    eye,
    identity,
    kron,
    linspace,
    repeat,
    tile,
    trace,
    tri,
    tril,
    triu,
)
from graphopt.tensor.indexing import (
    concatenate,
    diff,
    flip,
    inc_subtensor,
    pad,
    roll,
    set_subtensor,
    split,
    stack,
)
from graphopt.tensor.products import dot, matmul, outer
from graphopt.tensor.reduction import (
    all,
    any,
    argmax,
    argmin,
    count_nonzero,
    log_softmax,
    logsumexp,
    max,
    mean,
    min,
    prod,
    softmax,
    std,
    sum,
    var,
)
from graphopt.tensor.shape import broadcast_to, expand_dims, moveaxis, ravel, reshape, squeeze, swapaxes, transpose

__all__ = [
    "all", "any", "arange", "argmax", "argmin", "broadcast_to", "check", "concatenate", "cond", "constant",
    "count_nonzero", "diag", "diff", "dot", "elementwise", "expand_dims", "eye", "flip", "full", "identity",
    "inc_subtensor", "kron", "linspace", "log_softmax", "logsumexp", "matmul", "max", "mean", "min", "moveaxis",
    "ones", "ones_like", "outer", "pad", "prod", "ravel", "repeat", "reshape", "roll", "set_subtensor", "softmax",
    "split", "squeeze", "stack", "std", "stop_gradient", "sum", "swapaxes", "tensor", "tile", "trace", "transpose",
    "tri", "tril", "triu", "var", "zeros", "zeros_like",
]  # fmt: skip

globals().update(_creation.CONSTRUCTORS)
globals().update(_ufuncs.FUNCTIONS)
__all__ += [*_creation.CONSTRUCTORS, *_ufuncs.FUNCTIONS]


def __getattr__(name: str) -> Any:  # for type checkers: most names above come from tables
    raise AttributeError(f"graphopt.tensor has no function {name!r}")
