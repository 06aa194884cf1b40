"""The targets of `go.function` by name, and the devices of those that run CUDA."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphopt.options import Options

if TYPE_CHECKING:
    from graphopt.runtime.shared_device import Device

__all__ = ["TARGETS", "device_for", "is_device_target"]

DEVICE_TARGETS = ("cuda", "cuda-emulated")
TARGETS = ("numpy", "c", *DEVICE_TARGETS)


def is_device_target(target: str) -> bool:
    """Whether the functions of a target run CUDA text on a device, which has memory of its own."""
    return target in DEVICE_TARGETS


def device_for(target: str, options: Options) -> Device:
    """The device that functions of a target run on: the same for all whose options name the same.

    Raises
    ------
    TargetUnavailable
        What the target needs is not there.
    InvalidArgument
        What the options give is no driver.
    """
    from graphopt.runtime.devices import driver_for
    from graphopt.runtime.shared_device import device_of

    return device_of(driver_for(target, options))
