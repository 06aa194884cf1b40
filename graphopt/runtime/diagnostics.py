"""Turning a failed compiler run into a message that its reader can act on."""

from __future__ import annotations

import re
from collections.abc import Mapping

from graphopt.runtime.process import Outcome

__all__ = ["explain"]

_DIAGNOSTIC = re.compile(r"^(?P<file>[^\s:]+):(?P<line>\d+):(?:\d+:)? (?:fatal )?error: ", re.MULTILINE)
_TELLING = re.compile(r"error|undefined (reference|symbol)|cannot find", re.IGNORECASE)
_SHOWN_ERRORS, _SHOWN_LINES, _AROUND = 5, 30, 2


def explain(outcome: Outcome, program: str, sources: Mapping[str, str]) -> str:
    """Say what a compiler objected to, show the first offending line among its neighbours, and give the command.

    Parameters
    ----------
    outcome : Outcome
        The failed run.
    program : str
        What to call the compiler.
    sources : mapping of str to str
        The texts by the file names that the compiler saw.
    """
    if outcome.was_killed:
        headline = f"{program} was killed while compiling, most likely for want of memory. Split the text, or use -O1."
    else:
        headline = f"{program} rejected the text (exit status {outcome.status})."
    lines = outcome.log.splitlines()
    said = [line for line in lines if _TELLING.search(line)][:_SHOWN_ERRORS] or lines[:_SHOWN_LINES]
    parts = [headline, *(f"  {line}" for line in said or ["(it printed nothing)"])]
    first = _DIAGNOSTIC.search(outcome.log)
    if first and first["file"] in sources:
        parts += _excerpt(first["file"], sources[first["file"]], int(first["line"]))
    return "\n".join([*parts, f"command: {outcome.shell}"])


def _excerpt(name: str, text: str, line: int) -> list[str]:
    lines = text.split("\n")
    numbers = range(max(1, line - _AROUND), min(len(lines), line + _AROUND) + 1)
    shown = [f"  {'>' if number == line else ' '} {number:5d} | {lines[number - 1][:200]}" for number in numbers]
    return [f"In {name}:", *shown]
