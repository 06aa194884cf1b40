"""What steers a program without computing: branches, run-time checks, the end of differentiation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.errors import ShapeMismatch, TypeMismatch
from graphopt.op import Applied, Attributes, Op
from graphopt.ops.define import define
from graphopt.ops.logic import where
from graphopt.types import TensorType, Unify, shape_text

__all__ = ["check", "cond", "if_else", "stop_gradient", "with_derivative"]


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


def _own_pullback(g: Any, node: Applied) -> Sequence[Any]:
    return (None, *node.attributes["rule"].pull_back(g, node))


def _own_pushforward(tangents: Sequence[Any], node: Applied) -> Any:
    return node.attributes["rule"].push_forward(tangents[1:], node)


with_derivative = define(
    Op(
        name="with_derivative",
        arity=None,
        type_rule=lambda types, attributes, unify: types[0],
        numpy=lambda x, *arguments, rule: x,
        exact=lambda x, *arguments, rule: x,
        pullback=_own_pullback,
        pushforward=_own_pushforward,
        traits=frozenset({"composite"}),
        expand=lambda x, *arguments, rule: x,
    )
)
"""The first operand, whose derivative with respect to the others is what the attribute `rule` says, a
`graphopt.autodiff.custom.Rule`. How the first is computed is not differentiated. It vanishes like `stop_gradient`."""


def _alike(condition: TensorType, then: TensorType, otherwise: TensorType, unify: Unify) -> TensorType:
    """The type of a conditional value."""
    if condition != TensorType("bool"):
        raise ShapeMismatch(f"the condition is {condition}; expected a scalar (to choose by elements: T.where)")
    if then.ndim != otherwise.ndim:
        raise ShapeMismatch(
            f"the branches are of shapes {shape_text(then.shape)} and {shape_text(otherwise.shape)}, which must be "
            "equal: broadcast one, T.broadcast_to"
        )
    if then.dtype != otherwise.dtype:
        raise TypeMismatch(f"the branches are {then.dtype} and {otherwise.dtype}; cast one")
    return TensorType(then.dtype, tuple([unify(a, b) for a, b in zip(then.shape, otherwise.shape, strict=True)]))


def _if_else_pullback(g: Any, node: Applied) -> Sequence[Any]:
    condition = node.operands[0]
    zero = where(False, g, 0)
    return None, if_else(condition, g, zero), if_else(condition, zero, g)


if_else: Op = define(
    Op(
        name="if_else",
        arity=3,
        type_rule=lambda types, attributes, unify: _alike(types[0], types[1], types[2], unify),
        numpy=lambda condition, then, otherwise: then if condition else otherwise,
        exact=lambda condition, then, otherwise: then if condition else otherwise,
        pullback=_if_else_pullback,
        operand_dtypes=where.operand_dtypes,
    )
)
"""The second operand or the third, as the first says. Expressions alone have it: in a graph it is `cond`, whose bodies
hold what only one of the branches needs."""


def _cond_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    condition, *captures = types
    for name in ("then", "otherwise"):
        expected = attributes[name].inputs
        if len(expected) != len(captures):
            raise TypeMismatch(f"the body {name!r} takes {len(expected)} values, found {len(captures)}")
        for found, wanted in zip(captures, expected, strict=True):
            if found.dtype != wanted.dtype or found.ndim != wanted.ndim:
                raise TypeMismatch(f"the body {name!r} takes {wanted}, found {found}")
            for a, b in zip(found.shape, wanted.shape, strict=True):
                unify(a, b)
    return _alike(condition, attributes["then"].type, attributes["otherwise"].type, unify)


def _taken(condition: Any, *captures: Any, then: Any, otherwise: Any) -> Any:
    return (then if condition else otherwise)(*captures)


def _cond_pullback(g: Any, node: Applied) -> Sequence[Any]:
    from graphopt.autodiff.branches import pull_back

    return pull_back(g, node)


def _cond_pushforward(tangents: Sequence[Any], node: Applied) -> Any:
    from graphopt.autodiff.branches import push_forward

    return push_forward(tangents, node)


cond: Op = define(
    Op(
        name="cond",
        arity=None,
        type_rule=_cond_rule,
        numpy=_taken,
        exact=_taken,
        pullback=_cond_pullback,
        pushforward=_cond_pushforward,
    )
)
"""Operands: a bool scalar, and what the bodies take. Attributes: `then` and `otherwise`, each a
`graphopt.graph.body.Body` over the same values, of which only the one is run that the scalar asks for."""
