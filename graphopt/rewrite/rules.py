"""Rules: one local rewrite each, as data. A pattern, a replacement, a condition, and a claim about values.

    x = V("x")
    Rule("log1p", T.log(1 + x), T.log1p(x), claim=Improves())

Where the replacement cannot be written as an expression, a function makes it from the match, or refuses:

    @rule(T.log(T.softmax(x, axis=axis)), claim=Stabilizes(8))
    def log_softmax(match, x, axis):
        "log(softmax(x)) → log_softmax(x)"
        return T.log_softmax(x, axis=axis)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from graphopt.errors import InvalidArgument
from graphopt.rewrite.claims import Claim
from graphopt.rewrite.match import Match
from graphopt.rewrite.measures import Measure
from graphopt.rewrite.pattern import AnyOp, Application, Attr, Literal, Pattern, V, as_pattern, canonical
from graphopt.rewrite.through import THROUGH, Seen, depth
from graphopt.variable import Variable, as_variable, literal

__all__ = ["Refusal", "Rule", "refuse", "rule"]


@dataclass(frozen=True)
class Refusal:
    """What a rule's function returns instead of a replacement: why it does not want to fire here."""

    reason: str


def refuse(reason: str) -> Refusal:
    """Decline a match, with a reason for the log and for `explain`."""
    return Refusal(reason)


@dataclass(frozen=True, eq=False)
class Rule:
    """One rewrite.

    Parameters
    ----------
    name
        Unique among the rules of a pass; words with hyphens.
    pattern
        What it matches: an op over pattern variables. Operands of commutative ops match in any order.
    replacement
        An expression over the same pattern variables, a number, or a function `(match, **variables)` that returns
        an expression or `refuse("why")`. Its type must be the type of what it replaces, or the rule does not fire.
    claim
        What it promises about values.
    where
        A predicate on the match.
    measure
        What every firing makes less of, or several measures compared lexicographically; `verify_rule` and runs with
        `verify=True` hold the rule to it. Where none is stated nothing is checked, and only the engine's budget ends
        a rule that goes on for ever.
    tags
        Words to find rules by.
    algebra
        One line of mathematics; made from pattern and replacement where it is not given.
    source
        Where it is from: a paper, an equation.
    """

    name: str
    pattern: Pattern
    replacement: Any
    claim: Claim = field(kw_only=True)
    where: Callable[[Match], bool] | None = field(default=None, kw_only=True)
    measure: Measure | tuple[Measure, ...] = field(default=(), kw_only=True)
    tags: tuple[str, ...] = field(default=(), kw_only=True)
    algebra: str = field(default="", kw_only=True)
    source: str = field(default="", kw_only=True)
    orientations: tuple[Pattern, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.pattern, Application | AnyOp) or getattr(self.pattern, "op", None) is THROUGH:
            raise InvalidArgument(f"rule {self.name}: the pattern must apply an op, found {self.pattern!r}")
        if not isinstance(self.claim, Claim):
            raise InvalidArgument(f"rule {self.name}: a claim is one of Exact(), Ulps(k), …; found {self.claim!r}")
        if not all(isinstance(measure, Measure) for measure in self.measures):
            raise InvalidArgument(
                f"rule {self.name}: a measure is a Measure or a tuple of them; found {self.measure!r}"
            )
        names = pattern_names(self.pattern)
        if callable(self.replacement) and not isinstance(self.replacement, Pattern):
            self._check_function(names)
        else:
            object.__setattr__(self, "replacement", as_pattern(self.replacement))
            if unknown := pattern_names(self.replacement) - names:
                raise InvalidArgument(f"rule {self.name}: the pattern does not bind {', '.join(sorted(unknown))}")
        if not self.algebra:
            shown = self.replacement if isinstance(self.replacement, Pattern) else "…"
            object.__setattr__(self, "algebra", f"{self.pattern} → {shown}")
        object.__setattr__(self, "orientations", self._orientations())

    def _check_function(self, names: set[str]) -> None:
        parameters = inspect.signature(self.replacement).parameters.values()
        wanted = {p.name for p in list(parameters)[1:] if p.kind is not p.VAR_KEYWORD}
        if wanted != names and not any(p.kind is p.VAR_KEYWORD for p in parameters):
            listing = ", ".join(sorted(names))
            found = ", ".join(sorted(wanted))
            raise InvalidArgument(f"rule {self.name}: its function must take match and {listing}; it takes {found}")

    def _orientations(self) -> tuple[Pattern, ...]:
        if not isinstance(self.pattern, Application):
            return (self.pattern,)
        found = self.pattern.orientations()
        if self.where is not None or not isinstance(self.replacement, Pattern):
            return tuple(found)  # code may tell apart what the pattern does not
        return tuple({_shape(orientation, {}): orientation for orientation in reversed(found)}.values())[::-1]

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The measures that are stated, the one that decides first standing first."""
        return self.measure if isinstance(self.measure, tuple) else (self.measure,)

    @property
    def depth(self) -> int:
        """How many ops lie on the longest way down the pattern."""
        return depth(self.pattern) or 2

    def holds(self, match: Match) -> bool:
        """Whether the rule's condition holds for a match."""
        return self.where is None or bool(self.where(match))

    def expression(self, match: Match) -> Variable | Refusal:
        """The replacement for a match, or why there is none.

        Raises
        ------
        TypeMismatch, ShapeMismatch
            If the replacement has no meaning for the types found.
        """
        if not isinstance(self.replacement, Pattern):
            result = self.replacement(match, **match.bindings())
            return result if isinstance(result, Refusal) else as_variable(result)
        if isinstance(self.replacement, Literal):
            type = match.graph.type(match.node)
            return literal(self.replacement.value, type.dtype, type.shape)
        return as_variable(_instantiate(self.replacement, match, cache(match.graph.handle)))

    def __str__(self) -> str:
        return f"{self.name}: {self.algebra}  [{self.claim}]"


def rule(
    pattern: Pattern,
    *,
    claim: Claim,
    name: str | None = None,
    where: Callable[[Match], bool] | None = None,
    measure: Measure | tuple[Measure, ...] = (),
    tags: tuple[str, ...] = (),
    algebra: str = "",
    source: str = "",
) -> Callable[[Callable[..., Any]], Rule]:
    """Make a rule of a function that builds the replacement.

    The function takes the match and what the pattern binds, by name. The rule is called after the function, with
    hyphens, unless `name` is given; the first line of the docstring is its algebra unless `algebra` is given.
    """

    def make(function: Callable[..., Any]) -> Rule:
        text = algebra or (inspect.getdoc(function) or "").partition("\n")[0].rstrip(".")
        label = name or function.__name__.replace("_", "-")
        return Rule(
            label, pattern, function, claim=claim, where=where, measure=measure, tags=tags, algebra=text, source=source
        )

    return make


def pattern_names(pattern: Pattern) -> set[str]:
    """The names of the variables and attributes in a pattern."""
    names: set[str] = set()
    for part in pattern.parts():
        if isinstance(part, V):
            names.add(part.name)
        elif isinstance(part, Application):
            names |= {value.name for value in part.attributes.values() if isinstance(value, Attr)}
    return names


def _instantiate(pattern: Pattern, match: Match, leaf: Callable[[int], Any]) -> Any:
    """The expression that a replacement means, `leaf` giving what stands for a matched node."""
    if isinstance(pattern, Application):
        if pattern.op is THROUGH:
            seen: Seen = match.attributes[pattern.attributes["seen"].name]
            return seen.over(_instantiate(pattern.operands[0], match, cache(lambda node: seen.widened(leaf(node)))))
        operands = [_instantiate(operand, match, leaf) for operand in pattern.operands]
        attributes = {
            key: match.attributes[value.name]
            if isinstance(value, Attr)
            else canonical(pattern.op, key, value, as_variable(operands[0]).ndim)
            for key, value in pattern.attributes.items()
        }
        return pattern.op(*operands, **attributes)
    if isinstance(pattern, Literal):
        return pattern.value
    assert isinstance(pattern, V)
    return leaf(match.variables[pattern.name])


def _shape(pattern: Pattern, seen: dict[int, int]) -> tuple[Any, ...]:
    """A key that is equal for patterns that differ only in which free variable is called what."""
    if isinstance(pattern, Application):
        inner = tuple(_shape(operand, seen) for operand in pattern.operands)
        attributes = tuple((key, repr(value)) for key, value in sorted(pattern.attributes.items()))
        return (pattern.op.name, attributes, inner)
    if isinstance(pattern, V) and not pattern.conditions:
        return ("V", seen.setdefault(hash(pattern.name), len(seen)))
    return (type(pattern).__name__, str(pattern))
