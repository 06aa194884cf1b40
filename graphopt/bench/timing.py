"""Taking times: batches long enough for the clock, warm-up until stable, contestants in turn in random order.

Nothing here looks at what a contestant returns or decides who is faster; see `validate` and `statistics`. All times
are wall-clock seconds per call.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import repeat
from statistics import median as middle

import numpy as np

from graphopt.bench.validate import flatten

try:
    import resource
except ImportError:  # not a POSIX system
    resource = None  # type: ignore[assignment]

__all__ = ["Clock", "Race", "bind", "clock_resolution", "garbage_collector_paused", "interleave", "undisturbed",
           "warm_up"]  # fmt: skip

SAMPLE_SECONDS = 2e-3  # a sample lasts at least this long, …
TICKS = 1000  # … and at least this many ticks of the clock, should it be a coarse one
ATTEMPTS = 5  # at a sample during which the system gives our core to nobody else
CALIBRATIONS = 5  # batches of which the fastest tells how long the work is, …
CALIBRATION_SECONDS = 0.1  # … but no further one once they have taken so long
WINDOW = 5  # samples in a window of the warm-up
TOLERANCE = 0.03  # two windows agree when their medians differ by no more
WARM_UP_SECONDS = 1.0  # cap for each contestant
SETTLE_BELOW_SECONDS = 2e-2  # shorter calls get one untimed call first, to undo what the last contestant left behind,
# and are timed again if they were disturbed


@lru_cache(maxsize=1)
def clock_resolution() -> float:
    """Seconds between two readings of the clock that differ, as measured (smallest of 200)."""
    steps = []
    for _ in range(200):
        start = now = time.perf_counter_ns()
        while now == start:
            now = time.perf_counter_ns()
        steps.append(now - start)
    return min(steps) * 1e-9


def switches() -> int:
    """How often the system has taken a core away from one of this process's threads; 0 where it does not count."""
    return 0 if resource is None else resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def undisturbed(take: Callable[[], float]) -> float:
    """A sample during which nobody else was given our core; the last of a few if there is none.

    Which are taken again is the system's choice and not that of their times, so it does not favour anyone. Waiting that
    a contestant brings about itself does not count as being disturbed. Long calls are taken as they come: on a machine
    that shares its cores none of them is undisturbed.
    """
    for _ in range(ATTEMPTS):
        before = switches()
        duration = take()
        if switches() == before or duration >= SETTLE_BELOW_SECONDS:
            break
    return duration


@contextmanager
def garbage_collector_paused() -> Iterator[None]:
    """Collect once, then keep Python's cyclic garbage collector off inside the block."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def bind(
    contestant: Callable[..., object], positional: tuple[object, ...], keywords: Mapping[str, object]
) -> Callable[[], object]:
    """A contestant with its arguments, ready to be timed; it is called once to see what it returns.

    Results that are computed behind the caller's back (anything with a method `block_until_ready`) are waited for, so
    that the computation is timed and not its launch.
    """
    call = partial(contestant, *positional, **keywords)
    if not any(hasattr(leaf, "block_until_ready") for _, leaf in flatten(call())):
        return call

    def call_and_wait() -> None:
        for _, leaf in flatten(call()):
            wait = getattr(leaf, "block_until_ready", None)
            if wait is not None:
                wait()

    return call_and_wait


@dataclass
class Clock:
    """Times one contestant in batches of calls.

    Attributes
    ----------
    call
        The contestant with its arguments bound.
    repetitions
        Calls in a batch, chosen by `calibrate`.
    settle
        Whether a sample begins with an untimed call.
    least
        Seconds that a batch lasts at least.
    """

    call: Callable[[], object]
    repetitions: int = 1
    settle: bool = True
    least: float = SAMPLE_SECONDS

    def batch(self) -> float:
        """Seconds a call, averaged over one batch; results are dropped as they come."""
        call = self.call
        start = time.perf_counter_ns()
        for _ in repeat(None, self.repetitions):
            call()
        return (time.perf_counter_ns() - start) * 1e-9 / self.repetitions

    def sample(self) -> float:
        """Seconds a call, averaged over one batch, in the state that a call of its own has left the machine in."""

        def take() -> float:
            if self.settle:
                self.call()
            return self.batch()

        return undisturbed(take)

    def cold(self, flush: Callable[[], None]) -> float:
        """Seconds of one call, after what is called first, untimed, has emptied the caches."""

        def take() -> float:
            flush()
            start = time.perf_counter_ns()
            self.call()
            return max(time.perf_counter_ns() - start, 1) * 1e-9

        return undisturbed(take)

    def calibrate(self) -> None:
        """Grow the batch from one call until it lasts `least` seconds and `TICKS` ticks of the clock.

        The fastest of a few batches counts. One during which another process had the core would end the growth early,
        and contestants with batches of different lengths are not disturbed alike: on a busy machine the same work came
        out five times as fast in batches of one call.
        """
        goal = max(self.least, TICKS * clock_resolution())
        self.repetitions = 1
        while (seconds := self._fastest() * self.repetitions) < goal:
            growth = 1.2 * goal / max(seconds, 1e-9)
            self.repetitions = math.ceil(self.repetitions * min(max(growth, 1.2), 10.0))
        self.settle = seconds / self.repetitions < SETTLE_BELOW_SECONDS

    def _fastest(self) -> float:
        """Seconds a call in the fastest of a few batches; in fewer, if they are long."""
        fastest, spent = math.inf, 0.0
        for _ in range(CALIBRATIONS):
            seconds = self.batch()
            fastest, spent = min(fastest, seconds), spent + seconds * self.repetitions
            if spent > CALIBRATION_SECONDS:
                break
        return fastest


def warm_up(
    call: Callable[[], object], *, cap: float = WARM_UP_SECONDS, of: Callable[..., Clock] = Clock
) -> tuple[Clock, bool]:
    """Call a contestant until its times are stable, and choose its batch.

    Samples are taken until the medians of the last two windows of five agree within 3 %.

    Parameters
    ----------
    call
        The contestant with its arguments bound.
    cap
        Seconds after which no further sample is begun.
    of
        Makes the clock of a call.

    Returns
    -------
    clock
        Calibrated on the warm contestant.
    stable
        Whether the windows agreed before the cap.
    """
    clock = of(call)
    start = time.perf_counter()
    clock.batch()  # what only the first call does: compiling, allocating, faulting pages in
    clock.calibrate()
    recent: list[float] = []
    stable = False
    while not stable and time.perf_counter() - start < cap:
        recent.append(clock.batch())
        if len(recent) >= 2 * WINDOW:
            before, after = middle(recent[-2 * WINDOW : -WINDOW]), middle(recent[-WINDOW:])
            stable = abs(after - before) <= TOLERANCE * before
    if time.perf_counter() - start < cap:
        clock.calibrate()  # the warm contestant may be much faster than the one calibrated at first
    return clock, stable


@dataclass
class Race:
    """What `interleave` measured.

    Attributes
    ----------
    times
        For each contestant that held out its seconds a call, one entry a round.
    failures
        What the others raised while being timed.
    """

    times: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)


def interleave(
    samplers: Mapping[str, Callable[[], float]],
    *,
    rounds: int | None = None,
    seconds: float,
    fewest: int,
    seed: int,
    told: Callable[[float], None] = lambda done: None,
) -> Race:
    """Time all contestants once a round, in an order drawn anew each round.

    How many rounds are taken never depends on who is ahead.

    Parameters
    ----------
    samplers
        Each takes one sample of a contestant: seconds a call.
    rounds
        Exactly so many rounds; `None` takes as many as fit into `seconds`.
    seconds
        Time budget of all rounds together.
    fewest
        Rounds that are taken even when the budget is spent.
    seed
        Of the order.
    told
        Called after each round with the fraction of the rounds, or of the time, that is behind.
    """
    generator = np.random.default_rng(seed)
    names = list(samplers)
    race = Race({name: [] for name in names})

    def take(name: str) -> float | None:
        try:
            return samplers[name]()
        except Exception as error:
            race.failures[name] = error
            race.times.pop(name)
            names.remove(name)
            return None

    for name in tuple(names):  # one round in company that does not count
        take(name)
    start = time.perf_counter()
    taken = 0
    while names and (taken < rounds if rounds is not None else taken < fewest or time.perf_counter() - start < seconds):
        for name in [names[index] for index in generator.permutation(len(names))]:
            duration = take(name)
            if duration is not None:
                race.times[name].append(duration)
        gc.collect(0)  # cycles that calls left behind must not pile up while the collector is paused
        taken += 1
        told(taken / rounds if rounds is not None else min(1.0, (time.perf_counter() - start) / seconds))
    return race
