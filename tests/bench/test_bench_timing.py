"""Timing under a clock that the test turns itself."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable

import pytest

from graphopt.bench import timing
from graphopt.bench.timing import Clock, bind, garbage_collector_paused, interleave, warm_up


class Time:
    """Stands in for the module `time`; `work` makes callables that take a given number of seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def perf_counter_ns(self) -> int:
        return round(self.now * 1e9)

    def work(self, *seconds: float) -> Callable[[], None]:
        """Each call takes the next duration, and the last one from then on."""
        remaining = list(seconds)

        def call() -> None:
            self.now += remaining.pop(0) if len(remaining) > 1 else remaining[0]

        return call


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    fake = Time()
    monkeypatch.setattr(timing, "time", fake)
    monkeypatch.setattr(timing, "clock_resolution", lambda: 1e-7)
    monkeypatch.setattr(timing, "switches", lambda: 0)
    return fake


def test_a_batch_lasts_at_least_two_milliseconds_and_not_much_longer(time: Time) -> None:
    for seconds in (1e-7, 3e-6, 1e-4, 1.9e-3, 2.1e-3, 0.5):
        clock = Clock(time.work(seconds))
        clock.calibrate()
        assert 2e-3 <= clock.repetitions * seconds <= max(1.5 * 2e-3 + seconds, seconds)


def test_a_disturbance_while_the_batch_is_chosen_does_not_shorten_it(time: Time) -> None:
    disturbed = Clock(time.work(0.03, 1e-4, 1e-4, 0.03, 1e-4))
    disturbed.calibrate()
    assert disturbed.repetitions * 1e-4 >= 2e-3
    assert disturbed.settle


def test_a_coarse_clock_gets_longer_batches(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "clock_resolution", lambda: 1e-5)
    clock = Clock(time.work(1e-4))
    clock.calibrate()
    assert clock.repetitions * 1e-4 >= 1000 * 1e-5


def test_warm_up_lasts_until_times_are_stable_and_calibrates_on_the_warm_contestant(time: Time) -> None:
    slow_at_first = [0.1, *[0.02 * 0.8**step for step in range(20)], 1e-5]
    clock, stable = warm_up(time.work(*slow_at_first))
    assert stable
    assert clock.repetitions >= 200
    assert clock.batch() == pytest.approx(1e-5)


def test_warm_up_gives_up_at_its_cap_and_says_so(time: Time) -> None:
    _, stable = warm_up(time.work(*[0.01 * 1.2**step for step in range(60)]), cap=0.5)
    assert not stable
    assert time.now < 2


def test_every_contestant_runs_once_a_round_in_an_order_drawn_by_the_seed(time: Time) -> None:
    def orders(seed: int) -> list[str]:
        log: list[str] = []
        clocks = {name: Clock(lambda name=name: log.append(name), settle=False).sample for name in "abcd"}  # type: ignore[misc]
        interleave(clocks, rounds=20, seconds=1, fewest=1, seed=seed)
        return ["".join(log[start : start + 4]) for start in range(0, len(log), 4)]

    first = orders(0)
    assert len(first) == 21  # one of them does not count
    assert all(sorted(order) == list("abcd") for order in first)
    assert len(set(first)) > 5
    assert first == orders(0) != orders(1)


def test_rounds_fit_the_budget_but_are_never_fewer_than_the_least(time: Time) -> None:
    race = interleave({"a": Clock(time.work(0.01), settle=False).sample}, seconds=0.5, fewest=10, seed=0)
    assert 49 <= len(race.times["a"]) <= 51
    race = interleave({"a": Clock(time.work(1.0), settle=False).sample}, seconds=0.5, fewest=10, seed=0)
    assert len(race.times["a"]) == 10


def test_a_short_call_is_made_once_untimed_before_each_sample(time: Time) -> None:
    clock = Clock(time.work(1.0, 0.001), settle=True)
    assert clock.sample() == pytest.approx(0.001)


def test_a_cold_sample_is_one_call_after_the_flush_whose_time_does_not_count(time: Time) -> None:
    log: list[str] = []

    def flush() -> None:
        log.append("flush")
        time.now += 5.0

    def call() -> None:
        log.append("call")
        time.now += 0.25

    assert Clock(call, repetitions=50).cold(flush) == pytest.approx(0.25)
    assert log == ["flush", "call"]


def test_a_sample_during_which_the_core_was_taken_away_is_taken_again_a_few_times(
    time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_away = iter([0, 1, 1, 2, 2, 2])  # before and after each attempt
    monkeypatch.setattr(timing, "switches", lambda: next(taken_away))
    assert Clock(time.work(0.009, 0.008, 0.005), settle=False).sample() == pytest.approx(0.005)
    always = itertools.count()
    monkeypatch.setattr(timing, "switches", lambda: next(always))
    calls = time.work(*[number * 1e-3 for number in range(1, 20)])
    assert Clock(calls, settle=False).sample() == pytest.approx(timing.ATTEMPTS * 1e-3)
    assert Clock(time.work(1.0, 0.5), settle=False).sample() == pytest.approx(1.0)  # long ones are not


def test_rounds_tell_how_far_they_are(time: Time) -> None:
    told: list[float] = []
    clock = Clock(time.work(0.1), settle=False)
    interleave({"a": clock.sample}, rounds=4, seconds=1, fewest=1, seed=0, told=told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]
    told.clear()
    interleave({"a": clock.sample}, seconds=0.5, fewest=1, seed=0, told=told.append)
    assert told[-1] == 1.0 and told == sorted(told)


def test_a_contestant_that_raises_leaves_the_race_and_the_others_go_on(time: Time) -> None:
    calls = iter(range(100))

    def fails_later() -> None:
        if next(calls) == 5:
            raise RuntimeError("out of luck")

    clocks = {"good": Clock(time.work(0.01), settle=False).sample, "bad": Clock(fails_later, settle=False).sample}
    race = interleave(clocks, rounds=12, seconds=1, fewest=1, seed=0)
    assert set(race.times) == {"good"} and len(race.times["good"]) == 12
    assert str(race.failures["bad"]) == "out of luck"


def test_the_garbage_collector_is_paused_and_comes_back_even_after_an_error() -> None:
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), garbage_collector_paused():
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled()


def test_a_result_that_is_computed_behind_the_back_is_waited_for() -> None:
    waited = []

    class Future:
        def block_until_ready(self) -> None:
            waited.append(self)

    bind(lambda: [Future(), {"x": Future()}], (), {})()
    assert len(waited) == 2


def test_the_real_clock_ticks() -> None:
    assert 0 < timing.clock_resolution() < 1e-2
    assert Clock(lambda: sum(range(100))).sample() > 0
