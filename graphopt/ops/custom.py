"""Ops that strangers bring: `graphopt.define_op`, and their type rule `graphopt.tensor.elementwise`.

Such an op is an op like any other: it prints, parses, is interpreted, differentiated, fused and compiled. It is
elementwise and takes no attributes; what it means in C is a text per element (`graphopt.ops.element_text`).
"""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphopt.errors import InvalidArgument
from graphopt.exact import real
from graphopt.op import Attributes, Op, Pullback
from graphopt.ops.define import define
from graphopt.ops.element_text import canonical_text
from graphopt.ops.signatures import Kinds, elementwise_rule, floating_signature
from graphopt.types import TensorType, Unify

__all__ = ["Elementwise", "define_op", "elementwise"]

LETTERS = ("x", "y", "z")


@dataclass(frozen=True)
class Elementwise:
    """The type rule of elementwise ops: shapes broadcast, dtypes promote to a float as NumPy's functions do.

    float32 where every operand fits it (bool, int8 and int16 do), float64 otherwise; operands are cast to it.
    """

    def operand_dtypes(self, kinds: Kinds) -> tuple[str, ...]:
        """What operands of these dtypes are cast to."""
        return floating_signature(len(kinds))(kinds)[0]

    def __call__(self, types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
        """The type of the result.

        Raises
        ------
        InvalidArgument
            If the op is given attributes, which a defined op has none of.
        TypeMismatch, ShapeMismatch
            If the operands have no common float dtype or shape.
        """
        if attributes:
            raise InvalidArgument(f"a defined op takes operands only, found {', '.join(attributes)}=")
        return elementwise_rule(floating_signature(len(types)))(types, attributes, unify)


elementwise = Elementwise()


def define_op(
    name: str,
    *,
    type_rule: Elementwise = elementwise,
    numpy: Callable[..., Any],
    exact: Callable[..., Any] | None = None,
    pullback: Pullback | None = None,
    c: str | None = None,
    cuda: str | None = None,
    cost: float = 20.0,
    traits: str | Iterable[str] = (),
) -> Op:
    """Define an elementwise op of your own; the result is a function of variables, patterns, arrays and numbers.

    Parameters
    ----------
    name
        An identifier that no op has yet. `Graph.parse` and unpickling find the op by it, so import the module that
        defines an op before reading a graph that contains it.
    type_rule
        `T.elementwise`: broadcast shapes, promote to float32 or float64.
    numpy
        The meaning: `(*arrays) -> array`. Its parameters' names are the operands' names.
    exact
        The same over mpmath numbers, one element at a time; NaN is handled, and what is not real becomes NaN. Without
        it, the op cannot be held against exact arithmetic (`verify_rule` for the accuracy claims).
    pullback
        `(cotangent, node) -> a cotangent, or None, for each operand`, written with functions of `graphopt.tensor`;
        `node` has `.operands`, `.result` and `.attributes`. Without it, the op has no derivative.
    c
        One element in C, operands in braces: `"{x} / (1 + exp(-{x}))"`, all of it in the op's dtype. The words it may
        use are in `graphopt.ops.element_text`. Without it, the op runs under target="numpy" only.
    cuda
        The same in CUDA; `c` unless given.
    cost
        Floating-point operations an element takes. From 10 on the op counts as transcendental: too dear to compute
        twice. The default is an exponential's.
    traits
        Words of `Op.TRAITS` that hold, such as "commutative".

    Returns
    -------
    Op
        The op, to be applied like any function of `graphopt.tensor`.

    Raises
    ------
    InvalidArgument
        If the name is taken or no identifier, a trait is unknown, the operands of `numpy` cannot be told, or a text
        has something the language lacks.

    Examples
    --------
    >>> import graphopt as go, graphopt.tensor as T, numpy as np
    >>> softsign = go.define_op(
    ...     "softsign_example",
    ...     numpy=lambda x: x / (1 + np.abs(x)),
    ...     pullback=lambda g, node: [g / T.square(1 + T.abs(node.operands[0]))],
    ...     c="{x} / (1 + fabs({x}))",
    ...     cost=3,
    ... )
    >>> v = T.vector("v")
    >>> go.function([v], softsign(v))([1.0, -3.0])
    array([ 0.5 , -0.75])
    """
    if not isinstance(type_rule, Elementwise):
        raise InvalidArgument(
            f"op {name}: ops defined here are elementwise; type_rule is T.elementwise, not {type_rule!r}"
        )
    if not isinstance(name, str) or not name.isidentifier() or not name.isascii() or keyword.iskeyword(name):
        raise InvalidArgument(f"an op's name is an identifier of ASCII letters and no keyword, found {name!r}")
    operands = _operand_names(name, numpy)
    texts = {"c": c, "cuda": cuda if cuda is not None else c}
    words = frozenset(traits.split() if isinstance(traits, str) else traits) | {"elementwise"}
    return define(
        Op(
            name=name,
            arity=len(operands),
            type_rule=type_rule,
            numpy=numpy,
            exact=real(exact) if exact is not None else None,
            pullback=pullback,
            operand_dtypes=type_rule.operand_dtypes,
            traits=words | {"transcendental"} if cost >= 10 else words,
            cost=cost,
            text={
                language: canonical_text(name, language, text, operands)
                for language, text in texts.items()
                if text is not None
            },
        )
    )


def _operand_names(name: str, numpy: Callable[..., Any]) -> tuple[str, ...]:
    """The names of the parameters of an op's NumPy meaning; x, y, z of a ufunc's."""
    if not callable(numpy):
        raise InvalidArgument(f"op {name}: numpy is a function of arrays, found {numpy!r}")
    if isinstance(numpy, np.ufunc):
        return LETTERS[: numpy.nin] if numpy.nin <= len(LETTERS) else tuple(f"x{k}" for k in range(numpy.nin))
    try:
        parameters = inspect.signature(numpy).parameters.values()
    except ValueError:
        raise InvalidArgument(f"op {name}: the parameters of {numpy!r} cannot be told; wrap it in a lambda") from None
    if not parameters or any(p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters):
        raise InvalidArgument(
            f"op {name}: numpy takes one array for each operand, by position, and no other parameters"
        )
    return tuple(p.name for p in parameters)
