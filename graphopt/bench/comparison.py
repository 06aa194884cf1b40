"""`compare`: from callables to a record. Validation, warm-up, rounds, validation again, verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from graphopt.bench.cold import flush
from graphopt.bench.machine import ceilings, machine
from graphopt.bench.progress import Progress
from graphopt.bench.record import Comparison, Row, Timing
from graphopt.bench.statistics import MARGIN, judge, minimum_rounds
from graphopt.bench.timing import WARM_UP_SECONDS, garbage_collector_paused, interleave
from graphopt.bench.trial import EXACT, NothingMeasured, Trial, timings
from graphopt.bench.validate import Arguments, Tolerance
from graphopt.bench.work import Facts
from graphopt.errors import InvalidArgument, TypeMismatch

__all__ = ["NothingMeasured", "compare"]

FEWEST_ROUNDS = 10

Contestants = Mapping[str, Callable[..., object]]


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
    cold: bool = True,
    seed: int = 0,
    counts: Mapping[str, Mapping[str, float]] | None = None,
    progress: bool | None = False,
) -> Comparison:
    """Compare callables that compute the same thing.

    Every contestant is validated, warmed up until its times are stable, timed once a round in random order, and
    validated again. The baseline takes part twice; see `graphopt.bench.statistics.judge` for how its second entry
    bounds the verdicts. A contestant that fails anything is refused: its row has a reason and no time.

    Parameters
    ----------
    contestants
        Callables by name. Each returns new arrays: one, or a list, tuple or dict of them. A `Worker` is timed in its
        own process, while nobody else runs. What runs on an emulated device is validated and not timed; what cannot
        run here at all but can be compiled (`vary` with target "cuda") has the figures that need no run.
    arguments
        Positional arguments (a tuple or list) or keyword arguments (a dict), the same objects for all contestants;
        workers have copies.
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
    cold
        Whether single calls are timed with cold caches too, in rounds of their own, which take up to half as long
        again; see `graphopt.bench.cold`. They have verdicts of their own.
    seed
        Of the order in rounds and of the bootstrap.
    counts
        Static facts of a call by contestant: `{"numba": {"bytes": 3.2e7, "flops": 8e6}}`, in bytes and operations;
        graphopt's functions know theirs. With any known, GB/s and GFLOP/s are reported beside what this machine
        reaches at best.
    progress
        Whether a bar on standard error shows how far it is; None: where that is a terminal.

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
        The baseline was refused, raised while being timed, or is not timed: no ratio has a meaning.
    """
    baseline = _check_names(contestants, baseline, counts or {})
    fewest = minimum_rounds(confidence)
    if rounds is not None and rounds < fewest:
        raise InvalidArgument(f"a {confidence:.3%} interval needs at least {fewest} rounds; got rounds={rounds}")
    if not (seconds > 0 and math.isfinite(seconds)):
        raise InvalidArgument(f"seconds is a positive time budget; got {seconds!r}")
    judge(EXACT, EXACT, margin)  # refuses an impossible margin before anything is measured
    fewest = max(fewest, FEWEST_ROUNDS)
    control = f"{baseline}, again"
    while control in contestants:
        control += " again"

    record = machine()  # before timing, so that its load is that of others
    with Progress(progress) as tell:
        trial = Trial(contestants, baseline, _arguments(arguments), Tolerance(rtol, atol), tell)
        trial.expect(reference)
        trial.validate()
        trial.look_up(counts or {})
        limits = ceilings() if any(facts.counts for facts in trial.facts.values()) else {}
        with garbage_collector_paused():
            trial.warm_up(cap=min(WARM_UP_SECONDS, seconds))
            racers = {**trial.racing, control: trial.racing[baseline]}
            warm = interleave(
                {name: racer.warm for name, racer in racers.items()},
                rounds=rounds, seconds=seconds, fewest=fewest, seed=seed,
                told=lambda done: tell("timing", done),
            )  # fmt: skip
            chilled = interleave(
                {name: racers[name].cold for name in warm.times if cold},
                rounds=rounds, seconds=seconds / 2, fewest=fewest, seed=seed,
                told=lambda done: tell("timing with cold caches", done),
            )  # fmt: skip
        trial.settle({**warm.failures, **chilled.failures}, control)
        tell("estimating")

        def judged(times: Mapping[str, list[float]]) -> dict[str, Timing]:
            kept = {name: taken for name, taken in times.items() if name not in trial.refused}
            return timings(kept, baseline, control, confidence=confidence, margin=margin, seed=seed) if kept else {}

        hot, iced = judged(warm.times), judged(chilled.times)

    def row(name: str) -> Row:
        if name in trial.refused:
            return Row(name, "refused", trial.refused[name], error=trial.errors.get(name))
        found = trial.facts[baseline if name == control else name]
        if name == control:
            found = Facts()
        if name in trial.untimed:
            return Row.of(name, found, error=trial.errors.get(name), reason=trial.untimed[name])
        return Row.of(
            name, found, hot[name], iced.get(name), error=trial.errors.get(name),
            repetitions=racers[name].repetitions,
        )  # fmt: skip

    again = row(control)
    return Comparison(
        rows=tuple(map(row, contestants)),
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
            "cold": flush().method if iced else None,
        },
        ceilings=limits,
        notes=_notes(trial, again),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        samples=_kept(warm.times, trial),
        cold_samples=_kept(chilled.times, trial),
    )


def _notes(trial: Trial, again: Row) -> tuple[str, ...]:
    notes = [
        f"{name} was not stable when its warm-up ended; treat its time with care."
        for name in trial.restless
        if name not in trial.refused
    ]
    if again.verdict in ("faster", "slower"):
        notes.append(f"The control came out as {again.verdict}: this machine is too restless for fine differences.")
    return tuple(notes)


def _kept(times: Mapping[str, list[float]], trial: Trial) -> dict[str, tuple[float, ...]]:
    return {name: tuple(taken) for name, taken in times.items() if name not in trial.refused}


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
