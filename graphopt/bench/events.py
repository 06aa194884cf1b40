"""Times by a device's own clock: batches of calls between two marks in the stream that they run in.

What is launched on a device runs after the call has returned, so the host's clock would time the launching. A mark is
itself an entry in the stream: the time between two of them is that of what lies between, whoever waits for it and when.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Protocol

from graphopt.bench.timing import Clock
from graphopt.bench.validate import flatten

DEVICE_SECONDS = 1e-2  # of a batch at least: beside it, marking and waiting (20 µs) are nothing

__all__ = ["EventClock", "Mark", "recorder"]


class Mark(Protocol):
    """A moment in a stream; `graphopt.runtime.driver.Event` is one."""

    def seconds_since(self, earlier: Any) -> float:
        """Seconds from an earlier mark of the same stream to this one; waits for both."""


@dataclass
class EventClock(Clock):
    """Times one contestant in batches of calls, each between two marks.

    Attributes
    ----------
    record
        Marks this moment in the stream that the calls run in.
    """

    record: Callable[[], Mark] = field(kw_only=True)
    least: float = DEVICE_SECONDS

    def batch(self) -> float:
        """Seconds a call, averaged over one batch, by the device's clock."""
        call = self.call
        start = self.record()
        for _ in repeat(None, self.repetitions):
            call()
        return float(self.record().seconds_since(start)) / self.repetitions

    def cold(self, flush: Callable[[], None]) -> float:
        """Seconds of one call by itself, launched after the host's caches have been emptied; the device's are not."""
        flush()
        start = self.record()
        self.call()
        return float(self.record().seconds_since(start))


def recorder(outputs: object) -> Callable[[], Mark] | None:
    """What marks moments in the stream that made some outputs: that of their `device`, if they lie on one."""
    for _, leaf in flatten(outputs):
        record = getattr(getattr(leaf, "device", None), "record", None)
        if callable(record):
            found: Callable[[], Mark] = record
            return found
    return None
