"""A comparison for the eye: the table for a terminal and the plot of ratios."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from graphopt.errors import TargetUnavailable

if TYPE_CHECKING:
    from graphopt.bench.record import Comparison, Row

__all__ = ["plot", "seconds", "table"]

WIDTH = 120
COLORS = {"faster": "tab:green", "slower": "tab:red", "same": "tab:blue", "undecided": "tab:gray"}


def seconds(value: float | None) -> str:
    """A duration with three significant digits and a unit: `1.23 ms`."""
    if value is None:
        return "–"
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= factor:
            return f"{value / factor:.3g} {unit}" if value < 1000 * factor else f"{value / factor:.0f} {unit}"
    return f"{value * 1e9:.3g} ns"


def table(comparison: Comparison) -> str:
    """Rows and control as a table, followed by what is needed to judge them."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [*comparison.rows, comparison.control]
    columns = [(head, cell) for head, cell, wanted in _columns(comparison) if wanted is None or any(map(wanted, rows))]
    grid = Table(box=SIMPLE, show_edge=False)
    for head, _ in columns:
        grid.add_column(head, justify="left" if head in ("contestant", "verdict") else "right", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(cell(row)) for _, cell in columns))
    stream = io.StringIO()
    console = Console(file=stream, width=WIDTH, color_system=None, markup=False, highlight=False, emoji=False)
    console.print(grid)
    for line in _footer(comparison):
        console.print(line)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def plot(comparison: Comparison, path: str | os.PathLike[str]) -> None:
    """Draw each contestant's ratio to the baseline with its interval, and the control's interval as a band."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator, NullLocator
    except ImportError as error:
        raise TargetUnavailable(
            "plots need matplotlib, which the extra 'report' brings: pip install 'graphopt[report]'"
        ) from error

    rows = [row for row in [*comparison.rows, comparison.control] if row.ratio_interval is not None][::-1]
    figure = Figure(figsize=(8, 1.6 + 0.4 * len(rows)), layout="constrained")
    axes = figure.subplots()
    margin = float(comparison.settings["margin"])
    axes.axvspan(1 / (1 + margin), 1 + margin, color="0.9", label=f"practically the same (±{margin:.1%})")
    axes.axvline(1, color="0.5", linewidth=1)
    for place, row in enumerate(rows):
        ratio = row.ratio_estimate()
        axes.errorbar(
            ratio.value,
            place,
            xerr=[[ratio.value - ratio.low], [ratio.high - ratio.value]],
            fmt="o",
            capsize=3,
            color=COLORS.get(row.verdict, "black"),
        )
    axes.set_yticks(range(len(rows)), [f"{row.name}: {row.verdict}" for row in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(7))
    axes.xaxis.set_major_formatter("{x:.3g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(f"time over that of {comparison.baseline}, {_percent(comparison)} intervals")
    axes.set_title(f"{comparison.machine['cpu']}, {comparison.machine['cores']} cores, {comparison.date[:10]}", size=9)
    axes.legend(loc="best", fontsize=8)
    figure.savefig(path)


def _columns(comparison: Comparison) -> list[tuple[str, Callable[[Row], str], Callable[[Row], object] | None]]:
    """Heading, cell, and which rows make the column worth showing (`None`: always)."""
    return [
        ("contestant", lambda row: row.name, None),
        ("median", lambda row: seconds(row.median), None),
        ("ratio", lambda row: _number(row.ratio, ".3f"), None),
        (
            f"{_percent(comparison)} interval",
            lambda row: "–" if row.ratio_interval is None else "{:.3f} … {:.3f}".format(*row.ratio_interval),
            None,
        ),
        ("verdict", lambda row: row.verdict, None),
        ("error", lambda row: _number(row.error, ".1e"), None),
        ("GB/s", lambda row: _number(row.gbs, ".3g"), lambda row: row.bytes),
        ("GFLOP/s", lambda row: _number(row.gflops, ".3g"), lambda row: row.flops),
        ("rounds", lambda row: f"{row.rounds} × {row.repetitions}" if row.rounds else "–", None),
    ]


def _footer(comparison: Comparison) -> list[str]:
    control, machine, settings = comparison.control, comparison.machine, comparison.settings
    lines = [f"{row.name} refused: {row.reason}" for row in comparison.rows if row.reason]
    low, high = control.ratio_interval or (1.0, 1.0)
    lines.append(
        f"Ratios are to {comparison.baseline}, below 1 is faster. Against itself it scored "
        f"{_number(control.ratio, '.3f')} ({low:.3f} … {high:.3f}); "
        f"a verdict exceeds that, and {settings['margin']:.1%}."
    )
    if comparison.ceilings:
        names = {"copy_gbs": "copy {:.3g} GB/s", "triad_gbs": "triad {:.3g} GB/s"}
        names |= {f"matmul_{kind}_gflops": f"matmul {kind} {{:.3g}} GFLOP/s" for kind in ("float32", "float64")}
        reached = [text.format(comparison.ceilings[key]) for key, text in names.items() if key in comparison.ceilings]
        lines.append("This machine at best: " + ", ".join(reached) + ".")
    lines.extend(comparison.notes)
    lines.append(
        f"{machine.get('cpu')}, {machine.get('cores')} cores, {machine.get('platform')}, "
        f"Python {machine.get('python')}, NumPy {machine.get('numpy')}; {comparison.date}; seed {settings['seed']}."
    )
    return lines


def _percent(comparison: Comparison) -> str:
    return f"{100 * comparison.settings['confidence']:g} %"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
