"""Kernels are compiled a file at a time: each test module's CUDA C is one translation unit."""

from collections.abc import Callable, Sequence
from typing import Any

import jinja2
import numpy as np
import pytest

from graphopt.codegen.environment import environment
from graphopt.errors import TargetUnavailable
from graphopt.runtime.driver import Dimensions
from graphopt.runtime.emulation import EmulatedDriver

Launch = Callable[..., list[np.ndarray[Any, Any]]]


@pytest.fixture(scope="session", autouse=True)
def needs_a_compiler() -> None:
    try:
        EmulatedDriver()
    except TargetUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def cuda_templates() -> jinja2.Environment:
    return environment()


@pytest.fixture(scope="session")
def launch() -> Launch:
    """Run a kernel of a text on arrays and scalars; gives what the arrays hold afterwards, in order."""

    def run(
        source: str,
        kernel: str,
        arguments: Sequence[Any],
        *,
        grid: Dimensions = (1, 1, 1),
        block: Dimensions = (32, 1, 1),
        shared: int = 0,
        driver: EmulatedDriver | None = None,
        names: str = "abcdefgh",
    ) -> list[np.ndarray[Any, Any]]:
        driver = driver or EmulatedDriver()
        module = driver.compile(source)
        buffers, given = [], []
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                buffer = driver.allocate(argument.nbytes, names[len(buffers)])
                driver.copy_in(buffer, argument)
                buffers.append((buffer, argument))
                given.append(buffer)
            else:
                given.append(argument)
        try:
            driver.launch(module.kernel(kernel), grid, block, shared, given)
            results = []
            for buffer, argument in buffers:
                result = np.empty_like(argument)
                driver.copy_out(buffer, result)
                results.append(result)
            return results
        finally:
            for buffer, _ in buffers:
                driver.free(buffer)

    return run
