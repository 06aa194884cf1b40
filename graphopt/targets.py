"""The targets of `go.function` by name, and the devices of those that run CUDA."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from graphopt.options import Options

if TYPE_CHECKING:
    from graphopt.runtime.shared_device import Device

__all__ = ["TARGETS", "device_for", "is_device_target"]

DEVICE_TARGETS = ("cuda-emulated",)
TARGETS = ("numpy", "c", *DEVICE_TARGETS)


def is_device_target(target: str) -> bool:
    """Whether the functions of a target run CUDA text on a device, which has memory of its own."""
    return target in DEVICE_TARGETS


def device_for(target: str, options: Options) -> Device:
    """The device that functions of a target run on: the same for all whose options name the same.

    Raises
    ------
    TargetUnavailable
        If there is none.
    """
    from graphopt.runtime.shared_device import device_of

    return device_of(options.driver) if options.driver is not None else _emulated(options.seed)


@lru_cache
def _emulated(seed: int) -> Device:
    from graphopt.runtime.emulation import EmulatedDriver
    from graphopt.runtime.shared_device import device_of

    return device_of(EmulatedDriver(seed))
