"""Short texts for SymPy expressions of any size: what errors, origins and comments show.

SymPy's own printer recurses and prints a shared subexpression as often as it occurs, so it is asked only about small
expressions; of larger ones the top levels are shown. Nothing is printed before someone asks.
"""

from __future__ import annotations

from typing import Any

from sympy import Add, Atom, Mul, Pow

from graphopt.errors import UnsupportedExpression
from graphopt.variable import Origin

__all__ = ["Subexpression", "describe", "origin_of", "unsupported"]

LONGEST = 72  # characters
SMALL = 40  # nodes that SymPy's own printer is trusted with
DEPTH = 4  # levels shown of what is larger


class Subexpression:
    """Where an imported value comes from: keeps the SymPy object, and prints it when it is asked to."""

    __slots__ = ("expression",)

    def __init__(self, expression: Any) -> None:
        self.expression = expression

    def __str__(self) -> str:
        return describe(self.expression)


def origin_of(expression: Any) -> Origin:
    """The origin of what is made from a SymPy expression."""
    return Origin(Subexpression(expression))


def describe(expression: Any) -> str:
    """One line of at most 72 characters that tells a reader which SymPy expression is meant."""
    text = str(expression) if _is_small(expression) else _top(expression, DEPTH)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def unsupported(expression: Any, reason: str) -> UnsupportedExpression:
    """The error that names the expression, why it has no meaning here, and what to do."""
    return UnsupportedExpression(f"{describe(expression)}: {reason}")


def _is_small(expression: Any) -> bool:
    """Whether the expression, as a tree, has few nodes; looks at no more than that many."""
    waiting, seen = [expression], 0
    while waiting:
        seen += 1
        if seen + len(waiting) > SMALL:
            return False
        waiting.extend(getattr(waiting.pop(), "args", ()))
    return True


def _top(expression: Any, depth: int) -> str:
    if isinstance(expression, Atom) or not hasattr(expression, "args"):
        return str(expression)[:LONGEST]
    if depth == 0:
        return "…"
    shown = [_top(part, depth - 1) for part in expression.args[:3]]
    if len(expression.args) > 3:
        shown.append("…")
    match expression:
        case Add():
            return f"({' + '.join(shown)})"
        case Mul():
            return "*".join(shown)
        case Pow():
            return "**".join(shown)
    return f"{type(expression).__name__}({', '.join(shown)})"
