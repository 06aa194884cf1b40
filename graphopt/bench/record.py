"""The record of a comparison: rows, control, machine and settings, kept as JSON and held against later records."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from graphopt.bench.machine import IDENTITY
from graphopt.bench.statistics import Estimate, Verdict, bias, judge
from graphopt.bench.work import Facts
from graphopt.errors import InvalidArgument
from graphopt.runtime.resources import KernelResources, Resources

__all__ = ["Change", "Comparison", "Row", "Timing"]

FORMAT = 3  # of the JSON file; raised when an older reader could no longer understand it


@dataclass(frozen=True)
class Timing:
    """What one race says about a contestant.

    Attributes
    ----------
    median, interval
        Seconds a call and their confidence interval.
    ratio, ratio_interval
        Median over rounds of its time over the baseline's; None for the interval of the baseline itself.
    verdict
        As in `Row`.
    rounds
        Samples taken.
    """

    median: float
    interval: tuple[float, float]
    ratio: float
    ratio_interval: tuple[float, float] | None
    verdict: str
    rounds: int


@dataclass(frozen=True)
class Row:
    """One contestant's result. Everything measured is `None` for a refused contestant.

    Attributes
    ----------
    name
        The contestant.
    verdict
        "faster", "slower", "same" or "undecided" than the baseline; "baseline"; "refused"; or "not timed".
    reason
        Why it was refused or not timed, else empty.
    median, interval
        Seconds a call with warm caches, and their confidence interval.
    ratio, ratio_interval
        Median over rounds of its time over the baseline's, dimensionless; below 1 is faster.
    error
        Largest error of the outputs relative to the largest finite absolute value of the reference.
    bytes, flops
        Traffic in bytes and floating-point operations of one call, as a graphopt function knows them (operations
        weighted by their cost: an exp counts as several) or as given by the caller.
    gbs, gflops
        10⁹ bytes and 10⁹ floating-point operations a second at the median.
    rounds, repetitions
        Samples taken, and calls averaged in each of them.
    cold
        The same for single calls with cold caches; None if that was not measured.
    made
        How it was made, as far as that is known: packages with versions; of graphopt's functions target, pipeline,
        compiler, flags, threads, and a digest of the source; of a worker the environment of its process.
    kernels, lines
        Of graphopt's functions that are compiled: kernels of a call, and lines of text.
    resources
        Of CUDA: what each kernel takes, and all of them together (`.registers`, `.spilled`, `.shared`, `.occupancy`).
    """

    name: str
    verdict: str
    reason: str = ""
    median: float | None = None
    interval: tuple[float, float] | None = None
    ratio: float | None = None
    ratio_interval: tuple[float, float] | None = None
    error: float | None = None
    bytes: float | None = None
    flops: float | None = None
    gbs: float | None = None
    gflops: float | None = None
    rounds: int = 0
    repetitions: int = 0
    cold: Timing | None = None
    made: Mapping[str, Any] = field(default_factory=dict)
    kernels: int | None = None
    lines: int | None = None
    resources: Resources | None = None

    @classmethod
    def of(
        cls,
        name: str,
        facts: Facts,
        warm: Timing | None = None,
        cold: Timing | None = None,
        *,
        error: float | None,
        reason: str = "",
        repetitions: int = 0,
    ) -> Row:
        """The row of a contestant that computes the right thing; without a warm timing it was not timed."""
        row = cls(
            name, "not timed", reason, error=error, cold=cold, made=facts.made, repetitions=repetitions,
            bytes=facts.counts.get("bytes"), flops=facts.counts.get("flops"),
            kernels=facts.kernels, lines=facts.lines, resources=facts.resources,
        )  # fmt: skip
        if warm is None:
            return row
        rates = {key: value / warm.median * 1e-9 for key, value in facts.counts.items()}
        return replace(row, **vars(warm), gbs=rates.get("bytes"), gflops=rates.get("flops"))

    def ratio_estimate(self) -> Estimate:
        """The ratio with its interval, for judging; that of the baseline to itself is 1."""
        low, high = self.ratio_interval or (1.0, 1.0)
        return Estimate(1.0 if self.ratio is None else self.ratio, low, high)


@dataclass(frozen=True)
class Change:
    """How a contestant's ratio to the baseline moved between two records.

    Attributes
    ----------
    name
        The contestant.
    before, after
        Its ratios to the baseline, dimensionless.
    ratio, interval
        `after / before` and an interval that covers at least as much as those of both records do together.
    verdict
        "slower" is a regression.
    """

    name: str
    before: float
    after: float
    ratio: float
    interval: tuple[float, float]
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes
    ----------
    rows
        One for each contestant, in the order given.
    control
        The baseline's second entry, judged against the first: what this machine calls a difference where there is none.
    baseline
        Name of the contestant that ratios refer to.
    machine
        See `graphopt.bench.machine.machine`.
    settings
        Confidence, margin, seed and the other arguments of `compare`.
    ceilings
        See `graphopt.bench.machine.ceilings`; empty if no counts are known.
    notes
        What a reader should know before believing the rest.
    date
        ISO 8601, UTC.
    samples, cold_samples
        Seconds a call, one entry a round, for each measured contestant and the control.
    """

    rows: tuple[Row, ...]
    control: Row
    baseline: str
    machine: Mapping[str, str | int | float]
    settings: Mapping[str, Any]
    ceilings: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    date: str = ""
    samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    cold_samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Row:
        """The row of a contestant."""
        for row in self.rows:
            if row.name == name:
                return row
        raise InvalidArgument(f"no contestant {name!r}; there are {', '.join(repr(row.name) for row in self.rows)}")

    def table(self) -> str:
        """The comparison as text for a terminal."""
        from graphopt.bench.report import table

        return table(self)

    def _repr_html_(self) -> str:
        from graphopt.bench.report import page

        return page(self)

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw ratios with their intervals and, where bytes and operations are known, the roofline of this machine.

        The suffix of the path chooses the format.

        Raises
        ------
        TargetUnavailable
            matplotlib is not installed; it comes with the extra `report`.
        """
        from graphopt.bench.picture import plot

        plot(self, path)

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the record aside and rename it into place, so that a reader never sees half of it."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
        target = Path(path)
        handle, aside = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(aside, 0o644)
            os.replace(aside, target)
        except BaseException:
            os.unlink(aside)
            raise

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> Comparison:
        """Read a record that `to_json` wrote.

        Raises
        ------
        InvalidArgument
            The file is no such record, or one of a later format.
        """
        try:
            record = json.loads(Path(path).read_text(encoding="utf-8"))
            if record["format"] != FORMAT:
                raise InvalidArgument(
                    f"{path} has format {record['format']}; this version reads format {FORMAT}: measure again"
                )
            values = {item.name: record[item.name] for item in fields(cls)}
            values["rows"] = tuple(_row(row) for row in values["rows"])
            values["control"] = _row(values["control"])
            values["notes"] = tuple(values["notes"])
            for key in ("samples", "cold_samples"):
                values[key] = {name: tuple(times) for name, times in values[key].items()}
            return cls(**values)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, InvalidArgument):
                raise
            raise InvalidArgument(f"{path} is not the record of a comparison: {error!r}") from error

    def against(self, earlier: Comparison) -> tuple[Change, ...]:
        """Compare this record with an earlier one of the same machine, contestant by contestant.

        Ratios to the baseline are compared, not times, so that what slows everything alike cancels. The interval runs
        from `low / high` to `high / low` of both ratios' intervals, which is wider than need be.

        Parameters
        ----------
        earlier
            A record with the same baseline.

        Returns
        -------
        tuple of Change
            One for each contestant that both records measured, the baseline excepted.

        Raises
        ------
        InvalidArgument
            The records come from different machines, have different baselines or no other contestant in common.
        """
        for key in IDENTITY:
            ours, theirs = self.machine.get(key), earlier.machine.get(key)
            if ours != theirs:
                raise InvalidArgument(
                    f"these records come from different machines ({key}: {ours!r} and {theirs!r}); times and ratios do "
                    "not carry over, so measure both on one machine"
                )
        if self.baseline != earlier.baseline:
            raise InvalidArgument(
                f"ratios refer to different baselines, {self.baseline!r} and {earlier.baseline!r}; "
                "pass the same baseline= to both comparisons"
            )
        before = {row.name: row for row in earlier.rows if row.ratio_interval is not None}
        pairs = [(before[row.name], row) for row in self.rows if row.ratio_interval and row.name in before]
        if not pairs:
            raise InvalidArgument("the records have no measured contestant in common besides the baseline")
        now, then = self.control.ratio_estimate(), earlier.control.ratio_estimate()
        moved = _quotient(now, then)
        control = Estimate(bias(now) * bias(then), moved.low, moved.high)
        margin = max(self.settings["margin"], earlier.settings["margin"])
        changes = []
        for old, new in pairs:
            ratio = _quotient(new.ratio_estimate(), old.ratio_estimate())
            changes.append(
                Change(
                    new.name,
                    old.ratio_estimate().value,
                    new.ratio_estimate().value,
                    ratio.value,
                    ratio.interval,
                    judge(ratio, control, margin),
                )
            )
        return tuple(changes)


def _quotient(over: Estimate, under: Estimate) -> Estimate:
    return Estimate(over.value / under.value, over.low / under.high, over.high / under.low)


def _row(values: dict[str, Any]) -> Row:
    cold, resources = values["cold"], values["resources"]
    values = _with_pairs(values)
    values["cold"] = None if cold is None else Timing(**_with_pairs(cold))
    if resources is not None:
        kernels = tuple(KernelResources(**kernel) for kernel in resources["kernels"])
        values["resources"] = Resources(**{**resources, "kernels": kernels})
    return Row(**values)


def _with_pairs(values: dict[str, Any]) -> dict[str, Any]:
    """JSON's lists as the tuples that intervals are."""
    return {
        key: tuple(value) if key in ("interval", "ratio_interval") and value is not None else value
        for key, value in values.items()
    }
