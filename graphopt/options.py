"""How a function is compiled and run, apart from what it computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from graphopt.errors import InvalidArgument
from graphopt.runtime.driver import Driver

__all__ = ["SCHEDULE", "Options"]

SCHEDULE = ("inplace", "reuse")
"""The choices of the schedule that options make."""

FALLBACKS = ("c", "numpy")
"""The targets that may take the place of a GPU."""


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
    schedule
        Choices of the schedule that are on unless they are named with False, such as `{"inplace": False}`: "inplace",
        results are written over temporaries that they are computed from; "reuse", temporaries that are not needed at
        the same time share memory, and memory that updates of shared variables no longer need takes the next ones.
    kept_bytes
        How much memory for temporaries a function may keep from call to call, on a device what it copies in and out
        included. What is more goes back to the system or the device after a call, and comes fresh at the next. All of
        it goes with the function. With 0, large results of target "c" are not made in memory that earlier ones had,
        either: the system has it back when they go.
    device_outputs
        For targets that run on a device: whether results are returned as arrays there (`DeviceArray`) rather than
        copied to the host.
    device
        For target "cuda": which GPU, of those that the process sees.
    driver
        For targets that run on a device: what compiles and runs the text in place of ours, a
        `graphopt.runtime.driver.Driver` or a callable that makes one; it is called once in a process. (A function is
        pickled with its options, and a callable usually can be.)
    fallback
        For target "cuda": "c" (or "numpy") takes its place where there is no usable GPU, and a warning says why, once.
        None raises `TargetUnavailable`.
    """

    threads: int | None = None
    compiler: str | None = None
    flags: Sequence[str] | None = None
    extra_flags: Sequence[str] = ()
    templates: Sequence[str | Path] = ()
    seed: int = 0
    check_bounds: bool = True
    schedule: Mapping[str, bool] = field(default_factory=dict)
    kept_bytes: int = 2**30
    device_outputs: bool = False
    device: int = 0
    driver: Driver | Callable[[], Driver] | None = None
    fallback: str | None = None

    def __post_init__(self) -> None:
        if self.threads is not None and (not isinstance(self.threads, int) or self.threads < 1):
            raise InvalidArgument(f"threads is a positive integer or None, found {self.threads!r}")
        if not isinstance(self.kept_bytes, int) or self.kept_bytes < 0:
            raise InvalidArgument(f"kept_bytes is a number of bytes, 0 or more, found {self.kept_bytes!r}")
        if not isinstance(self.device, int) or self.device < 0:
            raise InvalidArgument(f"device is the number of a GPU, from 0, found {self.device!r}")
        if self.driver is not None and not isinstance(self.driver, Driver) and not callable(self.driver):
            raise InvalidArgument(f"driver is a graphopt.runtime.driver.Driver or makes one, found {self.driver!r}")
        if self.fallback not in (None, *FALLBACKS):
            raise InvalidArgument(f"fallback is None or one of {', '.join(FALLBACKS)}, found {self.fallback!r}")
        for name, value in self.schedule.items():
            if name not in SCHEDULE or not isinstance(value, bool):
                raise InvalidArgument(
                    f"schedule: {name!r}: {value!r}; expected True or False for {', '.join(SCHEDULE)}"
                )
