"""Patterns that see through views, and through casts to a wider float, which change no value.

    softmax_of = through(T.softmax(x, axis=axis))
    Rule("log-softmax", T.log(softmax_of), through(T.log_softmax(x, axis=axis)), claim=Stabilizes(16))

`through` in a pattern matches what it is of, or a chain of views and widening casts over it. In a replacement, it puts
the chain back: the views over the whole, the cast on each variable inside, so that the new ops compute in the wider
dtype. Where views must not stand between, as between a reduction and its operand, `ops=("cast",)` names what may.

`through` is an op of patterns alone, whose attribute `seen` is the chain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphopt.errors import InvalidArgument, TypeMismatch
from graphopt.graph.graph import Graph
from graphopt.op import Attributes, Op
from graphopt.ops import TABLE
from graphopt.ops.arithmetic import cast
from graphopt.rewrite.pattern import Application, Attr, Pattern, V, as_pattern
from graphopt.types import TensorType, Unify, is_float
from graphopt.variable import Variable

__all__ = ["SIGHT", "THROUGH", "Seen", "depth", "heads", "look", "seen_through", "through"]

SIGHT = 6
"""How many views and casts are seen through: as many as a chain in canonical form has."""

VIEWS: frozenset[Op] = frozenset(op for op in TABLE.values() if "view" in op.traits)
TRANSPARENT: frozenset[Op] = VIEWS | {cast}


def _untyped(operands: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    raise TypeMismatch("through(…) stands in patterns and replacements alone; apply it to V(…) or ops over it")


THROUGH = Op("through", 1, _untyped)


def through(pattern: Any, ops: tuple[str, ...] | None = None, name: str = "seen") -> Application:
    """A pattern that also matches under views and widening casts.

    Parameters
    ----------
    pattern
        What is looked for: an op over patterns that is itself no view and no cast, or a variable, which then stands
        for what lies beneath all of them.
    ops
        Names of the ops that are seen through; all views and casts from float32 to float64 unless given.
    name
        What the match calls the chain: a `Seen`, which code on a right side may use. Where it stands twice in a
        pattern, the chains must be equal.

    Raises
    ------
    InvalidArgument
        If an op is no view and no cast, or the pattern is one itself, or a number (those match broadcast anyway).
    """
    inner = as_pattern(pattern)
    allowed = TRANSPARENT if ops is None else frozenset(TABLE[op] for op in ops if op in TABLE)
    if not allowed <= TRANSPARENT or (ops is not None and len(allowed) != len(set(ops))):
        known = ", ".join(sorted(op.name for op in TRANSPARENT))
        raise InvalidArgument(f"through(…, ops={ops}): patterns see through {known}")
    if not isinstance(inner, V | Application) or (isinstance(inner, Application) and inner.op in allowed):
        raise InvalidArgument(f"through({inner}): expected a variable, or an op that is not itself seen through")
    kinds = () if ops is None else (("ops", tuple(sorted(ops))),)
    return Application(THROUGH, (inner,), {**dict(kinds), "seen": Attr(name)})


@dataclass(frozen=True)
class Seen:
    """A chain of views and casts that a pattern saw through, outermost first, and the dtype it ends in."""

    chain: tuple[tuple[Op, Attributes], ...]
    dtype: str

    def over(self, value: Variable) -> Variable:
        """The views of the chain over another value."""
        for op, attributes in reversed(self.chain):
            value = value if op is cast else op(value, **attributes)
        return value

    def widened(self, value: Variable) -> Variable:
        """A value in the chain's dtype, if it is of a narrower float."""
        narrower = is_float(value.dtype) and value.dtype != self.dtype and self.casts
        return cast(value, dtype=self.dtype) if narrower else value

    @property
    def casts(self) -> bool:
        """Whether the chain casts."""
        return any(op is cast for op, _ in self.chain)


def seen_through(pattern: Application) -> frozenset[Op]:
    """The ops that a `through` pattern sees through."""
    names = pattern.attributes.get("ops")
    return TRANSPARENT if names is None else frozenset(TABLE[name] for name in names)


def look(pattern: Application, graph: Graph, node: int) -> tuple[int, Seen]:
    """The node beneath a chain of ops that a `through` pattern sees through, and the chain."""
    allowed = seen_through(pattern)
    chain: list[tuple[Op, Attributes]] = []
    dtype = graph.type(node).dtype
    while len(chain) < SIGHT and graph.op(node) in allowed:
        (below,) = graph.operands(node)
        if graph.op(node) is cast and (graph.type(below).dtype, graph.type(node).dtype) != ("float32", "float64"):
            break
        chain.append((graph.op(node), graph.attributes(node)))
        node = below
    return node, Seen(tuple(chain), dtype)


def depth(pattern: Pattern) -> int:
    """How many ops may lie on the longest way down a pattern."""
    if not isinstance(pattern, Application):
        return 0
    return (SIGHT if pattern.op is THROUGH else 1) + max(map(depth, pattern.operands), default=0)


def heads(pattern: Pattern) -> frozenset[Op] | None:
    """The ops that may stand where a pattern matches; None if any may."""
    if not isinstance(pattern, Application):
        return None
    if pattern.op is not THROUGH:
        return frozenset({pattern.op})
    inner = heads(pattern.operands[0])
    return None if inner is None else inner | seen_through(pattern)


def edges(pattern: Pattern) -> Iterator[tuple[Op, Op]]:
    """The pairs (operand's op, user's op) below the root of a pattern."""
    for part in pattern.parts():
        if isinstance(part, Application):
            users = seen_through(part) if part.op is THROUGH else frozenset({part.op})
            below = [op for operand in part.operands for op in heads(operand) or ()]
            below += users if part.op is THROUGH else ()
            yield from ((op, user) for op in below for user in users)
