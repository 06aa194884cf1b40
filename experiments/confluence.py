"""Does it matter in which order rules and nodes are tried?

Each pass of rules alternates with merging and `canonicalize`, as in the named pipelines, on every program of
`graphopt.rewrite.lint_corpus` on which it fires, in the order in which the rules are listed and in 20 shuffled ones.
Counted are the graphs that these orders end in, up to the order of the operands of commutative ops, and how far the
values are from those of the program as written, over what the claims of the rules that fired add up to.

A table of what is found goes to `docs/rules.md`, from `results/confluence.json`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import numpy as np
from common import Record, caption, figure, options, record_of, save
from matplotlib.figure import Figure

from graphopt.graph.graph import Graph
from graphopt.rewrite import Pipeline
from graphopt.rewrite.confluence import SEEDS, apart, arguments, excess, normal_forms
from graphopt.rewrite.lint_corpus import named_programs

ROADS = {
    "canonicalize": ("", "fix{canonicalize,cse;max=20}"),
    "stabilize": ("canonicalize,cse", "fix{stabilize,cse,canonicalize;max=20}"),
    "fast-math": ("canonicalize,cse", "fix{stabilize,fast-math,cse,canonicalize;max=20}"),
    "algebra": ("canonicalize,cse", "fix{algebra,cse,canonicalize;max=20}"),
    "cancel": ("canonicalize,cse", "fix{cancel,cse,canonicalize;max=20}"),
}
"""For each pass, what runs before in the stable order, and what runs in all orders."""
RANGES = ((0.1, 0.9), (-0.9, -0.1), (0.5, 3.0))
"""Between which bounds inputs are drawn, one set of values each."""
CLAIMING = ("canonicalize", "stabilize", "algebra")
"""The passes whose claims bound the error of values; those of the others hold over the reals alone."""


def measure(small: bool = False, programs: Iterable[tuple[str, Graph]] | None = None) -> Record:
    """The whole experiment, as a record."""
    chosen = list(named_programs() if programs is None else programs)
    chosen, seeds = (chosen[::10], range(3)) if small else (chosen, SEEDS)
    passes = {}
    for name, (before, road) in ROADS.items():
        passes[name] = one(name, before, road, chosen, seeds)
        found = passes[name]
        print(f"{name:13} {found['programs']} programs, {len(found['apart'])} with more than one normal form; "
              f"largest excess {found['excess']:.2g} ({found['worst']})", flush=True)  # fmt: skip
    return record_of("confluence", small) | {"seeds": len(seeds), "ranges": RANGES, "passes": passes}


def one(name: str, before: str, road: str, programs: Sequence[tuple[str, Graph]], seeds: Iterable[int]) -> Record:
    """What a pass does to the programs on which it fires."""
    pipeline, first = Pipeline.parse(road), Pipeline.parse(before) if before else Pipeline()
    count, several, quotients = 0, {}, {"": 0.0}
    for title, written in programs:
        start = written.copy()
        first.run(start)
        if not any(firing.step == name for firing in pipeline.run(start.copy())):
            continue
        count += 1
        forms = normal_forms(start, pipeline, seeds)
        if len(forms) > 1:
            several[title] = {
                "forms": len(forms),
                "orders": [len(form.seeds) for form in forms],
                "rules": sorted({rule for form in forms[1:] for rule in apart(forms[0], form)}),
            }
        if name in CLAIMING:
            quotients[title] = max(
                excess(start, form, arguments(start, seed, *bounds))
                for form in forms
                for seed, bounds in enumerate(RANGES)
            )
    worst = max(quotients, key=lambda title: quotients[title])
    largest = quotients[worst]
    return {
        "pipeline": road, "before": before, "programs": count, "apart": several,
        "excess": largest if np.isfinite(largest) else 1e300, "worst": worst,
    }  # fmt: skip


def draw(record: Record) -> Figure:
    """How many programs each pass fires on, and on how many of them orders end in different graphs."""
    picture, axes = figure(1, width=6.0)
    names = list(record["passes"])[::-1]
    for key, colour, label in (("programs", "tab:gray", "fires on"), ("apart", "tab:red", "more than one normal form")):
        values = [record["passes"][name][key] for name in names]
        axes[0, 0].barh(names, [v if isinstance(v, int) else len(v) for v in values], color=colour, label=label)
    axes[0, 0].set_xlabel("programs of the corpus")
    axes[0, 0].legend(fontsize=8)
    picture.suptitle(f"Order of rules and nodes, {record['seeds']} shuffled: {caption(record)}", fontsize=9)
    return picture


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(__doc__, "confluence", arguments)
    record = measure(chosen.small)
    print(save(record, draw(record), chosen.output))
    return 0 if all(found["excess"] <= 1 for found in record["passes"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
