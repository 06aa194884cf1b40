"""What each part of the compiler is worth: the suite with one part left out at a time.

    python experiments/ablation.py            # ten minutes
    python experiments/ablation.py --small    # a minute

Left out are: fusion (a kernel for every op), what fusion has besides (values computed again, reductions along both axes
in one kernel, epilogues of products), stabilization (of the program and within `grad`), common subexpressions, writing
over what is dead (with a room of its own for every temporary), and vector functions: the C library's instead, by a
folder of templates laid over the package's. Each case is a comparison with everything switched on as the baseline; the
figure is time without over time with, and its interval. Where leaving a part out gives wrong values, there is no time.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common import Record, caption, figure, options, race, record_of, save
from matplotlib.figure import Figure
from namespaces import GRAPHOPT, Namespace, declared, namespace
from suite import CASES, Case
from suite_contestants import THREADS, dtype, inputs, listed, program, truth

import graphopt as go
from graphopt.bench import vary

EVERYTHING = "everything"
DEFAULT = str(go.Pipeline.named("default"))
PARTS: Mapping[str, Mapping[str, Any]] = {
    "fusion": {"pipeline": go.Pipeline.named("default").without("fuse")},
    "recomputing": {"pipeline": DEFAULT.replace("fuse", "fuse{recompute=false}")},
    "crossing": {"pipeline": DEFAULT.replace("fuse", "fuse{crossing=false}")},
    "epilogues": {"pipeline": DEFAULT.replace("fuse", "fuse{epilogues=false}")},
    "stabilization": {"pipeline": go.Pipeline.named("default").without("stabilize")},
    "CSE": {"pipeline": go.Pipeline.named("default").without("cse")},
    "in place": {"schedule": {"inplace": False, "reuse": False}},
    "vector functions": {
        "templates": [Path(__file__).parent / "scalar_functions"],
        "extra_flags": ["-UGO_HAVE_LIBMVEC"],
    },
}


TICKS = (0.5, 1, 2, 4, 8, 16)


def unstabilized(names: Namespace) -> Namespace:
    """The same names with derivatives of programs as they are written."""
    return names.with_gradients(lambda value, wrt: go.grad(value, wrt, stabilize=False))


def contestants(case: Case, arguments: Sequence[Any]) -> dict[str, Any]:
    """The case with everything, and without each part."""
    variables = declared(arguments)
    names = namespace(GRAPHOPT, dtype(arguments))

    def built(names: Namespace, ways: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        outputs = listed(program(case, GRAPHOPT)(names, *variables))
        return vary(variables, outputs, ways, threads=THREADS, on_unused_input="ignore")

    ways = {EVERYTHING: {}, **{f"without {part}": settings for part, settings in PARTS.items()}}
    plain = {name: ways.pop(name) for name in ["without stabilization"]}
    return built(names, ways) | built(unstabilized(names), plain)


def one(name: str, divided: int, seconds: float) -> Record:
    """One case: kernels and bytes of each way, and the times."""
    case = CASES[name]
    arguments = inputs(case, divided)
    ways = contestants(case, arguments)
    speed = race(ways, arguments, baseline=EVERYTHING, reference=lambda *arrays: truth(case, arrays), seconds=seconds)
    return {
        "case": name,
        "kernels": {way: len(function.kernels) for way, function in ways.items()},
        "bytes": {way: function.counts(*arguments).get("bytes") for way, function in ways.items()},
        "speed": speed,
    }


def measure(
    small: bool = False, *, names: Sequence[str] = tuple(CASES), divided: int = 1, seconds: float = 8.0
) -> Record:
    """The whole experiment, as a record."""
    entries = []
    for name in names:
        print(f"\n{name}", flush=True)
        entries.append(one(name, divided, seconds))
    return record_of("ablation", small) | {"threads": THREADS, "parts": list(PARTS), "cases": entries}


def ratio(entry: Record, part: str) -> Record:
    """The row of a case without a part."""
    found: Record = next(row for row in entry["speed"]["rows"] if row["name"] == f"without {part}")
    return found


def table(record: Record) -> str:
    """The record as a page of Markdown."""
    parts = record["parts"]
    lines = [
        "# What each part is worth\n",
        f"`{record['command']}`, {record['date'][:10]}, {record['machine']['cpu']}, {record['threads']} threads. Time",
        "without a part over time with everything; in bold where the verdict is slower. In brackets: kernels.\n",
        "| case | ms | " + " | ".join(parts) + " |",
        "|---|---|" + "---|" * len(parts),
    ]
    for entry in record["cases"]:
        whole = next(row for row in entry["speed"]["rows"] if row["name"] == EVERYTHING)
        cells = [f"{entry['case']} ({entry['kernels'][EVERYTHING]})", f"{1e3 * whole['median']:.3g}"]
        for part in parts:
            row = ratio(entry, part)
            text = "wrong" if row["ratio"] is None else f"{row['ratio']:.2f}"
            text = f"**{text}**" if row["verdict"] == "slower" else text
            cells.append(f"{text} ({entry['kernels'][f'without {part}']})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(record: Record) -> Figure:
    """Ratios, a panel for each part."""
    parts = record["parts"]
    picture, axes = figure(4, (len(parts) + 3) // 4, width=4.2, height=4.4)
    cases = [entry["case"] for entry in record["cases"]][::-1]
    for place, part in enumerate(parts):
        panel = axes[place // 4, place % 4]
        for position, entry in enumerate(record["cases"][::-1]):
            row = ratio(entry, part)
            if row["ratio"] is None:
                panel.text(1, position, " wrong values", va="center", fontsize=6, color="tab:red")
                continue
            low, high = row["ratio_interval"]
            spread = [[max(row["ratio"] - low, 0)], [max(high - row["ratio"], 0)]]
            panel.barh(position, row["ratio"] - 1, left=1, xerr=spread, color="tab:orange", error_kw={"linewidth": 0.8})
        panel.axvline(1, color="black", linewidth=0.8)
        panel.set_xscale("log", base=2)
        panel.set_xticks(TICKS, map(str, TICKS), minor=False)
        panel.set_xlim(TICKS[0], 2 * TICKS[-1])
        panel.set_yticks(range(len(cases)), cases, fontsize=6)
        panel.set_title(f"without {part}", fontsize=9)
    for spare in range(len(parts), axes.size):
        axes[spare // 4, spare % 4].set_axis_off()
    picture.suptitle(f"Time without a part over time with everything: {caption(record)}", fontsize=9)
    return picture


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(__doc__, "ablation", arguments)
    settings: dict[str, Any] = {"divided": 16, "seconds": 0.5} if chosen.small else {}
    record = measure(chosen.small, **settings)
    print(save(record, draw(record), chosen.output))
    chosen.output.with_suffix(".md").write_text(table(record), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
