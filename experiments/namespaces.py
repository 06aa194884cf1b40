"""One text for graphopt, NumPy, JAX, PyTorch, CuPy and PyTensor: namespaces with NumPy's names, and gradients in them.

A namespace looks a name up among its own few spellings, then in its library's modules, in order. A program in it uses
NumPy's names for arrays, SciPy's for special functions, `linalg` as in NumPy, and `constant` for arrays that are no
arguments, so that everything is of the one dtype asked for. `grad` and `value_and_grad` take a function of arrays with
a scalar result and the numbers of its arguments, as JAX's do; NumPy and CuPy have neither. Not for measuring: the
experiments do that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

import graphopt as go
import graphopt.tensor as T

__all__ = ["CUPY", "GRAPHOPT", "JAX", "NUMPY", "PACKAGES", "PYTENSOR", "TORCH", "Namespace", "compiled", "declared",
           "differentiated", "namespace"]  # fmt: skip

GRAPHOPT, NUMPY, JAX, TORCH, PYTENSOR, CUPY = "graphopt", "NumPy", "JAX", "PyTorch", "PyTensor", "CuPy"
PACKAGES = {JAX: "jax", TORCH: "torch", PYTENSOR: "pytensor"}  # what has to be installed for a peer

Program = Callable[..., Any]  # of a namespace and arrays
Arrays = Sequence[Any]


class Namespace:
    """The names of a library.

    Parameters
    ----------
    dtype
        The float dtype of constants.
    asarray
        What makes an array of the library from NumPy's.
    modules
        Where names are looked up, in order.
    own
        Names that the library spells otherwise.
    """

    def __init__(self, dtype: str, asarray: Callable[[Any], Any], modules: Sequence[Any], own: Mapping[str, Any]):
        self.dtype, self._asarray, self._modules, self._own = dtype, asarray, modules, own

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        for place in (self._own, *map(vars, self._modules)):
            if name in place:
                return place[name]
        raise AttributeError(f"none of {[module.__name__ for module in self._modules]} has {name!r}")

    def with_gradients(self, grad: Callable[[Any, list[Any]], Any]) -> Namespace:
        """The same names with `grad` and `value_and_grad` by another function of an expression and what it is of."""
        return Namespace(self.dtype, self._asarray, self._modules, {**self._own, **_gradients(grad)})

    def constant(self, values: Any) -> Any:
        """An array that is no argument: floats in the namespace's dtype, integers as int64."""
        array = np.asarray(values)
        kinds = {"f": self.dtype, "i": "int64"}
        return self._asarray(array.astype(kinds.get(array.dtype.kind, array.dtype)))


def of_graphopt(dtype: str) -> Namespace:
    own = {
        "add_at": lambda x, places, values: x.at[places].add(values),
        **_gradients(lambda value, wrt: go.grad(value, wrt)),
    }
    return Namespace(dtype, lambda array: array, [T], own)


def _gradients(grad: Callable[[Any, list[Any]], Any]) -> dict[str, Any]:
    """`grad` and `value_and_grad` of functions, by a library's own of expressions."""

    def value_and_grad(function: Program, numbers: Sequence[int]) -> Program:
        def called(*arrays: Any) -> Any:
            value = function(*arrays)
            return value, tuple(grad(value, [arrays[k] for k in numbers]))

        return called

    return {
        "value_and_grad": value_and_grad,
        "grad": lambda function, numbers: lambda *arrays: value_and_grad(function, numbers)(*arrays)[1],
    }


def of_numpy(dtype: str) -> Namespace:
    try:
        from scipy import special
    except ImportError:
        special = SimpleNamespace(__name__="special", erf=np.vectorize(math.erf), log_softmax=_log_softmax)
    own = {"softplus": lambda x: np.logaddexp(0, x), "relu": lambda x: np.maximum(x, 0)}
    return Namespace(dtype, lambda array: array, [np, special], own)


def _log_softmax(x: Any, axis: int) -> Any:
    x = x - np.max(x, axis=axis, keepdims=True)
    return x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))


def of_cupy(dtype: str) -> Namespace:
    import cupy
    import cupyx.scipy.special

    return Namespace(dtype, cupy.asarray, [cupy, cupyx.scipy.special], {})


def of_jax(dtype: str) -> Namespace:
    import jax
    import jax.scipy.linalg
    import jax.scipy.special

    jax.config.update("jax_enable_x64", True)

    def solve_triangular(a: Any, b: Any, *, lower: bool = False) -> Any:
        return jax.scipy.linalg.solve_triangular(a, b, lower=lower)

    linalg = SimpleNamespace(**{**vars(jax.numpy.linalg), "solve_triangular": solve_triangular})
    own = {
        "linalg": linalg,
        "add_at": lambda x, places, values: x.at[places].add(values),
        "grad": jax.grad,
        "value_and_grad": jax.value_and_grad,
    }
    return Namespace(dtype, jax.numpy.asarray, [jax.numpy, jax.scipy.special, jax.nn], own)


def of_torch(dtype: str) -> Namespace:
    import torch

    def padded(x: Any, widths: tuple[int, int]) -> Any:
        return torch.nn.functional.pad(x, widths)

    def solve_triangular(a: Any, b: Any, *, lower: bool = False) -> Any:
        return torch.linalg.solve_triangular(a, b[:, None] if b.ndim == 1 else b, upper=not lower).reshape(b.shape)

    def value_and_grad(function: Program, numbers: Sequence[int]) -> Program:
        found = torch.func.grad_and_value(function, argnums=tuple(numbers))
        return lambda *arrays: found(*arrays)[::-1]

    linalg = SimpleNamespace(**{**vars(torch.linalg), "solve_triangular": solve_triangular})
    own = {
        "linalg": linalg,
        "grad": lambda function, numbers: torch.func.grad(function, argnums=tuple(numbers)),
        "value_and_grad": value_and_grad,
        "pad": padded,
        "add_at": lambda x, places, values: x.index_add(0, places, values),
        "broadcast_to": lambda x, shape: torch.broadcast_to(x, shape),
        "expand_dims": torch.unsqueeze,
        "flip": lambda x, axis: torch.flip(x, (axis,)),
        "log_softmax": lambda x, axis: torch.log_softmax(x, axis),
        "logsumexp": lambda x, axis: torch.logsumexp(x, axis),
        "max": lambda x, axis, keepdims=False: torch.amax(x, axis, keepdims),
        "min": lambda x, axis, keepdims=False: torch.amin(x, axis, keepdims),
        "repeat": torch.repeat_interleave,
        "roll": lambda x, shift, axis: torch.roll(x, shift, axis),
        "softmax": lambda x, axis: torch.softmax(x, axis),
        "sort": lambda x, axis=-1: torch.sort(x, axis).values,
        "std": lambda x, axis, keepdims=False: torch.std(x, axis, correction=0, keepdim=keepdims),
        "take_along_axis": torch.take_along_dim,
        "var": lambda x, axis, keepdims=False: torch.var(x, axis, correction=0, keepdim=keepdims),
    }
    return Namespace(dtype, torch.from_numpy, [torch, torch.special, torch.nn.functional], own)


def of_pytensor(dtype: str) -> Namespace:
    import pytensor
    import pytensor.tensor as tensor

    own = {
        "log_softmax": tensor.special.log_softmax,
        **_gradients(lambda value, wrt: pytensor.grad(value, wrt)),
    }
    return Namespace(dtype, tensor.constant, [tensor], own)


NAMESPACES: Mapping[str, Callable[[str], Namespace]] = {
    GRAPHOPT: of_graphopt, NUMPY: of_numpy, JAX: of_jax, TORCH: of_torch, PYTENSOR: of_pytensor,
    CUPY: of_cupy,
}  # fmt: skip


def namespace(library: str, dtype: str = "float64") -> Namespace:
    """The names of a library; their constants are of `dtype`."""
    return NAMESPACES[library](dtype)


# Functions of arrays --------------------------------------------------------------------------------------------------


def compiled(library: str, program: Program, arguments: Arrays, **settings: Any) -> Program:
    """A program as a function of NumPy's arrays that returns NumPy's arrays: compiled where the library compiles.

    Parameters
    ----------
    arguments
        Arrays of the types that it will be called with.
    settings
        For `go.function`.
    """
    names = namespace(library, _dtype(arguments))
    if library == NUMPY:
        return lambda *arrays: program(names, *arrays)
    if library == GRAPHOPT:
        variables = declared(arguments)
        return go.function(variables, program(names, *variables), on_unused_input="ignore", **settings)
    if library == JAX:
        import jax

        jitted = jax.jit(lambda *arrays: program(names, *arrays))
        return lambda *arrays: _arrays(jax.block_until_ready(jitted(*arrays)))
    import torch

    def called(*arrays: Any) -> Any:
        with torch.no_grad():
            return _arrays(program(names, *map(torch.from_numpy, arrays)))

    return called


def differentiated(library: str, program: Program, arguments: Arrays, wrt: Sequence[int], **settings: Any) -> Program:
    """The gradients of a program of one float result, as a function of NumPy's arrays; see `compiled`."""
    names = namespace(library, _dtype(arguments))
    if library == GRAPHOPT:
        variables = declared(arguments)
        slopes = go.grad(program(names, *variables), [variables[k] for k in wrt], disconnected_inputs="ignore")
        return go.function(variables, slopes, on_unused_input="ignore", **settings)
    if library == JAX:
        import jax

        jitted = jax.jit(jax.grad(lambda *arrays: program(names, *arrays), argnums=tuple(wrt)))
        return lambda *arrays: _arrays(jax.block_until_ready(jitted(*arrays)))
    if library == TORCH:
        import torch

        def called(*arrays: Any) -> Any:
            tensors = [torch.from_numpy(array) for array in arrays]
            for k in wrt:
                tensors[k] = tensors[k].requires_grad_()
            wanted = [tensors[k] for k in wrt]
            return _arrays(torch.autograd.grad(program(names, *tensors), wanted, materialize_grads=True))

        return called
    raise ValueError(f"{library} has no gradients")


def declared(arguments: Arrays) -> list[go.Variable]:
    """graphopt's variables x0, x1, … of the arrays' dtypes and shapes."""
    shapes = [f"[{', '.join(map(str, np.shape(a)))}]" if np.ndim(a) else "" for a in arguments]
    return [
        go.variable(f"x{k}", f"{np.asarray(a).dtype}{shape}")
        for k, (a, shape) in enumerate(zip(arguments, shapes, strict=True))
    ]


def _dtype(arguments: Arrays) -> str:
    """The float dtype of some arrays."""
    return str(next(np.asarray(a).dtype for a in arguments if np.asarray(a).dtype.kind == "f"))


def _arrays(results: Any) -> Any:
    """NumPy's arrays for a peer's."""
    if isinstance(results, tuple | list):
        return [np.asarray(each) for each in results]
    return np.asarray(results)
