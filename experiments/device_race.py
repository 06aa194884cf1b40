"""A race on a device: all are checked, run a batch a round in random order by its clock, and are checked again.

Samples are taken by `graphopt.bench.timing` and judged by `graphopt.bench.statistics`, as `graphopt.bench.compare` has
it; a copy of as many bytes runs in the same rounds, as the yardstick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from device_check import finding
from device_contestants import Contestant
from suite_device import COPY

from graphopt.bench.events import EventClock
from graphopt.bench.statistics import paired_ratio
from graphopt.bench.timing import garbage_collector_paused, interleave, warm_up
from graphopt.bench.trial import timings
from graphopt.bench.validate import describe

__all__ = ["CONFIDENCE", "race"]

CONFIDENCE, MARGIN, FEWEST = 0.99, 0.02, 10

Record = dict[str, Any]


def race(
    contestants: Mapping[str, Contestant],
    baseline: str,
    expected: Sequence[Any],
    yardstick: Contestant | None = None,
    *,
    seconds: float,
    seed: int = 0,
    rounds: int | None = None,
) -> Record:
    """Check contestants and time those that compute what is expected.

    Parameters
    ----------
    contestants
        By name.
    baseline
        Who ratios refer to; it runs twice.
    expected
        What `check` of each must return.
    yardstick
        What is timed besides and not checked.
    seconds, rounds
        As for `graphopt.bench.compare`.

    Returns
    -------
    dict
        `rows`: by contestant, `error`; `reason` if it is refused or not timed; else `median` in seconds with
        `interval`, `ratio` of its time to the baseline's with `ratio_interval`, `verdict`, `share_of_copy` (the
        yardstick's time over its own) with `share_interval`, `repetitions` in a batch. `control`: the baseline against
        itself. `copy`: the yardstick's median. `rounds`. Intervals are None where scipy is not installed.
    """
    seen: dict[str, list[Any]] = {}  # what each computed that was right
    rows = {name: _checked(name, contestant, expected, seen) for name, contestant in contestants.items()}
    able = {n: c for n, c in contestants.items() if "reason" not in rows[n] and c.record is not None}
    for name, contestant in contestants.items():
        if contestant.record is None:
            rows[name].setdefault("reason", "emulated: checked and not timed")
    record: Record = {"rows": rows, "control": None, "copy": None, "rounds": 0}
    if baseline not in able:
        return record
    if yardstick is not None:
        able[COPY] = yardstick
    clocks: dict[str, EventClock] = {}
    with garbage_collector_paused():
        for name, contestant in able.items():
            try:
                clock_of = partial(EventClock, record=contestant.record)
                clocks[name], stable = warm_up(contestant.call, cap=min(1.0, seconds), of=clock_of)
                rows.setdefault(name, {})["stable"] = stable
            except Exception as error:  # whatever a library raises
                rows[name]["reason"] = f"raised {describe(error)}"
        control = f"{baseline}, again"
        samplers = {name: clock.sample for name, clock in clocks.items()}
        samplers[control] = samplers[baseline]
        taken = interleave(samplers, rounds=rounds, seconds=seconds, fewest=FEWEST, seed=seed)
    for name, error in taken.failures.items():
        rows.setdefault(name, {})["reason"] = f"raised {describe(error)}"
    for name in contestants:
        if name in taken.times and (reason := _checked(name, contestants[name], expected, seen).get("reason")):
            rows[name]["reason"] = f"after timing: {reason}"
            del taken.times[name]
    if not {baseline, control} <= taken.times.keys():
        return record
    for name, found in judged(taken.times, baseline, control, seed).items():
        rows.setdefault(name, {}).update(found)
    for name in taken.times:
        rows[name]["repetitions"] = clocks[baseline if name == control else name].repetitions
    record["rounds"] = len(taken.times[baseline])
    record["control"], record["copy"] = rows.pop(control), rows.pop(COPY, None)
    return record


def judged(samples: Mapping[str, list[float]], baseline: str, control: str, seed: int) -> dict[str, Record]:
    """Medians, ratios to the baseline, shares of the copy, by name; times are divided by those of the same round."""
    try:
        import scipy  # noqa: F401
    except ImportError:
        return {name: _without_intervals(samples, name, baseline) for name in samples}
    told = timings(samples, baseline, control, confidence=CONFIDENCE, margin=MARGIN, seed=seed)
    rows = {name: dict(vars(timing)) for name, timing in told.items()}
    if COPY in samples:
        for name, times in samples.items():
            share = paired_ratio(samples[COPY], times, CONFIDENCE, seed=seed)
            rows[name] |= {"share_of_copy": share.value, "share_interval": share.interval}
    return rows


def _without_intervals(samples: Mapping[str, list[float]], name: str, baseline: str) -> Record:
    times = np.asarray(samples[name])
    found = {
        "median": float(np.median(times)), "interval": None, "verdict": None, "ratio_interval": None,
        "ratio": float(np.median(times / samples[baseline])),
    }  # fmt: skip
    if COPY in samples:
        share = float(np.median(np.asarray(samples[COPY]) / times))
        found |= {"share_of_copy": share, "share_interval": None}
    return found


def _checked(name: str, contestant: Contestant, expected: Sequence[Any], seen: dict[str, list[Any]]) -> Record:
    """The error of what a contestant computes, and why it is refused if it is; what was seen to be right still is."""
    try:
        outputs = contestant.check()
    except Exception as error:  # whatever a library raises
        return {"reason": f"raised {describe(error)}"}
    if name in seen and all(map(np.array_equal, outputs, seen[name])):
        return {}
    found = finding(outputs, expected)
    if found.reason:
        return {"error": found.error, "reason": found.reason}
    seen[name] = outputs
    return {"error": found.error}
