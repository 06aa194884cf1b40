"""What steers a program without computing: run-time checks and the end of differentiation."""

from __future__ import annotations

from graphopt.errors import TypeMismatch
from graphopt.op import Attributes, Op
from graphopt.ops.define import define
from graphopt.types import TensorType, Unify

__all__ = ["check", "stop_gradient"]


def _check_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    value, condition = types
    if condition.dtype != "bool":
        raise TypeMismatch(f"the condition of a check is {condition}; expected bool")
    return value


check: Op = define(
    Op(
        name="check",
        arity=2,
        type_rule=_check_rule,
        numpy=lambda x, condition, message, kind=None: x,
        exact=lambda x, condition, message, kind=None: x,
        pullback=lambda g, node: (check(g, node.operands[1], **node.attributes), None),
    )
)
"""The first operand, given that all of the second is true. Expressions alone have it: a graph holds the value
unchecked, and the condition as an output of its own (`Graph.checks`)."""

stop_gradient = define(
    Op(
        name="stop_gradient",
        arity=1,
        type_rule=lambda types, attributes, unify: types[0],
        numpy=lambda x: x,
        exact=lambda x: x,
        pullback=lambda g, node: (None,),
        traits=frozenset({"composite"}),
        expand=lambda x: x,
    )
)
"""A value that derivatives take for a constant; it vanishes where composites are expanded."""
