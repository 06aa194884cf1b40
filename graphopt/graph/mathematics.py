"""Programs as mathematics: `log(sum(exp(x), axis=1))`, `x @ w + b`.

Operators stand between their operands with Python's precedence, so what is printed can be pasted. A part that is used
twice, has a name of the user's, or would make a line long is defined on a line of its own; a short one that is used
twice is written twice, since `exp(x) / sum(exp(x))` reads better than a name for exp(x). So a line is bounded, however
often a part is shared. Programs of more than `LARGE` applications have a line for each, with its type.

This is for reading. The text that reads back is `str(graph)` (`graphopt.graph.text`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphopt.dimensions import Dim
from graphopt.graph.outline import Outline, Part, outline
from graphopt.graph.subscript import subscript
from graphopt.ops.leaves import ArrayConstant, constant, dimension, input_
from graphopt.types import TensorType

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph
    from graphopt.variable import Variable

__all__ = ["LARGE", "caption", "expression_text", "program_text"]

LARGE = 40
"""Programs of more applications have one line for each."""
SHORT, LONG = 8, 72  # characters: shared parts up to SHORT are written out again, parts beyond LONG get a name
FEW = 6  # elements of a constant that are shown

UNARY, POWER, ATOM = 8, 9, 10
SUM, PRODUCT = 6, 7
INFIX = {
    "equal": ("==", 1), "not_equal": ("!=", 1), "less": ("<", 1), "less_equal": ("<=", 1), "greater": (">", 1),
    "greater_equal": (">=", 1), "logical_or": ("|", 2), "bitwise_or": ("|", 2), "logical_xor": ("^", 3),
    "bitwise_xor": ("^", 3), "logical_and": ("&", 4), "bitwise_and": ("&", 4), "left_shift": ("<<", 5),
    "right_shift": (">>", 5), "add": ("+", SUM), "subtract": ("-", SUM), "multiply": ("*", PRODUCT),
    "divide": ("/", PRODUCT), "floor_divide": ("//", PRODUCT), "remainder": ("%", PRODUCT), "matmul": ("@", PRODUCT),
    "power": ("**", POWER),
}  # fmt: skip
"""Operators and how tightly they bind, in Python's order."""
PREFIX = {"negative": "-", "invert": "~", "logical_not": "~"}
POSITIONAL = {"cast": "dtype", "reshape": "shape", "broadcast_to": "shape"}
"""Attributes that are written without their keyword."""

Text = tuple[str, int]  # with how tightly its outermost operator binds


def expression_text(variable: Variable) -> str:
    """An expression as mathematics: definitions of what is shared, if there are any, and the expression last."""
    return "\n".join(_Writer(outline(variable)).lines())


def program_text(graph: Graph) -> str:
    """A graph as mathematics: its inputs with their types, definitions of what is shared, and its outputs."""
    return "\n".join(_Writer(outline(graph), declare=True).lines())


def caption(shown: Outline, position: int) -> str:
    """One part without its operands, for a place that shows those otherwise: `sum(axis=1)`, `add`, `x`, `2`."""
    part = shown.parts[position]
    if part.is_leaf:
        return _leaf(part)[0]
    listing = ", ".join(_attributes(part, [shown.parts[operand].type for operand in part.operands]))
    application = f"{part.op.name}({listing})" if listing else part.op.name
    return application if part.name is None else f"{part.name} = {application}"


class _Writer:
    """The lines of a program, made in one pass over its parts."""

    def __init__(self, shown: Outline, declare: bool = False) -> None:
        self.parts, self.results = shown.parts, shown.results
        self.large = shown.applications > LARGE
        self.declare = declare or self.large
        self.uses = [0] * len(self.parts)
        for part in self.parts:
            for operand in part.operands:
                self.uses[operand] += 1
        self.only_results = {position for _, position in self.results if not self.uses[position]}
        self.given = {size for part in self.parts if part.op is input_ for size in part.type.shape}
        self.texts: list[Text] = []
        self.defined: set[int] = set()
        self.taken = {_legible(part.name) for part in self.parts if part.op is input_ and part.name}
        self.serial = 0

    def lines(self) -> list[str]:
        lines = []
        for position, part in enumerate(self.parts):
            text = _leaf(part) if part.is_leaf else self._application(part)
            if self.declare and part.op.name == "nonzero" and (count := part.attributes["count"]) not in self.given:
                lines.append(f"{count} = sum({self.texts[part.operands[0]][0]})")
            if part.op is input_:
                lines += [f"input {text[0]}: {part.type}"] if self.declare else []
            elif self._is_defined(position, text[0]):
                name = self._name(part)
                lines.append(f"{name}{f': {part.type}' if self.large else ''} = {text[0]}")
                self.defined.add(position)
                text = name, ATOM
            self.texts.append(text)
        for label, position in self.results:
            text = self.texts[position]
            type = f": {self.parts[position].type}" if self.declare else ""
            lines.append(text[0] if label is None else f"output {_legible(label)}{type} = {text[0]}")
        return lines

    def _is_defined(self, position: int, text: str) -> bool:
        part = self.parts[position]
        if part.is_leaf or position in self.only_results:
            return False
        if self.large or part.name is not None:
            return True
        return len(text) > (SHORT if self.uses[position] > 1 else LONG)

    def _name(self, part: Part) -> str:
        if part.name is not None:
            from graphopt.graph.build import unique_name

            name = unique_name(_legible(part.name), self.taken)
        else:
            self.serial += 1
            while (name := f"t{self.serial}") in self.taken:
                self.serial += 1
        self.taken.add(name)
        return name

    def _application(self, part: Part) -> Text:
        operands = [self.texts[operand] for operand in part.operands]
        name = part.op.name
        if name in INFIX and len(operands) == 2:
            return _infix(*INFIX[name], *operands)
        if name in PREFIX:
            text, level = operands[0]
            return PREFIX[name] + (text if level >= UNARY and text[0] not in "-~" else f"({text})"), UNARY
        types = [self.parts[operand].type for operand in part.operands]
        if name == "transpose" and part.attributes["axes"] == tuple(reversed(range(types[0].ndim))):
            return f"{_atom(operands[0])}.T", ATOM
        if name == "slice":
            return self._subscripted(part, ()), ATOM
        if name in ("squeeze", "expand_dims") and (under := self._written_under(part)) is not None:
            if name == "squeeze" and under.op.name == "slice":
                return self._subscripted(under, part.attributes["axis"]), ATOM
            if "reduction" in under.op.traits and under.attributes.get("axis") == part.attributes["axis"]:
                return f"{operands[0][0][:-1]}, keepdims=True)", ATOM
        listing = [text for text, _ in operands]
        if name == "nonzero":
            return f"flatnonzero({listing[0]})", ATOM
        if name == "gather" and (mask := self._mask_within(part)) is not None:
            return f"{_atom(operands[0])}[{self.texts[mask][0]}]", ATOM
        if name == "gather":
            return f"{_atom(operands[0])}[{', '.join(listing[1:])}]", ATOM
        if name == "concatenate":
            listing = [f"[{', '.join(listing)}]"]
        return f"{name}({', '.join([*listing, *_attributes(part, types)])})", ATOM

    def _mask_within(self, part: Part) -> int | None:
        """The mask whose true elements a `gather` chooses, if their positions stand written out there."""
        index = part.operands[1]
        chosen = len(part.operands) == 2 and self.parts[index].op.name == "nonzero" and index not in self.defined
        return self.parts[index].operands[0] if chosen else None

    def _written_under(self, part: Part) -> Part | None:
        """The operand of a view, if it stands written out there and not behind a name."""
        (operand,) = part.operands
        return None if operand in self.defined or self.parts[operand].is_leaf else self.parts[operand]

    def _subscripted(self, part: Part, dropped: Sequence[int]) -> str:
        (operand,) = part.operands
        return f"{_atom(self.texts[operand])}[{subscript(self.parts[operand].type.shape, part.attributes, dropped)}]"


def _atom(text: Text) -> str:
    return text[0] if text[1] == ATOM else f"({text[0]})"


def _infix(symbol: str, level: int, left: Text, right: Text) -> Text:
    if symbol == "**":  # binds tighter than a sign on its left, and less tight than one on its right
        exponent = right[0] if right[1] >= UNARY and right[1] != POWER else f"({right[0]})"
        return f"{_atom(left)}**{exponent}", level
    chains = level == 1  # 0 < x < 1 would mean another thing
    first = f"({left[0]})" if left[1] < level or (chains and left[1] == level) else left[0]
    second = f"({right[0]})" if right[1] <= level else right[0]
    return f"{first} {symbol} {second}", level


def _attributes(part: Part, types: Sequence[TensorType]) -> list[str]:
    attributes = dict(part.attributes)
    if "reduction" in part.op.traits and types and attributes.get("axis") == tuple(range(types[0].ndim)):
        del attributes["axis"]
    positional = POSITIONAL.get(part.op.name)
    return [
        value_text(value) if key == positional else f"{key}={value_text(_single(key, value))}"
        for key, value in attributes.items()
    ]


def _single(key: str, value: Any) -> Any:
    return value[0] if key == "axis" and isinstance(value, tuple) and len(value) == 1 else value


def _leaf(part: Part) -> Text:
    if part.op is input_:
        return _legible(part.name or "_"), ATOM
    if part.op is constant or part.op is dimension:
        value = part.attributes["value"]
        if isinstance(value, Dim):
            return str(value), ATOM if value.symbol is not None else SUM
        text = _number(value, part.type.dtype) if not isinstance(value, ArrayConstant) else value_text(value)
        if part.type.shape and not isinstance(value, ArrayConstant):
            return f"full({value_text(part.type.shape)}, {text})", ATOM
        return text, UNARY if text.startswith("-") else ATOM
    return f"{part.op.name}({', '.join(_attributes(part, ()))})", ATOM


def _number(value: Any, dtype: str) -> str:
    if isinstance(value, float):
        text = str(np.float32(value)) if dtype == "float32" else repr(value)
        return text.removesuffix(".0") if text != "-0.0" else text
    return str(value)


def value_text(value: Any) -> str:
    """A value of an attribute; of a large array, its type."""
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, tuple):
        return f"({', '.join(value_text(item) for item in value)}{',' if len(value) == 1 else ''})"
    if isinstance(value, ArrayConstant):
        array = value.array
        return f"array({array.tolist() if array.size <= FEW else TensorType(str(array.dtype), array.shape)})"
    return str(value) if isinstance(value, Dim) else repr(value)


def _legible(name: str) -> str:
    """A name as it is if nobody can take it for something else, in quotes otherwise."""
    return name if name.isidentifier() or (name.startswith("%") and name[1:].isdigit()) else json.dumps(name)
