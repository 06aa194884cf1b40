"""How the time of the default pipeline grows with the size of the graph, beside PyTensor's on the same programs.

    python experiments/rewriting.py            # 10³, 10⁴, 10⁵ operations: about ten minutes
    python experiments/rewriting.py --small    # 10², 10³

The programs are written once, over NumPy's names, and built by graphopt and by PyTensor: a deep chain of softplus
written out, a wide sum of squares, and the gradient of a multilayer perceptron whose depth grows (200 layers are some
4,000 operations); beside them, with graphopt alone, the Jacobian of the forcing of n-link pendulums. Every program is
rewritten in a process of its own, timed by its processor time; building is not part of it. PyTensor runs the rewrites
of its mode FAST_RUN without those that work in place, and is stopped after a time limit.

Goals: a slope of at most 1.1 from 10⁴ operations on, match attempts per node that do not grow, and at 10⁵ operations
at most 20 s and 1 GB beyond what the imports take.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from common import (
    Record,
    apart,
    caption,
    figure,
    one_of_many,
    options,
    passes,
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
import graphopt.tensor as T

SIZES = (1_000, 10_000, 100_000)
RUNS = {"graphopt": 3, "pytensor": 1}  # so many of which the median counts
GOALS = {"slope": 1.1, "seconds": 20.0, "bytes": 1 << 30}
INPUTS = 8
LAYER = 20  # operations that one layer brings, its gradient included


def chain(on: Any, x: Sequence[Any], size: int) -> Any:
    """log(1 + exp(v x)) of log(1 + exp(v x)) …, four operations a link."""
    value = x[0]
    for k in range(size // 4):
        value = on.log(1 + on.exp(value * x[k % INPUTS]))
    return value


def wide(on: Any, x: Sequence[Any], size: int) -> Any:
    """One sum of c x x, four operations a term, regrouped by nobody."""
    value = x[0]
    for k in range(size // 4):
        factor = x[k % INPUTS]
        value = value + (1 + k / size) * factor * (factor * x[(k + 3) % INPUTS])
    return value


def perceptron(on: Any, x: Sequence[Any], size: int) -> Any:
    """The squared output of layers h → h + 1 / (1 + exp(-h W)), summed: what the gradient is taken of."""
    value = x[0]
    for k in range(max(1, size // LAYER)):
        value = value + 1 / (1 + on.exp(-(value @ x[1 + k % (INPUTS - 1)])))
    return on.sum(value * value)


PROGRAMS: dict[str, Callable[[Any, Sequence[Any], int], Any]] = {"chain": chain, "wide": wide, "perceptron": perceptron}


def with_graphopt(shape: str, size: int) -> Record:
    """The default pipeline over one program."""
    warm()
    before = peak()
    if shape == "pendulum":
        inputs, outputs = pendulum(size)
    else:
        kind = "float64[32, 32]" if shape == "perceptron" else "float64[n]"
        inputs = [go.variable(f"x{k}", kind) for k in range(INPUTS)]
        value = PROGRAMS[shape](T, inputs, size)
        outputs = go.grad(value, inputs, stabilize=False) if shape == "perceptron" else [value]
    graph = go.Graph.from_outputs(inputs, outputs)
    del outputs
    pipeline, nodes = go.Pipeline.named("default"), len(graph)
    log, seconds = stopwatch(lambda: pipeline.run(graph), time.process_time)
    return {
        "nodes": {"before": nodes, "after": len(graph)},
        "seconds": seconds,
        "attempts": sum(record.tried for record in log.rules.values()),
        "firings": len(log),
        "passes": passes(log),
        "bytes": peak() - before,
    }


def pendulum(links: int) -> tuple[list[Any], list[Any]]:
    """Inputs, and the entries of the Jacobian of the forcing of a pendulum with so many links on a cart."""
    from pendulum import model

    from graphopt.frontend.declare import declare

    problem = model(links)
    declared = declare(problem.leaves, problem.outputs["jacobian"], dict.fromkeys(problem.leaves, "float64[n]"))
    return declared.inputs, list(declared.outputs.values())


def with_pytensor(shape: str, size: int) -> Record:
    """PyTensor's rewriting of the same program."""
    os.environ["PYTENSOR_FLAGS"] = "cxx="
    sys.setrecursionlimit(1_000_000)
    import pytensor
    import pytensor.tensor as tensor
    from pytensor.compile.mode import get_mode
    from pytensor.graph.fg import FunctionGraph

    warnings.simplefilter("ignore")
    before = peak()
    make = tensor.matrix if shape == "perceptron" else tensor.vector
    inputs = [make(f"x{k}") for k in range(INPUTS)]
    value = PROGRAMS[shape](tensor, inputs, size)
    outputs = pytensor.grad(value, inputs, disconnected_inputs="ignore") if shape == "perceptron" else [value]
    graph = FunctionGraph(inputs, outputs, clone=True)
    nodes = len(graph.apply_nodes)
    rewriting = get_mode("FAST_RUN").excluding("inplace").optimizer
    _, seconds = stopwatch(lambda: rewriting.rewrite(graph), time.process_time)
    return {
        "nodes": {"before": nodes, "after": len(graph.apply_nodes)},
        "seconds": seconds,
        "bytes": peak() - before,
        "version": pytensor.__version__,
    }


def one(tool: str, shape: str, size: int, limit: float) -> Record:
    """The run with the median time of an odd number, each in a process of its own; PyTensor runs once."""
    head = {"tool": tool, "shape": shape, "size": size}
    runs = [apart(__file__, head, tool, shape, size, limit=limit) for _ in range(RUNS[tool])]
    if failed := [run for run in runs if "failed" in run]:
        return failed[0]
    runs.sort(key=lambda run: float(run["seconds"]))
    return runs[len(runs) // 2] | {"all_seconds": [run["seconds"] for run in runs]}


def slopes(entries: Sequence[Record], above: int) -> dict[str, dict[str, float | None]]:
    """The exponent of each tool's time, per shape, over the sizes from `above` on."""
    found: dict[str, dict[str, float | None]] = {}
    for entry in entries:
        tool, shape = entry["tool"], entry["shape"]
        if shape == "pendulum":
            continue
        same = [e for e in entries if (e["tool"], e["shape"]) == (tool, shape) and "failed" not in e]
        chosen = [e for e in same if e["size"] >= above]
        steep = (
            slope([e["nodes"]["before"] for e in chosen], [e["seconds"] for e in chosen]) if len(chosen) > 1 else None
        )
        found.setdefault(tool, {})[shape] = steep
    return found


def measure(
    small: bool = False,
    *,
    sizes: Sequence[int] = SIZES,
    above: int = 10_000,
    limit: float = 180.0,
    links: int = 6,
    tools: Sequence[str] = ("graphopt", "pytensor"),
) -> Record:
    """The whole experiment, as a record; a tool that is not installed is left out."""
    tools = [tool for tool in tools if importlib.util.find_spec(tool)]
    entries = []
    for tool in tools:
        for shape in PROGRAMS:
            for size in sizes:
                entries.append(one(tool, shape, size, limit))
                print(summary(entries[-1]), flush=True)
                if "failed" in entries[-1]:
                    break  # larger ones would not end either
    for size in range(2, links + 1, 2):
        entries.append(one("graphopt", "pendulum", size, limit))
        print(summary(entries[-1]), flush=True)
    return record_of("rewriting", small) | {
        "goals": GOALS,
        "above": above,
        "limit": limit,
        "entries": entries,
        "slopes": slopes(entries, above),
    }


def summary(entry: Record) -> str:
    """One line about one measurement."""
    head = f"{entry['tool']:9} {entry['shape']:10} {entry['size']:7,}"
    if "failed" in entry:
        return f"{head}: {entry['failed']}"
    nodes = entry["nodes"]
    text = f"{head}: {nodes['before']:,} → {nodes['after']:,} nodes, {entry['seconds']:.3g} s"
    if "attempts" in entry:
        text += f", {entry['attempts'] / nodes['before']:.2f} attempts a node, {entry['firings']:,} firings"
    return f"{text}, {entry['bytes'] / 2**20:.0f} MiB"


def draw(record: Record) -> Figure:
    """Seconds over nodes, one panel a program; attempts and memory per node."""
    picture, axes = figure(3, 2)
    panels = list(axes.flat)
    shapes = [*PROGRAMS, "pendulum"]
    for panel, shape in zip(panels, shapes, strict=False):
        for tool in ("graphopt", "pytensor"):
            entries = [e for e in record["entries"] if (e["tool"], e["shape"]) == (tool, shape) and "failed" not in e]
            if entries:
                steep = record["slopes"].get(tool, {}).get(shape)
                label = tool if steep is None else f"{tool}, slope {steep:.2f}"
                nodes = [e["nodes"]["before"] for e in entries]
                panel.loglog(nodes, [e["seconds"] for e in entries], "o-", label=label, markersize=4)
        panel.set_title(f"{shape}: seconds over nodes", fontsize=9)
        panel.legend(fontsize=7)
    for shape in shapes:
        own = [e for e in record["entries"] if (e["tool"], e["shape"]) == ("graphopt", shape) and "failed" not in e]
        nodes = [e["nodes"]["before"] for e in own]
        panels[4].semilogx(nodes, [e["attempts"] / n for e, n in zip(own, nodes, strict=True)], "o-", label=shape)
        panels[5].semilogx(nodes, [e["bytes"] / n for e, n in zip(own, nodes, strict=True)], "o-", label=shape)
    panels[4].set_title("match attempts per node", fontsize=9)
    panels[5].set_title("peak bytes per node, the graph included", fontsize=9)
    panels[4].legend(fontsize=7)
    panels[5].legend(fontsize=7)
    picture.suptitle(f"Rewriting: {caption(record)}", fontsize=10)
    return picture


def main(arguments: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    tools = {"graphopt": with_graphopt, "pytensor": with_pytensor}
    if one_of_many(given, lambda tool, shape, size: tools[tool](shape, int(size))):
        return 0
    chosen = options(__doc__, "rewriting", given)
    small: dict[str, Any] = {"sizes": (100, 1000), "above": 100, "links": 2} if chosen.small else {}
    record = measure(chosen.small, **small)
    print(slopes_in_words(record))
    print(save(record, draw(record), chosen.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
