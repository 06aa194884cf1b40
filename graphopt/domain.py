"""Declared domains: what a user promises about the values of an input.

A domain is words, such as "positive" or "finite nonnegative", or a pair of bounds. It is kept among the attributes of
the input; passes see it as a value fact (`graphopt.analysis.facts`), `mode="check"` holds arguments to it. No domain
admits NaN; infinities are admitted unless a word or a bound says otherwise.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphopt.errors import InvalidArgument

__all__ = ["WORDS", "Domain", "bounds", "canonical_domain", "outside"]

Domain = str | tuple[float, float]

_INF = math.inf
WORDS: dict[str, tuple[float, float]] = {
    "positive": (0.0, _INF),
    "nonnegative": (0.0, _INF),
    "negative": (-_INF, 0.0),
    "nonpositive": (-_INF, 0.0),
    "nonzero": (-_INF, _INF),
    "finite": (-_INF, _INF),
}
"""What the words say about bounds; "positive", "negative" and "nonzero" exclude zero besides, "finite" infinities."""

_WITHOUT_ZERO = frozenset({"positive", "negative", "nonzero"})


def canonical_domain(domain: Any) -> Domain:
    """A domain in the form it is kept in: each word once, in order, or a pair of floats.

    Raises
    ------
    InvalidArgument
        If a word is unknown, two words contradict each other, or bounds are no ascending numbers.
    """
    if isinstance(domain, str):
        words = sorted(set(domain.split()))
        if not words or not set(words) <= set(WORDS):
            raise InvalidArgument(f"a domain is (lo, hi) or words of {', '.join(WORDS)}; found {domain!r}")
        low, high, zero, _ = _parts(" ".join(words))
        if low == high and not zero:
            raise InvalidArgument(f"the words of the domain {domain!r} contradict each other; leave one out")
        return " ".join(words)
    if not isinstance(domain, tuple | list) or len(domain) != 2:
        raise InvalidArgument(f"a domain is (lo, hi) or words of {', '.join(WORDS)}; found {domain!r}")
    try:
        low, high = (float(bound) for bound in domain)
    except (TypeError, ValueError, OverflowError):
        raise InvalidArgument(f"the bounds of a domain are numbers, found {domain!r}") from None
    if not low <= high:
        raise InvalidArgument(f"the bounds of a domain ascend and are no NaN, found {domain!r}")
    return low, high


def _parts(domain: Domain) -> tuple[float, float, bool, bool]:
    """The bounds, whether zero is inside, and whether infinities are."""
    if not isinstance(domain, str):
        return *domain, domain[0] <= 0 <= domain[1], True
    words = domain.split()
    low = max(WORDS[word][0] for word in words)
    high = min(WORDS[word][1] for word in words)
    return low, high, not _WITHOUT_ZERO.intersection(words), "finite" not in words


def bounds(domain: Domain, dtype: str) -> tuple[float, float, bool]:
    """The least and the greatest value of a floating dtype in a domain, and whether zero is in it."""
    low, high, zero, infinite = _parts(domain)
    if not infinite:
        largest = float(np.finfo(dtype).max)
        low, high = max(low, -largest), min(high, largest)
    return low, high, zero


def outside(array: np.ndarray[Any, Any], domain: Domain) -> np.ndarray[Any, Any]:
    """Which elements of an array are not in a domain."""
    low, high, zero, infinite = _parts(domain)
    inside = (array >= low) & (array <= high)  # false for NaN
    if not zero:
        inside &= array != 0
    if not infinite:
        inside &= np.isfinite(array)
    return np.asarray(~inside)
