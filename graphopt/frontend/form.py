"""How a class of SymPy objects is read: which parts are converted first, and what is made of their values.

Importing is data: `Table` maps classes to forms, and `Reader` walks an expression with an explicit stack, visiting
each distinct object once. A SymPy object is looked at and never rebuilt, so that unevaluated structure stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sympy import Atom

from graphopt.dimensions import DimLike
from graphopt.errors import UnsupportedExpression
from graphopt.frontend.builder import Builder, Value
from graphopt.frontend.describe import describe, origin_of, unsupported
from graphopt.frontend.leaves import Leaves
from graphopt.op import Op

__all__ = ["Axis", "Form", "Reader", "Table", "arguments", "composed", "nothing", "of_op"]


@dataclass(frozen=True, slots=True)
class Axis:
    """A summation index: it runs over an axis that is in front of everything else while the body is read."""

    index: Any
    low: Any
    extent: DimLike


Build = Callable[["Reader", Any, Sequence[Value]], Value]


@dataclass(frozen=True, slots=True)
class Form:
    """How one class is read: `build(reader, node, values of parts(reader, node))`."""

    parts: Callable[[Reader, Any], Sequence[Any]]
    build: Build


Table = Mapping[type, Form]


def arguments(reader: Reader, node: Any) -> Sequence[Any]:
    """The parts of most objects: their SymPy arguments."""
    return node.args  # type: ignore[no-any-return]


def nothing(reader: Reader, node: Any) -> Sequence[Any]:
    """The parts of what is read whole."""
    return ()


def of_op(op: Op) -> Form:
    """The form of a function that is one op."""
    return Form(arguments, lambda reader, node, values: reader.apply(op, *values))


def composed(function: Callable[..., Value]) -> Form:
    """The form of a function that is a formula: `function(apply, *values)`."""
    return Form(arguments, lambda reader, node, values: function(reader.apply, *values))


@dataclass(slots=True)
class Reader:
    """Converts SymPy objects to values within one scope.

    Attributes
    ----------
    table, leaves, builder, functions
        What all readers of an import share; `functions` implements applied undefined functions.
    axes
        The summation indices around what is read, innermost first.
    bound
        Symbols that stand for a value here: parameters of a `Lambda`, assigned variables.
    """

    table: Table
    leaves: Leaves
    builder: Builder
    functions: Mapping[Any, Callable[..., Any]]
    axes: tuple[Axis, ...] = ()
    bound: dict[Any, Value] = field(default_factory=dict)
    _done: dict[int, tuple[Any, Value]] = field(default_factory=dict)  # id -> (object kept alive, value)
    _forms: dict[type, Form] = field(default_factory=dict)
    _inner: dict[tuple[Axis, ...], Reader] = field(default_factory=dict)
    _outer: Reader | None = None

    def read(self, expression: Any) -> Value:
        """The value of an expression; without recursion, each distinct object once.

        Raises
        ------
        UnsupportedExpression
            Naming the part that has no meaning here.
        """
        done, builder, forms = self._done, self.builder, self._forms
        stack: list[tuple[Any, Form, Sequence[Any] | None]] = [(expression, self._form(expression), None)]
        while stack:
            node, form, parts = stack.pop()
            if id(node) in done:
                continue
            if parts is None:
                parts = form.parts(self, node)
                waiting = [part for part in parts if id(part) not in done]
                if waiting:
                    stack.append((node, form, parts))
                    for part in reversed(waiting):
                        stack.append((part, forms.get(type(part)) or self._form(part), None))
                    continue
            builder.origin = origin_of(node)
            try:
                value = form.build(self, node, [done[id(part)][1] for part in parts])
            except UnsupportedExpression as error:
                parent = next((above for above, _, known in reversed(stack) if known is not None), None)
                if isinstance(node, Atom) and parent is not None:
                    raise UnsupportedExpression(f"{error}; found in {describe(parent)}") from None
                raise
            done[id(node)] = (node, value)
        return done[id(expression)][1]

    def apply(self, op: Op, *operands: Value, **attributes: Any) -> Value:
        """The op applied to values; see `Builder.apply`."""
        return self.builder.apply(op, *operands, **attributes)

    def within(self, axis: Axis) -> Reader:
        """The reader of what stands under a sum over one more index; found again for the same index and range."""
        axes = (axis, *self.axes)
        if axes not in self._inner:
            inner = Reader(self.table, self.leaves, self.builder, self.functions, axes, self.bound)
            inner._outer = self
            self._inner[axes] = inner
        return self._inner[axes]

    def outermost(self) -> Reader:
        """The reader outside all sums."""
        reader = self
        while reader._outer is not None:
            reader = reader._outer
        return reader

    def binding(self, symbols: Sequence[Any], values: Sequence[Value]) -> Reader:
        """A reader in which symbols stand for values."""
        bound = {**self.bound, **dict(zip(symbols, values, strict=True))}
        return Reader(self.table, self.leaves, self.builder, self.functions, self.axes, bound)

    def forget(self, expression: Any) -> None:
        """Drop what is known of an object that may change."""
        self._done.pop(id(expression), None)

    def _form(self, node: Any) -> Form:
        kind = type(node)
        found = self._forms.get(kind)
        if found is None:
            for base in kind.__mro__:
                if base in self.table:
                    found = self._forms[kind] = self.table[base]
                    break
            else:
                raise unsupported(node, f"there is no meaning for {kind.__name__} here")
        return found
