"""Timing by a device's clock, which is a number that the test advances."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from graphopt.bench.contestant import Here
from graphopt.bench.events import DEVICE_SECONDS, EventClock, recorder
from graphopt.bench.timing import warm_up
from graphopt.bench.validate import Arguments


@dataclass(frozen=True)
class Mark:
    at: float

    def seconds_since(self, earlier: Mark) -> float:
        return self.at - earlier.at


class Stream:
    """A device on which each call takes a given time; the host's clock knows nothing of it."""

    name = "pretended"

    def __init__(self) -> None:
        self.now = 0.0
        self.calls = 0

    def run(self, seconds: float) -> None:
        self.now += seconds
        self.calls += 1

    def record(self) -> Mark:
        return Mark(self.now)


@pytest.fixture(autouse=True)
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sample is taken again because this machine does other work."""
    monkeypatch.setattr("graphopt.bench.timing.switches", lambda: 0)


@pytest.mark.parametrize("seconds", [1e-6, 3e-4, 0.02])
def test_a_call_takes_what_the_stream_says_and_batches_are_long_beside_a_wait(seconds: float) -> None:
    stream = Stream()
    clock, stable = warm_up(lambda: stream.run(seconds), of=lambda call: EventClock(call, record=stream.record))
    assert stable
    assert clock.repetitions * seconds >= DEVICE_SECONDS * 0.999 or seconds > DEVICE_SECONDS
    before = stream.calls
    assert clock.sample() == pytest.approx(seconds)
    assert stream.calls - before == clock.repetitions + clock.settle  # the untimed call lies before the first mark
    assert clock.cold(lambda: None) == pytest.approx(seconds)


def test_what_lies_on_a_device_says_where_marks_are_made() -> None:
    stream = Stream()
    there = SimpleNamespace(device=stream)
    assert recorder([np.ones(3), {"a": there}]) == stream.record
    assert recorder([np.ones(3), SimpleNamespace(device="cuda:0")]) is None


def test_a_contestant_whose_results_stay_on_a_device_is_timed_there() -> None:
    stream = Stream()

    class OnDevice:
        device = stream

        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            return np.zeros(3)

    def contestant() -> OnDevice:
        stream.run(5e-4)
        return OnDevice()

    here = Here(contestant, Arguments())
    assert list(here.observe()) == ["output"]
    here.warm_up(0.2)
    assert here.warm() == pytest.approx(5e-4)
