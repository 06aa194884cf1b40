"""How far a command is, on standard error: a bar where somebody watches, else a line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

__all__ = ["LINES_APART", "Progress"]

LINES_APART = 10.0
"""Seconds between two lines."""


class Progress:
    """A count of things done, shown while the block runs.

    Parameters
    ----------
    things
        What is counted, in the plural.
    total
        How many there will be; None if that is not known.
    clock
        Tells the time in seconds.
    """

    def __init__(self, things: str, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.things, self.total, self._clock = things, total, clock
        self._start = self._shown = clock()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.fields[things]}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                TextColumn("{task.fields[note]}", markup=False), console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self._bar.start()
            self._task = self._bar.add_task("", total=self.total, things=self.things, note="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def at(self, done: int, note: str = "") -> None:
        """Show that so many are done, with a word on the next one."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=max(self.total or 0, done) or None, note=note)
            return
        now = self._clock()
        if now - self._shown >= LINES_APART:
            self._shown = now
            of = "" if self.total is None or done > self.total else f" of {self.total}"
            sys.stderr.write(f"{done}{of} {self.things} in {now - self._start:.0f} s{f'; {note}' if note else ''}\n")
            sys.stderr.flush()
