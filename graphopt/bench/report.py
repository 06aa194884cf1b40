"""A comparison as tables for a terminal or a notebook, with what is needed to judge it below."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from graphopt.bench.static_tables import (
    Columns,
    kernel_columns,
    kernel_rows,
    static_columns,
    static_rows,
    without_compiler,
)
from graphopt.notebook import html_table

if TYPE_CHECKING:
    from rich.table import Table

    from graphopt.bench.record import Comparison, Row

__all__ = ["Grid", "page", "parts", "percent", "seconds", "table"]

WIDTH = 120
FINE = ("source", "pipeline", "packages")  # how contestants were made, too long for a table; the record has it
WORDS = ("contestant", "verdict", "kernel", "form")  # columns of text
LONGEST = 24  # letters of a contestant's name on one line


def seconds(value: float | None) -> str:
    """A duration with three significant digits and a unit: `1.23 ms`."""
    if value is None:
        return "–"
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= factor:
            return f"{value / factor:.3g} {unit}" if value < 1000 * factor else f"{value / factor:.0f} {unit}"
    return f"{value * 1e9:.3g} ns"


@dataclass(frozen=True)
class Grid:
    """A table of texts."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, rows: Sequence[Any], columns: Columns) -> Grid:
        """Rows of anything, by what each column makes of them."""
        return cls(tuple(head for head, _ in columns), tuple(tuple(cell(row) for _, cell in columns) for row in rows))


def parts(comparison: Comparison) -> Iterator[Grid | str]:
    """What is to be shown, in order: rows and control, what is known without running, what is needed to judge it."""
    rows = [*comparison.rows, comparison.control]
    columns = [(head, cell) for head, cell, wanted in _columns(comparison) if wanted is None or any(map(wanted, rows))]
    yield Grid.of(rows, columns)
    if beside := static_rows(comparison):
        yield "Known without running:"
        yield Grid.of(beside, static_columns)
        yield f"CUDA kernels, compiled for {_architectures(beside)}:"
        yield Grid.of(kernel_rows(comparison), kernel_columns)
    yield from without_compiler(comparison)
    yield from _footer(comparison)


def table(comparison: Comparison) -> str:
    """A comparison for a terminal."""
    from rich.console import Console

    stream = io.StringIO()
    console = Console(file=stream, width=WIDTH, color_system=None, markup=False, highlight=False, emoji=False)
    for part in parts(comparison):
        console.print(part if isinstance(part, str) else _drawn(part))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def page(comparison: Comparison) -> str:
    """A comparison as HTML, for a notebook."""
    return "".join(
        f"<p>{escape(part)}</p>" if isinstance(part, str) else html_table(part.heads, part.rows)
        for part in parts(comparison)
    )


def _drawn(grid: Grid) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    made = Table(box=SIMPLE, show_edge=False, pad_edge=False, collapse_padding=True)
    for place, head in enumerate(grid.heads):
        least = min(LONGEST, max(len(row[place]) for row in grid.rows)) if head == "contestant" else None
        side: Literal["left", "right"] = "left" if head in WORDS else "right"
        made.add_column(head, justify=side, overflow="fold", min_width=least)
    for row in grid.rows:
        made.add_row(*map(Text, row))
    return made


def _architectures(rows: Sequence[Row]) -> str:
    return ", ".join(dict.fromkeys(row.resources.architecture for row in rows if row.resources))


def _columns(comparison: Comparison) -> list[tuple[str, Callable[[Row], str], Callable[[Row], object] | None]]:
    """Heading, cell, and which rows make the column worth showing (`None`: always)."""
    return [
        ("contestant", lambda row: row.name, None),
        ("median", lambda row: seconds(row.median), None),
        ("ratio", lambda row: _ratio(row.ratio), None),
        (
            f"{percent(comparison)} interval",
            lambda row: "–" if row.ratio_interval is None else " … ".join(map(_ratio, row.ratio_interval)),
            None,
        ),
        ("verdict", lambda row: row.verdict, None),
        ("error", lambda row: _number(row.error, ".1e"), None),
        ("GB/s", lambda row: _number(row.gbs, ".3g"), lambda row: row.bytes),
        ("GFLOP/s", lambda row: _number(row.gflops, ".3g"), lambda row: row.flops),
        ("cold", lambda row: seconds(row.cold and row.cold.median), lambda row: row.cold),
        (
            "cold ratio",
            lambda row: _ratio(row.cold and row.cold.ratio),
            lambda row: row.cold,
        ),
    ]


def _footer(comparison: Comparison) -> list[str]:
    control, machine, settings = comparison.control, comparison.machine, comparison.settings
    lines = [f"{row.name} {row.verdict}: {row.reason}" for row in comparison.rows if row.reason]
    low, high = control.ratio_interval or (1.0, 1.0)
    lines.append(
        f"Ratios are to {comparison.baseline}, below 1 is faster. Against itself it scored "
        f"{_ratio(control.ratio)} ({_ratio(low)} … {_ratio(high)}); "
        f"a verdict exceeds that, and {settings['margin']:.1%}. {control.rounds} rounds."
    )
    if comparison.ceilings:
        names = {"copy_gbs": "copy {:.3g} GB/s", "triad_gbs": "triad {:.3g} GB/s"}
        names |= {f"matmul_{kind}_gflops": f"matmul {kind} {{:.3g}} GFLOP/s" for kind in ("float32", "float64")}
        reached = [text.format(comparison.ceilings[key]) for key, text in names.items() if key in comparison.ceilings]
        lines.append("This machine at best: " + ", ".join(reached) + ".")
    if settings.get("cold"):
        lines.append(f"Cold: {settings['cold']}.")
    lines.extend(_makes(comparison.rows))
    lines.extend(comparison.notes)
    lines.append(
        f"{machine.get('cpu')}, {machine.get('cores')} cores, {machine.get('platform')}, "
        f"Python {machine.get('python')}, NumPy {machine.get('numpy')}; {comparison.date}; seed {settings['seed']}."
    )
    return lines


def _makes(rows: Sequence[Row]) -> list[str]:
    """How contestants were made: what most of graphopt's have in common, then where others differ; packages."""
    made = {row.name: {key: str(value) for key, value in row.made.items() if key not in FINE} for row in rows}
    compiled = [facts for facts in made.values() if "target" in facts]
    keys = dict.fromkeys(key for facts in compiled for key in facts)
    most = {key: Counter(facts.get(key) for facts in compiled).most_common(1)[0][0] for key in keys}
    usual = {key: value for key, value in most.items() if value is not None}
    lines = [f"graphopt functions, unless another is named: {_listed(usual)}."] if usual else []
    for name, facts in made.items():
        if own := {key: value for key, value in facts.items() if usual.get(key) != value}:
            lines.append(f"{name}: {_listed(own)}.")
    packages = dict(sorted(item for row in rows for item in row.made.get("packages", {}).items()))
    if packages:
        lines.append(f"Packages of contestants: {_listed(packages)}.")
    return lines


def _listed(facts: dict[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in facts.items())


def percent(comparison: Comparison) -> str:
    """The coverage of a comparison's intervals: `99 %`."""
    return f"{100 * comparison.settings['confidence']:g} %"


def _ratio(value: float | None) -> str:
    return _number(value, ".3f" if value is None or value < 100 else ".3g")


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
