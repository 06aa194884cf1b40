"""What a record says about the machine it was taken on, and how fast that machine can go at best."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from graphopt.bench.cold import cache_sizes, usable_cores

__all__ = ["IDENTITY", "ceilings", "machine"]

IDENTITY = ("cpu", "cores", "system", "architecture")  # records that differ in one of these are not compared
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "OMP_PROC_BIND")

ARRAY_BYTES = 64 * 2**20  # each of the arrays streamed: well beyond any last-level cache a core has to itself
CHUNK = 32768  # elements: the triad's product stays in a core's own cache
TRIAD_SCALE = 3.0
PRODUCT_SIZE = 1024
ATTEMPTS = 5


def machine() -> dict[str, str | int | float]:
    """Describe this machine and the interpreter.

    Returns
    -------
    dict
        `cpu`, `cores` (usable by this process), `last_level_cache` (bytes, all of them together), `system`,
        `architecture`, `platform`, `python`, `numpy`, `graphopt`, `blas`, `load` (processes running or waiting for a
        core, averaged over a minute) and those environment variables on threads that are set.
    """
    record: dict[str, str | int | float] = {
        "cpu": _cpu_model(),
        "cores": len(usable_cores()),
        "last_level_cache": cache_sizes()[0],
        "system": platform.system(),
        "architecture": platform.machine(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "graphopt": _version(),
        "blas": _blas(),
    }
    if hasattr(os, "getloadavg"):
        record["load"] = round(os.getloadavg()[0], 2)
    record.update({name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ})
    return record


@lru_cache(maxsize=1)
def _measured_ceilings() -> tuple[tuple[str, float], ...]:
    count = ARRAY_BYTES // 8
    threads = len(usable_cores())
    a, b, c = (np.full(count, value) for value in (0.0, 1.0, 2.0))
    products = [np.empty(CHUNK) for _ in range(threads)]
    edges = np.linspace(0, count, threads + 1).astype(int)

    def copy(part: int) -> None:
        np.copyto(a[edges[part] : edges[part + 1]], b[edges[part] : edges[part + 1]])

    def triad(part: int) -> None:
        product = products[part]
        for start in range(edges[part], edges[part + 1], CHUNK):
            stop = min(start + CHUNK, edges[part + 1])
            np.multiply(c[start:stop], TRIAD_SCALE, out=product[: stop - start])
            np.add(b[start:stop], product[: stop - start], out=a[start:stop])

    with ThreadPoolExecutor(threads) as pool:

        def on_all_cores(work: Callable[[int], None]) -> Callable[[], object]:
            return lambda: list(pool.map(work, range(threads)))

        rates = {
            "copy_gbs": 2 * ARRAY_BYTES / _best(on_all_cores(copy)) * 1e-9,
            "triad_gbs": 3 * ARRAY_BYTES / _best(on_all_cores(triad)) * 1e-9,
        }
    for name, dtype in (("matmul_float32_gflops", np.float32), ("matmul_float64_gflops", np.float64)):
        left = np.ones((PRODUCT_SIZE, PRODUCT_SIZE), dtype)
        rates[name] = 2 * PRODUCT_SIZE**3 / _best(partial(np.matmul, left, left, out=np.empty_like(left))) * 1e-9
    return tuple(rates.items())


def ceilings() -> Mapping[str, float]:
    """Measure what this machine reaches at best; the first call takes about a second, later ones nothing.

    Returns
    -------
    Mapping
        `copy_gbs` (a[i] = b[i]; 16 bytes an element) and `triad_gbs` (a[i] = b[i] + s · c[i]; 24 bytes an element), in
        10⁹ bytes a second over arrays of 64 MiB of float64, on all usable cores; `matmul_float32_gflops` and
        `matmul_float64_gflops`, in 10⁹ floating-point operations a second of a 1024³ product with NumPy's BLAS. Best of
        five. What a cache reads in order to write a line is not counted.

    References
    ----------
    McCalpin, "Memory bandwidth and machine balance in current high performance computers", IEEE TCCA Newsletter (1995).
    """
    return dict(_measured_ceilings())


def _best(work: Callable[[], object]) -> float:
    durations = []
    for _ in range(ATTEMPTS + 1):
        start = time.perf_counter_ns()
        work()
        durations.append((time.perf_counter_ns() - start) * 1e-9)
    return min(durations[1:])


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "cpu model"):
            return value.strip()
    return platform.processor() or platform.machine() or "unknown"


def _version() -> str:
    try:
        return version("graphopt")
    except PackageNotFoundError:
        return "not installed"


def _blas() -> str:
    try:
        found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{found['name']} {found['version']}"
    except (KeyError, TypeError):
        return "unknown"
