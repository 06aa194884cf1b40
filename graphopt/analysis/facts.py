"""Value facts: between which bounds the values of a node lie, whether they may be NaN, zero, -0 or fractions.

`graph.facts(node)` asks for them. They are computed forward from constants and declared domains
(`graphopt.domain`), when somebody asks, without recursion, by the table of `graphopt.analysis.transfer`, and kept.
An edit makes the table compute the edited nodes again, and their users as far as anything changes, so that what it
answers is always true of the graph as it stands. Facts hold in floating point: every rounding, overflow and
underflow is accounted for, and elementary functions may be wrong by some units in the last place.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from graphopt.types import is_float

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["FactTable", "Facts", "anything", "settled"]

Number = int | float


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of every element of a value.

    The properties that name a sign say nothing about NaN: an element that may be NaN has no sign. Ask `is_number`
    besides where NaN matters. `is_finite` excludes NaN.

    Attributes
    ----------
    lo, hi
        Every element that is not NaN lies between them, both included; integers' bounds are Python integers.
    nan
        Whether an element may be NaN.
    zero
        Whether an element may be zero, of either sign.
    negative_zero
        Whether an element may be -0.0.
    integer
        Whether every finite element is a whole number.
    """

    lo: Number = -math.inf
    hi: Number = math.inf
    nan: bool = True
    zero: bool = True
    negative_zero: bool = True
    integer: bool = False

    @property
    def is_positive(self) -> bool:
        """Every element is > 0 or NaN."""
        return self.lo > 0

    @property
    def is_negative(self) -> bool:
        """Every element is < 0 or NaN."""
        return self.hi < 0

    @property
    def is_nonnegative(self) -> bool:
        """Every element is >= 0 (perhaps -0.0) or NaN."""
        return self.lo >= 0

    @property
    def is_nonpositive(self) -> bool:
        """Every element is <= 0 or NaN."""
        return self.hi <= 0

    @property
    def is_nonzero(self) -> bool:
        """No element is zero; NaN is none."""
        return not self.zero

    @property
    def is_number(self) -> bool:
        """No element is NaN."""
        return not self.nan

    @property
    def is_finite(self) -> bool:
        """No element is infinite or NaN."""
        return not self.nan and not self.infinite

    @property
    def has_clear_sign(self) -> bool:
        """Every element is > 0, +0.0 or NaN: `abs` changes no bit of a number."""
        return self.lo >= 0 and not self.negative_zero

    @property
    def infinite(self) -> bool:
        """Whether an element may be infinite."""
        return self.lo == -math.inf or self.hi == math.inf

    @property
    def is_integer(self) -> bool:
        """Every finite element is a whole number."""
        return self.integer


@lru_cache(maxsize=32)
def anything(dtype: str) -> Facts:
    """What is known of every value of a dtype."""
    if is_float(dtype):
        return Facts()
    low, high = _range(dtype)
    return Facts(low, high, False, True, False, True)


@lru_cache(maxsize=32)
def _range(dtype: str) -> tuple[int, int]:
    if dtype == "bool":
        return 0, 1
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def settled(facts: Facts, dtype: str) -> Facts:
    """Facts of a value once it is held in a dtype: bounds rounded (to nearest, as values are), flags made to agree.

    What does not fit an integer dtype wraps around, so that nothing is left to say.
    """
    low, high = facts.lo, facts.hi
    if not is_float(dtype):
        least, most = _range(dtype)
        if not (low >= least and high <= most):
            return anything(dtype)
        zero = facts.zero and low <= 0 <= high
        low, high = (1 if not zero and low == 0 else low), (-1 if not zero and high == 0 else high)
        return Facts(low, high, False, zero, False, True)
    low, high = _held(low, dtype), _held(high, dtype)
    if not low <= high:  # no element is a number
        return Facts(nan=True)
    zero = facts.zero and low <= 0 <= high
    if not zero and (low == 0 or high == 0):
        least_subnormal = float(np.finfo(dtype).smallest_subnormal)
        low, high = low or least_subnormal, high or -least_subnormal
        if not low <= high:
            return Facts(nan=True)
    return Facts(low, high, facts.nan, zero, zero and facts.negative_zero, facts.integer)


def _held(bound: Number, dtype: str) -> float:
    try:
        wide = float(bound)
    except OverflowError:
        return math.inf if bound > 0 else -math.inf
    if dtype == "float64" or wide in (0.0, 1.0, -1.0) or math.isinf(wide):
        return wide + 0.0  # no bound is -0.0
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float32(wide)) + 0.0


class FactTable:
    """The facts of a graph's nodes, kept between questions.

    `edited` and `forget` are called by the graph's door. Time is linear in what is asked for, and after an edit in
    how many facts it changes.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[int, Facts] = {}
        self._edited: dict[int, None] = {}

    def edited(self, node: int) -> None:
        """An operand of a node was exchanged."""
        if node in self._known:
            self._edited[node] = None

    def forget(self, node: int) -> None:
        """A node was removed."""
        self._known.pop(node, None)
        self._edited.pop(node, None)

    def __getitem__(self, node: int) -> Facts:
        if self._edited:
            self._update()
        return self._compute(node)

    def _compute(self, target: int) -> Facts:
        from graphopt.analysis.transfer import facts_of

        known, graph = self._known, self._graph
        stack = [target]
        while stack:
            node = stack[-1]
            if node in known:
                stack.pop()
                continue
            waiting = [operand for operand in graph.operands(node) if operand not in known]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            known[node] = facts_of(graph, node, tuple([known[operand] for operand in graph.operands(node)]))
        return known[target]

    def _update(self) -> None:
        """Compute edited nodes again, and their users as far as anything changes."""
        waiting = deque(self._edited)
        queued = set(waiting)
        self._edited.clear()
        while waiting:
            node = waiting.popleft()
            queued.discard(node)
            before = self._known.pop(node)
            if self._compute(node) != before:
                fresh = [user for user in self._graph.users(node) if user in self._known and user not in queued]
                waiting.extend(fresh)
                queued.update(fresh)
