"""The suite beside what one would use instead: NumPy, numexpr, Numba by hand, JAX, PyTorch, PyTensor.

    python experiments/peers.py                      # half an hour
    python experiments/peers.py --small              # two minutes
    python experiments/peers.py --only GELU gemver   # some cases, printed and not kept

Programs are those of `suite.py`, each in one text for all who take NumPy's names; besides them the overhead of a call,
beside NumPy's, and the equations of motion of a pendulum of five links, beside SymEngine's. Contestants live in
processes of their own, of which one runs at a time, with the same data and two threads each; a peer is given its own
arrays, converted outside of what is timed. Values are held against NumPy's in float64 before and after.

The figure of a case is the best peer's time over graphopt's, from medians over rounds in which everyone runs once, with
its interval; above 1 graphopt is faster. Peers that are not installed are named as such.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pendulum
from common import RESULTS, Record, absent, caption, figure, package_versions, race, record_of, save, stopwatch
from matplotlib.figure import Figure
from namespaces import GRAPHOPT, NUMPY
from suite import CASES
from suite_contestants import BUILDERS, ENVIRONMENT, NEEDS, THREADS, build, dtype, inputs, takes, truth

import graphopt as go
from graphopt.bench import Worker

OVERHEAD, PENDULUM = "call of 10 elements", "pendulum of 5 links"
TARGETS = {name: case.target for name, case in CASES.items()} | {OVERHEAD: 1 / 0.35, PENDULUM: 3.0}


# Measuring ------------------------------------------------------------------------------------------------------------


def one(name: str, divided: int, seconds: float, peers: Sequence[str]) -> Record:
    """One case, everyone in a process of their own."""
    case = CASES[name]
    arguments = inputs(case, divided)
    libraries = [GRAPHOPT, *(peer for peer in peers if takes(case, peer))]
    workers = {
        library: Worker(build=partial(build, name, library, divided), environment=ENVIRONMENT, timeout=300)
        for library in libraries
    }
    try:
        speed = race(
            workers, arguments, baseline=GRAPHOPT, reference=lambda *arrays: truth(case, arrays), seconds=seconds
        )
    finally:
        for worker in workers.values():
            worker.close()
    return {"case": name, "shapes": [list(np.shape(a)) for a in arguments], "dtype": dtype(arguments), "speed": speed}


def overhead(seconds: float) -> Record:
    """One array of ten elements in, one out."""
    x = go.variable("x", "float64[n]")
    ours: Any = go.function([x], x + 1.0, name="increment")
    contestants = {GRAPHOPT: ours, NUMPY: lambda x: x + 1}
    return {"case": OVERHEAD, "shapes": [[10]], "dtype": "float64",
            "speed": race(contestants, (np.arange(10.0),), baseline=GRAPHOPT, seconds=seconds)}  # fmt: skip


def swinging(links: int, count: int, seconds: float) -> Record:
    """Mass matrix, forcing and the forcing's Jacobian of a pendulum on a cart, over many states."""
    problem = pendulum.model(links)
    arguments = problem.arguments(count)
    ours: Any = go.function(problem.leaves, problem.outputs, options=go.Options(threads=THREADS), name="pendulum")
    contestants = {GRAPHOPT: ours, "sympy.lambdify": pendulum.lambdified(problem, cse=True)}
    if not absent("symengine"):
        contestants["SymEngine"] = pendulum.symengine_lambdified(problem, arguments)
    return {"case": PENDULUM, "shapes": [[count]], "dtype": "float64",
            "speed": race(contestants, arguments, baseline=GRAPHOPT, seconds=seconds)}  # fmt: skip


def measured(names: Sequence[str], divided: int, seconds: float, peers: Sequence[str]) -> Iterator[Record]:
    """The entries of the cases asked for, with their figures."""
    for name in names:
        print(f"\n{name}", flush=True)
        if name == OVERHEAD:
            entry, taken = stopwatch(lambda: overhead(seconds))
        elif name == PENDULUM:
            links, count = (5, 100_000) if divided == 1 else (2, 1000)
            entry, taken = stopwatch(lambda links=links, count=count: swinging(links, count, seconds))
        else:
            entry, taken = stopwatch(lambda name=name: one(name, divided, seconds, peers))
        entry |= {"target": TARGETS[name], "seconds": taken, **against_best(entry["speed"])}
        print(in_words(entry), flush=True)
        yield entry


def against_best(speed: Record) -> Record:
    """The best peer's time over graphopt's, with its interval, and what graphopt's verdict beside it is."""
    timed = [row for row in speed["rows"] if row["name"] != GRAPHOPT and row["ratio"] is not None]
    if not timed:
        return {"best": None, "ratio": None, "interval": None, "verdict": None}
    best = min(timed, key=lambda row: row["ratio"])
    verdict = {"faster": "slower", "slower": "faster"}.get(best["verdict"], best["verdict"])
    return {"best": best["name"], "ratio": best["ratio"], "interval": best["ratio_interval"], "verdict": verdict}


def in_words(entry: Record) -> str:
    if entry["ratio"] is None:
        return f"{entry['case']}: no peer"
    low, high = entry["interval"]
    return (
        f"{entry['case']}: {entry['ratio']:.2f} ({low:.2f} … {high:.2f}) of {entry['best']}, {entry['verdict']}; "
        f"aimed at {entry['target']:.2f}"
    )


def measure(
    small: bool = False,
    *,
    names: Sequence[str] = tuple(TARGETS),
    divided: int = 1,
    seconds: float = 5.0,
    peers: Sequence[str] = tuple(name for name in BUILDERS if name != GRAPHOPT),
) -> Record:
    """The whole experiment, as a record."""
    missing = absent(*(NEEDS[peer] for peer in peers if peer in NEEDS))
    present = [peer for peer in peers if NEEDS.get(peer) not in missing]
    entries = list(measured(names, divided, seconds, present))
    ratios = [entry["ratio"] for entry in entries if entry["ratio"] is not None]
    return record_of("peers", small) | {
        "threads": THREADS,
        "versions": package_versions("numpy", *dict.fromkeys(NEEDS.values()), "sympy", "symengine"),
        "left_out": missing,
        "cases": entries,
        "mean": float(np.exp(np.mean(np.log(ratios)))) if ratios else None,
        "met": sum(entry["ratio"] >= entry["target"] for entry in entries if entry["ratio"] is not None),
    }


# Reports --------------------------------------------------------------------------------------------------------------


def table(record: Record) -> str:
    """The record as a page of Markdown."""
    lines = [
        f"# The suite beside its peers\n\n`{record['command']}`, {record['date'][:10]}, {record['machine']['cpu']}, "
        f"{record['threads']} threads; "
        + ", ".join(f"{name} {version}" for name, version in record["versions"].items())
        + ". Ratio: the best peer's time over graphopt's. Milliseconds are medians; –: no program, or refused.\n",
        "| case | ratio | interval | aimed at | best peer | " + " | ".join([GRAPHOPT, *columns(record)]) + " |",
        "|---|---|---|---|---|" + "---|" * (1 + len(columns(record))),
    ]
    for entry in record["cases"]:
        rows = {row["name"]: row["median"] for row in entry["speed"]["rows"]}
        cells = ["–" if rows.get(name) is None else f"{1e3 * rows[name]:.3g}" for name in (GRAPHOPT, *columns(record))]
        ratio, interval = "–", "–"
        if entry["ratio"] is not None:
            ratio, interval = f"{entry['ratio']:.2f}", "{:.2f} … {:.2f}".format(*entry["interval"])
        aim = f"{entry['target']:.2f}"
        lines.append(
            f"| {entry['case']} | {ratio} | {interval} | {aim} | {entry['best'] or '–'} | {' | '.join(cells)} |"
        )
    lines.append(f"\nGeometric mean {record['mean']:.2f}; {record['met']} of {len(record['cases'])} as aimed at.")
    for name, reason in record["left_out"].items():
        lines.append(f"\n{name}: {reason}.")
    return "\n".join(lines) + "\n"


def columns(record: Record) -> list[str]:
    """Everyone but graphopt, in the order of the builders."""
    found = {row["name"] for entry in record["cases"] for row in entry["speed"]["rows"]}
    ordered = [name for name in BUILDERS if name in found and name != GRAPHOPT]
    return [*ordered, *sorted(found - {*ordered, GRAPHOPT})]


def draw(record: Record) -> Figure:
    """The ratios, case by case, with what is aimed at."""
    picture, axes = figure(1, width=9, height=7)
    panel = axes[0, 0]
    entries = [entry for entry in record["cases"] if entry["ratio"] is not None][::-1]
    for place, entry in enumerate(entries):
        low, high = entry["interval"]
        ratio = entry["ratio"]
        panel.barh(
            place, ratio - 1, left=1, color="tab:orange" if ratio >= 1 else "tab:red",
            xerr=[[max(ratio - low, 0)], [max(high - ratio, 0)]], capsize=2,
        )  # fmt: skip
        panel.plot([entry["target"]] * 2, [place - 0.4, place + 0.4], color="black", linewidth=1.5)
        beside = max(high, ratio, entry["target"], 1)
        panel.text(beside, place, f"   {ratio:.2f}  {entry['best']}", va="center", fontsize=8)
    panel.axvline(1, color="black", linewidth=0.8)
    panel.set_xscale("log")
    panel.set_xlim(right=2 * max([entry["interval"][1] for entry in entries], default=1))
    panel.set_yticks(range(len(entries)), [entry["case"] for entry in entries], fontsize=8)
    panel.set_xlabel("the best peer's time over graphopt's (who it is, beside; black: what is aimed at)")
    peers = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    picture.suptitle(
        f"{caption(record)}, {record['threads']} threads; geometric mean {record['mean']:.2f}\n{peers}", fontsize=8
    )
    return picture


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--only", nargs="+", choices=list(TARGETS), metavar="CASE", help="some cases, not kept")
    parser.add_argument("--peers", nargs="+", choices=list(BUILDERS), metavar="PEER", help="some peers, not kept")
    parser.add_argument("--seconds", type=float, help="of the rounds of a case")
    parser.add_argument("--output", type=Path, help="the JSON file; picture and table are written beside it")
    chosen = parser.parse_args(arguments)
    settings: dict[str, Any] = {"divided": 16, "seconds": 0.5} if chosen.small else {}
    settings |= {"names": chosen.only} if chosen.only else {}
    settings |= {"peers": chosen.peers} if chosen.peers else {}
    settings |= {"seconds": chosen.seconds} if chosen.seconds else {}
    record = measure(chosen.small, **settings)
    print(f"\ngeometric mean {record['mean']:.2f}; {record['met']} of {len(record['cases'])} as aimed at")
    if (chosen.only or chosen.peers) and chosen.output is None:
        return 0
    output = chosen.output or RESULTS / ("peers_small.json" if chosen.small else "peers.json")
    print(save(record, draw(record), output))
    output.with_suffix(".md").write_text(table(record), encoding="utf-8")
    return 0


if __name__ == "__main__":
    os.environ.update(ENVIRONMENT)
    sys.exit(main())
