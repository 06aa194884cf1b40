"""How results reach a terminal: tables, JSON, and errors as one message and an exit code."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from graphopt.bench import NothingMeasured
from graphopt.errors import (
    CheckFailed,
    CompilationFailed,
    CompilerNotFound,
    DeviceFailed,
    GraphoptError,
    RewriteFailed,
    TargetUnavailable,
    VerificationFailed,
)

__all__ = ["FINDING", "NOTHING", "USAGE", "grid", "heading", "reported", "say", "say_json", "tell"]

FINDING, USAGE, NOTHING = 1, 2, 3
WIDTH = 120
_NOTHING = (NothingMeasured, CompilerNotFound, CompilationFailed, TargetUnavailable, DeviceFailed, MemoryError)
_FINDINGS = (CheckFailed, VerificationFailed, RewriteFailed)


@contextmanager
def reported(debug: bool) -> Iterator[None]:
    """Turn what goes wrong inside the block into a message on standard error and the exit code that fits.

    With `debug`, the error goes on its way with its traceback.
    """
    try:
        yield
    except (GraphoptError, MemoryError, OSError) as error:
        if debug or isinstance(error, BrokenPipeError):
            raise
        text = str(error) or type(error).__name__
        if isinstance(error, MemoryError):
            text = f"not enough memory for sizes like these ({text})"
        _stop(text, NOTHING if isinstance(error, _NOTHING) else FINDING if isinstance(error, _FINDINGS) else USAGE)


def _stop(text: str, code: int) -> NoReturn:
    sys.stderr.write(f"graphopt: {text}\n")
    raise typer.Exit(code)


def tell(text: str) -> None:
    """Progress, on standard error, where somebody looks: a line that the next one overwrites."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}" if text else "\r\x1b[K")
        sys.stderr.flush()


def say(text: str = "") -> None:
    """A text on standard output, as it is."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()


def heading(text: str) -> None:
    """The title of what follows."""
    say(f"\n{text}\n{'-' * len(text)}")


def say_json(record: Any) -> None:
    """A record on standard output as JSON; what is no finite number there is null."""
    say(json.dumps(_plain(record), indent=1, ensure_ascii=False, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def grid(heads: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[str] = ()) -> None:
    """A table: no borders, columns as wide as they need to be, those named in `right` aligned to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for head in heads:
        table.add_column(head, justify="right" if head in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    width = max(WIDTH, os.get_terminal_size().columns) if sys.stdout.isatty() else WIDTH
    console = Console(width=width, color_system=None, markup=False, highlight=False, emoji=False)
    with console.capture() as capture:
        console.print(table)
    say("\n".join(line.rstrip() for line in capture.get().splitlines()))
