"""Whether one pattern matches whatever another does: matching patterns against patterns.

    more_general(T.log(x + 1), T.log(T.exp(y) + 1))        # {'x': exp(y)}

One-sided unification: only the variables of the general pattern are bound. Conditions are compared, not understood: a
condition counts as the other's only if it is the same predicate or one of the named kinds (dtype, rank, constant,
users) with the same value. So an answer may be "no" where a proof would say yes, never the other way, on graphs whose
equal nodes are merged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from graphopt.rewrite.pattern import AnyOp, Application, Attr, Literal, Pattern, V

__all__ = ["Binding", "equal", "more_general", "substitute"]

Binding = dict[str, Any]
_PLAIN = (
    "dtype is float",
    "dtype is int",
    "dtype is is ",
    "rank is ",
    "shape is ",
    "it is ",
)  # texts that say all of a condition


def more_general(general: Pattern, special: Pattern) -> Binding | None:
    """What the general pattern's variables stand for if it matches whatever the special one does; None if it may not.

    Operands of commutative ops are tried in every order.
    """
    choices = general.orientations() if isinstance(general, Application) else [general]
    for orientation in choices:
        binding: Binding = {}
        if _covers(orientation, special, binding):
            return binding
    return None


def equal(first: Pattern, second: Pattern) -> bool:
    """Whether two patterns are the same tree over the same variables, commutative operands in any order."""
    binding = more_general(first, second)
    return binding is not None and all(
        isinstance(value, V | Attr) and value.name == name for name, value in binding.items()
    )


def substitute(pattern: Pattern, binding: Mapping[str, Any]) -> Pattern:
    """A pattern with its variables and attributes replaced by what they stand for."""
    if isinstance(pattern, V):
        result = binding[pattern.name]
        assert isinstance(result, Pattern)
        return result
    if not isinstance(pattern, Application):
        return pattern
    attributes = {
        key: binding[value.name] if isinstance(value, Attr) else value for key, value in pattern.attributes.items()
    }
    return Application(pattern.op, tuple(substitute(operand, binding) for operand in pattern.operands), attributes)


def _covers(general: Pattern, special: Pattern, binding: Binding) -> bool:
    if isinstance(general, Application):
        return (
            isinstance(special, Application)
            and general.op is special.op
            and len(general.operands) == len(special.operands)
            and _attributes_cover(general, special, binding)
            and all(_covers(a, b, binding) for a, b in zip(general.operands, special.operands, strict=True))
        )
    if isinstance(general, Literal):
        return isinstance(special, Literal) and _same_number(general.value, special.value)
    assert isinstance(general, V)
    if general.name in binding:
        return _identical(binding[general.name], special)
    if isinstance(general, AnyOp) and not _same_kind(general, special):
        return False
    if not all(_implied(condition, special) for condition in general.conditions):
        return False
    binding[general.name] = special
    return True


def _attributes_cover(general: Application, special: Application, binding: Binding) -> bool:
    for key, wanted in general.attributes.items():
        if key not in special.attributes:
            return False
        found = special.attributes[key]
        if not isinstance(wanted, Attr):
            if isinstance(found, Attr) or wanted != found:
                return False
        elif wanted.name in binding:
            if not _same_attribute(binding[wanted.name], found):
                return False
        else:
            unconditional = wanted.where is None or (isinstance(found, Attr) and found.where is wanted.where)
            if not unconditional and (isinstance(found, Attr) or wanted.where is None or not wanted.where(found)):
                return False
            binding[wanted.name] = found
    return True


def _same_attribute(first: Any, second: Any) -> bool:
    if isinstance(first, Attr) or isinstance(second, Attr):
        return isinstance(first, Attr) and isinstance(second, Attr) and first.name == second.name
    return bool(first == second)


def _same_kind(general: AnyOp, special: Pattern) -> bool:
    """Whether a pattern for any op of a kind is at least as strict about the op."""
    return (
        isinstance(special, AnyOp)
        and general.trait in (None, special.trait)
        and (not general.over or (bool(special.over) and special.over <= general.over))
        and general.ops in (None, special.ops)
    )


def _implied(condition: tuple[str, Any], special: Pattern) -> bool:
    text, predicate = condition
    if not isinstance(special, V):
        return text == "it is a constant" and isinstance(special, Literal)
    return any(predicate is other or (text == words and text.startswith(_PLAIN)) for words, other in special.conditions)


def _identical(first: Pattern, second: Pattern) -> bool:
    """Whether two parts of one pattern must be one node, equal nodes being merged."""
    if isinstance(first, V):
        return isinstance(second, V) and first.name == second.name
    if isinstance(first, Literal):
        return isinstance(second, Literal) and _same_number(first.value, second.value)
    assert isinstance(first, Application)
    return (
        isinstance(second, Application)
        and first.op is second.op
        and first.attributes.keys() == second.attributes.keys()
        and all(_same_attribute(value, second.attributes[key]) for key, value in first.attributes.items())
        and len(first.operands) == len(second.operands)
        and all(_identical(a, b) for a, b in zip(first.operands, second.operands, strict=True))
    )


def _same_number(first: float, second: float) -> bool:
    if isinstance(first, bool) != isinstance(second, bool):
        return False
    both_nan = math.isnan(first) and math.isnan(second)
    return both_nan or (first == second and math.copysign(1, first) == math.copysign(1, second))
