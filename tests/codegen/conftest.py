"""Generated text runs under emulation; what is compiled goes to a cache of this run."""

from collections.abc import Iterator

import pytest

from graphopt.errors import TargetUnavailable
from graphopt.runtime.emulation import EmulatedDriver
from graphopt.runtime.emulator import load_emulator


@pytest.fixture(scope="session", autouse=True)
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAPHOPT_CACHE", str(tmp_path_factory.mktemp("cache")))
        load_emulator.cache_clear()
        try:
            EmulatedDriver()
        except TargetUnavailable as error:
            pytest.skip(str(error))
        yield
        load_emulator.cache_clear()
