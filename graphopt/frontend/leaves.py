"""SymPy's leaves as input variables: which there are, of what type, and which variable belongs to which.

Leaves are `Symbol`, `IndexedBase`, `MatrixSymbol`, `ArraySymbol`, and, where the caller lists them, applied undefined
functions such as `q(t)` and their derivatives. The same leaf always gives the same variable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sympy import Add, Idx, IndexedBase, Integer, MatrixSymbol, Mul, Symbol
from sympy.core.function import AppliedUndef, Derivative
from sympy.tensor.array.expressions.array_expressions import ArraySymbol

from graphopt.dimensions import DimLike, dim
from graphopt.errors import InvalidArgument
from graphopt.frontend.describe import describe, origin_of, unsupported
from graphopt.types import TensorType, is_float
from graphopt.variable import Variable, variable

__all__ = ["ARRAYS", "Leaves", "check_leaf", "size_of"]

ARRAYS = (IndexedBase, MatrixSymbol, ArraySymbol)
LEAVES = (Symbol, Idx, *ARRAYS, AppliedUndef, Derivative)


class Leaves:
    """The mapping from SymPy leaves to input variables.

    Attributes
    ----------
    variables
        Every leaf that has been met, with its variable, in the order of meeting.
    """

    def __init__(self, types: Mapping[Any, str | TensorType | Variable] | None, accepted: Iterable[Any]) -> None:
        self.variables: dict[Any, Variable] = {}
        self.types: dict[Any, TensorType] = {}
        self.boolean: set[Any] = set()  # symbols that stand where a truth value is expected
        self.sizes: set[str] = set()  # names of dimensions: such a symbol is a size, not an input
        for leaf, given in (types or {}).items():
            check_leaf(leaf)
            if isinstance(given, Variable):
                self.variables[leaf] = given
            self.types[leaf] = given.type if isinstance(given, Variable) else _parsed(leaf, given)
        self.accepted = set(self.types)
        for leaf in accepted:
            check_leaf(leaf)
            self.accepted.add(leaf)
        self._functions = {type(leaf) for leaf in self.accepted}

    def accepts(self, node: Any) -> bool:
        """Whether an applied undefined function, or a derivative of one, was listed as an input."""
        # The class is looked at first: hashing an expression that is no leaf may recurse deeply.
        return type(node) in self._functions and _is_leaf(node) and node in self.accepted

    def is_size(self, symbol: Any) -> bool:
        """Whether a symbol names a dimension (and is not itself an input)."""
        return symbol not in self.accepted and symbol.name in self.sizes

    def type_of(self, leaf: Any) -> TensorType:
        """The type of a leaf: declared, or read off its shape and assumptions."""
        found = self.types.get(leaf)
        if found is None:
            found = self.types[leaf] = TensorType(self.dtype_of(leaf), self._default_shape(leaf))
        return found

    def shape_of(self, leaf: Any) -> tuple[DimLike, ...]:
        """The shape of a leaf, as far as it is known."""
        if leaf in self.types or getattr(leaf, "shape", None) is not None:
            return self.type_of(leaf).shape
        return ()

    def dtype_of(self, leaf: Any) -> str:
        """The dtype of a leaf, whether or not its shape is known."""
        found = self.types.get(leaf)
        if found is not None:
            return found.dtype
        if leaf in self.boolean:
            return "bool"
        return "int64" if isinstance(leaf, Symbol | Idx) and leaf.is_integer else "float64"

    def variable_for(self, leaf: Any, shape: tuple[DimLike, ...] | None = None) -> Variable:
        """The input variable of a leaf; `shape` says what use tells about an array of undeclared shape."""
        found = self.variables.get(leaf)
        if found is None:
            if shape is not None and leaf not in self.types:
                self.types[leaf] = TensorType("float64", shape)
            name = getattr(leaf, "name", None) or describe(leaf)
            type = self.type_of(leaf)
            found = variable(str(name), type, domain_of(leaf, type.dtype), origin=origin_of(leaf))
            self.variables[leaf] = found
        return found

    @property
    def ambient_rank(self) -> int:
        """The highest rank declared for what SymPy takes for a scalar: axes that every expression may carry."""
        return max((t.ndim for leaf, t in self.types.items() if not isinstance(leaf, ARRAYS)), default=0)

    def _default_shape(self, leaf: Any) -> tuple[DimLike, ...]:
        if not isinstance(leaf, ARRAYS):
            return ()
        if getattr(leaf, "shape", None) is None:
            raise unsupported(leaf, "its rank is not known before it is used; give its shape or its type in types=")
        return tuple(size_of(size) for size in leaf.shape)


def domain_of(leaf: Any, dtype: str) -> str | None:
    """What a leaf's assumptions say of its values; a SymPy number that has a sign, or is real, is finite."""
    if dtype == "bool":
        return None
    words = [word for word in (*_SIGNED, "nonnegative", "nonpositive", "nonzero") if getattr(leaf, f"is_{word}", None)]
    words = words[:1] if words and words[0] in _SIGNED else words  # which says the rest
    if is_float(dtype) and (getattr(leaf, "is_finite", None) or getattr(leaf, "is_real", None)):
        words.append("finite")
    return " ".join(words) or None


_SIGNED = ("positive", "negative")


def size_of(expression: Any) -> DimLike:
    """A SymPy expression as a dimension: integers, symbols named by an identifier, their sums and products.

    Raises
    ------
    UnsupportedExpression
        For anything else.
    """
    match expression:
        case int() | Integer():
            return int(expression)
        case Symbol() if expression.name.isidentifier():
            return dim(expression.name)
        case Add() | Mul():
            sizes = [size_of(part) for part in expression.args]
            total = sizes[0]
            for size in sizes[1:]:
                total = total + size if isinstance(expression, Add) else total * size
            return total
    raise unsupported(expression, "a size must be made of integers and symbols with plain names, by + and *")


def _parsed(leaf: Any, given: Any) -> TensorType:
    return given if isinstance(given, TensorType) else TensorType.parse(given)


def _is_leaf(leaf: Any) -> bool:
    return isinstance(leaf, LEAVES) and (not isinstance(leaf, Derivative) or isinstance(leaf.args[0], AppliedUndef))


def check_leaf(leaf: Any) -> None:
    """Raise InvalidArgument unless a SymPy object can be an input."""
    if not _is_leaf(leaf):
        raise InvalidArgument(
            f"{describe(leaf)} cannot be an input; expected a Symbol, an IndexedBase, a MatrixSymbol, an ArraySymbol, "
            "an applied undefined function such as q(t), or a derivative of one"
        )
