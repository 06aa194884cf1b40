"""How much memory there is."""

from __future__ import annotations

import contextlib
import os
from functools import lru_cache
from pathlib import Path

__all__ = ["memory"]


@lru_cache(maxsize=1)
def memory() -> int:
    """Bytes of memory this process may use at most: the machine's, or its container's."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with contextlib.suppress(OSError, ValueError):  # no container, or one without a limit
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(limits)
