"""The one door through which an op comes into being, and the table they are found in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt.errors import InvalidArgument
from graphopt.op import Applied, Op
from graphopt.ops.element_text import canonical_text
from graphopt.ops.signatures import Signature, elementwise_rule, ufunc_signature

__all__ = ["TABLE", "define", "elementwise", "find"]

TABLE: dict[str, Op] = {}
"""Every op by name."""


def define(op: Op) -> Op:
    """Enter an op into the table.

    Raises
    ------
    InvalidArgument
        If the name is taken or is no identifier, or a trait is unknown.
    """
    if op.name in TABLE:
        raise InvalidArgument(f"an op called {op.name!r} exists already; choose another name")
    if not op.name.isidentifier():
        raise InvalidArgument(f"an op's name must be an identifier, found {op.name!r}")
    if unknown := op.traits - set(Op.TRAITS):
        raise InvalidArgument(f"op {op.name}: unknown traits {sorted(unknown)}; known: {', '.join(Op.TRAITS)}")
    TABLE[op.name] = op
    return op


def find(name: str) -> Op:
    """The op of that name.

    Raises
    ------
    InvalidArgument
        If there is none.
    """
    try:
        return TABLE[name]
    except KeyError:
        raise InvalidArgument(
            f"there is no op called {name!r}; `graphopt.ops.TABLE` lists them. If it is one of your own, import the "
            "module that defines it first"
        ) from None


def elementwise(
    name: str,
    numpy: Callable[..., Any],
    exact: Callable[..., Any] | None = None,
    pullback: Callable[..., Sequence[Any]] | None = None,
    *,
    signature: Signature | None = None,
    arity: int | None = None,
    traits: str = "",
    cost: float = 1.0,
    text: str | None = None,
) -> Op:
    """Define an elementwise op.

    `pullback(g, result, *operands)` returns a cotangent for each operand. The signature is the ufunc's own unless
    one is given. `text` is an element in C and CUDA, its operands being `{x}`, `{y}` and `{z}`; without it the
    templates know the op by its name.
    """
    if signature is None:
        assert isinstance(numpy, np.ufunc), f"{name} needs a signature"
        signature = ufunc_signature(numpy)
    if arity is None:
        arity = numpy.nin if isinstance(numpy, np.ufunc) else 1
    words = frozenset(traits.split())
    if cost >= 10:
        words |= {"transcendental"}

    def rule(g: Any, node: Applied) -> Sequence[Any]:
        return pullback(g, node.result, *node.operands)  # type: ignore[misc]

    return define(
        Op(
            name=name,
            arity=arity,
            type_rule=elementwise_rule(signature),
            numpy=numpy,
            exact=exact,
            pullback=rule if pullback is not None else None,
            operand_dtypes=lambda kinds: signature(kinds)[0],
            traits=words | {"elementwise"},
            cost=cost,
            text=None if text is None else dict.fromkeys(("c", "cuda"), canonical_text(name, "c", text, "xyz"[:arity])),
        )
    )
