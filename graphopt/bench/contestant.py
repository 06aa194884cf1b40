"""A contestant with its arguments, in this process; see `worker` for one in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from graphopt.bench.cold import flush
from graphopt.bench.events import EventClock, recorder
from graphopt.bench.timing import Clock, bind, warm_up
from graphopt.bench.validate import Arguments, Array, Refused, describe, observe
from graphopt.bench.variations import Unbuilt
from graphopt.bench.work import Facts, facts

__all__ = ["Here", "Participant"]


class Participant(Protocol):
    """What a comparison asks of a contestant. Every method but `facts` raises `Refused` with the reason if it fails."""

    @property
    def repetitions(self) -> int:
        """Calls averaged in a warm sample; 0 before the warm-up."""

    def observe(self) -> dict[str, Array]:
        """Call it once; its outputs by path."""

    def warm_up(self, cap: float) -> bool:
        """Call it until its times are stable, for so many seconds at most; whether they were."""

    def warm(self) -> float:
        """A sample with warm caches: seconds a call."""

    def cold(self) -> float:
        """A sample with cold caches."""

    def facts(self) -> Facts:
        """What is known without running it."""


class Here:
    """A contestant in this process.

    Parameters
    ----------
    contestant
        Any callable.
    arguments
        What it is called with, which others may share.
    """

    def __init__(self, contestant: Callable[..., object], arguments: Arguments) -> None:
        self._contestant = contestant
        self._arguments = arguments
        self._clock: Clock | None = None

    @property
    def repetitions(self) -> int:
        return self._clock.repetitions if self._clock is not None else 0

    def observe(self) -> dict[str, Array]:
        if isinstance(self._contestant, Unbuilt):
            raise Refused(f"cannot be built here: {describe(self._contestant.error)}")
        return observe(self._contestant, self._arguments)

    def warm_up(self, cap: float) -> bool:
        try:
            call = bind(self._contestant, self._arguments.positional, self._arguments.keywords)
            record = recorder(call())
            clock = Clock if record is None else partial(EventClock, record=record)
            self._clock, stable = warm_up(call, cap=cap, of=clock)
        except Exception as error:
            raise Refused(f"raised {describe(error)}") from error
        if written := self._arguments.written():
            raise Refused(f"writes into its {written[0]}; give it a copy to work on")
        return stable

    def warm(self) -> float:
        return self._sampled(lambda clock: clock.sample())

    def cold(self) -> float:
        return self._sampled(lambda clock: clock.cold(flush()))

    def _sampled(self, sample: Callable[[Clock], float]) -> float:
        assert self._clock is not None, "a contestant is warmed up before it is timed"
        try:
            return sample(self._clock)
        except Exception as error:
            raise Refused(f"raised {describe(error)}") from error

    def facts(self) -> Facts:
        return facts(self._contestant, self._arguments)
