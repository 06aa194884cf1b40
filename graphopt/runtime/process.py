"""Starting compilers as child processes: one place that counts, limits, times out and cleans up.

Not for programs that were compiled; those are loaded (`compile.py`) or, as probes, run by `toolchain.py`.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from graphopt.errors import CompilationFailed

__all__ = ["DEFAULT_TIMEOUT", "SEARCH_VARIABLES", "Outcome", "compiler_runs", "compiler_seconds", "processors",
           "run_compiler"]  # fmt: skip

DEFAULT_TIMEOUT = 600.0  # seconds

#: Environment variables that change what a compiler finds, and so belong into every key of what it made.
SEARCH_VARIABLES = (
    "CPATH",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "LIBRARY_PATH",
    "LD_RUN_PATH",
    "GCC_EXEC_PREFIX",
    "COMPILER_PATH",
    "SDKROOT",
    "MACOSX_DEPLOYMENT_TARGET",
)


def processors() -> int:
    """How many processors this process may use: the number of compilers that may run side by side."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


class _Bookkeeping:
    """The counter of compiler runs, their seconds, and the limit on concurrent ones, for this process."""

    def __init__(self, runs: int = 0, seconds: float = 0.0) -> None:
        self.lock = threading.Lock()
        self.slots = threading.BoundedSemaphore(processors())
        self.runs = runs
        self.seconds = seconds

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        """Around one run."""
        with self.lock:
            self.runs += 1
        start = time.perf_counter()
        try:
            yield
        finally:
            with self.lock:
                self.seconds += time.perf_counter() - start


_bookkeeping = _Bookkeeping()


def _renew_after_fork() -> None:
    global _bookkeeping  # a lock held by another thread of the parent would never be released here
    _bookkeeping = _Bookkeeping(_bookkeeping.runs, _bookkeeping.seconds)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)


def compiler_runs() -> int:
    """Number of compiler processes that this process has started so far, feature probes and ``--version`` included."""
    return _bookkeeping.runs


def compiler_seconds() -> float:
    """Seconds that those processes took so far, added up: of several side by side, each counts."""
    return _bookkeeping.seconds


@dataclass(frozen=True)
class Outcome:
    """What became of one compiler run.

    Attributes
    ----------
    command : tuple of str
        The command line.
    status : int
        The exit status; negative for the number of the signal that ended it.
    log : str
        Standard output and standard error together.
    """

    command: tuple[str, ...]
    status: int
    log: str

    @property
    def ok(self) -> bool:
        return self.status == 0

    @property
    def was_killed(self) -> bool:
        """Whether a signal ended the compiler, or one of the programs it runs (typically for want of memory)."""
        return self.status < 0 or "Killed signal terminated program" in self.log

    @property
    def shell(self) -> str:
        """The command line, as one would type it."""
        return shlex.join(self.command)


def run_compiler(command: Sequence[str], directory: Path, timeout: float = DEFAULT_TIMEOUT) -> Outcome:
    """Run a compiler in ``directory`` and wait for it, together with at most ``processors()`` others.

    Its temporary files go to ``directory`` as well, so that removing that folder leaves nothing behind.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    directory : Path
        Working directory; file names in diagnostics are relative to it.
    timeout : float
        Seconds after which the compiler and everything it started is ended.

    Raises
    ------
    CompilationFailed
        The program could not be started, or did not finish in time.
    """
    bookkeeping = _bookkeeping
    with bookkeeping.slots, bookkeeping.counting():
        environment = {**os.environ, "LC_ALL": "C", "TMPDIR": str(directory)}
        try:
            process = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise CompilationFailed(
                f"The compiler {command[0]} could not be started ({error.strerror or error}). Choose another one "
                f"with the environment variable CC or CXX; 'graphopt doctor' shows what was found."
            ) from None
        try:
            output, _ = process.communicate(timeout=timeout)
        except BaseException as error:
            _end_with_children(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise CompilationFailed(
                    f"The compiler did not finish within {timeout:g} s and was ended. Allow more time, or lower the "
                    f"optimization level, or let the text be split into smaller functions.\n"
                    f"command: {shlex.join(command)}"
                ) from None
            raise
    log = output.decode("utf-8", errors="replace").replace(f"{directory}{os.sep}", "")
    return Outcome(tuple(command), process.returncode, log)


def _end_with_children(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
