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


def wrong(x: Array) -> Array:
    return x * x * 1.001


def same_array(x: Array) -> Array:
    return x


def raises(x: Array) -> Array:
    raise RuntimeError("no such kernel")


def hangs(x: Array) -> Array:
    time.sleep(600)
    return x


def dies(x: Array) -> Array:
    print("the last straw", flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)
    return x


def process_and_threads() -> tuple[int, str | None]:
    return os.getpid(), os.environ.get("OMP_NUM_THREADS")


def build_square() -> Callable[[Array], Array]:
    return lambda x: x * x


def build_text() -> str:
    return "not to be called"
