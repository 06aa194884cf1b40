"""The other end of a `Worker`: a process that does what it is asked, one request after another.

    python -m graphopt.bench.worker_process DESCRIPTOR PARENT

A request is a name and its details; the answer is (True, result), or (False, why not).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import pickle
import runpy
import signal
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from graphopt.bench.contestant import Here
from graphopt.bench.validate import Arguments, Array, Refused, describe
from graphopt.bench.work import Facts

PR_SET_PDEATHSIG = 1  # of Linux's prctl


class Desk:
    """What a worker can be asked; each method is a request."""

    contestant: Callable[..., Any]
    here: Here

    def start(self) -> None:
        """Nothing: that there is an answer says that the process is up."""

    def build(self, preparation: dict[str, Any], subject: bytes, is_built: bool) -> None:
        """Import or make the contestant."""
        from multiprocessing.spawn import prepare

        prepare(preparation)
        found = pickle.loads(subject)
        if isinstance(found, str):
            found = imported(found)
        self.contestant = found() if is_built else found
        if not callable(self.contestant):
            raise TypeError(f"what was built is {type(self.contestant).__name__}, which cannot be called")

    def call(self, arguments: tuple[object, ...], by_name: Mapping[str, object]) -> object:
        return plain(self.contestant(*arguments, **by_name))

    def enter(self, arguments: tuple[object, ...], by_name: Mapping[str, object]) -> None:
        """Take the arguments of a comparison."""
        self.here = Here(self.contestant, Arguments(*laid_out((arguments, dict(by_name)))))

    def observe(self) -> dict[str, Array]:
        return self.here.observe()

    def warm_up(self, cap: float) -> tuple[int, bool]:
        gc.collect()
        gc.disable()  # and never on again: `answer` collects between requests
        stable = self.here.warm_up(cap)
        return self.here.repetitions, stable

    def warm(self) -> float:
        return self.here.warm()

    def cold(self) -> float:
        return self.here.cold()

    def facts(self) -> Facts:
        return self.here.facts()


def imported(place: str) -> Any:
    """What "module:name" or "file.py:name" means."""
    module, _, name = place.rpartition(":")
    if module.endswith(".py"):
        return runpy.run_path(module, run_name=os.path.basename(module).removesuffix(".py"))[name]
    return getattr(importlib.import_module(module), name)


def plain(value: object) -> object:
    """Arrays of other libraries as NumPy's, which the asker can unpack."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return np.asarray(value) if hasattr(value, "__array__") else value


def laid_out(value: Any) -> Any:
    """Arrays in memory of NumPy's own, in large pages where they are large, and not within the message they came in."""
    if type(value) is dict:
        return {key: laid_out(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(laid_out, value))
    return value.copy(order="K") if isinstance(value, np.ndarray) else value


def answer(desk: Desk, request: str, details: tuple[Any, ...]) -> tuple[bool, Any]:
    """Do what is asked; errors become words."""
    try:
        result = getattr(desk, request)(*details)
        gc.collect(0)
        return True, result
    except Refused as refused:
        return False, str(refused)
    except Exception as error:
        return False, f"raised {describe(error)}"


def die_with(parent: int) -> None:
    """Have the system end this process when the thread that started it ends; elsewhere than on Linux, do nothing."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def main(descriptor: str, parent: str) -> None:
    """Answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt at the terminal is for whoever compares
    die_with(int(parent))
    line: Connection[Any, Any] = Connection(int(descriptor))
    desk = Desk()
    with contextlib.suppress(EOFError):
        while True:
            request, details = line.recv()
            reply = answer(desk, request, details)
            try:
                line.send(reply)
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                line.send((False, f"returned what cannot be sent: {describe(error)}"))


if __name__ == "__main__":
    main(*sys.argv[1:])
