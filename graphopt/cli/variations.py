"""The contestants that the options of `graphopt compare` add: each differs from the full pipeline in one thing."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphopt.errors import InvalidArgument

__all__ = ["chosen_targets", "variations"]

TARGETS = ("c", "numpy", "cuda", "cuda-emulated")
OURS = "c"  # what all contestants are for, unless they say otherwise


def variations(
    *,
    pipelines: Sequence[str],
    compilers: Sequence[str],
    threads: Sequence[int],
    flags: Sequence[str],
    templates: Sequence[Path],
    sources: Sequence[Path],
    targets: Sequence[str],
) -> dict[str, dict[str, Any]]:
    """Variations for `graphopt.bench.vary`, by the names that the table shows.

    Raises
    ------
    InvalidArgument
        A folder or file cannot be read, flags cannot be split, or a target is none of those that vary.
    """
    found: dict[str, dict[str, Any]] = {}
    found |= {f"pipeline {text}": {"pipeline": text} for text in pipelines}
    found |= {f"compiler {name}": {"compiler": name} for name in compilers}
    found |= {f"{count} thread{'s' if count > 1 else ''}": {"threads": count} for count in threads}
    found |= {f"flags {text}": {"extra_flags": _split(text)} for text in flags}
    for folder in templates:
        if not folder.is_dir():
            raise InvalidArgument(f"--templates {folder}: there is no such folder")
        found[f"templates {folder}"] = {"templates": [folder]}
    for path in sources:
        try:
            found[f"source {path}"] = {"source": path.read_text(encoding="utf-8")}
        except (OSError, ValueError) as error:
            raise InvalidArgument(f"--source {path} cannot be read: {error}") from None
    found |= {f"target {target}": {"target": target} for target in chosen_targets(targets) if target != OURS}
    return found


def chosen_targets(texts: Sequence[str]) -> list[str]:
    """The targets of one or several lists with commas, each once.

    Raises
    ------
    InvalidArgument
        One is none of those that vary.
    """
    targets = list(dict.fromkeys(part.strip() for text in texts for part in text.split(",")))
    for target in targets:
        if target not in TARGETS:
            raise InvalidArgument(f"--targets are {', '.join(TARGETS)}; found {target!r}")
    return targets


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InvalidArgument(f"--flags {text!r} cannot be split into flags: {error}") from None
