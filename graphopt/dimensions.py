"""Symbolic dimensions: small integer polynomials in named sizes.

A dimension of a tensor is a Python integer or a `Dim`, a polynomial with integer coefficients over named sizes and
over the opaque forms `a // b`, `min(a, b)` and `max(a, b)`. Every name stands for an unknown integer of at least
zero. Two dimensions are the same exactly if their normal forms are; arithmetic that yields a constant gives a plain
`int`. These polynomials serve as shapes, as guards and as the index maps of kernels.

What is not here: solving equations between dimensions (`graphopt.graph.unify` does the little that is needed).
"""

from __future__ import annotations

import ast
import itertools
import keyword
import operator
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, SupportsIndex

from graphopt.errors import InvalidArgument

__all__ = [
    "Counted", "Dim", "DimLike", "Opaque", "anonymous_dim", "counted", "counted_dim", "dim", "dim_from_tree",
    "evaluate", "is_at_most", "opaque", "parse_dim", "product", "substitute", "symbols",
]  # fmt: skip


class Opaque(NamedTuple):
    """A non-polynomial form that takes part in polynomials as if it were a name: `//`, `min` or `max`."""

    function: str
    operands: tuple[DimLike, DimLike]

    def __str__(self) -> str:
        if self.function != "//":
            return f"{self.function}({self.operands[0]}, {self.operands[1]})"
        a, b = (str(x) if str(x).isidentifier() or isinstance(x, int) else f"({x})" for x in self.operands)
        return f"({a}//{b})"


Atom = str | Opaque
Monomial = tuple[Atom, ...]  # sorted, with repetition: n*n*m is ("m", "n", "n"); the empty one is the constant 1
_EXACT: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "floor_divide": operator.floordiv,
    "equal": operator.eq, "not_equal": operator.ne,
}  # fmt: skip
_FOLD: dict[str, Callable[[int, int], int]] = {"//": lambda a, b: a // b, "min": min, "max": max}


def _of_scalars(name: str, reflected: bool = False) -> Callable[[Any, Any], Any]:
    """An operator of a size as an int64 scalar: a function of `graphopt.tensor`."""

    def compute(self: Any, other: Any) -> Any:
        from graphopt import tensor
        from graphopt.variable import as_variable

        size = as_variable(self)
        return getattr(tensor, name)(*((other, size) if reflected else (size, other)))

    return compute


class Dim:
    """An integer polynomial that is not a constant. Build one with `dim("n")` and arithmetic.

    Immutable, hashable, equal by normal form. Supports `+ - * //` with integers and other dimensions.
    """

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: tuple[tuple[Monomial, int], ...]) -> None:
        self.terms = terms
        self._hash = hash(terms)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Dim) and self._hash == other._hash and self.terms == other.terms)

    def __reduce__(self) -> tuple[object, ...]:
        return (Dim, (self.terms,))

    @property
    def symbol(self) -> str | None:
        """The name, if this is one bare name."""
        if len(self.terms) == 1 and self.terms[0][1] == 1 and len(self.terms[0][0]) == 1:
            atom = self.terms[0][0][0]
            return atom if isinstance(atom, str) else None
        return None

    def __add__(self, other: DimLike) -> DimLike:
        if not isinstance(other, Dim | int):
            return NotImplemented
        return _collect(itertools.chain(self.terms, _terms(other)))

    __radd__ = __add__

    def __mul__(self, other: DimLike) -> DimLike:
        if not isinstance(other, Dim | int):
            return NotImplemented
        return _collect((_merge(a, b), p * q) for a, p in self.terms for b, q in _terms(other))

    __rmul__ = __mul__

    def __neg__(self) -> Dim:
        return Dim(tuple((monomial, -factor) for monomial, factor in self.terms))

    def __sub__(self, other: DimLike) -> DimLike:
        if not isinstance(other, Dim | int):
            return NotImplemented
        return self + -other

    def __rsub__(self, other: DimLike) -> DimLike:
        return -self + other

    def __floordiv__(self, other: DimLike) -> DimLike:
        if not isinstance(other, Dim | int):
            return NotImplemented
        if isinstance(other, int) and other and all(factor % other == 0 for _, factor in self.terms):
            return _collect((monomial, factor // other) for monomial, factor in self.terms)
        quotient = _divide_by_monomial(self, other)
        return opaque("//", self, other) if quotient is None else quotient

    def __rfloordiv__(self, other: int) -> DimLike:
        return opaque("//", other, self)

    # What is no size again is that of an int64 scalar.
    __lt__, __le__, __gt__, __ge__ = map(_of_scalars, ("less", "less_equal", "greater", "greater_equal"))
    __truediv__, __mod__, __pow__ = map(_of_scalars, ("true_divide", "remainder", "power"))
    __rtruediv__, __rmod__, __rpow__ = (_of_scalars(name, True) for name in ("true_divide", "remainder", "power"))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """NumPy's functions of a size, such as `np.sqrt(x.shape[0])`: those of an int64 scalar.

        Sums, differences, products and quotients of sizes and NumPy's integers stay sizes, and are compared as sizes.
        """
        exact = _EXACT.get(ufunc.__name__)
        if exact and method == "__call__" and not options and all(isinstance(x, Dim | SupportsIndex) for x in inputs):
            with suppress(TypeError):  # arrays of integers have __index__, and refuse it unless they are scalars
                return exact(*(x if isinstance(x, Dim) else operator.index(x) for x in inputs))
        from graphopt.tensor.protocols import array_ufunc

        return array_ufunc(ufunc, method, inputs, options)

    def __str__(self) -> str:
        text = ""
        for monomial, factor in self.terms:
            names = "*".join(map(str, monomial))
            body = str(abs(factor)) if not names else names if abs(factor) == 1 else f"{abs(factor)}*{names}"
            text += (" - " if factor < 0 else " + ") + body if text else ("-" if factor < 0 else "") + body
        return text

    def __repr__(self) -> str:
        return f"Dim({str(self)!r})"


DimLike = int | Dim


def dim(name: str) -> Dim:
    """The dimension called `name`; the same name is the same dimension everywhere.

    Raises
    ------
    InvalidArgument
        If `name` is not an identifier, or a word of Python's.
    """
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise InvalidArgument(f"a dimension's name must be an identifier, found {name!r}; try dim('n')")
    return _named(name)


_serial = itertools.count()


def anonymous_dim() -> Dim:
    """A dimension that is equal to no other; graphs rename it after the input that has it."""
    return _named(f"?{next(_serial)}")


class Counted(str):
    """The name of a size that is counted while a program runs. `of` is what counts it: something of that length.

    Whoever holds the size holds what counts it, and so can compute it: a shape alone, or a number made of it, may be
    all that is left of an expression.
    """

    of: Any

    def __reduce__(self) -> tuple[object, ...]:
        return (str, (str(self),))


def counted_dim(count: Callable[[Dim], Any]) -> Any:
    """What `count` makes of a dimension that is equal to no other and known only when that has run."""
    name = Counted(f"?{next(_serial)}")
    name.of = count(_named(name))
    return name.of


def counted(value: object) -> list[Counted]:
    """The counted names in a dimension or in tuples of them, the oldest of each first; none in anything else."""
    if isinstance(value, Dim):
        return sorted((n for n in symbols(value) if isinstance(n, Counted)), key=lambda n: (len(n), n))
    return [name for item in value for name in counted(item)] if isinstance(value, tuple) else []


def _named(name: str) -> Dim:
    return Dim((((name,), 1),))


def opaque(function: str, a: DimLike, b: DimLike) -> DimLike:
    """`a // b`, `min(a, b)` or `max(a, b)` as a dimension, folded where both are constants or equal.

    Of extrema of extrema, those that repeat an operand are folded: max(max(a, 0), 0) is max(a, 0). So is what is in
    order for all sizes: min(n, 4*n) is n, as sizes are not negative.
    """
    if function == "//" and b == 0:
        raise InvalidArgument(f"dimension {a} // 0 has no value")
    if isinstance(a, int) and isinstance(b, int):
        return _FOLD[function](a, b)
    if a == b:
        return 1 if function == "//" else a
    if function == "//" and b == 1:
        return a
    if function != "//":
        for one, other in ((a, b), (b, a)):
            if _is_extremum_of(one, function, other):
                return one
        if _is_nonnegative(a - b):
            return b if function == "min" else a
        if _is_nonnegative(b - a):
            return a if function == "min" else b
    return Dim((((Opaque(function, (a, b)),), 1),))


def is_at_most(a: DimLike, b: DimLike) -> bool:
    """Whether a ≤ b whatever the sizes are, as far as that is plain to see."""
    return _is_nonnegative(b - a)


def _is_nonnegative(value: DimLike) -> bool:
    """Whether a dimension is a sum of products of names, none of them subtracted."""
    return all(factor >= 0 and all(isinstance(atom, str) for atom in monomial) for monomial, factor in _terms(value))


def _is_extremum_of(value: DimLike, function: str, operand: DimLike) -> bool:
    """Whether a dimension is the same extremum of an operand and something else: then it is that already."""
    match value:
        case Dim(terms=(((Opaque(function=found, operands=operands),), 1),)):
            return found == function and operand in operands
    return False


def product(dims: Iterable[DimLike]) -> DimLike:
    """The product of dimensions: a shape's number of elements. The empty product is 1."""
    result: DimLike = 1
    for d in dims:
        result = result * d
    return result


def symbols(value: DimLike) -> set[str]:
    """All names that occur in a dimension."""
    if isinstance(value, int):
        return set()
    found: set[str] = set()
    for monomial, _ in value.terms:
        for atom in monomial:
            if isinstance(atom, str):
                found.add(atom)
            else:
                found |= symbols(atom.operands[0]) | symbols(atom.operands[1])
    return found


def substitute(value: DimLike, mapping: Mapping[str, DimLike]) -> DimLike:
    """Replace names by dimensions, simultaneously; names without an entry stay."""
    if isinstance(value, int):
        return value
    total: DimLike = 0
    for monomial, factor in value.terms:
        term: DimLike = factor
        for atom in monomial:
            if isinstance(atom, str):
                term = term * mapping.get(atom, _named(atom))
            else:
                a, b = (substitute(operand, mapping) for operand in atom.operands)
                term = term * opaque(atom.function, a, b)
        total = total + term
    return total


def evaluate(value: DimLike, sizes: Mapping[str, int]) -> int:
    """The integer a dimension has for given sizes.

    Raises
    ------
    InvalidArgument
        If a name has no size.
    """
    if isinstance(value, int):
        return value
    if (name := value.symbol) is not None and name in sizes:
        return sizes[name]
    result = substitute(value, sizes)
    if isinstance(result, int):
        return result
    missing = ", ".join(sorted(symbols(result)))
    raise InvalidArgument(f"dimension {value} needs a size for {missing}; known: {dict(sizes)}")


def parse_dim(text: str) -> DimLike:
    """Read the text form of a dimension back: integers, names, `+ - * //`, `min`, `max`, parentheses.

    Raises
    ------
    InvalidArgument
        If the text is anything else. Nothing is evaluated as Python.
    """
    # Anonymous names ("?3") are made into identifiers for the parse, then restored.
    try:
        tree = ast.parse(text.strip().replace("?", "ˀ"), mode="eval").body
    except (SyntaxError, ValueError):
        raise _unreadable(text) from None
    return dim_from_tree(tree, text)


def _unreadable(text: str) -> InvalidArgument:
    return InvalidArgument(f"cannot read {text!r} as a dimension; write an integer, a name or such as 2*n + 1")


def dim_from_tree(tree: ast.expr, text: str) -> DimLike:
    """A dimension from a parsed Python expression of which `text` is the source; see `parse_dim`."""
    match tree:
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            return value
        case ast.Name(id=name):
            return _named(name.replace("ˀ", "?"))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -dim_from_tree(operand, text)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.FloorDiv() as op, right=right):
            a, b = dim_from_tree(left, text), dim_from_tree(right, text)
            match op:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
            return a // b
        case ast.Call(func=ast.Name(id="min" | "max" as name), args=[left, right], keywords=[]):
            return opaque(name, dim_from_tree(left, text), dim_from_tree(right, text))
    raise _unreadable(text)


def _terms(value: DimLike) -> tuple[tuple[Monomial, int], ...]:
    return value.terms if isinstance(value, Dim) else (((), value),) if value else ()


def _merge(a: Monomial, b: Monomial) -> Monomial:
    return tuple(sorted(a + b, key=str)) if a and b else a or b


def _collect(terms: Iterable[tuple[Monomial, int]]) -> DimLike:
    """Sum equal monomials, drop zeros, order them (constant last), and unwrap a constant."""
    sums: dict[Monomial, int] = {}
    for monomial, factor in terms:
        sums[monomial] = sums.get(monomial, 0) + factor
    kept = [(monomial, factor) for monomial, factor in sums.items() if factor]
    if not kept:
        return 0
    if len(kept) == 1 and not kept[0][0]:
        return kept[0][1]
    kept.sort(key=lambda term: (-len(term[0]), [str(atom) for atom in term[0]]))
    return Dim(tuple(kept))


def _divide_by_monomial(value: Dim, divisor: DimLike) -> DimLike | None:
    """value // divisor where the divisor is one term that divides every term of the value exactly, else None."""
    if not isinstance(divisor, Dim) or len(divisor.terms) != 1:
        return None
    by, by_factor = divisor.terms[0]
    quotients = []
    for monomial, factor in value.terms:
        rest = list(monomial)
        for atom in by:
            if atom not in rest:
                return None
            rest.remove(atom)
        if factor % by_factor:
            return None
        quotients.append((tuple(rest), factor // by_factor))
    return _collect(quotients)
