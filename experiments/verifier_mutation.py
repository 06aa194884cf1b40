"""How many mistakes in rules the verifier finds: every mutant of every rule, verified like the rule.

    python experiments/verifier_mutation.py            # all mutants, about twenty minutes
    python experiments/verifier_mutation.py --small    # one mutant of every eighth rule, less than a minute

A condition that the claim is kept without is counted apart, as unneeded: it may be there for the types or the profit.
Exits with 1 if a mutant survives that `graphopt.testing.mutations.EQUIVALENT` does not explain.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import common
from matplotlib.figure import Figure

from graphopt.rewrite import Rule, RulePass, available_passes
from graphopt.testing.mutations import Mutant, judge, mutants

OUTCOMES = ("killed", "equivalent", "unneeded", "survived")
COLORS = {"killed": "tab:blue", "equivalent": "tab:gray", "unneeded": "tab:olive", "survived": "tab:red"}
EVERY = 8


def chosen(small: bool) -> Iterator[tuple[str, Rule, Mutant]]:
    """The mutants with the passes and rules they are of; a small run takes one of every eighth rule."""
    steps = [step for step in available_passes().values() if issubclass(step, RulePass)]
    rules = [(step.name, rule) for step in steps for rule in step.rules]
    chance = random.Random(0)
    for name, rule in rules[::EVERY] if small else rules:
        found = mutants(rule)
        for mutant in chance.sample(found, min(1, len(found))) if small else found:
            yield name, rule, mutant


def measure(small: bool, examples: int = 6) -> common.Record:
    """Judge the mutants."""
    rows = []
    for name, rule, mutant in chosen(small):
        verdict = judge(rule, mutant, examples=2 if small else examples)
        rows.append(
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
            print(f"survived: {name}: {rule.algebra} [{rule.claim}]: {mutant.label}", flush=True)
    kinds = sorted({row["kind"] for row in rows})
    return {
        **common.record_of("verifier_mutation", small),
        "outcomes": dict(Counter(row["outcome"] for row in rows)),
        "kinds": {kind: dict(Counter(row["outcome"] for row in rows if row["kind"] == kind)) for kind in kinds},
        "mutants": rows,
    }


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
    chosen_options = common.options(__doc__, Path(__file__).stem)
    record = measure(chosen_options.small)
    common.save(record, draw(record), chosen_options.output)
    print(json.dumps(record["outcomes"]))
    return 1 if record["outcomes"].get("survived") else 0


if __name__ == "__main__":
    sys.exit(main())
