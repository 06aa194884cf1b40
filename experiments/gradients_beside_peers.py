"""Gradients beside JAX's and PyTorch's: the same functions, the same points, and the truth in fifty digits.

    python experiments/gradients_beside_peers.py            # all functions, some minutes
    python experiments/gradients_beside_peers.py --small    # every eighth

Each function of `shared_functions.py` is differentiated by graphopt, interpreted and compiled to C, by `jax.grad` and
by `torch.autograd`, in float64 and float32. The truth is what `graphopt.testing` takes it to be: central differences of
50 digits with a step of 10⁻¹⁷, where every op has an exact meaning. An error is the largest difference in an input's
gradient over the largest element of the true one. At the points of `hard_points.py` a formula overflows, or a branch
that is not taken is no number: there it is counted who gives numbers, and whether they are right.

Besides the record a table in Markdown is written. Exits with 1 if a gradient of graphopt is wrong, or if fewer
functions than `GOAL` agree; with 3 if neither peer is installed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from common import Record, absent, caption, figure, options, package_versions, record_of, save
from hard_points import HARD
from matplotlib.figure import Figure
from namespaces import GRAPHOPT, PACKAGES, differentiated, namespace
from shared_functions import SHARED, Shared, arguments

import graphopt as go
from graphopt.testing.oracles import ORACLES, SMOOTH
from graphopt.testing.strongest import strongest
from graphopt.testing.subjects import Expressed

GOAL = 40  # functions on which everyone agrees
BOUND = 256  # units of rounding of the dtype: an error up to this is no disagreement
DTYPES = ("float64", "float32")
INTERPRETED, COMPILED = "graphopt, interpreted", "graphopt, C"
OWN: Mapping[str, Mapping[str, str]] = {INTERPRETED: {"target": "numpy"}, COMPILED: {"target": "c"}}

Arrays = Sequence[Any]


def truth(shared: Shared, points: Arrays) -> tuple[list[Any], str]:
    """The true gradient with respect to each array, in float64, and the oracle that gave it.

    Raises
    ------
    ValueError
        If the function is not smooth at the point.
    """
    variables = [
        go.variable(f"x{k}", f"{x.dtype}[{', '.join(map(str, x.shape))}]" if x.ndim else str(x.dtype))
        for k, x in enumerate(points)
    ]
    cost = shared.cost(namespace(GRAPHOPT, str(points[0].dtype)), *variables)
    subject = Expressed(tuple(variables), {"cost": cost})
    point = dict(zip(subject.names, points, strict=True))
    oracle = strongest([make(None) for make in ORACLES.values()], subject, point)
    gradients = []
    for name in subject.names:
        gradient = np.empty(point[name].shape)
        for place in np.ndindex(gradient.shape):
            direction = {other: np.zeros(x.shape) for other, x in point.items()}
            direction[name][place] = 1.0
            found = oracle.slopes(subject, point, direction)
            if found.state[0] != SMOOTH:
                raise ValueError(f"{shared.name} has no derivative along {name}{list(place)}")
            gradient[place] = found.value[0]
        gradients.append(gradient)
    return gradients, oracle.name


def by(contestant: str, shared: Shared, points: Arrays) -> list[Any]:
    """The gradient that a contestant gives."""
    wrt = range(len(points))
    if contestant in OWN:
        found = differentiated(GRAPHOPT, shared.cost, points, wrt, name="gradient", **OWN[contestant])(*points)
    else:
        found = differentiated(contestant, shared.cost, points, wrt)(*points)
    return [np.asarray(gradient, np.float64) for gradient in found]


def distance(found: Iterable[Any], true: Iterable[Any]) -> float | None:
    """The largest error over an input's largest true element, of all inputs; None if any found is not a number."""
    worst = 0.0
    for gradient, right in zip(found, true, strict=True):
        if not np.isfinite(gradient).all():
            return None
        worst = max(worst, float(np.abs(gradient - right).max() / (np.abs(right).max() or 1.0)))
    return worst


def examined(shared: Shared, contestants: Sequence[str], dtype: str) -> Record:
    """What everyone's gradient of a function is worth in a dtype."""
    points = arguments(shared, dtype)
    entry: Record = {"errors": {}, "does_not_take_it": {}}
    true, entry["oracle"] = truth(shared, points)
    found = {}
    for contestant in contestants:
        try:
            found[contestant] = by(contestant, shared, points)
        except Exception as error:  # whatever a peer has to say
            if contestant in OWN:
                raise
            entry["does_not_take_it"][contestant] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:160]
            continue
        entry["errors"][contestant] = distance(found[contestant], true)
    entry["units"] = {
        name: None if error is None else error / float(np.finfo(dtype).eps) for name, error in entry["errors"].items()
    }
    peers = [name for name in found if name not in OWN]
    entry["apart"] = {f"{own}, {peer}": distance(found[own], found[peer]) for own in OWN for peer in peers}
    wrong = [name for name, units in entry["units"].items() if units is None or units > BOUND]
    return entry | {"wrong": wrong, "agree": not wrong and len(peers) == len(contestants) - len(OWN)}


def measure(
    small: bool = False, *, names: Sequence[str] | None = None, peers: Sequence[str] = tuple(PACKAGES)
) -> Record:
    """The whole experiment, as a record."""
    missing = absent(*(PACKAGES[peer] for peer in peers))
    present = [peer for peer in peers if PACKAGES[peer] not in missing]
    contestants = [*OWN, *present]
    entries: list[Record] = []
    for shared in (*SHARED, *HARD):
        if names is not None and shared.name not in names:
            continue
        found = {dtype: examined(shared, contestants, dtype) for dtype in DTYPES}
        entries.append({"function": shared.name, "kind": shared.kind, "dtypes": found})
        print(row(entries[-1], contestants), flush=True)
    return record_of("gradients_beside_peers", small) | {
        "versions": package_versions("numpy", *(PACKAGES[peer] for peer in present)),
        "left_out": missing,
        "goal": GOAL,
        "bound": BOUND,
        "contestants": contestants,
        "entries": entries,
        "shared": sum(entry["kind"] != "hard" for entry in entries),
        "agree": {
            dtype: sum(entry["dtypes"][dtype]["agree"] for entry in entries if entry["kind"] != "hard")
            for dtype in DTYPES
        },
        "wrong": {
            name: [
                f"{entry['function']}, {dtype}"
                for entry in entries
                for dtype in DTYPES
                if name in entry["dtypes"][dtype]["wrong"]
            ]
            for name in contestants
        },
    }


# The table and the picture --------------------------------------------------------------------------------------------


def cell(entry: Record, name: str) -> str:
    """A contestant's error in units of rounding; bold where it is wrong."""
    if name in entry["does_not_take_it"]:
        return "–"
    units = entry["units"][name]
    text = "NaN" if units is None else f"{units:.2g}" if units < 1e4 else f"{units:.0e}"
    return f"**{text}**" if name in entry["wrong"] else text


def row(entry: Record, contestants: Sequence[str]) -> str:
    cells = [cell(entry["dtypes"][dtype], name) for dtype in DTYPES for name in contestants]
    return f"| {entry['function']} | {entry['dtypes'][DTYPES[0]]['oracle']} | {' | '.join(cells)} |"


def table(record: Record) -> str:
    """The record as a page in Markdown."""
    contestants = record["contestants"]
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    heads = [f"{name}, {dtype}" for dtype in DTYPES for name in contestants]
    lines = [
        "# Gradients beside JAX's and PyTorch's",
        "",
        f"Made by `{record['command']}` ({record['date'][:10]}; {versions}).",
        "",
        "The largest error of a gradient, over its largest element, in units of rounding of the dtype, against the "
        f"truth that the oracle gives. Above {record['bound']} units it is bold: wrong. Everyone is right about "
        f"{record['agree']['float64']} of {record['shared']} functions in float64 and "
        f"{record['agree']['float32']} in float32.",
        "",
    ]
    for title, hard in (("Functions", False), ("Hard points", True)):
        chosen = [entry for entry in record["entries"] if (entry["kind"] == "hard") == hard]
        lines += [f"## {title}", "", f"| function | oracle | {' | '.join(heads)} |", "|---" * (len(heads) + 2) + "|"]
        lines += [row(entry, contestants) for entry in chosen]
        lines.append("")
    refused = [
        f"- {entry['function']}, {name}: {reason}"
        for entry in record["entries"]
        for name, reason in entry["dtypes"][DTYPES[0]]["does_not_take_it"].items()
    ]
    if refused:
        lines += ["## Not taken", "", *refused, ""]
    return "\n".join(lines)


def draw(record: Record) -> Figure:
    """Errors of all contestants, sorted; those that are no numbers stand at the right edge."""
    picture, axes = figure(len(DTYPES))
    for panel, dtype in zip(axes[0], DTYPES, strict=True):
        for name in record["contestants"]:
            units = [entry["dtypes"][dtype]["units"].get(name) for entry in record["entries"]]
            known = sorted(max(value, 0.01) for value in units if value is not None)
            panel.plot(known, np.arange(1, len(known) + 1), label=name, drawstyle="steps-post")
        panel.axvline(record["bound"], color="black", linewidth=0.8, linestyle=":")
        panel.set_xscale("log")
        panel.set_xlabel("error, units of rounding")
        panel.set_ylabel(f"functions, of {len(record['entries'])}")
        panel.set_title(dtype, fontsize=9)
        panel.legend(fontsize=8)
    picture.suptitle(f"Gradients of the same functions: {caption(record)}", fontsize=9)
    return picture


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(__doc__, "gradients_beside_peers", arguments)
    if len(absent(*PACKAGES.values())) == len(PACKAGES):
        print(f"nothing could be measured: none of {', '.join(PACKAGES.values())} is installed", file=sys.stderr)
        return 3
    everything = [shared.name for shared in (*SHARED, *HARD)]
    record = measure(chosen.small, names=everything[:: 8 if chosen.small else 1])
    print(save(record, draw(record), chosen.output))
    chosen.output.with_suffix(".md").write_text(table(record), encoding="utf-8")
    for name, wrong in record["wrong"].items():
        print(f"{name}: wrong {len(wrong)} times; {'; '.join(wrong)}")
    print(f"all agree on {record['agree']} of {record['shared']}; goal {GOAL}")
    ours = any(record["wrong"][name] for name in OWN)
    few = not chosen.small and min(record["agree"].values()) < GOAL
    return 1 if ours or few else 0


if __name__ == "__main__":
    sys.exit(main())
