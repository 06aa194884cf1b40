"""What `verify_grad` is given, in all its forms, as a subject, a claim, and a program that shows rounding."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphopt.errors import (
    GraphoptError,
    InvalidArgument,
    NotDifferentiable,
    ShapeMismatch,
    TypeMismatch,
    VerificationFailed,
)
from graphopt.frontend.declare import is_sympy
from graphopt.frontend.sympy_import import Importer
from graphopt.function import Function
from graphopt.graph import Graph
from graphopt.graph.build import topological
from graphopt.graph.export import to_variables
from graphopt.interpret import interpret
from graphopt.ops.leaves import input_
from graphopt.testing.points import named_point
from graphopt.testing.subjects import Called, Claim, Derived, Expressed, Given, Point, Subject
from graphopt.types import TensorType, is_float
from graphopt.variable import Variable, variable

__all__ = ["Problem", "as_graph", "derived", "of_callable", "of_expression"]


@dataclass(frozen=True)
class Problem:
    """A function and a derivative under test.

    Attributes
    ----------
    subject, claim
        See `graphopt.testing.subjects`.
    sound
        The derivative as a program, if there is one: the claim itself, or what a claim of the user's is beside.
    like
        The compiled function, if one was given.
    """

    subject: Subject
    claim: Claim
    sound: Derived | None
    like: Function | None = None


def of_expression(given: Any, wrt: Any, grad: Any, mode: str = "reverse", stabilize: bool = True) -> Problem:
    """The problem of expressions, a graph or a compiled function.

    Raises
    ------
    InvalidArgument
        If it is none of these, or `wrt` names no input.
    """
    like, importer = (given if isinstance(given, Function) else None), Importer()
    if isinstance(given, Function | Graph):
        subject = _of_graph(given)
    else:
        outputs = _outputs(given, importer)
        met = [v for v in topological(list(outputs.values())) if v.op is input_]
        by_symbol = sorted((leaf.name, v) for leaf, v in importer.variables.items() if hasattr(leaf, "name"))
        ordered = [v for _, v in by_symbol if any(v is other for other in met)]
        ordered += [v for v in met if not any(v is other for other in ordered)]
        subject = Expressed(tuple(ordered), outputs)
    chosen = None if wrt is None else tuple(_position(one, subject, importer) for one in _listed(wrt))
    subject = Expressed(subject.inputs, subject.outputs, chosen, subject.held)
    if not subject.graph.results or not subject.wrt:
        missing = "output" if not subject.graph.results else "input"
        raise InvalidArgument(f"no {missing} is of floats, so there is no derivative to verify; cast it to float64")
    if grad is None:
        claim = derived(subject, like, mode, stabilize)
        return Problem(subject, claim, claim, like)
    if not callable(grad):
        grad = _function_of(importer.convert(grad), subject)
    return Problem(subject, Given(subject, grad), _sound(subject), like)


def of_callable(
    called: Callable[..., Any], point: Any, wrt: Any, grad: Any, mode: str = "reverse", stabilize: bool = True
) -> tuple[Problem, Point]:
    """The problem of a Python function at a point, which tells the types of its arguments, and the point by name.

    The function is called with variables first: one of `graphopt.tensor` or NumPy then is an expression, to which the
    strongest oracles apply. If it does not take them, or gives other values then, it stays a function of arrays.
    """
    names = _parameters(called, point)
    arrays = named_point(point, names)
    wanted = list(names) if wrt is None else [name if isinstance(name, str) else names[name] for name in _listed(wrt)]
    if unknown := [name for name in wanted if name not in names]:
        raise InvalidArgument(f"wrt: no parameter is called {', '.join(unknown)}; they are {', '.join(names)}")
    floats = tuple(name for name in wanted if is_float(str(arrays[name].dtype)))
    if not floats:
        found = ", ".join(f"{name} is {arrays[name].dtype}" for name in wanted)
        raise InvalidArgument(
            f"there is no derivative with respect to what is not float32 or float64: {found}; cast it"
        )
    subject = _traced(called, arrays, floats)
    if grad is not None:
        chosen: Subject = subject or Called(called, names, floats)
        return Problem(chosen, Given(chosen, grad), _sound(subject) if subject is not None else None), arrays
    if subject is None:
        raise InvalidArgument(
            f"{called!r} is not a function that variables can be given, so it has no derivative here; write it with "
            "graphopt.tensor or NumPy's functions, or give the derivative to be tested as grad="
        )
    claim = derived(subject, None, mode, stabilize)
    return Problem(subject, claim, claim), arrays


def derived(subject: Expressed, like: Function | None = None, mode: str = "reverse", stabilize: bool = True) -> Derived:
    """The derivative of expressions. A pullback that does not fit is a failed verification."""
    try:
        return Derived(subject, like, stabilize, mode)
    except (TypeMismatch, ShapeMismatch) as error:
        if isinstance(error, NotDifferentiable):
            raise
        raise VerificationFailed(f"the derivative cannot be made: {error}\nprogram:\n{subject.graph}") from error


def _sound(subject: Expressed) -> Derived | None:
    try:
        return Derived(subject)
    except GraphoptError:
        return None


def as_graph(given: Any) -> Graph:
    """The program as it was written, of a graph, a compiled function, or expressions with all inputs that they meet.

    Raises
    ------
    InvalidArgument
        If it is none of these.
    """
    if isinstance(given, Function | Graph):
        return given._written if isinstance(given, Function) else given
    outputs = _outputs(given, Importer())
    return Graph.from_outputs([v for v in topological(list(outputs.values())) if v.op is input_], outputs)


def _of_graph(given: Function | Graph) -> Expressed:
    graph = given._written if isinstance(given, Function) else given
    left_out = given._signature.updates if isinstance(given, Function) else {}
    outputs = {name: node for name, node in graph.outputs.items() if name in graph.results and name not in left_out}
    made = dict(zip(outputs, to_variables(graph, list(outputs.values())), strict=True))
    shared = given._signature.shared if isinstance(given, Function) else {}
    held = {name: np.asarray(v.get_value()) for name, v in shared.items()}
    return Expressed(tuple(graph.variables[node] for node in graph.inputs.values()), made, None, held)


def _outputs(given: Any, importer: Importer) -> dict[str, Variable]:
    if isinstance(given, Mapping):
        named = dict(given)
    elif isinstance(given, tuple | list):
        named = {f"output{k}": one for k, one in enumerate(given)}
    else:
        named = {"output": given}
    for name, one in named.items():
        if not (isinstance(one, Variable) or is_sympy(one)):
            raise InvalidArgument(
                f"this takes an expression, a list of them, a graph, a compiled function or a Python function; "
                f"found {one!r} for {name}"
            )
    return {name: importer.convert(one) for name, one in named.items()}


def _position(one: Any, subject: Expressed, importer: Importer) -> int:
    found = importer.variables.get(one) if is_sympy(one) else one
    for k, (v, name) in enumerate(zip(subject.inputs, subject.names, strict=True)):
        if v is found or (isinstance(found, str) and name == found) or (isinstance(found, int) and found == k):
            return k
    raise InvalidArgument(f"wrt: {one!r} is no input of the program; its inputs are {', '.join(subject.names)}")


def _function_of(gradients: Any, subject: Expressed) -> Callable[..., Any]:
    """Expressions of the subject's inputs as a function of arrays."""
    listed = _listed(gradients)
    graph = Graph.from_outputs(list(subject.inputs), {f"g{k}": v for k, v in enumerate(listed)})

    def gradient(*arrays: Any) -> list[Any]:
        found = interpret(graph, dict(zip(graph.inputs, arrays, strict=True)))
        return [found[f"g{k}"] for k in range(len(listed))]

    return gradient


def _parameters(called: Callable[..., Any], point: Any) -> tuple[str, ...]:
    try:
        parameters = list(inspect.signature(called).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in positional if p.default is p.empty]
    if required and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return tuple(p.name for p in required)
    if isinstance(point, Mapping):
        return tuple(point)
    return tuple(f"x{k}" for k in range(len(point) if isinstance(point, tuple) else 1))


def _traced(called: Callable[..., Any], arrays: Point, wrt: Sequence[str]) -> Expressed | None:
    inputs = [variable(name, TensorType(str(array.dtype), array.shape)) for name, array in arrays.items()]
    try:
        found = called(*inputs)
        outputs = found if isinstance(found, tuple | list) else [found]
        if not outputs or not all(isinstance(one, Variable) for one in outputs):
            return None
        labels = [f"output{k}" for k in range(len(outputs))] if isinstance(found, tuple | list) else ["output"]
        positions = tuple(list(arrays).index(name) for name in wrt)
        subject = Expressed(tuple(inputs), dict(zip(labels, outputs, strict=True)), positions)
        traced, plain = subject.values(arrays), Called(called, tuple(arrays), tuple(wrt)).values(arrays)
    except Exception:  # whatever a function of arrays does with variables
        return None
    same = traced.keys() == plain.keys() and all(
        np.shape(traced[name]) == np.shape(plain[name]) and np.allclose(traced[name], plain[name], 1e-4, 1e-6, True)
        for name in traced
    )
    return subject if same else None


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple | list) else [value]
