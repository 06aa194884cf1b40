"""Nested outputs: lists, tuples and dicts of expressions, flattened under names and put together again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from graphopt.errors import InvalidArgument
from graphopt.graph.build import unique_name
from graphopt.variable import Variable

__all__ = ["Leaf", "flatten", "leaves", "pack", "unpack"]


class Leaf(NamedTuple):
    """Where a result goes: its name."""

    name: str


def flatten(outputs: Any, is_leaf: Any) -> tuple[Any, dict[str, Any]]:
    """The structure of outputs, with a `Leaf` for each expression, and the expressions by name.

    An expression is called what the user named it, or after its place: `output`, `output0`, a dict's key,
    `losses_0` within a dict or a list.

    Raises
    ------
    InvalidArgument
        If a dict has a key that is no text.
    """
    named: dict[str, Any] = {}

    def visit(value: Any, path: str, own: bool) -> Any:
        if isinstance(value, Mapping) and not is_leaf(value):
            if bad := [key for key in value if not isinstance(key, str)]:
                raise InvalidArgument(f"outputs in a dict are named by texts, found the key {bad[0]!r}")
            return {key: visit(part, f"{path}_{key}" if path else key, False) for key, part in value.items()}
        if isinstance(value, list | tuple) and not is_leaf(value):
            return [visit(p, f"{path}_{k}" if path else f"output{k}", not path) for k, p in enumerate(value)]
        name = getattr(value, "name", None) if own and isinstance(value, Variable) else None
        leaf = Leaf(unique_name(name or path or "output", named))
        named[leaf.name] = value
        return leaf

    return visit(outputs, "", True), named


def leaves(structure: Any) -> list[str]:
    """The names in a structure, in order."""
    if isinstance(structure, Leaf):
        return [structure.name]
    parts = structure.values() if isinstance(structure, dict) else structure
    return [name for part in parts for name in leaves(part)]


def pack(structure: Any, results: Mapping[str, Any]) -> Any:
    """Results by name in the user's form."""
    if isinstance(structure, Leaf):
        return results[structure.name]
    if isinstance(structure, dict):
        return {key: pack(part, results) for key, part in structure.items()}
    return [pack(part, results) for part in structure]


def unpack(structure: Any, given: Any) -> dict[str, Any]:
    """The user's form as values by name.

    Raises
    ------
    InvalidArgument
        If the form or the number of values is another.
    """
    if isinstance(structure, Leaf):
        return {structure.name: given}
    if isinstance(structure, dict):
        if not isinstance(given, Mapping) or set(given) != set(structure):
            raise InvalidArgument(f"expected a dict of arrays with the keys {', '.join(structure)}")
        pairs = [(structure[key], given[key]) for key in structure]
    else:
        if not isinstance(given, Sequence) or len(given) != len(structure):
            raise InvalidArgument(f"expected a list of {len(structure)} arrays, for {', '.join(leaves(structure))}")
        pairs = list(zip(structure, given, strict=True))
    return {name: value for part, value in pairs for name, value in unpack(part, value).items()}
