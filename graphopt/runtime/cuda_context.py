"""A device's primary context as calls need it: current while they last, their faults as errors that say what to do.

A fault of a kernel ends it for the whole process, and a fork ends it for the child; from then on every call says so.

Not for what is called: that is up to `cuda_driver.py` and `cuda_kernel.py`.
"""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from graphopt.errors import DeviceFailed
from graphopt.runtime.cuda_binding import Binding
from graphopt.runtime.cuda_faults import (
    DEINITIALIZED,
    FORKED,
    LOST,
    NOT_INITIALIZED,
    CudaError,
    context_lost,
)

__all__ = ["CudaContext"]

_T = TypeVar("_T")

REMEMBERED = 8  # launches that may be named when one has failed


class CudaContext:
    """The primary context of a device.

    Parameters
    ----------
    binding : Binding
        The device, opened.

    Attributes
    ----------
    unusable : str
        Why nothing works any more; empty as long as it does.
    launched : deque of str
        The kernels that were launched since the device was last waited for, the latest last.
    """

    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        self.unusable = ""
        self.launched: deque[str] = deque(maxlen=REMEMBERED)
        _contexts.add(self)

    def check(self) -> None:
        """See to it that it can be used.

        Raises
        ------
        DeviceFailed
            It cannot be used any more.
        """
        if self.unusable:
            raise DeviceFailed(self.unusable)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Within, it is the thread's current context, as other libraries need it."""
        self.do(self.binding.push)
        try:
            yield
        finally:
            self.binding.pop()

    def do(self, call: Callable[..., _T], *arguments: Any) -> _T:
        """Call with the context current.

        Raises
        ------
        DeviceFailed
            The call fails.
        """
        self.check()
        try:
            return self.attempt(call, *arguments)
        except CudaError as error:
            raise self.fault(error) from None

    def attempt(self, call: Callable[..., _T], *arguments: Any) -> _T:
        """Call with the context current; `CudaError` if it fails, for those who know what a status means there."""
        self.binding.push()
        try:
            return call(*arguments)
        finally:
            self.binding.pop()

    def release(self, held: list[Any]) -> None:
        """Let a module or an event go that nobody uses any more: the list has the only reference to it."""
        if not self.unusable:
            with suppress(CudaError):  # it has gone with the context
                self.attempt(lambda: self.binding.release(held.pop()))

    def fault(self, error: CudaError) -> DeviceFailed:
        """What a status means that may come from any call."""
        if error.status in LOST:
            self.abandon(context_lost(self.binding.device_name, error, list(self.launched)))
            return DeviceFailed(self.unusable)
        if error.status in (NOT_INITIALIZED, DEINITIALIZED):
            return DeviceFailed(f"The GPU's driver is not at work any more ({error}): {FORKED}.")
        return DeviceFailed(f"{self.binding.device_name}: {error}.")

    def abandon(self, reason: str) -> None:
        """Never touch the device again."""
        if not self.unusable:
            self.unusable = reason
            self.binding.abandon()


_contexts: weakref.WeakSet[CudaContext] = weakref.WeakSet()


def _abandon_in_child() -> None:
    for context in _contexts:
        context.abandon(f"This process was forked from one that had used the GPU already, and {FORKED}.")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_in_child)
