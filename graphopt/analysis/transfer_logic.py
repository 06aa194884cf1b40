"""Comparisons and logic over facts: a table from op names to what is known of the truth value."""

from __future__ import annotations

from collections.abc import Callable

from graphopt.analysis.facts import Facts

__all__ = ["LOGIC"]


def _truth(always: bool, never: bool) -> Facts:
    return Facts(1 if always else 0, 0 if never else 1, False, not always, False, True)


def _numbers(a: Facts, b: Facts) -> bool:
    return a.is_number and b.is_number


def _less(a: Facts, b: Facts) -> Facts:
    return _truth(_numbers(a, b) and a.hi < b.lo, a.lo >= b.hi)


def _less_equal(a: Facts, b: Facts) -> Facts:
    return _truth(_numbers(a, b) and a.hi <= b.lo, a.lo > b.hi)


def _differ(a: Facts, b: Facts) -> bool:
    """Whether no element of one can equal one of the other; NaN equals nothing."""
    zero_against_none = (a.lo == a.hi == 0 and not b.zero) or (b.lo == b.hi == 0 and not a.zero)
    return a.hi < b.lo or b.hi < a.lo or zero_against_none


def _same(a: Facts, b: Facts) -> bool:
    return _numbers(a, b) and a.lo == a.hi == b.lo == b.hi


def _true(a: Facts) -> bool:
    return not a.zero


def _false(a: Facts) -> bool:
    return a.is_number and a.lo == a.hi == 0


LOGIC: dict[str, Callable[..., Facts]] = {
    "less": _less,
    "less_equal": _less_equal,
    "greater": lambda a, b: _less(b, a),
    "greater_equal": lambda a, b: _less_equal(b, a),
    "equal": lambda a, b: _truth(_same(a, b), _differ(a, b)),
    "not_equal": lambda a, b: _truth(_differ(a, b), _same(a, b)),
    "logical_and": lambda a, b: _truth(_true(a) and _true(b), _false(a) or _false(b)),
    "logical_or": lambda a, b: _truth(_true(a) or _true(b), _false(a) and _false(b)),
    "logical_not": lambda a: _truth(_false(a), _true(a)),
    "bitwise_count": lambda a: Facts(0, 64, False, True, False, True),
    "isnan": lambda a: _truth(False, a.is_number),
    "isinf": lambda a: _truth(False, not a.infinite),
    "isfinite": lambda a: _truth(a.is_finite, False),
    "signbit": lambda a: _truth(a.is_number and a.is_negative, a.is_number and a.has_clear_sign),
}
"""Op name to facts of the result, given those of the operands."""
