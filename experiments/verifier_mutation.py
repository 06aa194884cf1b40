"""How many mistakes in rules the verifier finds: every mutant of every rule, verified like the rule.

    python experiments/verifier_mutation.py            # all mutants, about twenty minutes
    python experiments/verifier_mutation.py --jobs 8   # the same in eight processes
    python experiments/verifier_mutation.py --resume   # the same, from where a run was stopped
    python experiments/verifier_mutation.py --small    # one mutant of every eighth rule, less than a minute

What a verdict is, and what is explained, is in `graphopt.testing.verdicts` and `graphopt.testing.explained`. Exits
with 1 if a mutant survives that is not explained.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import common
from matplotlib.figure import Figure

from graphopt.rewrite import Rule, RulePass, available_passes
from graphopt.testing.mutations import Mutant, mutants
from graphopt.testing.verdicts import OUTCOMES, judge

COLORS = {
    "killed": "tab:blue", "refused": "tab:cyan", "equivalent": "tab:gray", "unneeded": "tab:olive",
    "survived": "tab:red",
}  # fmt: skip
EVERY = 8
EXAMPLES = {False: 6, True: 2}  # small or not

Row = dict[str, str]


def rules() -> list[tuple[str, Rule]]:
    """Every rule of every pass, with the pass's name."""
    steps = [step for step in available_passes().values() if issubclass(step, RulePass)]
    return [(step.name, rule) for step in steps for rule in step.rules]


def chosen(number: int, small: bool) -> Iterator[Mutant]:
    """The mutants of the rule of a number: all of them; one of every eighth rule in a small run."""
    found = mutants(rules()[number][1])
    if not small:
        yield from found
    elif not number % EVERY:
        yield random.Random(number).choice(found)


def judged(number: int, small: bool) -> list[Row]:
    """Judge the mutants of the rule of a number."""
    name, rule = rules()[number]
    found = []
    for mutant in chosen(number, small):
        verdict = judge(rule, mutant, examples=EXAMPLES[small])
        found.append(
            {
                "pass": name,
                "rule": rule.name,
                "claim": str(rule.claim),
                "kind": mutant.kind,
                "mutant": mutant.label,
                "outcome": verdict.outcome,
                "reason": verdict.reason[:200],
            }
        )
        if verdict.outcome == "survived":
            print(f"survived: {name}: {rule.algebra} [{rule.claim}]: {mutant.label} {verdict.reason}", flush=True)
    return found


def measure(small: bool, jobs: int = 1, aside: Path | None = None) -> common.Record:
    """Judge the mutants in some processes; what is known already is read from a file, and what is found added to it."""
    known: dict[int, list[Row]] = {}
    if aside is not None and aside.exists():
        known = {row["number"]: row["rows"] for row in map(json.loads, aside.read_text(encoding="utf-8").splitlines())}
    left = [number for number in range(len(rules())) if number not in known]
    with ProcessPoolExecutor(jobs) as pool:
        for number, found in zip(left, pool.map(judged, left, [small] * len(left)), strict=True):
            known[number] = found
            if aside is not None:
                with aside.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"number": number, "rows": found}) + "\n")
    rows = [row for number in sorted(known) for row in known[number]]
    kinds = sorted({row["kind"] for row in rows})
    return {
        **common.record_of("verifier_mutation", small),
        "outcomes": _counted(rows),
        "kinds": {kind: _counted([row for row in rows if row["kind"] == kind]) for kind in kinds},
        "not killed": [row for row in rows if row["outcome"] != "killed"],
    }


def _counted(rows: list[Row]) -> dict[str, int]:
    found = Counter(row["outcome"] for row in rows)
    return {outcome: found[outcome] for outcome in OUTCOMES if found[outcome]}


def draw(record: common.Record) -> Figure:
    """Outcomes by kind of mistake."""
    picture, grid = common.figure(1, width=7)
    axes = grid[0, 0]
    kinds = list(record["kinds"])
    left = [0] * len(kinds)
    for outcome in OUTCOMES:
        counts = [record["kinds"][kind].get(outcome, 0) for kind in kinds]
        axes.barh(kinds, counts, left=left, label=outcome, color=COLORS[outcome])
        left = [total + count for total, count in zip(left, counts, strict=True)]
    axes.set_xlabel("mutants")
    axes.legend()
    picture.suptitle(common.caption(record), fontsize=8)
    return picture


def main() -> int:
    """Judge, write the record, and say what survived."""
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
    aside.unlink(missing_ok=True)
    print(json.dumps(record["outcomes"]))
    return 1 if record["outcomes"].get("survived") else 0


if __name__ == "__main__":
    sys.exit(main())
