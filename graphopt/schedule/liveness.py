"""When the buffers of a program hold something that is still needed: from which step to which.

Steps are numbered in the order of the text, those of a branch in the branch's place, `then` before `otherwise`. A call
runs some of them, never two sides of one branch, and always in that order. So what is needed at no common number is
never needed at the same time, whichever sides are taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from graphopt.schedule.steps import Branch, Step

__all__ = ["Lifetime", "lifetimes", "numbered"]


class Lifetime(NamedTuple):
    """The numbers of the first step that touches a buffer and of the last."""

    begin: int
    end: int


def numbered(steps: Iterable[Step]) -> Iterator[tuple[int, Step]]:
    """All steps with their numbers; a branch, which reads its condition, before those it holds."""
    waiting = [iter(steps)]
    number = 0
    while waiting:
        step = next(waiting[-1], None)
        if step is None:
            waiting.pop()
            continue
        yield number, step
        number += 1
        if isinstance(step, Branch):
            waiting.append(iter((*step.then, *step.otherwise)))


def lifetimes(steps: Iterable[Step]) -> dict[str, Lifetime]:
    """The lifetime of every buffer that a step touches, in the order in which they begin."""
    found: dict[str, Lifetime] = {}
    for number, step in numbered(steps):
        touched = (step.condition,) if isinstance(step, Branch) else (*step.reads, *step.writes)
        for name in touched:
            found[name] = Lifetime(found[name].begin if name in found else number, number)
    return found
