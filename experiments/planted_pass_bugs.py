"""How small is what `verify_pass` shows of a wrong pass, and how soon is it found? Planted bugs, drawn programs.

    python experiments/planted_pass_bugs.py            # all of `planted_passes.py`, about five minutes
    python experiments/planted_pass_bugs.py --small    # eight of them, less than a minute

Programs are drawn from the families of ops that a pass is about, as its author would do. A counterexample is what
Hypothesis shrinks the first failing program to; `reduced` is what `verify_pass` shows, which is what
`go.rewrite.reduce` makes of that.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import common
from matplotlib.figure import Figure
from planted_passes import PLANTED, Planted

from graphopt.testing import strategies, verify_pass
from graphopt.testing.pass_report import PassFailed

EXAMPLES = {False: 500, True: 60}  # small or not
EVERY = 4
SMALL_ENOUGH = 6
"""How many nodes a counterexample should have at most, inputs and constants among them."""


def programs(planted: Planted) -> object:
    """The strategy of graphs for a planted bug."""
    return strategies.graphs(**{"families": planted.families, **planted.options})


def look_for(planted: Planted, examples: int) -> common.Record:
    """What `verify_pass` finds of a planted bug, and what that takes in processor time."""
    row: common.Record = {"bug": planted.name, "families": list(planted.families)}
    start = time.process_time()
    try:
        report = verify_pass(planted.steps, programs(planted), ("numpy",), examples=examples)
    except PassFailed as failed:
        row |= {
            "found": True,
            "seconds": time.process_time() - start,
            "examples": failed.seed + 1,
            "property": failed.property,
            "nodes": len(failed.drawn),
            "reduced": len(failed.graph),
            "program": [line.partition("  # ")[0] for line in str(failed.graph).splitlines()],
        }
    else:
        row |= {"found": False, "seconds": time.process_time() - start, "firings": report.firings}
    print(" ".join(f"{key}={row.get(key)}" for key in ("bug", "examples", "nodes", "reduced", "seconds")), flush=True)
    return row


def measure(small: bool) -> common.Record:
    """Look for all planted bugs, or every fourth."""
    rows = [look_for(planted, EXAMPLES[small]) for planted in PLANTED[:: EVERY if small else 1]]
    found = [row for row in rows if row["found"]]
    return common.record_of("planted_pass_bugs", small) | {
        "examples": EXAMPLES[small],
        "bugs": len(rows),
        "found": len(found),
        "small": sum(row["nodes"] <= SMALL_ENOUGH for row in found),
        "small when reduced": sum(row["reduced"] <= SMALL_ENOUGH for row in found),
        "rows": rows,
    }


def markdown(record: common.Record) -> str:
    """The record as a table."""
    lines = [
        "# Planted bugs in passes",
        "",
        f"`{record['command']}`, {record['date'][:10]}: of {record['bugs']} planted bugs, {record['found']} were found "
        f"within {record['examples']} programs each. {record['small']} counterexamples have at most {SMALL_ENOUGH} "
        f"nodes as Hypothesis leaves them, {record['small when reduced']} after `go.rewrite.reduce`.",
        "",
        "| bug | programs until found | nodes | reduced | broken property | processor seconds |",
        "|---|---|---|---|---|---|",
    ]
    for row in record["rows"]:
        cells = [row.get(key, "–") for key in ("examples", "nodes", "reduced", "property")]
        lines.append(
            f"| {row['bug'].replace('|', chr(92) + '|')} | {' | '.join(map(str, cells))} | {row['seconds']:.1f} |"
        )
    missed = [row for row in record["rows"] if not row["found"]]
    if missed:
        names = "; ".join(f"{row['bug']} (fired {row['firings']} times)" for row in missed)
        lines += ["", f"Not found: {names}."]
    return "\n".join(lines) + "\n"


def draw(record: common.Record) -> Figure:
    """Nodes of the counterexamples, and how many programs were drawn until one failed."""
    picture, ((left, right),) = common.figure(2, height=6.0)
    rows = [row for row in record["rows"] if row["found"]][::-1]
    places: Sequence[int] = range(len(rows))
    left.barh(places, [row["nodes"] for row in rows], color="tab:orange", label="as Hypothesis leaves it")
    left.barh(places, [row["reduced"] for row in rows], color="tab:blue", label="after reduce")
    left.axvline(SMALL_ENOUGH, color="tab:gray", linestyle="--")
    left.set_yticks(places, [row["bug"][:44] for row in rows], fontsize=6)
    left.set_xlabel("nodes of the counterexample")
    left.legend(fontsize=7)
    right.barh(places, [row["examples"] for row in rows], color="tab:blue")
    right.set_xscale("log")
    right.set_yticks([])
    right.set_xlabel("programs drawn until one failed")
    picture.suptitle(common.caption(record), fontsize=8)
    return picture


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the record, the table and the picture."""
    chosen = common.options(__doc__, "planted_pass_bugs", arguments)
    record = measure(chosen.small)
    image = common.save(record, draw(record), chosen.output)
    chosen.output.with_suffix(".md").write_text(markdown(record), encoding="utf-8")
    print(f"{record['found']} of {record['bugs']} found; {chosen.output}, {image}")


if __name__ == "__main__":
    main()
