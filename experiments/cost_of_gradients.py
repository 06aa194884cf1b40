"""What derivatives cost: operations against the function's, and seconds of `grad` against its size.

    python experiments/cost_of_gradients.py            # 10³ and 10⁴ operations: some minutes
    python experiments/cost_of_gradients.py --small    # 250 and 1000 operations, six programs

The programs are those of `tests/autodiff/benchmark_graphs.py`: the cases by which generated code is judged, ten of
NPBench's kind, mechanics, statistics. For each, floating-point operations and bytes of the value with its gradient
(of arrays, with its vector-Jacobian product), with a Jacobian-vector product, and with gradient and Hessian-vector
product, over those of the value alone; all after the default pipeline, as `graphopt.analysis.cost` counts them, and
for the gradient as its kernels do, after fusion. Theory bounds the first by 4 or 5, the last by 10 (A. Griewank, A.
Walther, "Evaluating Derivatives", 2nd ed., SIAM 2008).

Growing programs are differentiated in processes of their own, timed by processor time: `grad` with and without
stabilizing first, and beside it the building of the function.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from common import (
    Record,
    apart,
    caption,
    figure,
    one_of_many,
    options,
    peak,
    record_of,
    save,
    slope,
    slopes_in_words,
    stopwatch,
    warm,
)
from matplotlib.figure import Figure

import graphopt as go
from graphopt.analysis.cost import graph_cost
from graphopt.graph.build import topological
from graphopt.schedule.schedule import schedule
from graphopt.schedule.steps import leaves

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "autodiff"))
import benchmark_graphs as benchmark

SIZES = (1_000, 10_000)
BOUND = 5.0
SMALL = ("log-softmax", "GELU", "perceptron 784-512-10", "gemver (NPBench)", "Rosenbrock", "product of all")
DERIVATIVES: dict[str, Callable[[Any], go.Graph]] = {
    "gradient": benchmark.with_gradient,
    "tangent": benchmark.with_tangents,
    "gradient and Hessian-vector product": benchmark.with_products,
}


def counted(graph: go.Graph) -> Record:
    """Operations and bytes, each node computed alone and after fusion, and the number of kernels."""
    cost = graph_cost(graph)
    program = schedule(graph, "experiment")
    steps = list(leaves(program.steps))
    return {
        "nodes": len(graph),
        "flops": int(str(cost.flops)),
        "bytes": int(str(cost.bytes)),
        "kernels": len(steps),
        "kernel_flops": int(str(sum((step.flops for step in steps), 0))),
        "kernel_bytes": int(str(sum((program.bytes(step) for step in steps), 0))),
    }


def priced(name: str) -> Record:
    """A program's counts, and those of its derivatives together with it, over the program's."""
    program = benchmark.PROGRAMS[name]()
    function = counted(benchmark.optimized(program.inputs, program.outputs))
    entry: Record = {"program": name, "function": function, "ratios": {}}
    for derivative, build in DERIVATIVES.items():
        if program.is_scalar or build is not benchmark.with_products:
            found = counted(build(program))
            entry["ratios"][derivative] = {each: found[each] / function[each] for each in function}
    return entry


def one(shape: str, size: int) -> Record:
    """One growing program: seconds to build it and to differentiate it, and its numbers of nodes."""
    warm()
    before = peak()
    (cost, wrt), building = stopwatch(lambda: benchmark.GROWING[shape](size), time.process_time)
    plain, unstabilized = stopwatch(lambda: go.grad(cost, wrt, stabilize=False), time.process_time)
    most = peak()
    gradient, stabilized = stopwatch(lambda: go.grad(cost, wrt), time.process_time)
    return {
        "nodes": {
            "function": len(topological([cost])),
            "grad, stabilize=False": len(topological([cost, *plain])),
            "grad": len(topological([cost, *gradient])),
        },
        "seconds": {"build": building, "grad, stabilize=False": unstabilized, "grad": stabilized},
        "bytes": {"before": before, "peak": most},
    }


def slopes(entries: Sequence[Record], above: int) -> dict[str, dict[str, float | None]]:
    """The exponent of seconds for each program, over the sizes from `above` on."""
    found: dict[str, dict[str, float | None]] = {}
    for shape in dict.fromkeys(entry["shape"] for entry in entries):
        chosen = [e for e in entries if e["shape"] == shape and e["operations"] >= above and "failed" not in e]
        nodes = [e["nodes"]["function"] for e in chosen]
        found[shape] = {part: slope(nodes, [e["seconds"][part] for e in chosen]) for part in ("build", *PARTS)}
    return found


PARTS = ("grad, stabilize=False", "grad")


def measure(
    small: bool = False,
    *,
    programs: Sequence[str] = tuple(benchmark.PROGRAMS),
    shapes: Sequence[str] = tuple(benchmark.GROWING),
    sizes: Sequence[int] = SIZES,
    above: int = 1_000,
    limit: float = 400.0,
) -> Record:
    """The whole experiment, as a record."""
    table, entries = [], []
    for name in programs:
        table.append(priced(name))
        print(row(table[-1]), flush=True)
    for shape in shapes:
        for size in sizes:
            entries.append(apart(__file__, {"shape": shape, "operations": size}, shape, size, limit=limit))
            print(summary(entries[-1]), flush=True)
    return record_of("cost_of_gradients", small) | {
        "bound": BOUND,
        "above": above,
        "programs": table,
        "entries": entries,
        "slopes": slopes(entries, above),
    }


def row(entry: Record) -> str:
    """One line about a program."""
    ratios = [f"{name} {found['flops']:.2f}" for name, found in entry["ratios"].items()]
    kernels = entry["ratios"]["gradient"]
    fused = f"fused: {kernels['kernel_flops']:.2f} in flops, {kernels['kernel_bytes']:.2f} in bytes"
    return f"{entry['program']:28} {', '.join(ratios)}; {fused}"


def summary(entry: Record) -> str:
    """One line about one growing program of one size."""
    head = f"{entry['shape']:9} {entry['operations']:7,}"
    if "failed" in entry:
        return f"{head}: {entry['failed']}"
    seconds = ", ".join(f"{name} {value:.3g} s" for name, value in entry["seconds"].items())
    return f"{head}: {seconds}; nodes {', '.join(map(str, entry['nodes'].values()))}"


def draw(record: Record) -> Figure:
    """The table's ratios as bars; seconds and nodes over size."""
    picture, axes = figure(3, height=6.5)
    left, middle, right = axes.flat
    names = [entry["program"] for entry in record["programs"]]
    for place, derivative in enumerate(DERIVATIVES):
        found = [entry["ratios"].get(derivative, {}).get("flops", 0.0) for entry in record["programs"]]
        left.barh([k + 0.27 * (1 - place) for k in range(len(names))], found, 0.25, label=derivative)
    left.axvline(record["bound"], color="black", linewidth=0.8, linestyle=":")
    left.set_yticks(range(len(names)), names, fontsize=6)
    left.invert_yaxis()
    left.set_title("operations over the function's, value included", fontsize=9)
    left.legend(fontsize=7)
    for place, shape in enumerate(record["slopes"]):
        entries = [e for e in record["entries"] if e["shape"] == shape and "failed" not in e]
        nodes = [e["nodes"]["function"] for e in entries]
        for style, part in zip(("o--", "o-"), PARTS, strict=True):
            exponent = record["slopes"][shape][part]
            label = f"{shape}: {exponent:.2f}" if part == "grad" and exponent is not None else None
            middle.loglog(nodes, [e["seconds"][part] for e in entries], style, color=f"C{place}", label=label, ms=3)
        right.semilogx(
            nodes, [e["nodes"]["grad"] / e["nodes"]["function"] for e in entries], "o-", color=f"C{place}", ms=3
        )
    middle.set_title("seconds of grad over nodes, with slopes; dashed: not stabilized", fontsize=9)
    middle.legend(fontsize=7)
    right.set_title("nodes with the gradient over the function's", fontsize=9)
    right.set_ylim(bottom=0)
    picture.suptitle(f"What derivatives cost: {caption(record)}", fontsize=10)
    return picture


def main(arguments: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    if one_of_many(given, lambda shape, size: one(shape, int(size))):
        return 0
    chosen = options(__doc__, "cost_of_gradients", given)
    small: dict[str, Any] = {"programs": SMALL, "sizes": (250, 1000), "above": 250} if chosen.small else {}
    record = measure(chosen.small, **small)
    print(slopes_in_words(record))
    print(save(record, draw(record), chosen.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
