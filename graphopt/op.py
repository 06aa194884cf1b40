"""What an op is: one operation of the array language, defined once with all its facets.

An `Op` is callable on anything that is an `Expression`: variables, patterns and graph handles alike. The operand
decides what is built (`Expression.build`), so a formula written once serves users, rules and derivatives.

The ops themselves live in `graphopt.ops`, one file a family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from graphopt.types import TensorType, Unify

__all__ = ["EMPTY", "Applied", "Attributes", "Expression", "NoDerivative", "Op", "TypeRule"]


class Attributes(Mapping[str, Any]):
    """The immutable, hashable keyword arguments of an op application, such as `axis=(1,)`.

    Equal if they would print the same: 0.0 and -0.0 differ, NaN equals NaN.
    """

    __slots__ = ("_hash", "_items", "_key")

    def __init__(self, items: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        merged = {**(items or {}), **more}
        self._items = dict(sorted(merged.items()))
        self._key = tuple((name, v.hex() if type(v) is float else v) for name, v in self._items.items())
        self._hash = hash(self._key)

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Attributes) and self._key == other._key)

    def __reduce__(self) -> tuple[object, ...]:
        return (Attributes, (self._items,))

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{key}={value}" for key, value in self._items.items()) + "}"


EMPTY = Attributes()


class Applied(Protocol):
    """An op application as derivative rules and type rules see it: a node, whatever it is made of."""

    @property
    def operands(self) -> Sequence[Any]: ...
    @property
    def result(self) -> Any: ...
    @property
    def attributes(self) -> Attributes: ...


@dataclass(frozen=True)
class NoDerivative:
    """What a pullback returns for an operand that the result depends on without a derivative that is known here.

    Differentiating with respect to that operand raises NotDifferentiable with the reason; the others are not affected.
    """

    reason: str


TypeRule = Callable[[tuple[TensorType, ...], Attributes, Unify], TensorType]
Pullback = Callable[[Any, Applied], Sequence[Any]]
Pushforward = Callable[[Sequence[Any], Applied], Any]


@dataclass(frozen=True, eq=False, slots=True)
class Op:
    """One operation of the array language.

    Attributes
    ----------
    name
        What it is called in graphs, rules and templates (the macro of that name writes it in C and CUDA).
    arity
        Number of operands; None if any number.
    type_rule
        `(operand types, attributes, unify) -> result type`; raises TypeMismatch or ShapeMismatch.
    numpy
        `(*arrays, **attributes) -> array`: the meaning, with every dimension already an integer.
    exact
        The same over NumPy arrays of mpmath numbers. Elementwise ops give a function of scalars. None: no exact form.
    pullback
        `(cotangent, node) -> one cotangent (or None) per operand`, written with other ops. None: not differentiable.
        For an operand alone, `NoDerivative(reason)` says so.
        Elementwise rules need not undo broadcasting.
    operand_dtypes
        `(dtypes or Python number types) -> dtypes`: what the operands are cast to before the op meets them.
    pushforward
        `(tangents, node) -> the result's tangent (or None)`, a tangent or None being given for each operand. None, or
        where it returns NotImplemented: the transpose of the pullback, which is linear in the cotangent
        (`graphopt.autodiff.push`).
    traits
        Words that passes and the schedule ask for: see `TRAITS`.
    cost
        Floating-point operations per element of the result (of the operand, for reductions).
    text
        How an element is written, by language ("c", "cuda"), operands being `{0}`, `{1}`, …: see
        `graphopt.ops.element_text`. None: the templates know the op by its name.
    """

    TRAITS: ClassVar[Mapping[str, str]] = {
        "leaf": "has no operands: input, constant, dimension",
        "elementwise": "the result's element at an index depends on the operands' elements at that index alone",
        "commutative": "two operands that may be swapped",
        "associative": "may be regrouped over the reals",
        "reduction": "combines elements over the axes named by the attribute `axis`",
        "linear": "linear in all operands of floats together, so that it takes their tangents to the result's",
        "view": "moves elements without computing",
        "contraction": "a product summed over a shared axis",
        "composite": "is recognized and differentiated whole, and expanded by the pass `lower`",
        "transcendental": "needs an elementary function: dear to compute again",
        "hold": "keeps rewrites from seeing through it",
        "factorization": "costs its operands' elements times the order of the square matrices that the first holds",
        "host": "has no text in C or CUDA: the program calls its NumPy meaning",
        "counting": "the length of its result depends on values: running it settles the size in the attribute `count`",
    }

    name: str
    arity: int | None
    type_rule: TypeRule
    numpy: Callable[..., Any] | None = None
    exact: Callable[..., Any] | None = None
    pullback: Pullback | None = None
    operand_dtypes: Callable[[tuple[Any, ...]], tuple[str, ...]] | None = None
    traits: frozenset[str] = frozenset()
    cost: float = 0.0
    expand: Callable[..., Any] | None = field(default=None)
    pushforward: Pushforward | None = field(default=None)
    text: Mapping[str, str] | None = field(default=None)

    def __call__(self, *operands: Any, **attributes: Any) -> Any:
        """Apply to expressions, arrays and numbers. Attributes are taken as they are: canonical."""
        return builder(operands).build(self, operands, Attributes(attributes) if attributes else EMPTY)

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> str | tuple[Any, ...]:
        from graphopt.ops import find

        return (find, (self.name,))


class Expression:
    """Base of everything an op can be applied to. `build` makes the application; the dearest operand's is used."""

    __slots__ = ()
    precedence: ClassVar[int] = 0

    @classmethod
    def build(cls, op: Op, operands: tuple[Any, ...], attributes: Attributes) -> Any:
        raise NotImplementedError


def builder(operands: Sequence[Any]) -> type[Expression]:
    """The class that builds an application to these operands: patterns before variables, variables before arrays."""
    best: type[Expression] | None = None
    for operand in operands:
        if isinstance(operand, Expression) and (best is None or type(operand).precedence > best.precedence):
            best = type(operand)
    if best is None:
        from graphopt.variable import Variable

        best = Variable
    return best
