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

import numpy as np

from graphopt.runtime.copies import Value, place_of

if TYPE_CHECKING:
    from graphopt.runtime.shared_device import Device
    from graphopt.shared_variable import SharedVariable

__all__ = ["Turn", "arrays", "land", "lent", "spares", "turns", "values"]

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
    """The host's arrays with the values of several variables at one moment: not to be written."""
    with _landing:
        found = [variable._value for variable in variables]
    return [value.at(None) for value in found]


def values(variables: Mapping[str, SharedVariable], place: Device | None = None) -> dict[str, Array]:
    """The values of several variables at one moment, as arrays on a device or on the host; read-only."""
    with _landing:
        found = {name: variable._value for name, variable in variables.items()}
    return {name: _read_only(value.at(place)) for name, value in found.items()}


def lent(variables: Mapping[str, SharedVariable]) -> dict[str, Array]:
    """The user's own arrays among the values of several variables."""
    with _landing:
        found = {name: variable._value for name, variable in variables.items()}
    return {name: value.array for name, value in found.items() if not value.is_ours}


def _read_only(array: Array) -> Array:
    if isinstance(array, np.ndarray):
        array = array.view()
        array.flags.writeable = False
    return array


def spares(variables: Mapping[str, SharedVariable], place: Device | None = None) -> dict[str, Array]:
    """Memory for new values, where there is some that nobody refers to any more. Who asks has the variables' turns."""
    found = {}
    for name, variable in variables.items():
        spare, variable._spare = variable._spare, None
        if spare is not None and place_of(spare) is place and sys.getrefcount(spare) <= UNSHARED + 1:
            found[name] = spare
    return found


def land(variables: Mapping[str, SharedVariable], results: Mapping[str, Array], *, reuse: bool) -> None:
    """Put new values in place, all or none; the old ones become spares. Who asks has the variables' turns."""
    fitting = {name: variable._checked(results[name]) for name, variable in variables.items()}
    replaced: list[Value] = []  # memory of theirs goes back to its device when the lock is free again
    with _landing:
        for name, variable in variables.items():
            old, variable._value = variable._value, Value(fitting[name], is_ours=True)
            replaced.append(old)
            variable._spare = old.spare(place_of(fitting[name])) if reuse else None
