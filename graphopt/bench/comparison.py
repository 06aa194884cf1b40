"""`compare`: from callables to a record. Validation, warm-up, rounds, validation again, verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from graphopt.bench.machine import ceilings, machine
from graphopt.bench.record import Comparison, Row
from graphopt.bench.statistics import MARGIN, Estimate, judge, median, minimum_rounds, paired_ratio
from graphopt.bench.timing import (
    WARM_UP_SECONDS,
    Clock,
    Race,
    bind,
    garbage_collector_paused,
    interleave,
    warm_up,
)
from graphopt.bench.validate import Arguments, Tolerance, as_arrays, describe, validate
from graphopt.errors import InvalidArgument, TypeMismatch

__all__ = ["NothingMeasured", "compare"]

FEWEST_ROUNDS = 10
EXACT = Estimate(1.0, 1.0, 1.0)  # what the control is judged by

Contestants = Mapping[str, Callable[..., object]]


class NothingMeasured(InvalidArgument):
    """A comparison ended without a single time that can be believed."""


def compare(
    contestants: Contestants,
    arguments: tuple[object, ...] | list[object] | Mapping[str, object],
    baseline: str | None = None,
    *,
    reference: object = None,
    rtol: float | None = None,
    atol: float | None = None,
    confidence: float = 0.99,
    margin: float = MARGIN,
    rounds: int | None = None,
    seconds: float = 3.0,
    seed: int = 0,
    counts: Mapping[str, Mapping[str, float]] | None = None,
) -> Comparison:
    """Compare callables that compute the same thing.

    Every contestant is validated, warmed up until its times are stable, timed once a round in random order, and
    validated again. The baseline takes part twice; see `graphopt.bench.statistics.judge` for how its second entry
    bounds the verdicts. A contestant that fails anything is refused: its row has a reason and no time.

    Parameters
    ----------
    contestants
        Callables by name. Each returns new arrays: one, or a list, tuple or dict of them.
    arguments
        Positional arguments (a tuple or list) or keyword arguments (a dict), the same objects for all contestants.
    baseline
        Name of the contestant that ratios refer to; by default the first.
    reference
        A callable or the expected outputs themselves; by default what the baseline returns.
    rtol, atol
        Tolerance of values, see `graphopt.bench.validate.Tolerance`.
    confidence
        Coverage of the intervals.
    margin
        Differences up to this fraction are "same"; 0.02 is 2 %.
    rounds
        Number of rounds; by default as many as fit into `seconds`, and at least ten.
    seconds
        Time budget of the rounds of all contestants together; warm-up takes at most a second for each in addition.
    seed
        Of the order in rounds and of the bootstrap.
    counts
        Static facts of a call by contestant: `{"fused": {"bytes": 3.2e7, "flops": 8e6}}`, in bytes and operations. With
        any given, GB/s and GFLOP/s are reported beside what this machine reaches at best.

    Returns
    -------
    Comparison

    Raises
    ------
    InvalidArgument
        No contestants, an unknown name, or an impossible setting.
    TypeMismatch
        A contestant is not callable, or `arguments` is of no known form.
    NothingMeasured
        The baseline was refused, or raised while being timed: no ratio has a meaning.
    """
    baseline = _check_names(contestants, baseline, counts or {})
    fewest = minimum_rounds(confidence)
    if rounds is not None and rounds < fewest:
        raise InvalidArgument(f"a {confidence:.3%} interval needs at least {fewest} rounds; got rounds={rounds}")
    if not (seconds > 0 and math.isfinite(seconds)):
        raise InvalidArgument(f"seconds is a positive time budget; got {seconds!r}")
    judge(EXACT, EXACT, margin)  # refuses an impossible margin before anything is measured
    shared = _arguments(arguments)
    expected = _expected(contestants[baseline] if reference is None else reference, shared)

    record = machine()  # before timing, so that its load is that of others
    trial = _Trial(contestants, baseline, shared, expected, Tolerance(rtol, atol))
    trial.validate_all()
    limits = ceilings() if counts else {}
    with garbage_collector_paused():
        clocks = trial.warm_all(cap=min(WARM_UP_SECONDS, seconds))
        control = f"{baseline}, again"
        while control in contestants:
            control += " again"
        entries = {
            **clocks,
            control: Clock(clocks[baseline].call, clocks[baseline].repetitions, clocks[baseline].settle),
        }
        race = interleave(entries, rounds=rounds, seconds=seconds, fewest=max(fewest, FEWEST_ROUNDS), seed=seed)
    trial.settle_race(race, control)

    notes = [
        f"{name} was not stable when its warm-up ended; treat its time with care."
        for name in trial.restless
        if name not in trial.refused
    ]
    again = _judged(control, race, entries, baseline, EXACT, confidence, margin, seed)
    if again.verdict in ("faster", "slower"):
        notes.append(f"The control came out as {again.verdict}: this machine is too restless for fine differences.")
    rows = []
    for name in contestants:
        if name in trial.refused:
            rows.append(Row(name, "refused", trial.refused[name], error=trial.errors.get(name)))
            continue
        row = _judged(name, race, entries, baseline, again.ratio_estimate(), confidence, margin, seed)
        rows.append(_with_facts(row, trial.errors.get(name), (counts or {}).get(name, {})))
    return Comparison(
        rows=tuple(rows),
        control=again,
        baseline=baseline,
        machine=record,
        settings={
            "confidence": confidence,
            "margin": margin,
            "rounds": rounds,
            "seconds": seconds,
            "seed": seed,
            "rtol": rtol,
            "atol": atol,
        },
        ceilings=limits,
        notes=tuple(notes),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        samples={name: tuple(times) for name, times in race.times.items() if name not in trial.refused},
    )


class _Trial:
    """The contestants still in the race, and why the others are not."""

    def __init__(
        self,
        contestants: Contestants,
        baseline: str,
        arguments: Arguments,
        expected: Mapping[str, NDArray[np.generic]],
        tolerance: Tolerance,
    ) -> None:
        self.contestants = contestants
        self.baseline = baseline
        self.arguments = arguments
        self.expected = expected
        self.tolerance = tolerance
        self.refused: dict[str, str] = {}
        self.errors: dict[str, float] = {}
        self.restless: list[str] = []

    def refuse(self, name: str, reason: str) -> None:
        if name == self.baseline:
            raise NothingMeasured(f"the baseline {name!r} was refused, so no ratio has a meaning: {reason}")
        self.refused[name] = reason

    def validate_all(self, when: str = "") -> None:
        for name, contestant in self.contestants.items():
            if name in self.refused:
                continue
            finding = validate(contestant, self.arguments, self.expected, self.tolerance)
            if finding.error is not None:
                self.errors[name] = max(finding.error, self.errors.get(name, 0.0))
            if finding.reason:
                self.refuse(name, f"{when}{finding.reason}")

    def warm_all(self, cap: float) -> dict[str, Clock]:
        clocks = {}
        for name, contestant in self.contestants.items():
            if name in self.refused:
                continue
            try:
                clock, stable = warm_up(bind(contestant, self.arguments.positional, self.arguments.keywords), cap=cap)
            except Exception as error:
                self.refuse(name, f"while warming up: raised {describe(error)}")
                continue
            written = self.arguments.written()
            if written:
                self.refuse(name, f"while warming up: writes into its {written[0]}; give it a copy to work on")
                continue
            clocks[name] = clock
            if not stable:
                self.restless.append(name)
        return clocks

    def settle_race(self, race: Race, control: str) -> None:
        """Refuse who failed while being timed, and who no longer computes the right thing."""
        for name, error in race.failures.items():
            self.refuse(self.baseline if name == control else name, f"while being timed: raised {describe(error)}")
        written = self.arguments.written()
        self.validate_all(when="after timing: ")
        if written and not self.refused:
            raise NothingMeasured(f"{written[0]} changed while contestants were timed, and it is unknown by which one")


def _judged(
    name: str,
    race: Race,
    clocks: Mapping[str, Clock],
    baseline: str,
    control: Estimate,
    confidence: float,
    margin: float,
    seed: int,
) -> Row:
    time = median(race.times[name], confidence, seed=seed)
    row = Row(
        name,
        "baseline",
        median=time.value,
        interval=time.interval,
        ratio=1.0,
        rounds=len(race.times[name]),
        repetitions=clocks[name].repetitions,
    )
    if name == baseline:
        return row
    ratio = paired_ratio(race.times[name], race.times[baseline], confidence, seed=seed)
    return replace(row, verdict=judge(ratio, control, margin), ratio=ratio.value, ratio_interval=ratio.interval)


def _with_facts(row: Row, error: float | None, counts: Mapping[str, float]) -> Row:
    rates = {key: value / row.median * 1e-9 for key, value in counts.items() if row.median}
    return replace(
        row,
        error=error,
        bytes=counts.get("bytes"),
        flops=counts.get("flops"),
        gbs=rates.get("bytes"),
        gflops=rates.get("flops"),
    )


def _check_names(contestants: Contestants, baseline: str | None, counts: Mapping[str, Mapping[str, float]]) -> str:
    """The baseline's name, once all names are known to fit."""
    if not contestants:
        raise InvalidArgument("there is nothing to compare: pass at least one contestant, as {name: callable}")
    names = ", ".join(map(repr, contestants))
    for name, contestant in contestants.items():
        if not callable(contestant):
            raise TypeMismatch(f"contestant {name!r} is {type(contestant).__name__}, which cannot be called")
    if baseline is not None and baseline not in contestants:
        raise InvalidArgument(f"baseline={baseline!r} is none of the contestants: {names}")
    for name, facts in counts.items():
        if name not in contestants:
            raise InvalidArgument(f"counts names {name!r}, which is none of the contestants: {names}")
        for key, value in facts.items():
            if key not in ("bytes", "flops"):
                raise InvalidArgument(f"counts of {name!r} has {key!r}; it takes 'bytes' and 'flops'")
            if not (value >= 0 and math.isfinite(value)):
                raise InvalidArgument(f"{key} of {name!r} is a finite number of at least 0; got {value!r}")
    return next(iter(contestants)) if baseline is None else baseline


def _arguments(arguments: object) -> Arguments:
    if isinstance(arguments, Mapping):
        return Arguments(keywords=arguments)
    if isinstance(arguments, tuple | list):
        return Arguments(tuple(arguments))
    raise TypeMismatch(
        f"arguments is {type(arguments).__name__}; pass a tuple or list of positional arguments, such as (x,), "
        "or a dict of keyword arguments"
    )


def _expected(reference: object, arguments: Arguments) -> dict[str, NDArray[np.generic]]:
    try:
        outputs = arguments.call(reference) if callable(reference) else reference
        return {path: array.copy() for path, array in as_arrays(outputs).items()}
    except Exception as error:
        raise NothingMeasured(
            f"the reference gave nothing to compare with: {describe(error)}; without reference=, the baseline is called"
        ) from error
    finally:
        arguments.written()
