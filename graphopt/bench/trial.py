"""The contestants still in the race, and why the others are not; and what the samples of a race say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from graphopt.bench.contestant import Here, Participant
from graphopt.bench.record import Timing
from graphopt.bench.static import Static
from graphopt.bench.statistics import Estimate, judge, median, paired_ratio
from graphopt.bench.validate import Arguments, Array, Refused, Tolerance, as_arrays, check_values, describe
from graphopt.bench.work import Facts
from graphopt.bench.worker import There, Worker
from graphopt.errors import InvalidArgument

__all__ = ["EMULATED", "EXACT", "NothingMeasured", "Trial", "timings"]

EXACT = Estimate(1.0, 1.0, 1.0)  # what the control is judged by
EMULATED = "runs on an emulated device, whose time says nothing about a real one"


class NothingMeasured(InvalidArgument):
    """A comparison ended without a single time that can be believed."""


class Trial:
    """Contestants with their arguments.

    Attributes
    ----------
    refused
        Why contestants are out of the race.
    untimed
        Why others, which are not out of the race, are not timed: they run on an emulated device, or not at all.
    errors
        The largest error seen of each whose values could be compared.
    facts
        What is known without running them.
    restless
        Those whose times were not stable when their warm-up ended.
    """

    def __init__(
        self,
        contestants: Mapping[str, Callable[..., object]],
        baseline: str,
        arguments: Arguments,
        tolerance: Tolerance,
        tell: Callable[[str], None],
    ) -> None:
        self.baseline = baseline
        self.arguments = arguments
        self.tolerance = tolerance
        self.tell = tell
        self.participants: dict[str, Participant] = {
            name: There(each, arguments) if isinstance(each, Worker) else Here(each, arguments)
            for name, each in contestants.items()
        }
        self.expected: dict[str, Array] = {}
        self.refused: dict[str, str] = {}
        self.untimed = {name: each.reason for name, each in contestants.items() if isinstance(each, Static)}
        self.errors: dict[str, float] = {}
        self.facts: dict[str, Facts] = {}
        self.restless: list[str] = []

    @property
    def racing(self) -> dict[str, Participant]:
        """Those that are neither refused nor left untimed."""
        out = {*self.refused, *self.untimed}
        return {name: each for name, each in self.participants.items() if name not in out}

    def refuse(self, name: str, reason: str) -> None:
        """Take a contestant out of the race; without a baseline there is none."""
        if name == self.baseline:
            raise NothingMeasured(f"the baseline {name!r} was refused, so no ratio has a meaning: {reason}")
        self.refused[name] = reason

    def expect(self, reference: object) -> None:
        """Set what outputs are held against: what a callable returns, the outputs given, or (None) the baseline's."""
        try:
            if reference is None:
                outputs = self.participants[self.baseline].observe()
            else:
                outputs = as_arrays(self.arguments.call(reference) if callable(reference) else reference)
        except Refused as refused:
            self.refuse(self.baseline, str(refused))
        except Exception as error:
            raise NothingMeasured(f"the reference gave nothing to compare with: {describe(error)}") from error
        finally:
            self.arguments.written()
        self.expected = {path: array.copy() for path, array in outputs.items()}

    def validate(self, when: str = "") -> None:
        """Call every contestant, and refuse those that do not compute what is expected."""
        for name, participant in self.participants.items():
            if name in self.refused or self.untimed.get(name, EMULATED) != EMULATED:
                continue
            self.tell(f"checking {name}")
            try:
                outputs = participant.observe()
            except Refused as refused:
                self.refuse(name, f"{when}{refused}")
                continue
            finding = check_values(outputs, self.expected, self.tolerance)
            if finding.error is not None:
                self.errors[name] = max(finding.error, self.errors.get(name, 0.0))
            if finding.reason:
                self.refuse(name, f"{when}{finding.reason}")

    def look_up(self, counts: Mapping[str, Mapping[str, float]]) -> None:
        """Learn what is known about all but the refused; `counts` come before what a contestant says of itself."""
        for name, participant in self.participants.items():
            if name in self.refused:
                continue
            facts = participant.facts()
            facts.counts.update(counts.get(name, {}))
            self.facts[name] = facts
            if facts.emulated:
                self.untimed[name] = EMULATED
        if self.baseline in self.untimed:
            reason = self.untimed[self.baseline]
            raise NothingMeasured(f"the baseline {self.baseline!r} {reason}; choose another by baseline=")

    def warm_up(self, cap: float) -> None:
        """Warm up everyone, for so many seconds each at most."""
        for name, participant in self.racing.items():
            self.tell(f"warming up {name}")
            try:
                stable = participant.warm_up(cap)
            except Refused as refused:
                self.refuse(name, f"while warming up: {refused}")
                continue
            if not stable:
                self.restless.append(name)

    def settle(self, failures: Mapping[str, Exception], control: str) -> None:
        """Refuse who failed while being timed, and who no longer computes the right thing."""
        for name, error in failures.items():
            reason = str(error) if isinstance(error, Refused) else f"raised {describe(error)}"
            self.refuse(self.baseline if name == control else name, f"while being timed: {reason}")
        written = self.arguments.written()
        self.validate(when="after timing: ")
        if written and not self.refused:
            raise NothingMeasured(f"{written[0]} changed while contestants were timed, and it is unknown by which one")


def timings(
    samples: Mapping[str, Sequence[float]],
    baseline: str,
    control: str,
    *,
    confidence: float,
    margin: float,
    seed: int,
) -> dict[str, Timing]:
    """What the samples of a race say about each contestant, the control included.

    Parameters
    ----------
    samples
        Seconds a call, one entry a round.
    baseline, control
        The names of the baseline's two entries.
    confidence, margin, seed
        See `compare`.
    """

    def ratio(name: str) -> Estimate:
        return paired_ratio(samples[name], samples[baseline], confidence, seed=seed)

    again = ratio(control)
    found = {}
    for name, times in samples.items():
        time = median(times, confidence, seed=seed)
        if name == baseline:
            found[name] = Timing(time.value, time.interval, 1.0, None, "baseline", len(times))
            continue
        relative = again if name == control else ratio(name)
        verdict = judge(relative, EXACT if name == control else again, margin)
        found[name] = Timing(time.value, time.interval, relative.value, relative.interval, verdict, len(times))
    return found
