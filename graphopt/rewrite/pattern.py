"""Patterns: expressions over untyped variables, built with the same functions that users build expressions with.

`T.log(1 + V("x"))` is a pattern because ops build whatever their dearest operand is (`graphopt.op.builder`). A pattern
is a tree of

- `V("x")`: any value, under conditions; where it stands twice, the same node;
- `Literal`: a number, which matches constants of that value whatever their dtype and shape;
- `Application`: an op over patterns, with attributes that are values or `Attr("axis")`;
- `AnyOp("y", trait="elementwise")`: any application of an op of a kind, for rules whose right side is code;
- `through(p)`: what `p` matches, also under views and widening casts (`graphopt.rewrite.through`).

How patterns are matched is in `graphopt.rewrite.match`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from graphopt.errors import InvalidArgument
from graphopt.op import Attributes, Expression, Op
from graphopt.operators import Operators
from graphopt.ops.define import find
from graphopt.ops.leaves import ArrayConstant, constant
from graphopt.ops.shape import expand_dims
from graphopt.tensor.shape import canonical_axes
from graphopt.types import is_float, is_integer
from graphopt.variable import literal

__all__ = ["AnyOp", "Application", "Attr", "Literal", "Pattern", "V", "as_pattern", "canonical", "floating", "integral"]

floating = is_float
"""A condition on dtypes: `V("x", dtype=floating)`."""

integral = is_integer
"""A condition on dtypes: `V("x", dtype=integral)`."""


class Pattern(Operators, Expression):
    """Base of all patterns. Operators and ops applied to a pattern make a larger pattern."""

    __slots__ = ()
    precedence = 2

    @classmethod
    def build(cls, op: Op, operands: tuple[Any, ...], attributes: Attributes) -> Application:
        """An op over patterns and numbers; nothing is typed yet.

        Raises
        ------
        InvalidArgument
            If an operand is no pattern and no number, or there are too many or too few.
        """
        if op.arity is not None and len(operands) != op.arity:
            raise InvalidArgument(f"a pattern applies {op.name} to {len(operands)} operands; it takes {op.arity}")
        return Application(op, tuple(as_pattern(operand) for operand in operands), attributes)

    def parts(self) -> Iterator[Pattern]:
        """This pattern and everything below it."""
        yield self

    def __repr__(self) -> str:
        return f"<pattern {self}>"


class V(Pattern):
    """A pattern variable.

    Parameters
    ----------
    name
        What the match and the replacement call it.
    dtype
        A dtype's name, or a predicate on names such as `floating`.
    ndim
        The rank.
    shape
        A tuple of sizes, None for any: `(None, 3)`; or a predicate on the tuple of dimensions.
    constant
        Whether it must, or must not, be a constant.
    users
        How often the value is used in the graph.
    where
        A predicate on the handle of the matched node; its name is what `explain` reports.
    """

    __slots__ = ("conditions", "name")

    def __init__(
        self,
        name: str,
        *,
        dtype: str | Callable[[str], bool] | None = None,
        ndim: int | None = None,
        shape: tuple[int | None, ...] | Callable[[tuple[Any, ...]], bool] | None = None,
        constant: bool | None = None,
        users: int | None = None,
        where: Callable[[Any], bool] | None = None,
    ) -> None:
        if not name.isidentifier():
            raise InvalidArgument(f"a pattern variable's name must be an identifier, found {name!r}")
        self.name = name
        self.conditions: tuple[tuple[str, Callable[[Any, int], bool]], ...] = tuple(
            _conditions(dtype, ndim, shape, constant, users, where)
        )

    def __str__(self) -> str:
        return self.name


def _conditions(
    dtype: str | Callable[[str], bool] | None,
    ndim: int | None,
    shape: tuple[int | None, ...] | Callable[[tuple[Any, ...]], bool] | None,
    is_constant: bool | None,
    users: int | None,
    where: Callable[[Any], bool] | None,
) -> Iterator[tuple[str, Callable[[Any, int], bool]]]:
    """Each condition as a text and a predicate of graph and node, the cheap ones first."""
    if isinstance(dtype, str):
        yield f"dtype is {dtype}", lambda graph, node: bool(graph.type(node).dtype == dtype)
    elif dtype is not None:
        wanted = dtype
        yield f"dtype: {label(dtype)}", lambda graph, node: wanted(graph.type(node).dtype)
    if ndim is not None:
        yield f"rank is {ndim}", lambda graph, node: bool(graph.type(node).ndim == ndim)
    if isinstance(shape, tuple):
        sizes = shape
        text = f"shape is ({', '.join('any' if size is None else str(size) for size in sizes)})"
        yield text, lambda graph, node: _has_shape(graph.type(node).shape, sizes)
    elif shape is not None:
        fits = shape
        yield f"shape: {label(fits)}", lambda graph, node: bool(fits(graph.type(node).shape))
    if is_constant is not None:
        text = "it is a constant" if is_constant else "it is no constant"
        yield text, lambda graph, node: (graph.op(node) is constant) == is_constant
    if users is not None:
        yield f"it is used {users} times", lambda graph, node: bool(graph.uses(node) == users)
    if where is not None:
        predicate = where
        yield label(where), lambda graph, node: bool(predicate(graph.handle(node)))


def _has_shape(found: tuple[Any, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(found) == len(wanted) and all(w is None or w == f for w, f in zip(wanted, found, strict=True))


def label(predicate: Callable[..., Any]) -> str:
    name = getattr(predicate, "__name__", repr(predicate))
    if name == "<lambda>":
        return "its condition"
    return name.strip("_").replace("_", " ")


class AnyOp(V):
    """Any application of an op of a kind: the root of rules that hold for many ops and whose right side is code.

    Parameters
    ----------
    trait
        A trait that the op must have.
    over
        Names of ops: at least one operand must be an application of one of them.
    ops
        A predicate on the tuple of the operands' ops, asked once for each combination of ops, not at each node.
    **conditions
        As for `V`.
    """

    __slots__ = ("ops", "over", "trait")

    def __init__(
        self,
        name: str,
        *,
        trait: str | None = None,
        over: tuple[str, ...] = (),
        ops: Callable[[tuple[Op, ...]], bool] | None = None,
        **conditions: Any,
    ) -> None:
        super().__init__(name, **conditions)
        if trait is not None and trait not in Op.TRAITS:
            raise InvalidArgument(f"unknown trait {trait!r}; known: {', '.join(Op.TRAITS)}")
        self.trait = trait
        self.over = frozenset(find(op) for op in over)
        self.ops = ops

    def admits(self, op: Op, operand_ops: tuple[Op, ...]) -> bool:
        """Whether a node with this op over operands with those ops can match, as far as ops decide it."""
        if "hold" in op.traits or (self.trait is not None and self.trait not in op.traits):
            return False
        if self.over and self.over.isdisjoint(operand_ops):
            return False
        return self.ops is None or self.ops(operand_ops)

    def __str__(self) -> str:
        inside = "…" if not self.over else "/".join(sorted(op.name for op in self.over))
        return f"{self.trait or 'any'}({inside})"


class Attr:
    """An attribute of an op in a pattern: binds the value, in canonical form (an axis is a tuple of non-negative ones).

    Where it stands twice, the values must be equal. Other attributes are matched literally.
    """

    __slots__ = ("name", "where")

    def __init__(self, name: str, *, where: Callable[[Any], bool] | None = None) -> None:
        if not name.isidentifier():
            raise InvalidArgument(f"an attribute's name must be an identifier, found {name!r}")
        self.name = name
        self.where = where

    @property
    def condition(self) -> str:
        """What the condition on values is called."""
        return "none" if self.where is None else label(self.where)

    def __repr__(self) -> str:
        return self.name


class Literal(Pattern):
    """A number. Matches scalar constants, broadcast or not, that are that number rounded to their dtype."""

    __slots__ = ("_rounded", "value")

    def __init__(self, value: bool | int | float) -> None:
        self.value = value
        self._rounded: dict[str, Any] = {}

    def admits(self, found: Any, dtype: str) -> bool:
        """Whether a constant of that value and dtype is this number; the sign of zero counts, NaN is NaN."""
        if isinstance(found, ArrayConstant):
            return False
        if dtype not in self._rounded:
            self._rounded[dtype] = self._in(dtype)
        wanted = self._rounded[dtype]
        if isinstance(wanted, float) and isinstance(found, float):
            if math.isnan(wanted) or math.isnan(found):
                return math.isnan(wanted) and math.isnan(found)
            return wanted == found and math.copysign(1, wanted) == math.copysign(1, found)
        return wanted is not None and bool(wanted == found)

    def _in(self, dtype: str) -> Any:
        """The number in a dtype, or None if the dtype does not have it."""
        if (dtype == "bool") != isinstance(self.value, bool):
            return None
        if is_integer(dtype) and (not float(self.value).is_integer() or (not self.value and _negative(self.value))):
            return None
        try:
            return literal(self.value, dtype).attributes["value"]
        except InvalidArgument:
            return None

    def __str__(self) -> str:
        return f"{self.value:g}" if isinstance(self.value, float) else str(self.value)


def _negative(value: float) -> bool:
    return math.copysign(1, value) < 0


class Application(Pattern):
    """An op over patterns. Attributes are values, made canonical when they meet an operand, or `Attr`s."""

    __slots__ = ("attributes", "op", "operands")

    def __init__(self, op: Op, operands: tuple[Pattern, ...], attributes: Mapping[str, Any]) -> None:
        self.op = op
        self.operands = operands
        self.attributes = dict(attributes)

    def parts(self) -> Iterator[Pattern]:
        yield self
        for operand in self.operands:
            yield from operand.parts()

    def orientations(self) -> list[Application]:
        """This pattern with the operands of commutative ops in every order: what a matcher then takes literally."""
        choices = [o.orientations() if isinstance(o, Application) else [o] for o in self.operands]
        result = []
        for operands in itertools.product(*choices):
            result.append(Application(self.op, tuple(operands), self.attributes))
            if "commutative" in self.op.traits:
                result.append(Application(self.op, tuple(reversed(operands)), self.attributes))
        return result

    def __str__(self) -> str:
        from graphopt.graph.mathematics import INFIX

        def part(operand: Pattern) -> str:
            nested = isinstance(operand, Application) and (operand.op.name in INFIX or operand.op.name == "negative")
            return f"({operand})" if nested else str(operand)

        if self.op.name in INFIX:
            return f"{part(self.operands[0])} {INFIX[self.op.name][0]} {part(self.operands[1])}"
        if self.op.name == "negative":
            return f"-{part(self.operands[0])}"
        shown = [str(operand) for operand in self.operands]
        shown += [f"{key}={value}" for key, value in self.attributes.items() if key != "seen"]
        return f"{self.op.name}({', '.join(shown)})"


def as_pattern(value: Any) -> Pattern:
    """Patterns as they are, numbers as literals.

    Raises
    ------
    InvalidArgument
        For anything else, variables of expressions included.
    """
    if isinstance(value, Pattern):
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | int | float):
        return Literal(value)
    raise InvalidArgument(f"a pattern is made of V(…), numbers and ops over them; found {value!r}")


def canonical(op: Op, key: str, value: Any, ndim: int) -> Any:
    """An attribute's value as ops take it, once the rank of the first operand is known: axes made canonical."""
    if key != "axis" or (type(value) is tuple and all(type(a) is int and a >= 0 for a in value)):
        return value
    added = (len(value) if isinstance(value, tuple | list) else 1) if op is expand_dims else 0
    return canonical_axes(value, ndim + added, op.name)
