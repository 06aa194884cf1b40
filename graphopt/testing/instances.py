"""Programs that a rule's pattern describes: types for its variables, values for its attributes, ops for its roots.

The pattern is built bottom-up with random choices; a choice that has no meaning is thrown away and another is made.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from graphopt.errors import GraphoptError
from graphopt.graph import Graph
from graphopt.op import Op
from graphopt.ops import TABLE
from graphopt.ops import shape as ops
from graphopt.ops.arithmetic import cast
from graphopt.ops.elementary import exp
from graphopt.ops.indexing import slice_
from graphopt.rewrite import AnyOp, Attr, Log, Pipeline, Rule, V
from graphopt.rewrite.pattern import Application, Literal, Pattern
from graphopt.rewrite.through import THROUGH, seen_through
from graphopt.testing.attributes import DTYPES, Unbuildable, all_drawn, drawn
from graphopt.testing.domains import CONFINED, WHOLE
from graphopt.types import TensorType, is_float
from graphopt.variable import Variable, as_variable, literal, variable

__all__ = ["ANY_DTYPE", "SQUARES", "Instance", "elementwise_only", "expand", "instance"]

SHAPES: tuple[tuple[int, ...], ...] = (
    (),
    (3,),
    (2, 3),
    (3, 2),
    (1, 3),
    (2, 1),
    (1,),
    (2, 1, 3),
    (1, 2, 1),
    (2, 2),
    (2, 2),
)
SQUARES: tuple[tuple[int, ...], ...] = ((2, 2), (2, 2), (2, 2, 1), (1, 2, 2), (2, 1, 2), (2, 2, 2))
"""Shapes with equal sizes, which tell axes apart that types alone do not."""
NUMBERS = (-2.0, -0.5, 0.7, 0.5, 1.0, 2.0, 3.0, float("-inf"))
WHOLE_NUMBERS = (-2, 1, 2, 3)
TRUTHS: Mapping[str, tuple[int, ...]] = {
    "where": (0,), "logical_not": (0,), "logical_and": (0, 1), "logical_or": (0, 1), "any": (0,), "all": (0,),
}  # fmt: skip
"""Ops to the operands that are mostly of dtype bool."""


ANY_DTYPE = "dtype: any"
"""The text of a condition that holds, and asks for variables of all dtypes."""


@dataclass
class Instance:
    """A program before and after one firing of a rule.

    `tame` says that it should meet moderate values only: it has exponentials that the pattern does not ask for.
    """

    before: Graph
    after: Graph
    log: Log
    tame: bool

    def expand(self) -> Instance:
        """The same program with composite ops expanded, in place: what is compared is what targets compute."""
        for graph in (self.before, self.after):
            expand(graph)
        return self

    @cached_property
    def elementwise(self) -> bool:
        """Whether each element of the result depends on one element of each input alone, before and after."""
        ops = (graph.op(node) for graph in (self.before, self.after) for node in graph.order())
        return all("elementwise" in op.traits or "leaf" in op.traits for op in ops)

    @property
    def signature(self) -> tuple[Any, ...]:
        """Equal for programs before a firing that differ in nothing but constants' arrays."""
        graph = self.before
        return tuple(
            (graph.op(node).name, str(graph.type(node)), repr(sorted(graph.attributes(node).items())))
            for node in graph.order()
        )


def expand(graph: Graph) -> None:
    """Expand composite ops, in place."""
    _expansion().run(graph)


@cache
def _expansion() -> Pipeline:
    return Pipeline.named("none")


def elementwise_only(pattern: Pattern) -> bool:
    """Whether all ops of a pattern work element by element."""
    return all(
        (isinstance(part, V | Literal) and not isinstance(part, AnyOp))
        or (isinstance(part, Application) and "elementwise" in part.op.traits)
        for part in pattern.parts()
    )  # fmt: skip


def instance(
    rule: Rule,
    dtype: str,
    chance: random.Random,
    shape: tuple[int, ...] | None = None,
    tame: bool = False,
    common: tuple[int, ...] | None = None,
) -> Instance | None:
    """A random program on which the rule fires, or None if this try made none.

    Parameters
    ----------
    rule
        What has to fire.
    dtype
        Of most variables.
    chance
        Makes the choices.
    shape
        The shape of all variables; random if not given.
    tame
        Whether variables may stand for exponentials of inputs, for rules that look below their patterns.
    common
        The shape that the shapes of variables are made from, where `shape` is not given; random if not given.
    """
    asked = [text for part in rule.pattern.parts() if isinstance(part, V) for text, _ in part.conditions]
    if ANY_DTYPE in asked and chance.random() < 0.7:
        dtype = chance.choice(DTYPES)
    builder = _Builder(dtype, chance, shape, tame, "facts" in rule.tags, common)
    try:
        root = builder.build(rule.pattern)
        if not isinstance(root, Variable):
            return None
        after = Graph.from_outputs(builder.inputs, root)
    except (Unbuildable, GraphoptError, IndexError, ValueError, OverflowError):
        return None
    log = Pipeline([rule]).run(after, limit=1)
    if not len(log):
        return None
    after.verify()
    return Instance(Graph.from_outputs(builder.inputs, root), after, log, tame)


class _Builder:
    def __init__(
        self,
        dtype: str,
        chance: random.Random,
        shape: tuple[int, ...] | None,
        tame: bool,
        confine: bool,
        common: tuple[int, ...] | None,
    ) -> None:
        self.confine = confine
        self.dtype = dtype
        self.chance = chance
        self.shape = shape
        self.varied = common is None
        self.common = shape if shape is not None else chance.choice(SHAPES) if common is None else common
        self.tame = tame
        self.inputs: list[Variable] = []
        self.variables: dict[str, Any] = {}
        self.attributes: dict[str, Any] = {}

    def build(self, pattern: Pattern, truth: bool = False, inner: bool = False) -> Any:
        """What a pattern stands for.

        `truth` says that it is an operand that is mostly of dtype bool, `inner` that it is given axes afterwards.
        """
        if isinstance(pattern, Literal):
            return pattern.value
        if isinstance(pattern, AnyOp):
            if pattern.name not in self.variables:
                self.variables[pattern.name] = self.any_op(pattern)
            return self.variables[pattern.name]
        if isinstance(pattern, V):
            if pattern.name not in self.variables:
                self.variables[pattern.name] = self.leaf(pattern, truth, inner)
            return self.variables[pattern.name]
        assert isinstance(pattern, Application)
        if pattern.op is THROUGH:
            return self.under_views(self.build(pattern.operands[0], truth, inner), pattern)
        truths = (0,) if truth and "view" in pattern.op.traits else TRUTHS.get(pattern.op.name, ())
        inner = inner or pattern.op is ops.expand_dims
        operands = [self.build(operand, k in truths, inner) for k, operand in enumerate(pattern.operands)]
        attributes = {
            key: self.attribute(value, key, pattern.op, as_variable(operands[0])) if isinstance(value, Attr) else value
            for key, value in pattern.attributes.items()
        }
        return pattern.op(*operands, **attributes)

    def under_views(self, value: Variable, pattern: Application) -> Variable:
        """A value under up to two of the ops that a pattern sees through, the same ones where it asks twice."""
        name = pattern.attributes["seen"].name
        if name not in self.attributes:
            choices = sorted(seen_through(pattern), key=lambda op: op.name)
            self.attributes[name] = [self.chance.choice(choices) for _ in range(self.chance.choice((0, 1, 1, 2)))]
        for position, op in enumerate(self.attributes[name]):
            if op is cast:
                value = cast(value, dtype="float64")
                continue
            value = op(value, **self.all_attributes(f"{name}_{position}", op, value))
        return value

    def leaf(self, pattern: V, truth: bool, inner: bool) -> Variable:
        """An input; sometimes a constant, or the exponential of an input.

        Where the pattern has a condition on value facts, the input is confined to where it holds; rules with the tag
        "facts" meet values confined in any way, or in two.
        """
        conditions = " ".join(text for text, _ in pattern.conditions)
        facts = [text for text, _ in pattern.conditions if text in CONFINED]
        if facts or (self.confine and self.chance.random() < 0.8):
            kind = facts[0] if facts else self.chance.choice(sorted(CONFINED))
            fresh = self.input(TensorType(self.dtype, self.common))
            if not facts and self.chance.random() < 0.5:
                fresh = self.chance.choice(CONFINED["number"] + CONFINED["finite"])(fresh)
            return self.chance.choice(CONFINED[kind])(fresh)  # type: ignore[no-any-return]
        usual = self.chance.random() < (
            0.8 if "dtype: is float" in conditions else 0.4 if "dtype" in conditions else 0.95
        )
        dtype = self.dtype if usual else self.chance.choice(DTYPES)
        if (truth or "dtype is bool" in conditions) and self.chance.random() < 0.8:
            dtype = "bool"
        elif "dtype is int64" in conditions and self.chance.random() < 0.8:
            dtype = "int64"
        asked = "it is a constant" in conditions
        if asked or (pattern.conditions and self.chance.random() < 0.25):
            numbers: tuple[float, ...] = NUMBERS if is_float(dtype) else WHOLE_NUMBERS
            shape = self.common if asked and "rank" not in conditions and self.chance.random() < 0.5 else ()
            return literal(self.chance.choice((*numbers, 0) if asked else numbers), dtype, shape)
        shape = self.common
        if "rank is 0" in conditions:
            shape = ()
        elif self.shape is None and inner and self.chance.random() < 0.6:
            shape = shape[1:]
        elif self.shape is None and self.chance.random() < 0.5:
            shape = self.chance.choice([(), shape[1:], *(SHAPES if self.varied else (shape[1:],))])
        fresh = self.input(TensorType(dtype, shape))
        return exp(fresh) if self.tame and is_float(dtype) and self.chance.random() < 0.7 else fresh

    def input(self, type: TensorType) -> Variable:
        fresh = variable(f"x{len(self.inputs)}", type)
        self.inputs.append(fresh)
        return fresh

    def any_op(self, pattern: AnyOp) -> Variable:
        """An application of some op of the kind, over operands of the ops it asks for."""
        if pattern.trait == "leaf":
            self.input(TensorType(self.dtype))
            return self.array()
        choices = [
            op for op in TABLE.values()
            if pattern.trait in op.traits and op.exact is not None and op.arity
            and "host" not in op.traits and op.name not in WHOLE
        ]  # fmt: skip
        op = self.chance.choice(choices)
        inner = self.chance.choice(sorted(pattern.over, key=lambda o: o.name)) if pattern.over else None
        operands = [self.operand(inner) for _ in range(op.arity or 1)]
        if "elementwise" in op.traits:
            return op(*operands, **({"dtype": self.dtype} if op.name == "cast" else {}))  # type: ignore[no-any-return]
        return op(*operands, **self.all_attributes("own", op, operands[0]))  # type: ignore[no-any-return]

    def array(self) -> Variable:
        """A constant that is an array, most often of equal elements."""
        shape = self.chance.choice([(2, 2), (2, 2), self.common])
        alike = self.chance.random() < 0.7
        values = self.chance.choices((2.0, -0.0, 0.1, 3.0), k=1) if alike else (0.0, -0.0, 1.0, 2.0)
        return as_variable(np.resize(np.array(values), shape), self.dtype)

    def operand(self, inner: Op | None) -> Variable:
        """A variable, a scalar, or an application of `inner`."""
        if inner is None or self.chance.random() < 0.3:
            shape = self.chance.choice([self.common, self.common, (), self.common[1:]])
            return self.input(TensorType(self.dtype, shape))
        if inner.name == "constant":
            return literal(self.chance.choice(NUMBERS[:-1]), self.dtype, self.chance.choice([(), self.common]))
        source = self.input(TensorType(self.dtype, self.chance.choice([self.common, ()])))
        return inner(source, **self.all_attributes("shared", inner, source))  # type: ignore[no-any-return]

    def all_attributes(self, name: str, op: Op, operand: Variable) -> Mapping[str, Any]:
        """Values for the attributes of an op, the same ones wherever the name is given."""
        if name not in self.attributes:
            self.attributes[name] = all_drawn(op, operand, len(self.common), self.chance)
        return self.attributes[name]  # type: ignore[no-any-return]

    def attribute(self, attr: Attr, key: str, op: Op, operand: Variable) -> Any:
        if attr.name not in self.attributes:
            together = self.all_attributes(f"part of {id(operand)}", op, operand) if op is slice_ else {}
            self.attributes[attr.name] = (
                together[key] if together else drawn(key, op, operand, len(self.common), self.chance)
            )
        return self.attributes[attr.name]
