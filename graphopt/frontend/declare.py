"""What a user gives as inputs and outputs, as variables; SymPy objects are imported together, to share inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphopt.errors import GraphoptError, InvalidArgument, UnsupportedExpression
from graphopt.graph.build import substituted, topological
from graphopt.ops.leaves import input_
from graphopt.types import TensorType
from graphopt.variable import Variable, as_variable

__all__ = ["Declared", "declare", "is_sympy"]


def is_sympy(value: Any) -> bool:
    """Whether a value is one of SymPy's, without importing SymPy."""
    # The class of an undefined function, such as that of q(t), has no module.
    return any((base.__module__ or "").partition(".")[0] == "sympy" for base in type(value).__mro__)


@dataclass(frozen=True)
class Declared:
    """Inputs and outputs as variables, and the form in which the user gave the outputs.

    Attributes
    ----------
    inputs
        The input variables, in the user's order.
    outputs
        The outputs by name.
    form
        "one", "list" or "dict".
    scalars_only
        Whether the inputs are SymPy scalars of undeclared type, so that the function is a ufunc.
    """

    inputs: list[Variable]
    outputs: dict[str, Variable]
    form: str
    scalars_only: bool

    def pack(self, results: Mapping[str, Any]) -> Any:
        """Results by name in the user's form."""
        if self.form == "dict":
            return {name: results[name] for name in self.outputs}
        values = [results[name] for name in self.outputs]
        return values[0] if self.form == "one" else values

    def unpack(self, given: Any, names: Sequence[str]) -> dict[str, Any]:
        """The user's form as values by name.

        Raises
        ------
        InvalidArgument
            If the form or the number of values is another.
        """
        if self.form == "one":
            return {names[0]: given}
        if self.form == "dict" and isinstance(given, Mapping) and set(given) == set(names):
            return {name: given[name] for name in names}
        if self.form == "list" and isinstance(given, Sequence) and len(given) == len(names):
            return dict(zip(names, given, strict=True))
        raise InvalidArgument(f"expected a {self.form} of arrays for the outputs {', '.join(names)}")


def declare(inputs: Any, outputs: Any, types: Mapping[Any, Any] | None = None) -> Declared:
    """Variables for inputs and outputs in any of the forms users give them.

    Parameters
    ----------
    inputs
        A variable or SymPy leaf, or several in a list or tuple.
    outputs
        An expression (variable, SymPy expression or matrix, number), or several in a list, tuple or dict.
    types
        Types of SymPy leaves, `{x: "float32[n]"}`.

    Raises
    ------
    InvalidArgument
        If `types` names something that is no input, or an input stands twice.
    UnsupportedExpression
        If something is no expression.
    """
    given = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    types = dict(types or {})
    for leaf in types:
        if not any(leaf is item or (is_sympy(item) and item == leaf) for item in given):
            raise InvalidArgument(f"types names {leaf}, which is not among the inputs")
    form, named = _named(outputs)
    imported = [item for item in given if is_sympy(item)]
    if imported or any(is_sympy(value) for value in named.values()):
        from graphopt.frontend.sympy_import import Importer

        if len(set(imported)) != len(imported):
            twice = next(item for item in imported if imported.count(item) > 1)
            raise InvalidArgument(f"input {twice} stands twice among the inputs; give each once")
        importer = Importer(types=types, inputs=imported)
        named = {name: importer.convert(v) if is_sympy(v) else v for name, v in named.items()}
        variables = [importer.variable_for(item) if is_sympy(item) else item for item in given]
        named = _joined(named, dict(zip(given, variables, strict=True)))
    else:
        variables = given
    for name, value in named.items():
        if not isinstance(value, Variable):
            named[name] = _constant(name, value)
    scalars = bool(imported) and len(imported) == len(given) and not types
    return Declared(variables, named, form, scalars and all(v.type == TensorType(v.dtype) for v in variables))


def _joined(named: dict[str, Any], inputs: Mapping[Any, Variable]) -> dict[str, Any]:
    """Outputs that were imported from SymPy elsewhere (a gradient, say), with their leaves joined to these inputs."""
    outputs = {name: value for name, value in named.items() if isinstance(value, Variable)}
    mapping: dict[Variable, Variable] = {}
    for leaf in topological(list(outputs.values())):
        symbol = (
            getattr(leaf.origin.code, "expression", None) if leaf.op is input_ and leaf.origin is not None else None
        )
        if is_sympy(symbol):
            mine = inputs.get(symbol)
            if mine is not None and mine is not leaf and mine.type == leaf.type:
                mapping[leaf] = mine
    if not mapping:
        return named
    return {**named, **dict(zip(outputs, substituted(list(outputs.values()), mapping), strict=True))}


def _named(outputs: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(outputs, Mapping) and not is_sympy(outputs):
        if bad := [key for key in outputs if not isinstance(key, str)]:
            raise InvalidArgument(f"outputs in a dict are named by texts, found the key {bad[0]!r}")
        return "dict", dict(outputs)
    if isinstance(outputs, list | tuple):
        named: dict[str, Any] = {}
        for position, value in enumerate(outputs):
            name = getattr(value, "name", None) if isinstance(value, Variable) else None
            named[name if name and name not in named else f"output{position}"] = value
        return "list", named
    name = getattr(outputs, "name", None) if isinstance(outputs, Variable) else None
    return "one", {name or "output": outputs}


def _constant(name: str, value: Any) -> Variable:
    try:
        return as_variable(value)
    except GraphoptError:
        raise UnsupportedExpression(
            f"output {name} is {value!r}; expected a variable, a SymPy expression or a number"
        ) from None
