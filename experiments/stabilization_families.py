"""Seventy-two formulas that break at a known input: what does the default pipeline make of them?

    python experiments/stabilization_families.py            # 200 random points a formula, about a minute
    python experiments/stabilization_families.py --small    # 10

Each naive formula is read by the toolkit's formula parser and run in the interpreter, as it is written and after the
default pipeline, at the input that breaks it and at random inputs around. Errors are bits: log2(1 + floats apart from
the truth), which is the naive formula in exact arithmetic. Beside the JSON record and the picture it writes a table in
Markdown. Exits with 1 if a formula is worse after the pipeline than before, by more than one bit.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from common import Record, caption, figure, options, record_of, save
from matplotlib.figure import Figure

import graphopt as go
from graphopt.arithmetics import Exact
from graphopt.errors import GraphoptError
from graphopt.frontend.formula import parse_formula
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.testing.accuracy import bits_of_error

NAME = "stabilization_families"
DATA = Path(__file__).parent / "data" / f"{NAME}.json"
DIGITS = 420
POINTS, SMALL_POINTS = 200, 10
SPREAD = 0.5  # standard deviation of the logarithm of an input around the breaking one
ALLOWED = 1.0  # bits by which a formula may be worse
PROMISING = 8  # uncovered families that the table names first
KINDS = ("improved", "unchanged", "worse", "not expressible")

Arguments = dict[str, Any]


def families() -> list[Record]:
    """The formulas with their inputs; numbers only, and text that is parsed, never run."""
    result: list[Record] = json.loads(DATA.read_text(encoding="utf-8"))
    return result


def breaking(family: Record) -> Arguments:
    """The input that breaks the naive form."""
    return {name: np.asarray(value, family["dtype"]) for name, value in family["input"].items()}


def around(family: Record, count: int) -> Iterator[Arguments]:
    """Inputs of the same signs whose magnitudes are spread around those of the breaking one."""
    chance = np.random.default_rng(zlib.crc32(family["name"].encode()))
    center = breaking(family)
    for _ in range(count):
        yield {
            name: np.asarray(value * np.exp(SPREAD * chance.standard_normal(value.shape)), family["dtype"])
            for name, value in center.items()
        }


def written(family: Record) -> Graph:
    """The naive formula as a graph.

    Raises
    ------
    GraphoptError
        If formulas cannot say it.
    """
    types = {name: f"{family['dtype']}{list(v.shape) if v.ndim else ''}" for name, v in breaking(family).items()}
    inputs, output = parse_formula(family["naive"], types)
    return Graph.from_outputs(inputs, {"output": output})


def rewritten(graph: Graph, pipeline: str) -> tuple[Graph, list[str]]:
    """A graph after a pipeline, and the rules that stabilized it."""
    result = graph.copy()
    log = go.Pipeline.named(pipeline).run(result)
    rules = [firing.rule for firing in log if firing.step == "stabilize"]
    return result, list(dict.fromkeys(rules))


def run(small: bool) -> Record:
    """Every formula before and after."""
    count = SMALL_POINTS if small else POINTS
    rows = []
    for number, family in enumerate(families(), 1):
        rows.append(examined(family, count))
        print(f"\r{number} {rows[-1]['name']:<40.40}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    counts = Counter(row["kind"] for row in rows)
    return record_of(NAME, small) | {
        "points": count,
        "counts": {
            "formulas": len(rows),
            "expressible": len(rows) - counts["not expressible"],
            "covered": sum(bool(row.get("rules")) for row in rows),
            **{kind: counts[kind] for kind in KINDS},
        },
        "rows": rows,
    }


def examined(family: Record, count: int) -> Record:
    """One formula: bits of error at the breaking input and around it, before and after; the rules that fired."""
    row: Record = {key: family[key] for key in ("name", "naive", "stable", "group", "source", "dtype")}
    try:
        graph = written(family)
    except GraphoptError as error:
        return row | {"kind": "not expressible", "reason": str(error).splitlines()[0]}
    plain, _ = rewritten(graph, "none")
    better, rules = rewritten(graph, "default")
    at = bits_at(graph, (plain, better), breaking(family), mpmath.mpf(family["true_value"]))
    assert at is not None, family["name"]
    drawn = [found for point in around(family, count) if (found := bits_at(graph, (plain, better), point)) is not None]
    mean = np.mean(drawn, axis=0) if drawn else (None, None)
    row |= {"before": at[0], "after": at[1], "rules": rules, "drawn": len(drawn)}
    row |= {"mean_before": None, "mean_after": None} if not drawn else {
        "mean_before": float(mean[0]), "mean_after": float(mean[1]),
    }  # fmt: skip
    return row | {"kind": judged(row)}


def bits_at(
    graph: Graph, variants: tuple[Graph, Graph], point: Arguments, fallback: Any = None
) -> tuple[float, float] | None:
    """Bits of error of two graphs at a point; None where the formula has no value and there is none to fall back on."""
    truth = interpret(graph, point, Exact(DIGITS))["output"]
    if not mpmath.isnan(truth.item()):
        wanted = truth
    elif fallback is not None:  # the limit, such as 0 for x·log x at 0
        wanted = np.asarray(fallback, dtype=object)
    else:
        return None
    bits = [float(bits_of_error(interpret(variant, point)["output"], wanted)) for variant in variants]
    return bits[0], bits[1]


def judged(row: Mapping[str, Any]) -> str:
    """Improved, unchanged or worse: by the breaking input and by the mean around it, each by more than one bit."""
    pairs = [(row["before"], row["after"])]
    if row["mean_before"] is not None:
        pairs.append((row["mean_before"], row["mean_after"]))
    if any(after > before + ALLOWED for before, after in pairs):
        return "worse"
    return "improved" if any(after < before - ALLOWED for before, after in pairs) else "unchanged"


def promising(rows: list[Record]) -> list[Record]:
    """Families that stay wrong: the most bits lost at the breaking input and around it first."""
    left = [row for row in rows if row["kind"] != "not expressible" and max(row["after"], row["mean_after"] or 0) > 4]
    return sorted(left, key=lambda row: -(row["after"] + (row["mean_after"] or 0)))


def table(record: Record) -> str:
    """The record for readers."""
    counts, rows = record["counts"], record["rows"]
    said = [row for row in rows if row["kind"] != "not expressible"]
    lines = [
        "# Formulas that break at a known input", "",
        f"Written by `{record['command']}`. Bits of error, log2(1 + floats apart), of the naive formula as written and",
        "after the default pipeline: at the input that breaks it, and as the mean over random inputs around it.", "",
        ", ".join(f"{kind}: {number}" for kind, number in counts.items())
        + ". Covered means that a stabilization rule fired.", "",
        "| formula | naive | before | after | mean before | mean after | rules |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
        *(_row(row) for row in said),
        "", "## Not covered, most wrong first", "",
        "| formula | naive | stable | after | mean after | source |", "| --- | --- | --- | ---: | ---: | --- |",
    ]  # fmt: skip
    for row in promising(rows):
        cells = [row["name"], _code(row["naive"]), _code(row["stable"]), _bits(row["after"]), _bits(row["mean_after"])]
        lines.append(f"| {' | '.join([*cells, row['source']])} |")
    lines += ["", "## Not expressible", "", "| formula | naive | reason |", "| --- | --- | --- |"]
    lines += [
        f"| {row['name']} | {_code(row['naive'])} | {row['reason'].replace('|', '/')} |"
        for row in rows
        if row["kind"] == "not expressible"
    ]
    return "\n".join([*lines, ""])


def _row(row: Record) -> str:
    bits = [_bits(row[key]) for key in ("before", "after", "mean_before", "mean_after")]
    return f"| {' | '.join([row['name'], _code(row['naive']), *bits, ', '.join(row['rules'])])} |"


def _bits(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def draw(record: Record) -> Figure:
    """Bits before and after, a line a formula, at the breaking input and around it."""
    rows = sorted((row for row in record["rows"] if "before" in row), key=lambda row: (row["after"], row["before"]))
    picture, axes = figure(2, width=7.0, height=max(4.0, 0.17 * len(rows)))
    for panel, (first, second, title) in zip(
        axes[0],
        (("before", "after", "at the breaking input"), ("mean_before", "mean_after", "mean around it")),
        strict=True,
    ):
        for place, row in enumerate(rows):
            if row[first] is None:
                continue
            panel.plot([row[first], row[second]], [place, place], color="tab:gray", linewidth=0.8, zorder=1)
            panel.scatter(row[first], place, color="tab:red", s=14, zorder=2)
            panel.scatter(row[second], place, color="tab:green", s=10, zorder=3)
        panel.set_yticks(range(len(rows)), [row["name"] for row in rows], fontsize=6)
        panel.set_xlabel("bits of error: red as written, green after the default pipeline")
        panel.set_title(title, fontsize=9)
        panel.set_xlim(-2, 66)
    picture.suptitle(caption(record, (f"{record['points']} points",)), fontsize=9)
    return picture


def main() -> int:
    """Run, write the files, say what was found."""
    chosen = options(__doc__, NAME)
    record = run(chosen.small)
    image = save(record, draw(record), chosen.output)
    listing = chosen.output.with_suffix(".md")
    listing.write_text(table(record), encoding="utf-8")
    print(json.dumps(record["counts"]))
    left = promising(record["rows"])[:PROMISING]
    print("most wrong after the pipeline:", *(f"  {row['name']}: {row['naive']}" for row in left), sep="\n")
    print(f"wrote {chosen.output}, {listing}, {image}")
    if worse := [row["name"] for row in record["rows"] if row["kind"] == "worse"]:
        print(f"worse after the pipeline: {', '.join(worse)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
