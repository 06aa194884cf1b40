"""What einsum's subscripts say: a label for every axis of every operand, and the labels of the result.

Both of NumPy's forms are read, `einsum("ij,jk->ik", a, b)` and `einsum(a, [0, 1], b, [1, 2], [0, 2])`. A label is an
integer: the code of a letter, or the number given. An axis that an ellipsis stands for is a negative one, -1 the last,
so that labels in ascending order are in the order of an implicit result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from graphopt.errors import InvalidArgument, ShapeMismatch
from graphopt.tensor.shape import expression, rank

__all__ = ["Labels", "Notation", "label_text", "read"]

Labels = tuple[int, ...]
_Term = Sequence[Any]  # labels and at most one Ellipsis


class Notation(NamedTuple):
    """The operands, the labels of their axes, and those of the result."""

    operands: list[Any]
    terms: list[Labels]
    result: Labels


def label_text(label: int) -> str:
    """A label as it was written."""
    return f"axis {label} of the ellipsis" if label < 0 else repr(chr(label)) if label >= ord("A") else str(label)


def read(arguments: Sequence[Any]) -> Notation:
    """The arguments of einsum.

    Raises
    ------
    InvalidArgument
        If the subscripts cannot be read, or there are not as many terms as operands.
    ShapeMismatch
        If a term has not as many labels as its operand has axes.
    """
    operands, terms, result = (_of_text if arguments and isinstance(arguments[0], str) else _of_lists)(arguments)
    if not operands:
        raise InvalidArgument('einsum takes subscripts and operands, such as T.einsum("ij,jk->ik", a, b)')
    values = [expression(operand) for operand in operands]
    labels = [_spelled(term, rank(value, "einsum"), value) for term, value in zip(terms, values, strict=True)]
    return Notation(values, labels, _result(result, labels))


def _of_text(arguments: Sequence[Any]) -> tuple[Sequence[Any], list[_Term], _Term | None]:
    text, *operands = arguments
    inputs, arrow, output = text.replace(" ", "").partition("->")
    terms = [_letters(part, text) for part in inputs.split(",")]
    if len(terms) != len(operands):
        raise InvalidArgument(f"einsum: {text!r} is about {len(terms)} operands, found {len(operands)}")
    return operands, terms, _letters(output, text) if arrow else None


def _letters(part: str, text: str) -> _Term:
    head, dots, tail = part.partition("...")
    for letter in head + tail:
        if not letter.isalpha():
            raise InvalidArgument(f"einsum: {letter!r} in {text!r} is no letter; write such as 'ij,jk->ik' or '...i'")
    return [*map(ord, head), *([Ellipsis] if dots else []), *map(ord, tail)]


def _of_lists(arguments: Sequence[Any]) -> tuple[Sequence[Any], list[_Term], _Term | None]:
    pairs = len(arguments) // 2
    terms: list[_Term] = [list(term) for term in arguments[1 : 2 * pairs : 2]]
    output: _Term | None = list(arguments[-1]) if len(arguments) % 2 else None
    for term in (*terms, output or ()):
        for label in term:
            if label is not Ellipsis and (not isinstance(label, int) or label < 0):
                raise InvalidArgument(f"einsum: a label is an integer of at least 0 or an ellipsis, found {label!r}")
        if term.count(Ellipsis) > 1:
            raise InvalidArgument(f"einsum: more than one ellipsis in {term}")
    return arguments[0 : 2 * pairs : 2], terms, output


def _spelled(term: _Term, ndim: int, operand: Any) -> Labels:
    """A term with its ellipsis written out for an operand of that rank."""
    hidden = ndim - sum(label is not Ellipsis for label in term)
    if hidden < 0 or (hidden and Ellipsis not in term):
        named = ", ".join(label_text(label) for label in term if label is not Ellipsis)
        raise ShapeMismatch(f"einsum: labels {named or '(none)'} do not name the axes of {operand.type}")
    return tuple([part for label in term for part in (range(-hidden, 0) if label is Ellipsis else (label,))])


def _result(term: _Term | None, terms: Sequence[Labels]) -> Labels:
    counts = Counter(label for labels in terms for label in labels)
    hidden = [label for label in sorted(counts) if label < 0]
    if term is None:
        return (*hidden, *(label for label in sorted(counts) if label >= 0 and counts[label] == 1))
    if hidden and Ellipsis not in term:
        raise InvalidArgument("einsum: the result has no ellipsis, but the operands have axes that theirs stand for")
    labels = tuple([part for label in term for part in (hidden if label is Ellipsis else (label,))])
    for label in labels:
        if label not in counts:
            raise InvalidArgument(f"einsum: the result has the label {label_text(label)}, which no operand has")
        if labels.count(label) > 1:
            raise InvalidArgument(f"einsum: the result has the label {label_text(label)} twice")
    return labels
