"""NumPy's own functions on symbolic values: `np.exp(x)`, `np.add(array, x)`, `np.concatenate([x, array])`.

NumPy asks its arguments what a call means (`__array_ufunc__`, NEP 13; `__array_function__`, NEP 18). The answer is the
function of `graphopt.tensor` of the same name, so that code written for arrays runs on variables unchanged.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphopt.errors import GraphoptError, TypeMismatch
from graphopt.op import Op
from graphopt.ops.shape import expand_dims
from graphopt.tensor.shape import expression
from graphopt.types import check_dtype
from graphopt.variable import Variable

__all__ = ["REFUSED", "array_function", "array_ufunc"]

ALIASES: Mapping[str, str] = {"permute_dims": "transpose", "amax": "max", "amin": "min"}
"""Names of NumPy's that are called otherwise here."""

REFUSED: Mapping[str, str] = {"isnat": "dates and times are not among the dtypes"}
"""The ufuncs of NumPy that have no meaning here, and why."""

REDUCTIONS: Mapping[str, str] = {
    "add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all", "logical_or": "any",
}  # fmt: skip
"""What `np.add.reduce` and its like are."""

RUNNING: Mapping[str, str] = {"add": "cumsum", "multiply": "cumprod"}
"""What `np.add.accumulate` and its like are."""

PROPERTIES: Mapping[str, Callable[[Any], Any]] = {
    "shape": lambda x: x.shape, "ndim": lambda x: x.ndim, "size": lambda x: x.size,
}  # fmt: skip

WITHOUT_MEMORY: Mapping[str, str] = {
    "out": "a symbolic value has no memory that a result could be put into: use the value that is returned",
    "where": "it would leave memory as it is elsewhere, and a symbolic value has none: use np.where or T.where",
}
"""Keywords of ufuncs that are about memory."""


def array_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """What a ufunc of NumPy's or SciPy's, or a method of it, means for symbolic operands.

    Raises
    ------
    TypeMismatch
        If there is no such function here, or an option such as `out=` has no meaning for values without memory.
    """
    label = f"np.{ufunc.__name__}" if method == "__call__" else f"np.{ufunc.__name__}.{method}"
    options = {
        key: given for key, given in options.items()
        if (given is not None or key == "axis") and not (key == "where" and given is True)
    }  # fmt: skip
    for keyword, reason in WITHOUT_MEMORY.items():
        if keyword in options:
            raise TypeMismatch(f"{label} of symbolic values takes no {keyword}=; {reason}")
    if ufunc.__name__ in REFUSED:
        raise TypeMismatch(f"{label} has no meaning for symbolic values: {REFUSED[ufunc.__name__]}")
    answer = METHODS.get(method)
    if answer is None:
        raise TypeMismatch(
            f"{label} changes memory or reads it by places, and symbolic values have none; "
            "x.at[places].add(values) and its kin give a new value, and sums of parts are x[…].sum()"
        )
    return answer(ufunc, label, inputs, options)


def _call(ufunc: Any, label: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    function = _function(ufunc.__name__, label)
    if isinstance(function, Op) and (unknown := options.keys() - {"dtype"}):
        raise TypeMismatch(f"{label} of symbolic values takes dtype= and no other keyword, found {', '.join(unknown)}")
    if "dtype" not in options:
        return _called(label, function, inputs, options)
    dtype = check_dtype(options.pop("dtype"))
    values = [expression(x) for x in inputs]
    if not all(isinstance(x, Variable) for x in values):
        raise TypeMismatch(f"{label} takes dtype= beside variables, whose dtypes are known, and not beside patterns")
    kinds = [type(x) if type(x) in (int, float) else np.dtype(v.dtype) for x, v in zip(inputs, values, strict=True)]
    results = (np.dtype(dtype),) * ufunc.nout
    try:
        loop = ufunc.resolve_dtypes((*kinds, *[None] * ufunc.nout), signature=(*[None] * ufunc.nin, *results))
    except TypeError as error:
        found = ", ".join(str(v.type) for v in values)
        raise TypeMismatch(f"{label} of {found} has no meaning in {dtype}: {error}") from None
    cast = _function("cast")
    operands = tuple(cast(v, loop[k]) for k, v in enumerate(values))
    return _called(label, function, operands, options)


def _reduce(ufunc: Any, label: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    return _along(ufunc, label, inputs, options, REDUCTIONS)


def _accumulate(ufunc: Any, label: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    return _along(ufunc, label, inputs, options, RUNNING)


def _along(ufunc: Any, label: str, inputs: tuple[Any, ...], options: dict[str, Any], names: Mapping[str, str]) -> Any:
    """A combination along an axis, the first unless another is given; in the dtype that is asked for."""
    if ufunc.__name__ not in names:
        raise TypeMismatch(
            f"{label} has no meaning for symbolic values; there are {', '.join(f'np.{name}' for name in names)} of its "
            "kind, and functions of graphopt.tensor"
        )
    function, cast = _function(names[ufunc.__name__], label), _function("cast")
    dtype, initial = options.pop("dtype", None), options.pop("initial", None)
    given = inputs if dtype is None else (cast(inputs[0], dtype), *inputs[1:])
    if len(given) == 1:
        options = {"axis": 0, **options}
    result = _called(label, function, given, options)
    result = result if dtype is None else cast(result, dtype)
    return result if initial is None else _function(ufunc.__name__)(result, initial)


def _outer(ufunc: Any, label: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    first, second = (expression(operand) for operand in inputs)
    axes = tuple(range(first.ndim, first.ndim + second.ndim))
    return _call(ufunc, label, (expand_dims(first, axis=axes) if axes else first, second), options)


METHODS: Mapping[str, Callable[[Any, str, tuple[Any, ...], dict[str, Any]], Any]] = {
    "__call__": _call, "reduce": _reduce, "accumulate": _accumulate, "outer": _outer,
}  # fmt: skip
"""What answers for each method of a ufunc."""


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
