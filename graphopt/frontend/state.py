"""What a function has to do besides its outputs: defaults of inputs, updates of shared variables, substitutions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphopt.errors import InvalidArgument, ShapeMismatch, TypeMismatch
from graphopt.graph.build import topological
from graphopt.ops.shape import broadcast_to
from graphopt.shared_variable import SharedVariable
from graphopt.types import TensorType
from graphopt.variable import Variable, as_variable

__all__ = ["In", "read_givens", "read_inputs", "read_updates", "shared_in"]


@dataclass(frozen=True, eq=False)
class In:
    """An input with a default value: `go.In(rate, value=0.1)`.

    Parameters
    ----------
    variable
        The variable or SymPy leaf.
    value
        What a call that leaves the input out uses; None for no default.
    """

    variable: Any
    value: Any = None


def read_inputs(given: Sequence[Any]) -> tuple[list[Any], dict[int, Any]]:
    """Inputs without their `In`s, and defaults by position.

    Raises
    ------
    InvalidArgument
        If an input is a shared variable: functions find those by themselves.
    """
    inputs, defaults = [], {}
    for position, item in enumerate(given):
        variable = item
        if isinstance(item, In):
            variable = item.variable
            if item.value is not None:
                defaults[position] = item.value
        if isinstance(variable, SharedVariable):
            raise InvalidArgument(
                f"{variable!r} is among the inputs; a function finds shared variables by itself, leave it out "
                "(to call with another value, say givens={shared: variable})"
            )
        inputs.append(variable)
    return inputs, defaults


def read_updates(updates: Any) -> list[tuple[SharedVariable, Variable]]:
    """Updates, given as a mapping or as pairs, with new values of the variables' own types.

    Raises
    ------
    InvalidArgument
        If what is updated is no shared variable, or is updated twice.
    TypeMismatch, ShapeMismatch
        If the new value has another type; nothing is cast or stretched silently.
    """
    pairs = list(updates.items()) if isinstance(updates, Mapping) else list(updates or ())
    found: dict[SharedVariable, Variable] = {}
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InvalidArgument(f"updates are pairs (shared variable, new value), found {pair!r}")
        target, value = pair
        if not isinstance(target, SharedVariable):
            raise InvalidArgument(f"updates change shared variables, made by go.shared; found {target!r}")
        if target in found:
            raise InvalidArgument(f"{target!r} is updated twice; its two new values cannot both land")
        found[target] = _of_type(target.type, value, f"the new value of {target.name or 'a shared variable'}")
    return list(found.items())


def read_givens(givens: Any) -> dict[Variable, Variable]:
    """Substitutions, given as a mapping or as pairs.

    Raises
    ------
    InvalidArgument
        If what is replaced is no variable, or stands twice.
    TypeMismatch, ShapeMismatch
        If what is put for it has another type.
    """
    pairs = list(givens.items()) if isinstance(givens, Mapping) else list(givens or ())
    found: dict[Variable, Variable] = {}
    for old, new in pairs:
        if not isinstance(old, Variable):
            raise InvalidArgument(f"givens replace variables, found {old!r}")
        if old in found:
            raise InvalidArgument(f"givens replace {old!r} twice")
        found[old] = _of_type(old.type, new, f"what is given for {old.name or old.op.name}")
    return found


def shared_in(expressions: Iterable[Variable]) -> list[SharedVariable]:
    """The shared variables that expressions depend on, in a stable order."""
    return [leaf for leaf in topological(list(expressions)) if isinstance(leaf, SharedVariable)]


def _of_type(type: TensorType, value: Any, what: str) -> Variable:
    """A value as a variable of a type. Sizes that may be equal become guards, which the call checks."""
    result = value if isinstance(value, Variable) else as_variable(value, type.dtype)
    if result.dtype != type.dtype:
        raise TypeMismatch(f"{what} is {result.type}; expected {type}: cast it, T.cast(…, {type.dtype!r})")
    stretched = any(a == 1 != b for a, b in zip(result.shape, type.shape, strict=False))
    if result.ndim != type.ndim or stretched:
        raise ShapeMismatch(f"{what} is {result.type}; expected {type}")
    if result.shape == type.shape:
        return result
    try:
        fitted: Variable = broadcast_to(result, shape=type.shape)
    except ShapeMismatch:
        raise ShapeMismatch(f"{what} is {result.type}; expected {type}") from None
    return fitted
