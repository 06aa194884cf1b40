"""The sum of a softmax, taken in the very pass that finds the maximum: rows that nobody can hold are read once less.

    m = max x            becomes        s, m, one element after another:
    s = Σ exp(x - m)                    s = s · exp(m - m′) + exp(x - m′),  m = m′ = max(m, x)

Where x and m′ are both -∞, their difference counts as 0 until something larger comes: beside that, both here and in the
formula, exp(x - m) is 0. Where nothing does, the sum is NaN, as the formula's is.

Source: Milakov and Gimelshein, Online normalizer calculation for softmax, 2018, algorithm 3.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphopt.ops.arithmetic import subtract
from graphopt.ops.elementary import exp
from graphopt.ops.logic import isfinite, where
from graphopt.ops.reduction import max_, sum_
from graphopt.schedule.statements import Compute, Keep, Literal, Load, Local, OnlineSum, Reduce, Statement, Store, used
from graphopt.schedule.steps import Stage

__all__ = ["online"]


def online(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """The stages, with each that does nothing but such sums merged into the one before; the same ones if none does."""
    result = [stages[0]]
    for stage in stages[1:]:
        sums = _sums(result[-1], stage) if stage.lane else None
        if sums is None:
            result.append(stage)
            continue
        before = result.pop()
        result += [Stage(before.row, _placed(before.lane, sums)), Stage(stage.row, ())]
    return tuple(_joined(result))


def _sums(before: Stage, stage: Stage) -> list[OnlineSum] | None:
    """What the lanes of a stage are, if they are sums beside maxima of the stage before, and nothing else."""
    made = {s.target: s for s in stage.lane if isinstance(s, Compute)}
    row = {s.target: s for s in stage.row if isinstance(s, Compute)}
    known = _keys(before.lane)
    again = _keys(stage.lane)
    maxima = {s.target: s for s in before.lane if isinstance(s, Reduce) and s.op is max_ and isinstance(s.value, Local)}
    found: list[OnlineSum] = []
    for statement in stage.lane:
        if not isinstance(statement, Store | Reduce | Keep):
            continue
        match statement:
            case Reduce(op=op, value=Local(name=name)) if op is sum_ and statement.dtype.startswith("float"):
                power = made.get(name)
            case _:
                return None
        if power is None or power.op is not exp or not isinstance(power.operands[0], Local):
            return None
        difference = made.get(power.operands[0].name)
        if difference is None or difference.op is not subtract:
            return None
        value, shift = difference.operands
        if not isinstance(value, Local) or not isinstance(shift, Local):
            return None
        chain = _from_maximum(shift.name, row, maxima)
        if chain is None:
            return None
        largest, steps = chain
        if not _is_finite_or_the_maximum(steps, largest):
            return None
        top = maxima[largest].value
        assert isinstance(top, Local)
        if again.get(value.name) is None or again[value.name] != known.get(top.name):
            return None
        found.append(
            OnlineSum(statement.target, statement.dtype, top, largest, steps, shift.name, sum_, statement.node)
        )
    return found


def _keys(lane: Sequence[Statement]) -> dict[str, object]:
    """What lane values are, whatever stage they are in: elements of memory by their place, results by their name."""
    keys: dict[str, object] = {}
    for s in lane:
        if isinstance(s, Load):
            keys[s.target] = (s.buffer, s.index)
        elif isinstance(s, Compute):
            keys[s.target] = s.target
    return keys


def _from_maximum(
    name: str, row: dict[str, Compute], maxima: dict[str, Reduce]
) -> tuple[str, tuple[Compute, ...]] | None:
    """The maximum from which alone a row value is computed, and the statements that do."""
    if name in maxima:
        return name, ()
    wanted, steps, sources = {name}, list[Compute](), set[str]()
    for target, statement in reversed(row.items()):
        if target in wanted:
            steps.append(statement)
            wanted.update(used(statement))
    sources = wanted - {s.target for s in steps}
    if len(sources) != 1 or not sources <= maxima.keys():
        return None
    return sources.pop(), tuple(reversed(steps))


def _is_finite_or_the_maximum(steps: tuple[Compute, ...], largest: str) -> bool:
    """Whether a shift is the maximum, or the maximum where that is finite and a number where not.

    Of any other function of it, what a smaller maximum gives may be infinite or undefined.
    """
    match steps:
        case ():
            return True
        case (
            Compute(op=test, operands=(Local(name=tested),), target=answer),
            Compute(op=choice, operands=(Local(name=asked), Local(name=chosen), Literal())),
        ):
            return test is isfinite and choice is where and answer == asked and tested == chosen == largest
    return False


def _placed(lane: tuple[Statement, ...], sums: Sequence[OnlineSum]) -> tuple[Statement, ...]:
    """Each sum before the maximum beside which it is taken."""
    result: list[Statement] = []
    for statement in lane:
        if isinstance(statement, Reduce):
            result += [s for s in sums if s.largest == statement.target]
        result.append(statement)
    return tuple(result)


def _joined(stages: Sequence[Stage]) -> list[Stage]:
    """Stages without lanes, their row statements being those of the next stage that follows."""
    result: list[Stage] = []
    waiting: tuple[Statement, ...] = ()
    for stage in stages:
        row = (*waiting, *stage.row)
        waiting = ()
        if stage.lane or stage is stages[-1]:
            result.append(Stage(row, stage.lane))
        else:
            waiting = row
    return result
