"""Conditions on value facts, for pattern variables: `V("x", where=nonnegative)`.

Each takes a handle. Those that name a sign admit NaN, which most rules carry along unchanged; `number` excludes it, and
`finite` excludes it and infinities. Facts are what `graph.facts` knows, so a condition may fail for a value that has
the property, and never holds for one that has not.
"""

from __future__ import annotations

from graphopt.analysis.facts import Facts
from graphopt.graph.handle import Handle

__all__ = ["clear_sign", "finite", "negative", "nonnegative", "nonpositive", "nonzero", "number", "positive"]


def _facts(handle: Handle) -> Facts:
    return handle.graph.facts(handle.node)


def positive(handle: Handle) -> bool:
    """Every element is > 0 or NaN."""
    return _facts(handle).is_positive


def negative(handle: Handle) -> bool:
    """Every element is < 0 or NaN."""
    return _facts(handle).is_negative


def nonnegative(handle: Handle) -> bool:
    """Every element is >= 0, perhaps -0.0, or NaN."""
    return _facts(handle).is_nonnegative


def nonpositive(handle: Handle) -> bool:
    """Every element is <= 0 or NaN."""
    return _facts(handle).is_nonpositive


def clear_sign(handle: Handle) -> bool:
    """Every element is > 0, +0.0 or NaN."""
    return _facts(handle).has_clear_sign


def nonzero(handle: Handle) -> bool:
    """No element is zero; NaN is none."""
    return _facts(handle).is_nonzero


def number(handle: Handle) -> bool:
    """No element is NaN."""
    return _facts(handle).is_number


def finite(handle: Handle) -> bool:
    """No element is infinite or NaN."""
    return _facts(handle).is_finite
