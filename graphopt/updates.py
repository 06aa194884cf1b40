"""What a call does with the shared variables it changes: takes turns with other calls, and puts all new values at once.

New values are computed into the memory of the values before last. So a step of training allocates nothing, a failed
call has changed nothing whatever made it fail, and who reads a value meanwhile need not wait: the array that a reader
holds is not written, for it is used again only when nobody else refers to it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphopt.shared_variable import SharedVariable

__all__ = ["Turn", "arrays", "land", "spares", "turns", "values"]

Array = Any
UNSHARED = sys.getrefcount(object())  # what an object has that only the caller of `getrefcount` refers to
_landing = threading.Lock()  # held while values are put in place or looked up, never while anything is computed
_processes = 0  # how many forks lie behind this process


def _renew_after_fork() -> None:
    global _landing, _processes  # held by another thread of the parent, a lock would never be released here
    _landing = threading.Lock()
    _processes += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)


class Turn:
    """Whose turn it is to change a shared variable. A thread that has the turn may take it again."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._process = _processes

    def take(self) -> Callable[[], None]:
        """Wait for the turn, and have it. Returns what gives it back."""
        with _landing:
            if self._process != _processes:
                self._lock, self._process = threading.RLock(), _processes
            lock = self._lock
        lock.acquire()
        return lock.release


@contextmanager
def turns(variables: Iterable[SharedVariable]) -> Iterator[None]:
    """Have the turn of all these variables: other calls that change one of them wait."""
    given_back: list[Callable[[], None]] = []
    try:
        for variable in sorted(variables, key=id):  # in one order, so that nobody waits for who waits for them
            given_back.append(variable._turn.take())
        yield
    finally:
        for give_back in given_back:
            give_back()


def arrays(variables: Iterable[SharedVariable]) -> list[Array]:
    """The arrays that are the values of several variables at one moment: not to be written."""
    with _landing:
        return [variable._value for variable in variables]


def values(variables: Mapping[str, SharedVariable]) -> dict[str, Array]:
    """The values of several variables at one moment; read-only."""
    with _landing:
        return {name: variable.get_value(borrow=True) for name, variable in variables.items()}


def spares(variables: Mapping[str, SharedVariable]) -> dict[str, Array]:
    """Memory for new values, where there is some that nobody refers to any more. Who asks has the variables' turns."""
    found = {}
    for name, variable in variables.items():
        spare, variable._spare = variable._spare, None
        if spare is not None and sys.getrefcount(spare) <= UNSHARED + 1:
            found[name] = spare
    return found


def land(variables: Mapping[str, SharedVariable], results: Mapping[str, Array], *, reuse: bool) -> None:
    """Put new values in place, all or none; the old ones become spares. Who asks has the variables' turns."""
    fitting = {name: variable._checked(results[name]) for name, variable in variables.items()}
    with _landing:
        for name, variable in variables.items():
            old, was_ours = variable._value, variable._is_ours
            variable._value, variable._is_ours = fitting[name], True
            variable._spare = old if reuse and was_ours else None
