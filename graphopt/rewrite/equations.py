"""Rules as equations between terms: which rules an e-graph may use, and their instances for the types that occur.

An e-graph knows no types and no conditions. So each rule is matched against the *heads* that occur: a head is an op
with its attributes, the type of its result and those of its operands, as one number. Conditions on dtype, rank and
constants are decided here, once per combination of heads; what is left is a rewrite between terms of numbers, and it
can only match where the conditions hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphopt.dimensions import DimLike
from graphopt.errors import InvalidArgument, ShapeMismatch, TypeMismatch
from graphopt.graph.build import topological
from graphopt.op import Attributes, Op
from graphopt.ops import TABLE
from graphopt.ops.leaves import constant, input_
from graphopt.rewrite.claims import Claim, Exact, Improves, Reassociates, Stabilizes, Ulps
from graphopt.rewrite.pattern import AnyOp, Application, Attr, Literal, Pattern, V, canonical
from graphopt.rewrite.rules import Rule, pattern_names
from graphopt.types import TensorType
from graphopt.variable import Variable, as_variable, literal

__all__ = ["Equation", "Head", "Heads", "equations", "instances", "trait_rules"]

SYMMETRIC = (Exact, Ulps, Reassociates)
"""Claims that hold in both directions."""

DIRECTED = (Improves, Stabilizes)
"""Claims that say which side is better: from left to right only."""

Condition = Callable[[Any, int], bool]


@dataclass(frozen=True)
class Head:
    """What an application is apart from its operands' values. `tag` tells apart inputs, and values that are held."""

    op: Op
    attributes: Attributes
    type: TensorType
    operands: tuple[TensorType, ...]
    tag: int = -1


@dataclass
class Heads:
    """Heads by number. Equal heads have one number."""

    known: list[Head] = field(default_factory=list)
    numbers: dict[Head, int] = field(default_factory=dict)
    by_op: dict[Op, list[int]] = field(default_factory=dict)

    def number(self, head: Head) -> int:
        """The number of a head, which is new if the head is."""
        found = self.numbers.get(head)
        if found is None:
            found = self.numbers[head] = len(self.known)
            self.known.append(head)
            self.by_op.setdefault(head.op, []).append(found)
        return found


@dataclass(frozen=True)
class Equation:
    """One direction and one orientation of a rule; `conditions` by the name of the variable."""

    name: str
    pattern: Application
    replacement: Pattern
    conditions: Mapping[str, tuple[Condition, ...]]
    reverse: bool = False


def equations(
    rules: Sequence[Rule], improves: bool = False, oriented: bool = True
) -> tuple[list[Equation], dict[str, str]]:
    """What an e-graph can use of some rules, and why it cannot use the others.

    Parameters
    ----------
    rules
        Data rules become equations, in both directions where claim and variables allow it.
    improves
        Whether rules that improve or stabilize take part, in their one direction.
    oriented
        Whether operands of commutative ops are taken in every order; not needed where commutativity is a rule.

    Returns
    -------
    equations, left_out
        `left_out` gives a reason for each rule that is not used, by name.
    """
    admitted: tuple[type[Claim], ...] = (*SYMMETRIC, *DIRECTED) if improves else SYMMETRIC
    found: list[Equation] = []
    left_out: dict[str, str] = {}
    for rule in rules:
        reason = _inexpressible(rule, admitted)
        if reason:
            left_out[rule.name] = reason
            continue
        assert isinstance(rule.pattern, Application)
        conditions = _conditions_by_name(rule.pattern)
        left, right = rule.pattern, rule.replacement
        found += [Equation(rule.name, o, right, conditions) for o in (left.orientations() if oriented else [left])]
        if _reversible(rule):
            orientations = right.orientations() if oriented else [right]
            found += [Equation(rule.name, o, left, conditions, True) for o in orientations]
    return found, left_out


def trait_rules() -> tuple[Rule, ...]:
    """Commutativity and associativity of the ops that have these traits, as rules.

    Left out are `fmax` and `fmin`, which may tell zeros apart by their place, and the associativity of ops that need an
    elementary function, where an error of the inner application is not one of order alone.
    """
    x, y, z = V("x"), V("y"), V("z")
    rules = []
    for op in TABLE.values():
        if op.arity != 2 or op.name in ("fmax", "fmin"):
            continue
        if "commutative" in op.traits:
            claim = Ulps(0) if op.name in ("maximum", "minimum") else Exact()  # of two zeros, either may be the result
            rules.append(Rule(f"commutative-{op.name}", op(x, y), op(y, x), claim=claim))
        if "associative" in op.traits and "transcendental" not in op.traits:
            rules.append(Rule(f"associative-{op.name}", op(op(x, y), z), op(x, op(y, z)), claim=Reassociates()))
    return tuple(rules)


def _inexpressible(rule: Rule, admitted: tuple[type[Claim], ...]) -> str:
    """Why an e-graph cannot use a rule; empty if it can."""
    if not isinstance(rule.claim, admitted):
        return f"its claim {rule.claim} is not admitted"
    if not isinstance(rule.replacement, Pattern):
        return "its right side is code"
    if rule.where is not None:
        return "its condition is about the whole match"
    for part in rule.pattern.parts():
        if isinstance(part, AnyOp):
            return "its pattern stands for any op"
        if isinstance(part, V):
            for text, _ in part.conditions:
                if text == "it is no constant" or text.startswith("it is used"):
                    return f"the condition of {part.name}, {text}, is about a node, not about a value"
    return ""


def _conditions_by_name(pattern: Pattern) -> dict[str, tuple[Condition, ...]]:
    found: dict[str, tuple[Condition, ...]] = {}
    for part in pattern.parts():
        if isinstance(part, V):
            found[part.name] = (*found.get(part.name, ()), *(holds for _, holds in part.conditions))
    return found


def _reversible(rule: Rule) -> bool:
    """Whether the right side determines the left one, attributes and all, and is not met at every value."""
    right = rule.replacement
    conditioned = any(
        isinstance(value, Attr) and value.where is not None
        for part in rule.pattern.parts()
        if isinstance(part, Application)
        for value in part.attributes.values()
    )
    return (
        isinstance(rule.claim, SYMMETRIC)
        and isinstance(right, Application)
        and not conditioned
        and pattern_names(right) == pattern_names(rule.pattern)
    )


# --- instances ----------------------------------------------------------------------------------------------------


class _NotKnown(Exception):
    """A condition asked for what is not known of all values of a type."""


@dataclass(frozen=True)
class _Probe:
    """What conditions see in place of a graph: the type, and, of a constant, everything."""

    leaf: Variable

    def type(self, node: int) -> TensorType:
        return self.leaf.type

    def op(self, node: int) -> Op:
        if self.leaf.op is not constant:
            raise _NotKnown
        return constant

    def handle(self, node: int) -> Variable:
        if self.leaf.op is not constant:
            raise _NotKnown
        return self.leaf

    def uses(self, node: int) -> int:
        raise _NotKnown


@dataclass(frozen=True)
class _Bound:
    """What the variables and attributes of a pattern stand for: terms, and leaves of the same types."""

    terms: Mapping[str, str] = field(default_factory=dict)
    leaves: Mapping[str, Variable] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)


def instances(equation: Equation, heads: Heads) -> Iterator[tuple[str, str]]:
    """Left and right terms of an equation for every combination of known heads that it fits.

    Terms are made of numbers: `(n2 7 v0 (n0 3))` applies head 7 to a variable and to the leaf of head 3.
    """
    for number in tuple(heads.by_op.get(equation.pattern.op, ())):
        for left, bound in _application(equation.pattern, number, heads, equation, _Bound()):
            right = _right_side(equation, heads.known[number].type, bound)
            if right is not None:
                yield left, _term(right, bound, heads)


def _fits(
    part: Pattern, type: TensorType, heads: Heads, equation: Equation, bound: _Bound
) -> Iterator[tuple[str, _Bound]]:
    if isinstance(part, Application):
        for number in tuple(heads.by_op.get(part.op, ())):
            if heads.known[number].type == type:
                yield from _application(part, number, heads, equation, bound)
    elif isinstance(part, Literal):
        for number, leaf in _constants(heads, type):
            if part.admits(leaf.attributes["value"], type.dtype):
                yield f"(n0 {number})", bound
    elif isinstance(part, V):
        if part.name not in bound.terms:
            yield from _variable(part.name, type, heads, equation, bound)
        elif bound.leaves[part.name].type == type:
            yield bound.terms[part.name], bound


def _application(
    pattern: Application, number: int, heads: Heads, equation: Equation, bound: _Bound
) -> Iterator[tuple[str, _Bound]]:
    head = heads.known[number]
    if len(head.operands) != len(pattern.operands):
        return
    attributes = _attributes(pattern, head, bound)
    if attributes is None:
        return
    partial: list[tuple[tuple[str, ...], _Bound]] = [((), _Bound(bound.terms, bound.leaves, attributes))]
    for part, type in zip(pattern.operands, head.operands, strict=True):
        partial = [
            ((*terms, term), more)
            for terms, so_far in partial
            for term, more in _fits(part, type, heads, equation, so_far)
        ]
    for terms, found in partial:
        yield f"(n{len(terms)} {' '.join((str(number), *terms))})", found


def _attributes(pattern: Application, head: Head, bound: _Bound) -> Mapping[str, Any] | None:
    found = dict(bound.attributes)
    for key, wanted in pattern.attributes.items():
        if key not in head.attributes:
            return None
        value = head.attributes[key]
        if isinstance(wanted, Attr):
            fits = wanted.where is None or wanted.where(value)
            fits = fits and found.setdefault(wanted.name, value) == value
        else:
            fits = canonical(pattern.op, key, wanted, head.operands[0].ndim) == value
        if not fits:
            return None
    return found


def _variable(
    name: str, type: TensorType, heads: Heads, equation: Equation, bound: _Bound
) -> Iterator[tuple[str, _Bound]]:
    """Any value of the type, if that is enough for the conditions; else each constant for which they hold."""
    conditions = equation.conditions.get(name, ())
    any_value = Variable(type, input_)
    try:
        if all(holds(_Probe(any_value), 0) for holds in conditions):
            yield _bind(name, f"v{len(bound.terms)}", any_value, bound)
    except _NotKnown:  # a condition that only constants can answer
        for number, leaf in _constants(heads, type):
            if _all_hold(conditions, leaf):
                yield _bind(name, f"(n0 {number})", leaf, bound)


def _all_hold(conditions: Sequence[Condition], leaf: Variable) -> bool:
    """Whether conditions hold for a constant; one that asks for more than there is to a constant does not."""
    try:
        return all(holds(_Probe(leaf), 0) for holds in conditions)
    except (_NotKnown, AttributeError):
        return False


def _bind(name: str, term: str, leaf: Variable, bound: _Bound) -> tuple[str, _Bound]:
    return term, _Bound({**bound.terms, name: term}, {**bound.leaves, name: leaf}, bound.attributes)


def _constants(heads: Heads, type: TensorType) -> Iterator[tuple[int, Variable]]:
    for number in tuple(heads.by_op.get(constant, ())):
        head = heads.known[number]
        if head.type == type:
            yield number, Variable(type, constant, (), head.attributes)


def _right_side(equation: Equation, type: TensorType, bound: _Bound) -> Variable | None:
    """The right side over the bound leaves, or None where it has no meaning, or another type."""
    if isinstance(equation.replacement, Literal):
        try:
            return literal(equation.replacement.value, type.dtype, type.shape)
        except InvalidArgument:
            return None
    try:
        result = as_variable(_build(equation.replacement, bound))
        _check_types(result)
    except (TypeMismatch, ShapeMismatch, InvalidArgument):
        return None
    if result.type != type or (equation.reverse and not _is_literally(equation.replacement, result, bound)):
        return None
    return result


def _build(pattern: Pattern, bound: _Bound) -> Any:
    if isinstance(pattern, Application):
        operands = [_build(operand, bound) for operand in pattern.operands]
        ndim = as_variable(operands[0]).ndim
        attributes = {
            key: bound.attributes[value.name] if isinstance(value, Attr) else canonical(pattern.op, key, value, ndim)
            for key, value in pattern.attributes.items()
        }
        return pattern.op(*operands, **attributes)
    if isinstance(pattern, Literal):
        return pattern.value
    assert isinstance(pattern, V)
    return bound.leaves[pattern.name]


def _check_types(result: Variable) -> None:
    """Type rules once more, with no trust: sizes that only may be equal are not."""
    for part in topological([result]):
        if part.operands:
            part.op.type_rule(tuple([operand.type for operand in part.operands]), part.attributes, _identical)


def _identical(a: DimLike, b: DimLike) -> DimLike:
    if a != b:
        raise ShapeMismatch(f"sizes {a} and {b} are not known to be equal")
    return a


def _is_literally(pattern: Pattern, result: Variable, bound: _Bound) -> bool:
    """Whether building a pattern put in nothing, such as casts, that the pattern does not match itself."""
    if isinstance(pattern, Application):
        return result.op is pattern.op and all(
            _is_literally(part, operand, bound) for part, operand in zip(pattern.operands, result.operands, strict=True)
        )
    if isinstance(pattern, Literal):
        return result.op is constant and pattern.admits(result.attributes["value"], result.dtype)
    return isinstance(pattern, V) and result is bound.leaves[pattern.name]


def _term(result: Variable, bound: _Bound, heads: Heads) -> str:
    """A built right side as a term."""
    terms = {leaf: bound.terms[name] for name, leaf in bound.leaves.items()}
    for part in topological([result]):
        if part not in terms:
            types = tuple([operand.type for operand in part.operands])
            number = heads.number(Head(part.op, part.attributes, part.type, types))
            terms[part] = f"(n{len(types)} {' '.join((str(number), *[terms[o] for o in part.operands]))})"
    return terms[result]
