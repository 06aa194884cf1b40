"""Threads of OpenMP and `fork`: a child has its parent's memory, but only one of its threads.

GCC's run-time library does not notice, and hands the child's work to the threads of the parent's pool, for which it
waits forever. So a process that is about to fork lets go of the pool of the thread that forks (OpenMP 5.0,
`omp_pause_resource_all`); it has a new one when it needs it. Clang's library looks after itself.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache

__all__ = ["let_go_before_fork"]

PAUSE_HARD = 2  # of the type omp_pause_resource_t


@cache
def _watched() -> dict[int, Callable[[int], int]]:
    """By address, what has to be called before a fork; empty once, when it is made."""
    found: dict[int, Callable[[int], int]] = {}
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lambda: [pause(PAUSE_HARD) for pause in list(found.values())])
    return found


def let_go_before_fork(library: ctypes.CDLL) -> None:
    """From now on, before this process forks, threads go that the OpenMP of a library keeps ready.

    Parameters
    ----------
    library
        One that may be linked with a run-time library of OpenMP: symbols are looked for in what it needs, too.
    """
    pause = getattr(library, "omp_pause_resource_all", None)
    is_clangs = hasattr(library, "__kmpc_fork_call")
    if pause is not None and not is_clangs:
        _watched().setdefault(ctypes.cast(pause, ctypes.c_void_p).value or 0, pause)
