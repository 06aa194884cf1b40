"""Which driver a function runs on: one for each device of the process, emulated ones included, or a third party's.

Not for what a driver does.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Hashable
from functools import cache
from typing import TYPE_CHECKING

from graphopt.errors import InvalidArgument, TargetUnavailable
from graphopt.runtime.driver import Driver

if TYPE_CHECKING:
    from graphopt.options import Options

__all__ = ["available_target", "default_driver", "driver_for"]

_drivers: dict[Hashable, Driver] = {}
_making = threading.RLock()


def default_driver(device: int = 0) -> Driver:
    """The driver of a GPU, which all functions of the process share; made when it is first asked for.

    Raises
    ------
    TargetUnavailable
        There is no GPU, or no driver for it, or it has been lost.
    """
    from graphopt.runtime.cuda_driver import CudaDriver

    driver = _made(device, lambda: CudaDriver(device))
    if isinstance(driver, CudaDriver) and driver.context.unusable:
        raise TargetUnavailable(driver.context.unusable)
    return driver


def driver_for(target: str, options: Options) -> Driver:
    """The driver on which a function of a target runs.

    Raises
    ------
    TargetUnavailable
        What the target needs is not there.
    InvalidArgument
        What the options give is no driver.
    """
    if options.driver is None and target == "cuda-emulated":
        from graphopt.runtime.emulation import EmulatedDriver

        return _made((target, options.seed), lambda: EmulatedDriver(options.seed))
    if options.driver is None:
        return default_driver(options.device)
    driver = _made(options.driver, options.driver) if callable(options.driver) else options.driver
    if not isinstance(driver, Driver):
        raise InvalidArgument(f"options: driver={options.driver!r} gave {driver!r}, which is no Driver")
    return driver


def available_target(target: str, options: Options) -> str:
    """The target itself, or the one to take in its place where there is no GPU and the options allow it.

    Raises
    ------
    TargetUnavailable
        There is none, and the options name no other.
    """
    if target != "cuda":
        return target
    try:
        driver_for(target, options)
    except TargetUnavailable as error:
        if options.fallback is None:
            raise
        _warn(options.fallback, str(error))
        return options.fallback
    return target


@cache
def _warn(fallback: str, reason: str) -> None:
    warnings.warn(f"target={fallback!r} takes the place of 'cuda'. {reason}", RuntimeWarning, stacklevel=5)


def _made(key: Hashable, make: Callable[[], Driver]) -> Driver:
    """What was made for a key; it is made once."""
    with _making:
        if key not in _drivers:
            _drivers[key] = make()
        return _drivers[key]
