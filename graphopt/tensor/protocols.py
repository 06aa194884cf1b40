"""NumPy's own functions on symbolic values: `np.exp(x)`, `np.add(array, x)`, `np.concatenate([x, array])`.

NumPy asks its arguments what a call means (`__array_ufunc__`, NEP 13; `__array_function__`, NEP 18). The answer is the
function of `graphopt.tensor` of the same name, so that code written for arrays runs on variables unchanged.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from graphopt.errors import GraphoptError, TypeMismatch
from graphopt.ops.shape import expand_dims
from graphopt.tensor.shape import expression

__all__ = ["array_function", "array_ufunc"]

ALIASES: Mapping[str, str] = {
    "conjugate": "positive", "expit": "sigmoid", "gammaln": "lgamma", "psi": "digamma", "permute_dims": "transpose",
    "amax": "max", "amin": "min", "bitwise_invert": "invert", "bitwise_not": "invert", "acos": "arccos",
}  # fmt: skip
"""Names of NumPy's and SciPy's that are called otherwise here."""

REDUCTIONS: Mapping[str, str] = {
    "add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all", "logical_or": "any",
}  # fmt: skip
"""What `np.add.reduce` and its like are."""

PROPERTIES: Mapping[str, Callable[[Any], Any]] = {
    "shape": lambda x: x.shape, "ndim": lambda x: x.ndim, "size": lambda x: x.size,
}  # fmt: skip


def array_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """What a ufunc of NumPy's or SciPy's means for symbolic operands.

    Raises
    ------
    TypeMismatch
        If there is no such function here, or an option such as `out=` has no meaning for values without memory.
    """
    name = ufunc.__name__
    options = {key: given for key, given in options.items() if given is not None and (key, given) != ("where", True)}
    if method == "reduce" and name in REDUCTIONS:
        return _called(f"np.{name}.reduce", _function(REDUCTIONS[name]), inputs, {"axis": 0, **options})
    if method == "outer" and not options:
        first, second = (expression(operand) for operand in inputs)
        axes = tuple(range(first.ndim, first.ndim + second.ndim))
        return array_ufunc(ufunc, "__call__", (expand_dims(first, axis=axes) if axes else first, second), {})
    if method != "__call__":
        raise TypeMismatch(f"np.{name}.{method} has no meaning for symbolic values; use functions of graphopt.tensor")
    return _called(f"np.{name}", _function(name, f"np.{name}"), inputs, options)


def array_function(function: Any, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """What another function of NumPy's means for symbolic arguments.

    Raises
    ------
    TypeMismatch
        If there is no such function here, or it does not take the arguments.
    """
    name = function.__name__
    module = (getattr(function, "__module__", None) or "numpy").removeprefix("numpy").lstrip(".")
    label = ".".join(["np", *([module] if module else []), name])
    if name in PROPERTIES and len(arguments) == 1 and not options:
        return PROPERTIES[name](arguments[0])
    return _called(label, _function(name if not module else f"{module}.{name}", label), arguments, options)


@functools.cache
def _function(name: str, label: str = "") -> Callable[..., Any]:
    from graphopt import tensor

    found: Any = tensor
    for part in ALIASES.get(name, name).split("."):
        found = vars(found).get(part) if inspect.ismodule(found) else None
    if not callable(found):
        raise TypeMismatch(
            f"{label or name} takes arrays; graphopt.tensor has no function {name!r} that would take symbolic values"
        )
    return found  # type: ignore[no-any-return]


def _called(label: str, function: Callable[..., Any], arguments: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    try:
        return function(*arguments, **options)
    except GraphoptError:
        raise
    except TypeError as error:  # an argument that the function here does not have
        raise TypeMismatch(f"{label} of symbolic values: {error}") from None
