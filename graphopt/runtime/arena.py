"""What a call of a device program takes for itself: one block of memory, kept for the next call.

Besides the rooms of the program's plan (`graphopt.schedule.memory`) lie there what passes between the launches of one
step, arguments that the call copies in, and results on their way out. With a driver that guards buffers against each
other, every array is a buffer of its own instead.

A call takes an arena and puts it back. So calls that run at once, in threads or within one another, have one each.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping

from graphopt.runtime.driver import Buffer
from graphopt.runtime.shared_device import Device
from graphopt.schedule.memory import LINE

__all__ = ["Arena", "Arenas", "Rooms"]

Rooms = tuple[Mapping[str, int], ...]
"""For each room its tenants, which are never needed at the same time, and the bytes that each needs."""

WAITING = 16
"""Arenas of a program that wait for calls, at most."""


class Arena:
    """Memory of one call. `lay(key, rooms)` says where everything lies.

    Attributes
    ----------
    planned_bytes
        What the rooms of the latest call needed.
    """

    def __init__(self, device: Device) -> None:
        self.planned_bytes = 0
        self._device = device
        self._held: dict[str, Buffer] = {}  # the block, under no name; or the buffers by their names
        self._laid: tuple[Hashable, dict[str, Buffer]] = (None, {})

    @property
    def bytes(self) -> int:
        """What it has of the device's memory."""
        return sum(buffer.nbytes for buffer in self._held.values())

    def lay(self, key: Hashable, rooms: Callable[[], Rooms]) -> Mapping[str, Buffer]:
        """A buffer for every tenant of the rooms, which are asked for if the key is another than last time.

        Raises
        ------
        DeviceFailed
            If there is not enough memory; the arena holds less then than before.
        """
        if key != self._laid[0]:
            self._laid = (None, {})
            self._laid = (key, (self._apart if self._device.separates else self._in_block)(rooms()))
        return self._laid[1]

    def _apart(self, rooms: Rooms) -> dict[str, Buffer]:
        wanted = {name: nbytes for room in rooms for name, nbytes in room.items()}
        self.planned_bytes = sum(wanted.values())
        for name, buffer in list(self._held.items()):
            if buffer.nbytes != wanted.get(name):
                self._device.free(self._held.pop(name))
        for name, nbytes in wanted.items():
            if name not in self._held:
                self._held[name] = self._device.allocate(nbytes, name)
        return self._held

    def _in_block(self, rooms: Rooms) -> dict[str, Buffer]:
        starts = [0]
        for room in rooms:
            starts.append(starts[-1] + -(-max(room.values()) // LINE) * LINE)
        self.planned_bytes = starts[-1]
        if self.bytes < starts[-1] or not self._held:
            self.free()
            self._held[""] = self._device.allocate(starts[-1], "temporaries")
        block = self._held[""]
        return {
            name: block.part(start, nbytes)
            for start, room in zip(starts, rooms, strict=False)
            for name, nbytes in room.items()
        }

    def free(self) -> None:
        """Give all memory back."""
        self._laid = (None, {})
        while self._held:
            self._device.free(self._held.popitem()[1])

    def release(self) -> None:
        """The same, from anywhere."""
        self._laid = (None, {})
        while self._held:
            self._device.release(self._held.popitem()[1])


class Arenas:
    """The arenas of a program that no call has at the moment, of `kept_bytes` together at most.

    Attributes
    ----------
    planned_bytes
        What the call that put one back last needed.
    """

    def __init__(self, device: Device, kept_bytes: int) -> None:
        self._device = device
        self._kept_bytes = kept_bytes
        self._waiting: list[Arena] = []
        self.planned_bytes = 0
        self._turn = threading.Lock()

    def take(self) -> Arena:
        """The one that was put back last, or a new one."""
        with self._turn:
            return self._waiting.pop() if self._waiting else Arena(self._device)

    def put(self, arena: Arena) -> None:
        """Keep an arena for the next call, if it is not too large."""
        with self._turn:
            self.planned_bytes = arena.planned_bytes
            kept = sum(waiting.bytes for waiting in self._waiting) + arena.bytes
            if kept <= self._kept_bytes and len(self._waiting) < WAITING:
                self._waiting.append(arena)
                return
        arena.free()

    def release(self) -> None:
        """Give back the memory of those that wait; from anywhere."""
        while self._waiting:
            self._waiting.pop().release()
