"""How many mistakes in derivatives `verify_grad` finds: every mutant of every op's derivative, over the op's specimens.

    python experiments/gradient_mutation.py            # all mutants, about ten minutes
    python experiments/gradient_mutation.py --jobs 8   # the same in eight processes
    python experiments/gradient_mutation.py --resume   # the same, from where a run was stopped
    python experiments/gradient_mutation.py --small    # the mutants of six ops, less than a minute

What is got wrong is in `graphopt.testing.derivative_mutations`, what a verdict is in
`graphopt.testing.derivative_verdicts`. Exits with 1 if a mutant survives.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import common
from matplotlib.figure import Figure

from graphopt.ops import TABLE
from graphopt.testing.derivative_mutations import MUTATIONS, Mutant, mutants
from graphopt.testing.derivative_verdicts import OUTCOMES, Verdict, judge
from graphopt.testing.specimens import SPECIMENS

SMALL = ("exp", "maximum", "sum", "floor", "cumprod", "gammainc")
COLORS = {
    "killed": "tab:blue",
    "convention": "tab:olive",
    "equivalent": "tab:gray",
    "explained": "tab:cyan",
    "survived": "tab:red",
}
LIMIT = 20.0
"""Seconds of processor time for a mutant."""
INNOCENT = {"altered": "planted", "stop_gradient": "planted"}
"""What second-order mistakes are made with, and so are rightly suspected."""

Row = dict[str, str]


def family(name: str) -> str:
    """The module that an op is defined in: where in the table it stands."""
    op = TABLE[name]
    traits = ("elementwise", "reduction", "view", "composite", "contraction", "factorization", "host")
    return next((trait for trait in traits if trait in op.traits), "other")


def judged(name: str) -> list[Row]:
    """The verdicts on the mutants of an op that have something to get wrong."""
    found, start = [], time.process_time()
    for mutant in mutants(name):
        verdict = in_time(mutant)
        row = {
            "op": name,
            "family": family(name),
            "mutation": mutant.mutation.name,
            "operand": "all" if mutant.position is None else str(mutant.position),
            "outcome": verdict.outcome,
            "oracle": f"{verdict.oracle}{' (order 2)' if verdict.order == 2 else ''}",
            "suspect": _suspect(name, verdict.blamed),
            "where": verdict.where,
        }
        found.append(row)
        if verdict.outcome == "survived":
            print(f"survived: {mutant} at {verdict.where}", flush=True)
    print(f"{name}: {len(found)} mutants, {time.process_time() - start:.1f} s", flush=True)
    return found


def in_time(mutant: Mutant) -> Verdict:
    """The verdict on a mutant; one that takes longer than `LIMIT` counts as a survivor."""

    def stop(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
    try:
        return judge(mutant)
    except TimeoutError:
        return Verdict("survived", where=f"not done in {LIMIT:g} s")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _suspect(name: str, blamed: str) -> str:
    if blamed in ("", "no"):
        return "none"
    return "right" if blamed == name else INNOCENT.get(blamed, "another")


def measure(small: bool, jobs: int = 1, aside: Path | None = None) -> common.Record:
    """Judge the mutants of all ops that have specimens; what is known already is read from a file."""
    known: dict[str, list[Row]] = {}
    if aside is not None and aside.exists():
        known = {row["op"]: row["rows"] for row in map(json.loads, aside.read_text(encoding="utf-8").splitlines())}
    chosen = [name for name in SPECIMENS if TABLE[name].pullback is not None and (not small or name in SMALL)]
    left = [name for name in chosen if name not in known]
    with ProcessPoolExecutor(jobs) as pool:
        for name, found in zip(left, pool.map(judged, left), strict=True):
            known[name] = found
            if aside is not None:
                with aside.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"op": name, "rows": found}) + "\n")
    return {**common.record_of("gradient_mutation", small), **summary([row for name in chosen for row in known[name]])}


def summary(rows: Sequence[Row]) -> common.Record:
    """Counts by mutation, by family of ops and by oracle; and everything that was not killed."""
    met = [row for row in rows if row["outcome"] != "not applicable"]
    killed = [row for row in met if row["outcome"] == "killed"]
    return {
        "ops": len({row["op"] for row in rows}),
        "mutants": len(met),
        "outcomes": _counted(met),
        "not applicable": len(rows) - len(met),
        "mutations": {m.name: _counted([row for row in rows if row["mutation"] == m.name]) for m in MUTATIONS},
        "families": _each(met, lambda row: row["family"]),
        "oracles": dict(Counter(row["oracle"] for row in killed).most_common()),
        "suspects": dict(Counter(row["suspect"] for row in killed).most_common()),
        "suspects that are others": [row for row in killed if row["suspect"] == "another"],
        "not killed": [row for row in met if row["outcome"] != "killed"],
    }


def _counted(rows: Iterable[Row]) -> dict[str, int]:
    found = Counter(row["outcome"] for row in rows)
    return {outcome: found[outcome] for outcome in OUTCOMES if found[outcome]}


def _each(rows: Sequence[Row], key: Callable[[Row], str]) -> dict[str, dict[str, int]]:
    return {name: _counted(row for row in rows if key(row) == name) for name in sorted({key(row) for row in rows})}


def table(record: common.Record) -> str:
    """The record as a page of Markdown."""
    lines = [
        "# Mutants of derivatives", "",
        f"Written by `{record['command']}`. Derivatives of {record['ops']} ops, {record['mutants']} mutants: "
        + ", ".join(f"{count} {outcome}" for outcome, count in record["outcomes"].items())
        + f". In {record['not applicable']} more cases a derivative has nothing to get wrong in this way.",
        "", "| mutation | " + " | ".join(OUTCOMES) + " |", "| --- |" + " ---: |" * len(OUTCOMES),
    ]  # fmt: skip
    lines += [_line(name, found) for name, found in record["mutations"].items()]
    lines += ["", "| ops | " + " | ".join(OUTCOMES[:-1]) + " |", "| --- |" + " ---: |" * (len(OUTCOMES) - 1)]
    lines += [_line(name, found, OUTCOMES[:-1]) for name, found in record["families"].items()]
    for title, what in (("oracle", "oracles"), ("suspect", "suspects")):
        lines += ["", f"| {title} | kills |", "| --- | ---: |"]
        lines += [f"| {name} | {count} |" for name, count in record[what].items()]
    for outcome, title in HEADINGS.items():
        rows = [row for row in record["not killed"] if row["outcome"] == outcome]
        if rows:
            lines += ["", f"## {title}", "", "| mutation | why | ops, and operands |", "| --- | --- | --- |"]
        for mutation in dict.fromkeys(row["mutation"] for row in rows):
            ops = ", ".join(f"{row['op']} {row['operand']}" for row in rows if row["mutation"] == mutation)
            first = next(row for row in rows if row["mutation"] == mutation)
            why = {"convention": CONVENTION, "equivalent": WHY.get(mutation, "")}.get(outcome, first["where"])
            lines.append(f"| {mutation} | {why} | {ops} |")
    return "\n".join(lines) + "\n"


HEADINGS = {
    "survived": "Survived",
    "explained": "Let through, for a reason",
    "convention": "Another derivative that there is: found by the table of conventions, not by an oracle",
    "equivalent": "Equivalent: the same values to second order wherever the specimens look",
}
CONVENTION = "differs at a kink alone, and lies between the derivatives beside it"
_OUTSIDE = "no such operand where the op and its derivative are defined, or none whose derivative is not 0"
_EDGE = "the number or function stands in for a value at an edge, and is not chosen elsewhere"
_ONE_SIDE = "the element or operand that was changed has the derivative 0"
_FLAT = "the derivative does not depend on values, or jumps from one constant to another"
WHY = {
    **dict.fromkeys(("only for negative", "only beyond 2", "only at zero", "lost at zero"), _OUTSIDE),
    **dict.fromkeys(
        ("number off by one", "operand for result", "neighbouring function", "quotient for product"), _EDGE
    ),
    **dict.fromkeys(("only for size 1", "only in a batch", "one element of many", "straight through"), _ONE_SIDE),
    **dict.fromkeys(("first element", "last element", "broadcast axis not summed"), _ONE_SIDE),
    "dropped factor": "the factor is 1",
    **dict.fromkeys(("held constant at second order", "twice at second order", "cotangent held constant"), _FLAT),
    "another operand's": "operands have the same cotangent",
    "nothing at ties": "that is the convention",
    "zero where unknown": "programs are not differentiated by what has no derivative",
}
"""Why there are equivalent mutants of a kind."""


def _line(name: str, found: dict[str, int], outcomes: Sequence[str] = OUTCOMES) -> str:
    return f"| {name} | " + " | ".join(str(found.get(outcome, 0)) for outcome in outcomes) + " |"


def draw(record: common.Record) -> Figure:
    """Outcomes by mutation."""
    picture, grid = common.figure(1, width=8, height=10)
    axes = grid[0, 0]
    names = list(record["mutations"])[::-1]
    left = [0] * len(names)
    for outcome, color in COLORS.items():
        counts = [record["mutations"][name].get(outcome, 0) for name in names]
        axes.barh(names, counts, left=left, label=outcome, color=color)
        left = [total + count for total, count in zip(left, counts, strict=True)]
    axes.set_xlabel("mutants")
    axes.legend()
    picture.suptitle(common.caption(record), fontsize=8)
    return picture


def main() -> int:
    """Judge, write record, table and picture, and say what survived."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--jobs", type=int, default=1, choices=range(1, 1 + 4 * (os.cpu_count() or 1)))
    parser.add_argument("--resume", action="store_true")
    own, others = parser.parse_known_args()
    options = common.options(__doc__, Path(__file__).stem, others)
    aside = options.output.with_suffix(".partial")
    if not own.resume:
        aside.unlink(missing_ok=True)
    aside.parent.mkdir(parents=True, exist_ok=True)
    record = measure(options.small, own.jobs, aside)
    common.save(record, draw(record), options.output)
    options.output.with_suffix(".md").write_text(table(record), encoding="utf-8")
    aside.unlink(missing_ok=True)
    print(json.dumps(record["outcomes"]))
    return 1 if record["outcomes"].get("survived") else 0


if __name__ == "__main__":
    sys.exit(main())
