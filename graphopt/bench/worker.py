"""Contestants in processes of their own, of which one runs at a time.

Thread pools of other libraries go on spinning for a while after a call, on the cores that the next contestant needs;
and two libraries may not get along in one process at all. A worker is stopped as a whole (SIGSTOP) except while it is
asked for something, so nothing of it spins. It has its own copy of the arguments, and times itself by its own clock.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from socket import socketpair
from types import TracebackType
from typing import IO, Any

from graphopt.bench.validate import Arguments, Array, Refused
from graphopt.bench.work import Facts
from graphopt.errors import GraphoptError, InvalidArgument

__all__ = ["There", "Worker", "WorkerFailed"]

INSIDE = "GRAPHOPT_BENCH_WORKER"  # set in the environment of workers


class WorkerFailed(GraphoptError, RuntimeError):
    """What was asked of a worker raised, took too long, or ended its process."""


class Worker:
    """A contestant that lives in a process of its own. Call it, or hand it to `compare` like any other.

    The process starts with the first call. It ends with `close()`, at the end of a `with` block, when nobody holds the
    worker any more, or with the thread that started it, whatever the contestant is doing.

    Parameters
    ----------
    contestant
        What is to be called there: the text "module:name" (or "file.py:name"), or a callable that can be pickled, as
        functions of a module and graphopt's functions can.
    build
        Instead: what makes the contestant there, likewise "module:name" or a picklable callable, without arguments. For
        what cannot be sent, such as functions that JAX, Numba or PyTorch have compiled.
    environment
        Environment variables for the process besides those of this one, such as `{"OMP_NUM_THREADS": "1"}`, which most
        libraries read only when they are loaded; None takes one away.
    timeout
        Seconds that each step may take: starting and building, one call, warming up, one sample. What takes longer is
        ended.

    Raises
    ------
    InvalidArgument
        Not exactly one of `contestant` and `build` is given, or it can be neither imported nor pickled.
    """

    def __init__(
        self,
        contestant: str | Callable[..., object] | None = None,
        *,
        build: str | Callable[[], Callable[..., object]] | None = None,
        environment: Mapping[str, str | None] | None = None,
        timeout: float = 120.0,
    ) -> None:
        if (contestant is None) == (build is None):
            raise InvalidArgument(
                "a worker takes one of two: a contestant, or build=, which makes one in the worker's process"
            )
        if INSIDE in os.environ:
            raise InvalidArgument(
                "a worker that imports this script would start workers of its own; "
                'put what the script does under: if __name__ == "__main__":'
            )
        self.environment = dict(environment or {})
        self.timeout = timeout
        self._subject = _pickled(contestant if build is None else build)
        self._is_built = build is not None
        self._process: _Process | None = None

    def __call__(self, /, *arguments: object, **by_name: object) -> object:
        """What the contestant returns there.

        Raises
        ------
        WorkerFailed
            The contestant raised or took too long, or its process ended.
        """
        return self.ask("call", arguments, by_name)

    def ask(self, request: str, *details: object) -> Any:
        """Have something done by the process, which is started if need be; see `graphopt.bench.worker_process`."""
        if self._process is None:
            self._process = process = _Process(self.environment)
            weakref.finalize(self, process.end)
            try:
                process.ask("start", (), self.timeout)
                process.ask("build", (_preparation(self._subject), self._subject, self._is_built), self.timeout)
            except WorkerFailed:
                self.close()
                raise
        try:
            return self._process.ask(request, details, self.timeout)
        except _Ended:
            self.close()
            raise

    def close(self) -> None:
        """End the process; the next call would start another."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class There:
    """A contestant in a worker, as a comparison sees it; see `graphopt.bench.contestant.Participant`."""

    def __init__(self, worker: Worker, arguments: Arguments) -> None:
        self._worker = worker
        self._arguments: Arguments | None = arguments  # until they are sent
        self.repetitions = 0

    def observe(self) -> dict[str, Array]:
        outputs: dict[str, Array] = self._ask("observe")
        return outputs

    def warm_up(self, cap: float) -> bool:
        self.repetitions, stable = self._ask("warm_up", cap)
        return bool(stable)

    def warm(self) -> float:
        return float(self._ask("warm"))

    def cold(self) -> float:
        return float(self._ask("cold"))

    def facts(self) -> Facts:
        found: Facts = self._ask("facts")
        found.made["process"] = {"environment": self._worker.environment}
        return found

    def _ask(self, request: str, *details: object) -> Any:
        try:
            if self._arguments is not None:
                self._worker.ask("enter", self._arguments.positional, self._arguments.keywords)
                self._arguments = None
            return self._worker.ask(request, *details)
        except WorkerFailed as error:
            raise Refused(str(error)) from error


class _Ended(WorkerFailed):
    """There is no process any more."""


class _Process:
    """The process, its end of the line, and what it printed. It is stopped unless it has been asked for something."""

    def __init__(self, environment: Mapping[str, str | None]) -> None:
        variables = {**os.environ, **environment, INSIDE: "1"}
        ours, theirs = socketpair()
        self._printed: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  `end` closes it
        with theirs:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "graphopt.bench.worker_process", str(theirs.fileno()), str(os.getpid())],
                env={name: value for name, value in variables.items() if value is not None},
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=self._printed,
                stderr=subprocess.STDOUT,
            )
        self._line: Connection[Any, Any] = Connection(ours.detach())

    def ask(self, request: str, details: tuple[object, ...], timeout: float) -> Any:
        try:
            self._child.send_signal(signal.SIGCONT)
            self._line.send((request, details))
            if not self._line.poll(timeout):
                self.end()
                raise _Ended(
                    f"{request} took longer than {timeout:g} s and was ended; timeout= of the worker allows more"
                )
            done, result = self._line.recv()
        except (EOFError, OSError) as error:
            raise _Ended(self._last_words()) from error
        self._stop()
        if not done:
            raise WorkerFailed(result)
        return result

    def _stop(self) -> None:
        """Stop every thread of the process, and wait until it is so."""
        self._child.send_signal(signal.SIGSTOP)
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self._child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def end(self) -> None:
        self._child.kill()  # which a stopped process obeys as well
        self._child.wait()
        self._line.close()
        self._printed.close()

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(5)
        status = self._child.returncode
        if status is None:
            return "its process closed the line"
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        self._printed.seek(0)
        lines = self._printed.read().decode(errors="replace").strip().splitlines()
        return f"its process ended {how}" + (f": {lines[-1].strip()}" if lines else "")


def _pickled(subject: object) -> bytes:
    if isinstance(subject, str):
        module, colon, name = subject.rpartition(":")
        if not (module and colon and name.isidentifier()):
            raise InvalidArgument(
                f"a worker imports what is written as 'module:name' or 'file.py:name', got {subject!r}"
            )
    elif not callable(subject):
        raise InvalidArgument(f"a worker takes a callable or the text 'module:name', got {type(subject).__name__}")
    try:
        return pickle.dumps(subject)
    except Exception as error:  # whatever an object's own way of pickling raises
        raise InvalidArgument(
            f"{subject!r} cannot be sent to another process ({error}); give what can be imported there, as the text "
            "'module:name' or a function at the top of a module, or build=, which makes the contestant there"
        ) from error


def _preparation(pickled: bytes) -> dict[str, Any]:
    """What the process needs in order to import what this one can; the main script only if it is needed."""
    from multiprocessing.spawn import get_preparation_data

    found = get_preparation_data("graphopt-bench-worker")
    wanted = {"sys_path", "sys_argv", "dir", "orig_dir"}
    if b"__main__" in pickled:
        wanted |= {"init_main_from_name", "init_main_from_path"}
    return {key: value for key, value in found.items() if key in wanted}
