"""What a user gives as inputs and outputs, as variables; SymPy objects are imported together, to share inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphopt.errors import GraphoptError, InvalidArgument, UnsupportedExpression
from graphopt.frontend.state import read_givens, read_inputs, read_updates, shared_in
from graphopt.frontend.structure import flatten, pack, unpack
from graphopt.graph.build import substituted, topological, unique_name
from graphopt.graph.graph import Graph
from graphopt.ops.leaves import input_
from graphopt.shared_variable import SharedVariable
from graphopt.types import TensorType
from graphopt.variable import Variable, as_variable

__all__ = ["Declared", "Signature", "declare", "imported_leaves", "is_sympy", "joined"]


def is_sympy(value: Any) -> bool:
    """Whether a value is one of SymPy's, without importing SymPy."""
    # The class of an undefined function, such as that of q(t), has no module.
    return any((base.__module__ or "").partition(".")[0] == "sympy" for base in type(value).__mro__)


@dataclass(frozen=True)
class Signature:
    """How a function is called: the names that its graph has for arguments, shared variables and results.

    Attributes
    ----------
    arguments
        The names of the inputs that a call gives, in order.
    defaults
        Values of those that a call may leave out.
    shared, updates
        The shared variables that are read and those that are changed, by the names of inputs and outputs.
    structure
        The form in which the user gave the outputs: see `graphopt.frontend.structure`.
    is_ufunc
        Whether the inputs are SymPy scalars of undeclared type.
    """

    arguments: tuple[str, ...]
    defaults: Mapping[str, Any]
    shared: Mapping[str, SharedVariable]
    updates: Mapping[str, SharedVariable]
    structure: Any
    is_ufunc: bool

    def pack(self, results: Mapping[str, Any]) -> Any:
        """Results by name in the user's form."""
        return pack(self.structure, results)

    def unpack(self, given: Any) -> dict[str, Any]:
        """The user's form as values by name; raises InvalidArgument if the form is another."""
        return unpack(self.structure, given)


@dataclass(frozen=True)
class Declared:
    """What a function is made of.

    Attributes
    ----------
    inputs
        The input variables, in the user's order.
    outputs
        The outputs by name.
    structure
        The form in which the user gave the outputs: see `graphopt.frontend.structure`.
    scalars_only
        Whether the inputs are SymPy scalars of undeclared type, so that the function is a ufunc.
    defaults
        Values of inputs that a call may leave out, by position.
    shared
        The shared variables that the function reads.
    updates
        The shared variables that it changes, with their new values.
    """

    inputs: list[Variable]
    outputs: dict[str, Variable]
    structure: Any
    scalars_only: bool
    defaults: Mapping[int, Any] = field(default_factory=dict)
    shared: tuple[SharedVariable, ...] = ()
    updates: tuple[tuple[SharedVariable, Variable], ...] = ()

    def graph(self) -> Graph:
        """The graph as it was written: shared variables are inputs, their new values outputs, behind the user's."""
        outputs = dict(self.outputs)
        for target, new in self.updates:
            outputs[unique_name(f"new_{target.name or 'value'}", outputs)] = new
        return Graph.from_outputs([*self.inputs, *self.shared], outputs)

    def signature(self, written: Graph) -> Signature:
        """How a function of the graph that `graph` made is called."""
        inputs, outputs = list(written.inputs), list(written.results)
        count = len(self.inputs)
        return Signature(
            tuple(inputs[:count]),
            {inputs[position]: value for position, value in self.defaults.items()},
            dict(zip(inputs[count:], self.shared, strict=True)),
            dict(zip(outputs[len(self.outputs) :], (target for target, _ in self.updates), strict=True)),
            self.structure,
            self.scalars_only,
        )


def declare(
    inputs: Any, outputs: Any, types: Mapping[Any, Any] | None = None, updates: Any = None, givens: Any = None
) -> Declared:
    """Variables for inputs and outputs in any of the forms users give them.

    Parameters
    ----------
    inputs
        A variable or SymPy leaf or `In`, or several in a list or tuple.
    outputs
        An expression (variable, SymPy expression or matrix, number), or several in nested lists, tuples and dicts.
    types
        Types of SymPy leaves, `{x: "float32[n]"}`.
    updates
        New values of shared variables, a mapping or pairs.
    givens
        Variables to be replaced in outputs and updates by others of their types, a mapping or pairs.

    Raises
    ------
    InvalidArgument
        If `types` names something that is no input, or an input stands twice.
    UnsupportedExpression
        If something is no expression.
    """
    given, defaults = read_inputs(list(inputs) if isinstance(inputs, list | tuple) else [inputs])
    types = dict(types or {})
    for leaf in types:
        if not any(leaf is item or (is_sympy(item) and item == leaf) for item in given):
            raise InvalidArgument(f"types names {leaf}, which is not among the inputs")
    structure, named = flatten([] if outputs is None else outputs, is_sympy)
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
    replaced, changed = read_givens(givens), read_updates(updates)
    expressions = substituted([*named.values(), *(value for _, value in changed)], replaced)
    named = dict(zip(named, expressions, strict=False))
    changed = [(target, new) for (target, _), new in zip(changed, expressions[len(named) :], strict=True)]
    shared = shared_in(expressions)
    scalars = bool(imported) and len(imported) == len(given) and not types and not shared and not changed
    scalars = scalars and all(v.type == TensorType(v.dtype) for v in variables)
    return Declared(variables, named, structure, scalars, defaults, tuple(shared), tuple(changed))


def _joined(named: dict[str, Any], inputs: Mapping[Any, Variable]) -> dict[str, Any]:
    """Outputs that were imported from SymPy elsewhere (a gradient, say), with their leaves joined to these inputs."""
    outputs = {name: value for name, value in named.items() if isinstance(value, Variable)}
    return {**named, **dict(zip(outputs, joined(list(outputs.values()), inputs), strict=True))}


def joined(outputs: Sequence[Variable], inputs: Mapping[Any, Variable]) -> list[Variable]:
    """Variables with the leaves that were imported from a SymPy object replaced by the input given for it."""
    mapping: dict[Variable, Variable] = {}
    for leaf, symbol in imported_leaves(outputs):
        mine = inputs.get(symbol)
        if mine is not None and mine is not leaf and mine.type == leaf.type:
            mapping[leaf] = mine
    return list(substituted(outputs, mapping)) if mapping else list(outputs)


def imported_leaves(outputs: Sequence[Variable]) -> list[tuple[Variable, Any]]:
    """The leaves of variables that were imported from SymPy, with what they were imported from."""
    leaves = [v for v in topological(list(outputs)) if v.op is input_ and v.origin is not None]
    pairs = [(leaf, getattr(leaf.origin.code, "expression", None)) for leaf in leaves if leaf.origin is not None]
    return [(leaf, symbol) for leaf, symbol in pairs if is_sympy(symbol)]


def _constant(name: str, value: Any) -> Variable:
    try:
        return as_variable(value)
    except GraphoptError:
        advice = "; call it with the variables" if callable(value) and hasattr(value, "__name__") else ""
        raise UnsupportedExpression(
            f"output {name} is {value!r}; expected a variable, a SymPy expression or a number{advice}"
        ) from None
