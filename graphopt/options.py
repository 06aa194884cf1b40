"""How a function is compiled and run, apart from what it computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graphopt.errors import InvalidArgument

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """Options of `go.function`.

    Attributes
    ----------
    threads
        Threads a kernel may use; None takes as many as the process may run on.
    compiler
        "gcc", "clang" or a path; None takes $CC or the system's.
    flags
        Compiler flags in place of the default ones.
    extra_flags
        Compiler flags besides them.
    templates
        Folders laid over the package's templates: a file of the same name takes the place of ours.
    seed
        For target "cuda-emulated": the order in which threads take turns; 0 is their own.
    check_bounds
        Whether a call raises where an index that it computed lies outside its axis. Without, the result is undefined
        there.
    """

    threads: int | None = None
    compiler: str | None = None
    flags: Sequence[str] | None = None
    extra_flags: Sequence[str] = ()
    templates: Sequence[str | Path] = ()
    seed: int = 0
    check_bounds: bool = True

    def __post_init__(self) -> None:
        if self.threads is not None and (not isinstance(self.threads, int) or self.threads < 1):
            raise InvalidArgument(f"threads is a positive integer or None, found {self.threads!r}")
