"""A comparison as a picture: the ratios, and where contestants stand under this machine's roofline."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from graphopt.bench.report import percent
from graphopt.errors import TargetUnavailable

if TYPE_CHECKING:
    from graphopt.bench.record import Comparison, Row

__all__ = ["plot"]

COLORS = {"faster": "tab:green", "slower": "tab:red", "same": "tab:blue", "undecided": "tab:gray"}
SLOPES = {"copy_gbs": ("copy", "-"), "triad_gbs": ("triad", ":")}
ROOFS = {"matmul_float32_gflops": ("matmul float32", "-"), "matmul_float64_gflops": ("matmul float64", "--")}


def plot(comparison: Comparison, path: str | os.PathLike[str]) -> None:
    """Draw each contestant's ratio to the baseline, warm and cold, and beside it the roofline if anyone stands on it.

    Raises
    ------
    TargetUnavailable
        matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise TargetUnavailable(
            "plots need matplotlib, which the extra 'report' brings: pip install 'graphopt[report]'"
        ) from error

    placed = [row for row in comparison.rows if row.median and row.bytes and row.flops] if comparison.ceilings else []
    height = max(1.8 + 0.45 * (len(comparison.rows) + 1), 4.5 if placed else 0)
    figure = Figure(figsize=(15 if placed else 8, height), layout="constrained")
    panels = figure.subplots(1, 2 if placed else 1, squeeze=False)[0]
    _ratios(comparison, panels[0])
    if placed:
        _roofline(comparison, placed, panels[1])
    machine = comparison.machine
    figure.suptitle(f"{machine['cpu']}, {machine['cores']} cores, {comparison.date[:10]}", size=9)
    figure.savefig(path)


def _ratios(comparison: Comparison, axes: Any) -> None:
    """The ratios with their intervals; what is called practically the same is a band."""
    from matplotlib.ticker import MaxNLocator, NullLocator

    rows = [row for row in [*comparison.rows, comparison.control] if row.ratio_interval is not None][::-1]
    margin = float(comparison.settings["margin"])
    axes.axvspan(1 / (1 + margin), 1 + margin, color="0.9", label=f"practically the same (±{margin:.1%})")
    axes.axvline(1, color="0.5", linewidth=1)
    for place, row in enumerate(rows):
        for timing, shift, filled in ((row, 0.0, "full"), (row.cold, -0.25, "none")):
            if timing is None or timing.ratio is None or timing.ratio_interval is None:
                continue
            low, high = timing.ratio_interval
            axes.errorbar(
                timing.ratio,
                place + shift,
                xerr=[[timing.ratio - low], [high - timing.ratio]],
                fmt="o",
                capsize=3,
                fillstyle=filled,
                color=COLORS.get(timing.verdict, "black"),
            )
    axes.set_yticks(range(len(rows)), [f"{row.name}: {row.verdict}" for row in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xscale("log")
    left, right = axes.get_xlim()
    if right < 10 * left:  # between two powers of ten a logarithmic scale has hardly a mark
        axes.xaxis.set_major_locator(MaxNLocator(7))
    axes.xaxis.set_major_formatter("{x:.3g}")
    axes.xaxis.set_minor_locator(NullLocator())
    cold = "; filled: warm caches, open: cold" if any(row.cold for row in rows) else ""
    axes.set_xlabel(f"time over that of {comparison.baseline}, {percent(comparison)} intervals{cold}")
    axes.legend(loc="best", fontsize=8)


def _roofline(comparison: Comparison, rows: list[Row], axes: Any) -> None:
    """Operations a second over operations a byte, under what memory and arithmetic allow.

    S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for multicore
    architectures", Communications of the ACM 52 (2009).
    """
    ceilings = comparison.ceilings
    intensities = [row.flops / row.bytes for row in rows if row.flops and row.bytes]
    roof = max(ceilings[name] for name in ROOFS)
    reach = np.geomspace(min(intensities) / 4, max(4 * max(intensities), 2 * roof / ceilings["copy_gbs"]), 200)
    for name, (label, line) in SLOPES.items():
        axes.plot(
            reach,
            np.minimum(ceilings[name] * reach, roof),
            line,
            color="0.4",
            label=f"{label}: {ceilings[name]:.3g} GB/s",
        )
    for name, (label, line) in ROOFS.items():
        axes.axhline(ceilings[name], linestyle=line, color="tab:brown", label=f"{label}: {ceilings[name]:.3g} GFLOP/s")
    for place, row in enumerate(rows):
        if not (row.flops and row.bytes):
            continue
        for timing, filled in ((row, "full"), (row.cold, "none")):
            if timing is not None and timing.median is not None:
                speed = row.flops / timing.median * 1e-9
                axes.plot(
                    row.flops / row.bytes,
                    speed,
                    "o",
                    fillstyle=filled,
                    color=f"C{place}",
                    label=row.name if timing is row else None,
                )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("operations a byte (an elementary function counts as several)")
    axes.set_ylabel("GFLOP/s; filled: warm caches, open: cold")
    axes.legend(loc="best", fontsize=8)
