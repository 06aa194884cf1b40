"""Which dimensions of a program must be equal, found once when a graph is built.

Expressions under construction trust that symbolic sizes agree (`graphopt.types.agree`). Here every such trust is
collected again by running the type rules with a recording `unify`: names that must be equal become one name (an
integer speaks for names, an earlier input's name for a later's), and what names alone cannot express becomes a guard
that the call checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from graphopt.dimensions import Dim, DimLike, Opaque, opaque, substitute
from graphopt.errors import ShapeMismatch
from graphopt.op import Attributes
from graphopt.types import TensorType

__all__ = ["Reason", "Unifier", "at_least_one", "broken", "rename_attributes", "rename_shape", "rename_type"]


Reason = tuple[str, object]
"""The op that wants two sizes equal, and where the user wrote it."""


class Unifier:
    """A union-find over the names of dimensions (R. E. Tarjan 1975: near-linear in the number of equations)."""

    def __init__(self, order: Iterable[str]) -> None:
        self._parent: dict[str, DimLike] = {}
        self._rank = {name: position for position, name in enumerate(order)}  # earlier names speak for later ones
        self.guards: list[tuple[DimLike, DimLike]] = []
        self.because: Reason = ("", None)  # what is being typed
        self.reasons: dict[str | tuple[DimLike, DimLike], Reason] = {}  # of names that are others now, and of guards

    def representative(self, value: DimLike) -> DimLike:
        """What speaks for a dimension that is a bare name; other dimensions speak for themselves."""
        path = []
        while isinstance(value, Dim) and (name := value.symbol) is not None and name in self._parent:
            path.append(name)
            value = self._parent[name]
        for name in path[:-1]:
            self._parent[name] = value
        return value

    def unify(self, a: DimLike, b: DimLike) -> DimLike:
        """Record that two dimensions are equal; a `graphopt.types.Unify`.

        Raises
        ------
        ShapeMismatch
            If they cannot be.
        """
        a, b = self.representative(a), self.representative(b)
        if a == b:
            return a
        if isinstance(a - b, int):
            raise ShapeMismatch(f"sizes {a} and {b} differ")
        first, second = (a, b) if self._speaks(a) <= self._speaks(b) else (b, a)
        if (
            isinstance(second, Dim)
            and second.symbol is not None
            and (isinstance(first, int) or first.symbol is not None)
        ):
            self._parent[second.symbol] = first
            self.reasons.setdefault(second.symbol, self.because)
        else:
            self.guard(a, b)
        return first

    def guard(self, a: DimLike, b: DimLike) -> None:
        """Record an equation for the call to check."""
        self.guards.append((a, b))
        self.reasons.setdefault((a, b), self.because)

    def mapping(self) -> dict[str, DimLike]:
        """Every name that something else speaks for, with what does."""
        return {name: self.representative(value) for name, value in self._parent.items()}

    def _speaks(self, value: DimLike) -> tuple[int, int, str]:
        if isinstance(value, int):
            return (0, 0, "")
        name = value.symbol
        if name is None:
            return (2, 0, str(value))
        return (1, self._rank.get(name, len(self._rank)), name)


def at_least_one(size: DimLike) -> tuple[DimLike, DimLike]:
    """The guard that a size is not 0: guards are equations, and this one says min(size, 1) = 1."""
    return opaque("min", size, 1), 1


def broken(guard: tuple[DimLike, DimLike], a: DimLike, b: DimLike) -> str:
    """What to say of a guard whose sides turn out to be `a` and `b`."""
    match guard:
        case (Dim(terms=(((Opaque("min", (position, 0)),), 1),)), 0):
            return f"there is no element at index {position} = {a}"
        case (Dim(terms=(((Opaque("min", (size, 1)),), 1),)), 1):
            return f"size {size} is 0, and so there is no largest or smallest element along it, and none to be picked"
        case (
            Dim(terms=(((Opaque("min", (one, 1)), Opaque("min", (other, 1))), 1),)),
            Dim(terms=(((Opaque("min", (count, 1)),), 1),)),
        ) if count in (one, other):
            return f"size {other if count == one else one} is 0: indices pick no element along it, and there are some"
        case (Dim(terms=(((Opaque("min", (size, int(least))),), 1),)), int(wanted)) if least == wanted:
            return f"size {size} is {a}: there is no element at index {least - 1}"
    sides = [str(size) if size == found else f"{size} = {found}" for size, found in ((guard[0], a), (guard[1], b))]
    return f"sizes {' and '.join(sides)} must be equal"


def rename_shape(shape: tuple[DimLike, ...], mapping: Mapping[str, DimLike]) -> tuple[DimLike, ...]:
    """A shape with names replaced."""
    return tuple([substitute(size, mapping) for size in shape])


def rename_type(type: TensorType, mapping: Mapping[str, DimLike]) -> TensorType:
    """A type with the names in its shape replaced."""
    return type if not type.shape else TensorType(type.dtype, rename_shape(type.shape, mapping))


def rename_attributes(attributes: Attributes, mapping: Mapping[str, DimLike]) -> Attributes:
    """Attributes with the names in shapes and dimensions replaced."""
    changed: dict[str, object] = {}
    for key, value in attributes.items():
        if isinstance(value, Dim):
            changed[key] = substitute(value, mapping)
        elif isinstance(value, tuple) and any(isinstance(item, Dim) for item in value):
            changed[key] = rename_shape(value, mapping)
    return Attributes(attributes, **changed) if changed else attributes
