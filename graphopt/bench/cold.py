"""Cold caches: what a call costs when its data lie in memory, and in nobody's cache.

Each usable core reads its share of a buffer twice as large as all last-level caches together, and at least twice its
own second-level cache. Reading leaves clean lines, which nobody has to write back while the next call is timed. The
buffer is written once when it is made: pages that were never written to all lie in the same place.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np

__all__ = ["Flush", "cache_sizes", "flush"]

UNKNOWN = 64 * 2**20  # bytes taken for all last-level caches where the system does not name any
TIMES = 2  # caches replace lines in an order that only resembles "oldest first"
SYSTEM = Path("/sys/devices/system/cpu")
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


def usable_cores() -> list[int]:
    """The numbers of the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cache_sizes(cores: list[int] | None = None, system: Path = SYSTEM) -> tuple[int, int]:
    """Bytes of all last-level caches of the cores together, and of one core's second-level cache; 0 if unknown."""
    last: dict[str, int] = {}
    second = 0
    for core in usable_cores() if cores is None else cores:
        found = list(_caches(system / f"cpu{core}" / "cache"))
        if found:
            _, size, shared = max(found)
            last[shared] = size
        second = max([second, *(size for level, size, _ in found if level == 2)])
    return sum(last.values()), second


def _caches(folder: Path) -> Iterator[tuple[int, int, str]]:
    """Level, bytes, and the cores that share it, of each cache that holds data."""
    for index in sorted(folder.glob("index*")):
        with contextlib.suppress(OSError, ValueError, KeyError):
            kind, level, size, shared = (
                (index / name).read_text().strip() for name in ("type", "level", "size", "shared_cpu_list")
            )
            if kind != "Instruction":
                yield int(level), int(size[:-1]) * UNITS[size[-1]] if size[-1] in UNITS else int(size), shared


class Flush:
    """Call it, and the caches hold nothing of what was computed before.

    Attributes
    ----------
    size
        Bytes of the buffer.
    method
        What is done, in words, for the record.
    """

    def __init__(self, last: int, second: int, cores: list[int]) -> None:
        share = max(TIMES * (last or UNKNOWN) // len(cores), TIMES * second)
        self.size = share * len(cores)
        beside = f"{self.size / last:.3g} times the last-level caches" if last else "the size of caches being unknown"
        self.method = f"before each call, {len(cores)} cores read {self.size / 2**20:.0f} MiB, {beside}"
        self._parts = np.ones(self.size // 8, np.uint64).reshape(len(cores), -1)
        self._cores = cores
        self._pool = ThreadPoolExecutor(len(cores), thread_name_prefix="graphopt-flush")

    def __call__(self) -> None:
        for _ in self._pool.map(self._read, range(len(self._cores))):
            pass

    def _read(self, part: int) -> None:
        if hasattr(os, "sched_setaffinity"):
            with contextlib.suppress(OSError):  # a core that was taken away meanwhile
                os.sched_setaffinity(0, {self._cores[part]})  # of this thread alone
        self._parts[part].sum()


@lru_cache(maxsize=1)
def flush() -> Flush:
    """The flush for this machine; its buffer is kept for the life of the process."""
    cores = usable_cores()
    return Flush(*cache_sizes(cores), cores)
