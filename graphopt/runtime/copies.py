"""A value where it was made, and its copies where it was needed since.

A shared variable has one of these, and another one after every change: nothing here is ever written, so that copies
need not be kept in step.
"""

from __future__ import annotations

from typing import Any

from graphopt.runtime.device_array import DeviceArray, put
from graphopt.runtime.shared_device import Device

__all__ = ["Value", "place_of"]

Array = Any


def place_of(array: Array) -> Device | None:
    """The device that an array lies on; None for the host."""
    return array.device if isinstance(array, DeviceArray) else None


class Value:
    """An array, and copies of it in other places; a place is a device, or None for the host.

    Attributes
    ----------
    array
        Where it was made.
    is_ours
        Whether the array was made here, and not lent by the user.
    """

    __slots__ = ("_copies", "array", "is_ours")

    def __init__(self, array: Array, *, is_ours: bool) -> None:
        self.array = array
        self.is_ours = is_ours
        self._copies: dict[Device | None, Array] = {}

    def at(self, place: Device | None) -> Array:
        """The value as an array in a place, copied there the first time. Not to be written.

        Raises
        ------
        DeviceFailed
            If the device has no memory for it.
        """
        if place_of(self.array) is place:
            return self.array
        copy = self._copies.get(place)
        if copy is None:
            array = self.at(None) if place is not None else self.array.numpy()
            # Another thread may have been first; who gets which copy does not matter.
            copy = self._copies.setdefault(place, array if place is None else put(place, array, "of a shared variable"))
        return copy

    def spare(self, place: Device | None) -> Array | None:
        """What there is of our memory in a place, for a value to come."""
        if place_of(self.array) is place:
            return self.array if self.is_ours else None
        return self._copies.get(place)
