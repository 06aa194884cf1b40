"""What is known of contestants without running them, as tables: side by side, and the CUDA kernels one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphopt.bench.record import Comparison, Row
    from graphopt.runtime.resources import KernelResources

__all__ = ["Columns", "kernel_columns", "kernel_rows", "static_columns", "static_rows", "without_compiler"]

Columns = Sequence[tuple[str, Callable[[Any], str]]]


def static_rows(comparison: Comparison) -> list[Row]:
    """The rows that have static figures; none if no contestant has CUDA kernels to set beside the others."""
    if not any(row.resources for row in comparison.rows):
        return []
    return [row for row in comparison.rows if row.lines is not None]


static_columns: Columns = [
    ("contestant", lambda row: row.name),
    ("kernels", lambda row: count(row.kernels)),
    ("lines", lambda row: count(row.lines)),
    ("bytes", lambda row: count(row.bytes)),
    ("operations", lambda row: count(row.flops)),
    ("registers", lambda row: count(row.resources and row.resources.registers)),
    ("spilled", lambda row: count(row.resources and row.resources.spilled)),
    ("shared", lambda row: count(row.resources and row.resources.shared)),
    ("occupancy", lambda row: share(row.resources and row.resources.occupancy)),
]
"""Of all kernels together: the most registers of a thread, bytes spilled, the most shared memory of a block, and the
lowest occupancy."""


def kernel_rows(comparison: Comparison) -> list[tuple[str, KernelResources]]:
    """Each CUDA kernel with the contestant it belongs to."""
    return [(row.name, kernel) for row in comparison.rows if row.resources for kernel in row.resources.kernels]


kernel_columns: Columns = [
    ("contestant", lambda pair: pair[0]),
    ("kernel", lambda pair: pair[1].name),
    ("form", lambda pair: pair[1].form),
    ("blocks", lambda pair: count(pair[1].blocks)),
    ("threads", lambda pair: count(pair[1].threads)),
    ("bytes", lambda pair: count(pair[1].bytes)),
    ("operations", lambda pair: count(pair[1].flops)),
    ("registers", lambda pair: count(pair[1].registers)),
    ("spilled", lambda pair: count(pair[1].spilled)),
    ("shared", lambda pair: count(pair[1].shared)),
    ("occupancy", lambda pair: share(pair[1].occupancy)),
]


def without_compiler(comparison: Comparison) -> list[str]:
    """Why registers and what follows from them are not known, once for each reason."""
    reasons = dict.fromkeys(row.resources.missing for row in comparison.rows if row.resources)
    return [f"Registers, spills, shared memory and occupancy are not known: {reason}" for reason in reasons if reason]


def count(value: float | None) -> str:
    """A number without a unit: large ones with four digits."""
    return "–" if value is None else f"{value:.4g}" if value >= 1e6 else f"{value:.0f}"


def share(value: float | None) -> str:
    """A fraction in per cent."""
    return "–" if value is None else f"{value:.0%}"
