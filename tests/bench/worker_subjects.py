"""What workers are given in tests: callables that another process can import."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import numpy as np

Array = np.ndarray


def square(x: Array) -> Array:
    return x * x


def same_array(x: Array) -> Array:
    return x


def raises(x: Array) -> Array:
    raise RuntimeError("no such kernel")


ANSWER, HANG, DIE = (np.full((2, 2), number, float) for number in (1, 2, 3))


def obeys(what: Array) -> Array:
    """Process number and OMP_NUM_THREADS; or no answer, in one of two ways."""
    if what[0, 0] == HANG[0, 0]:
        time.sleep(600)
    if what[0, 0] == DIE[0, 0]:
        print("the last straw", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    return np.array([os.getpid(), float(os.environ.get("OMP_NUM_THREADS", "-1"))])


def build_square() -> Callable[[Array], Array]:
    return lambda x: x * x


def build_text() -> str:
    return "not to be called"
