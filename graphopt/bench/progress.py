"""How far a comparison is, on standard error, where somebody looks.

A progress bar that draws itself from a thread of its own would take time from whoever is being timed; this one draws
only when it is told, which is between two samples.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

__all__ = ["Progress"]

SECONDS_BETWEEN = 0.25


class Progress:
    """A context manager; call it with what is being done and how much of it is.

    Parameters
    ----------
    shown
        Whether anything is drawn; by default where standard error is a terminal.
    """

    def __init__(self, shown: bool | None = None) -> None:
        self._text = ""
        self._drawn = 0.0
        self._bars: Any = None
        if not (sys.stderr.isatty() if shown is None else shown):
            return
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bars.add_task("", total=None)

    def __enter__(self) -> Progress:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, text: str, done: float | None = None) -> None:
        """Say what is being done, and which fraction of it is done if that is known."""
        if self._bars is None:
            return
        now = time.monotonic()
        if text == self._text and now - self._drawn < SECONDS_BETWEEN:
            return
        self._text, self._drawn = text, now
        self._bars.update(
            self._task, description=text, total=None if done is None else 1.0, completed=done or 0.0, refresh=True
        )
