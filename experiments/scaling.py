"""How the time to import, optimize, write, compile and run grows with the size of a SymPy expression.

    python experiments/scaling.py            # 10³, 10⁴, 10⁵ operations in four shapes: several minutes
    python experiments/scaling.py --small    # 10², 10³

Every shape and size is measured in a process of its own, whose peak memory is recorded. The expressions are built with
evaluate=False, so that SymPy neither rewrites nor simplifies; their values are held against the same recurrence in
NumPy. The goal is a slope of at most 1.1 in log-log above 10⁴ operations for what graphopt itself does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
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
    stages,
    stopwatch,
    warm,
)
from matplotlib.figure import Figure

import graphopt as go

GOAL = 1.1
SIZES = (1_000, 10_000, 100_000)
ELEMENTS = 10_000  # of the vectors that the compiled function is run over
CHECKED = 100  # of them that are held against NumPy
SYMBOLS = tuple(sympy.symbols("x0:8"))
OWN = ("import", "graph", "optimize", "schedule", "generate")  # the stretches that are graphopt's, not the compiler's
FLAGS = {"default": (), "-O1": ("-O1",)}


@dataclass(frozen=True)
class Arithmetic:
    """Addition, multiplication and numbers: SymPy's without evaluation, or NumPy's."""

    add: Callable[..., Any]
    multiply: Callable[..., Any]
    number: Callable[[float], Any]


SYMPY = Arithmetic(
    lambda *terms: sympy.Add(*terms, evaluate=False),
    lambda *factors: sympy.Mul(*factors, evaluate=False),
    sympy.Float,
)
NUMPY = Arithmetic(lambda *terms: sum(terms), lambda a, b: a * b, float)


def chain(size: int, x: Sequence[Any], on: Arithmetic) -> Any:
    """((x₀ x₁ + x₂) x₂ + x₃) …: as deep as it is large."""
    value = x[0]
    for k in range(size // 2):
        value = on.add(on.multiply(value, x[(k + 1) % 8]), x[(k + 2) % 8])
    return value


def tree(size: int, x: Sequence[Any], on: Arithmetic) -> Any:
    """A balanced sum of products c x, all of them different."""
    level = [on.multiply(on.number(1 + k / size), x[k % 8]) for k in range(size // 2)]
    while len(level) > 1:
        odd = level[len(level) // 2 * 2 :]
        level = [on.add(a, b) for a, b in zip(level[::2], level[1::2], strict=False)] + odd
    return level[0]


def wide(size: int, x: Sequence[Any], on: Arithmetic) -> Any:
    """One sum of products c x."""
    return on.add(*[on.multiply(on.number(1 + k / size), x[k % 8]) for k in range(size // 2)])


def shared(size: int, x: Sequence[Any], on: Arithmetic) -> Any:
    """a, b → b, a x + b y + z: every value is used twice, so that as a tree it would be exponential."""
    a, b = x[0], x[1]
    for k in range(size // 4):
        a, b = b, on.add(on.multiply(a, x[k % 8]), on.multiply(b, x[(k + 3) % 8]), x[(k + 5) % 8])
    return b


SHAPES: dict[str, Callable[[int, Sequence[Any], Arithmetic], Any]] = {
    "chain": chain,
    "tree": tree,
    "wide": wide,
    "shared": shared,
}


def one(shape: str, size: int) -> Record:
    """Everything about one shape and size, measured here and now."""
    warm()
    before = peak()
    expression, building = stopwatch(lambda: SHAPES[shape](size, SYMBOLS, SYMPY))
    types = dict.fromkeys(SYMBOLS, "float64[n]")
    road = stages(SYMBOLS, expression, types)
    compiling = {name: road.compile(flags) for name, flags in FLAGS.items()}
    function = go.function(SYMBOLS, expression, types=types, name="experiment")
    generator = np.random.default_rng(1)
    x = [generator.uniform(0.1, 0.5, ELEMENTS) for _ in SYMBOLS]
    running = min(stopwatch(lambda: function(*x))[1] for _ in range(5))
    most = peak()
    value = function(*x)[:CHECKED]
    reference = SHAPES[shape](size, [vector[:CHECKED] for vector in x], NUMPY)
    return {
        "shape": shape,
        "operations": size,
        "nodes": {"imported": len(road.written), "optimized": len(road.graph)},
        "kernels": len(road.program.kernels),
        "characters": len(road.source.text),
        "sympy_seconds": building,
        "seconds": road.seconds,
        "passes": passes(road.log),
        "compile_seconds": compiling,
        "run_seconds": running,
        "error": float(np.max(np.abs(value - reference) / np.abs(reference)) / np.finfo(float).eps),
        "bytes": {"before": before, "peak": most},
    }


def one_apart(shape: str, size: int, limit: float) -> Record:
    """`one` in a process of its own."""
    return apart(__file__, {"shape": shape, "operations": size}, shape, size, limit=limit)


def slopes(entries: Sequence[Record], above: int) -> dict[str, dict[str, float | None]]:
    """The exponent of each stretch for each shape, over the sizes from `above` on."""
    found: dict[str, dict[str, float | None]] = {}
    for shape in SHAPES:
        chosen = [e for e in entries if e["shape"] == shape and e["operations"] >= above and "failed" not in e]
        sizes = [e["operations"] for e in chosen]
        found[shape] = {name: slope(sizes, [e["seconds"][name] for e in chosen]) for name in OWN}
        found[shape]["graphopt together"] = slope(sizes, [sum(e["seconds"][name] for name in OWN) for e in chosen])
        found[shape]["compile"] = slope(sizes, [e["compile_seconds"]["default"] for e in chosen])
        found[shape]["run"] = slope(sizes, [e["run_seconds"] for e in chosen])
    return found


def measure(
    small: bool = False,
    *,
    sizes: Sequence[int] = SIZES,
    shapes: Sequence[str] = tuple(SHAPES),
    above: int = 10_000,
    limit: float = 900.0,
) -> Record:
    """The whole experiment, as a record."""
    entries = []
    for shape in shapes:
        for size in sizes:
            entries.append(one_apart(shape, size, limit))
            print(summary(entries[-1]), flush=True)
    return record_of("scaling", small) | {
        "goal": GOAL,
        "above": above,
        "elements": ELEMENTS,
        "entries": entries,
        "slopes": slopes(entries, above),
    }


def summary(entry: Record) -> str:
    """One line about one shape and size."""
    head = f"{entry['shape']:7} {entry['operations']:7,}"
    if "failed" in entry:
        return f"{head}: {entry['failed']}"
    parts = [f"{name} {value:.3g}" for name, value in entry["seconds"].items()]
    return f"{head}: {', '.join(parts)}, compile {entry['compile_seconds']['default']:.3g} s"


def draw(record: Record) -> Figure:
    """Seconds of each stretch over the size, one panel a shape; memory and compiler flags."""
    shapes = list(dict.fromkeys(entry["shape"] for entry in record["entries"]))
    picture, axes = figure(3, 2)
    panels = axes.flat
    for shape in shapes:
        entries = [e for e in record["entries"] if e["shape"] == shape and "failed" not in e]
        sizes = [entry["operations"] for entry in entries]
        panel = next(panels)
        for name in OWN:
            exponent = record["slopes"][shape][name]
            label = name if exponent is None else f"{name}, slope {exponent:.2f}"
            panel.loglog(sizes, [entry["seconds"][name] for entry in entries], "o-", label=label, markersize=4)
        panel.loglog(sizes, [e["compile_seconds"]["default"] for e in entries], "s--", label="compile", markersize=4)
        panel.loglog(sizes, [e["run_seconds"] for e in entries], "^:", label="run", markersize=4)
        panel.set_title(f"{shape}: seconds over operations", fontsize=9)
        panel.legend(fontsize=7)
    compiling, memory = next(panels), next(panels)
    for place, shape in enumerate(shapes):
        entries = [e for e in record["entries"] if e["shape"] == shape and "failed" not in e]
        sizes = [entry["operations"] for entry in entries]
        for style, name in zip(("o-", "s--"), FLAGS, strict=True):
            seconds = [entry["compile_seconds"][name] for entry in entries]
            compiling.loglog(sizes, seconds, style, color=f"C{place}", label=f"{shape}, {name}", markersize=4)
        grown = [max(1.0, (e["bytes"]["peak"] - e["bytes"]["before"]) / 2**20) for e in entries]
        memory.loglog(sizes, grown, "o-", color=f"C{place}", label=shape, markersize=4)
    compiling.set_title("compiling, seconds", fontsize=9)
    memory.set_title("peak memory beyond that of the imports, MiB", fontsize=9)
    compiling.legend(fontsize=7)
    memory.legend(fontsize=7)
    picture.suptitle(f"Size of the expression: {caption(record)}", fontsize=10)
    return picture


def main(arguments: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    if one_of_many(given, lambda shape, size: one(shape, int(size))):
        return 0
    chosen = options(__doc__, "scaling", given)
    small: dict[str, Any] = {"sizes": (100, 1000), "above": 100} if chosen.small else {}
    record = measure(chosen.small, **small)
    print(slopes_in_words(record))
    print(save(record, draw(record), chosen.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
