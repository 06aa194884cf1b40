"""Ten programs of NPBench's kind, written for NumPy and run unchanged: NumPy, graphopt, and what else takes them.

    python experiments/npbench.py            # eight minutes on a busy machine
    python experiments/npbench.py --small    # a minute

The programs are those of `tests/programs/programs.py`, which know of nothing but NumPy. graphopt calls them with
variables of named sizes; numba compiles the functions as they are; for JAX and PyTensor the module is loaded once more
with their namespace under the name `np`. Values of all contestants are held against NumPy's before anything is timed.
Each program is measured in a process of its own, which may run on one core, so that everyone has one thread.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from common import (
    Record,
    absent,
    apart,
    caption,
    figure,
    one_of_many,
    options,
    package_versions,
    race,
    record_of,
    save,
    stopwatch,
)
from matplotlib.figure import Figure

import graphopt as go

PROGRAMS = Path(__file__).parents[1] / "tests" / "programs" / "programs.py"
NUMPY, OURS, NO_PASSES, NUMBA, JAX, PYTENSOR = "NumPy", "graphopt", "graphopt, no passes", "numba", "JAX", "PyTensor"
PEERS = {NUMBA: "numba", JAX: "jax", PYTENSOR: "pytensor"}
SIZES: Mapping[str, Mapping[str, int]] = {
    "softmax": {"batch": 16, "heads": 16, "rows": 128, "columns": 128},
    "mlp": {"n": 256, "i": 512, "j": 1024, "k": 1024, "classes": 10},
    "arc_distance": {"n": 1_000_000},
    "atax": {"m": 2000, "n": 2500},
    "bicg": {"m": 2000, "n": 2500},
    "gemver": {"n": 2000},
    "gesummv": {"n": 2000},
    "doitgen": {"r": 64, "q": 64, "s": 128, "p": 128},
    "covariance": {"n": 1400, "m": 600},
    "correlation": {"n": 1400, "m": 600},
}
SHRUNK = {"batch": 2, "heads": 2}  # the other sizes of a small run are divided, but not below 8

Program = Callable[..., Any]


def module(name: str, namespace: Any = np) -> ModuleType:
    """The programs, with a namespace in the place of NumPy's."""
    specification = importlib.util.spec_from_file_location(name, PROGRAMS)
    assert specification is not None and specification.loader is not None
    found = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(found)
    vars(found)["np"] = namespace
    return found


def shapes(program: Program) -> dict[str, tuple[str, ...]]:
    """The dimensions of a program's arguments, by name."""
    named = {each.__name__: found for each, found in module("programs").SHAPES.items()}
    return {name: tuple(dimensions.split()) for name, dimensions in named[program.__name__].items()}


def inputs(program: Program, sizes: Mapping[str, int]) -> tuple[Any, ...]:
    """Arrays of float64 for a program, between -1 and 1; weights of a layer so that its results stay of that order."""
    generator = np.random.default_rng(10)
    found = []
    for name, dimensions in shapes(program).items():
        shape = [sizes[dimension] for dimension in dimensions]
        layer = name.startswith("w") and len(shape) == 2
        found.append(np.asarray(generator.uniform(-1, 1, shape)) / (np.sqrt(shape[0]) if layer else 1))
    return tuple(found)


def compiled(program: Program, pipeline: str = "default") -> Any:
    """The program called with variables of named sizes, compiled."""
    variables = [
        go.variable(name, f"float64[{', '.join(dimensions)}]" if dimensions else "float64")
        for name, dimensions in shapes(program).items()
    ]
    return go.function(variables, program(*variables), pipeline=pipeline, name=program.__name__)


def by_numba(name: str) -> Program:
    """The function as it is, compiled by numba."""
    import numba

    found = module("programs_of_numba")
    for each in found.SHAPES:
        vars(found)[each.__name__] = numba.njit(each)  # they call each other
    program: Program = vars(found)[name]
    return program


def by_jax(name: str) -> Program:
    """The function with JAX's NumPy, jitted."""
    import jax

    jax.config.update("jax_enable_x64", True)
    program: Program = jax.jit(vars(module("programs_of_jax", jax.numpy))[name])
    return program


def by_pytensor(name: str) -> Program:
    """The function with PyTensor's tensors, compiled by its numba mode: from pip, its C has no BLAS to link with."""
    import pytensor
    import pytensor.tensor as tensor

    program = vars(module("programs_of_pytensor", tensor))[name]
    variables = [tensor.tensor(each, dtype="float64", shape=(None,) * len(d)) for each, d in shapes(program).items()]
    result = program(*variables)
    outputs = list(result) if isinstance(result, tuple) else result
    compiled: Program = pytensor.function(variables, outputs, mode="NUMBA")
    return compiled


BUILDERS = {NUMBA: by_numba, JAX: by_jax, PYTENSOR: by_pytensor}


def one(name: str, divided: str | int, seconds: str | float, *peers: str) -> Record:
    """One program, its sizes divided: who takes it, what building cost, and the times."""
    divided, seconds = int(divided), float(seconds)
    sizes = dict(SIZES[name])
    if divided > 1:
        sizes = {each: SHRUNK.get(each, min(size, max(8, size // divided))) for each, size in sizes.items()}
    program = vars(module("programs"))[name]
    arguments = inputs(program, sizes)
    ours, building = stopwatch(lambda: compiled(program))
    contestants: dict[str, Program] = {NUMPY: program, OURS: ours, NO_PASSES: compiled(program, "none")}
    seconds_of_building, refused = {OURS: building}, {}
    for peer in peers:
        try:
            contestants[peer], seconds_of_building[peer] = stopwatch(lambda peer=peer: built(peer, name, arguments))
        except Exception as error:  # whatever a peer has to say
            refused[peer] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:160]
    return {
        "sizes": sizes,
        "kernels": len(ours.kernels),
        "nodes": len(ours.graph),
        "seconds_of_building": seconds_of_building,
        "does_not_take_it": refused,
        "speed": race(contestants, arguments, baseline=NUMPY, seconds=seconds),
    }


def built(peer: str, name: str, arguments: tuple[Any, ...]) -> Program:
    """A peer's program, called once, as some compile only then."""
    program = BUILDERS[peer](name)
    program(*arguments)
    return program


def measure(
    small: bool = False,
    *,
    divided: int = 1,
    names: Sequence[str] = tuple(SIZES),
    peers: Sequence[str] = tuple(PEERS),
    seconds: float = 6.0,
    separate: bool = True,
) -> Record:
    """The whole experiment, as a record.

    Parameters
    ----------
    divided
        What the sizes are divided by.
    separate
        Whether each program has a process of its own; those may run where this process may.
    """
    missing = absent(*(PEERS[peer] for peer in peers))
    present = [peer for peer in peers if PEERS[peer] not in missing]
    entries = []
    for name in names:
        head: Record = {"program": name}
        words = (name, divided, seconds, *present)
        entries.append(apart(__file__, head, *words, limit=600) if separate else head | one(*words))
        print(name, *(f"{each} {1 / row['ratio']:.2f}" for each, row in rows(entries[-1]).items()), flush=True)
    return record_of("npbench", small) | {
        "versions": package_versions("numpy", *(PEERS[peer] for peer in present)),
        "left_out": missing,
        "programs": entries,
        "mean_ratio": {name: mean_ratio(entries, name) for name in (OURS, NO_PASSES, *present)},
    }


def rows(entry: Record) -> dict[str, Record]:
    """The measured rows of a program, by contestant."""
    speed = entry.get("speed", {"rows": ()})
    return {row["name"]: row for row in speed["rows"] if row["ratio"] is not None}


def mean_ratio(entries: Sequence[Record], name: str) -> Record:
    """The geometric mean of a contestant's time over NumPy's, over the programs it takes."""
    ratios = [found[name]["ratio"] for found in map(rows, entries) if name in found]
    return {"programs": len(ratios), "ratio": float(np.exp(np.mean(np.log(ratios)))) if ratios else None}


def draw(record: Record) -> Figure:
    """How many times as fast as NumPy each contestant is, program by program."""
    picture, axes = figure(1, width=10, height=5)
    panel = axes[0, 0]
    entries = record["programs"]
    names = list(record["mean_ratio"])
    width = 0.8 / len(names)
    for place, name in enumerate(names):
        for position, entry in enumerate(entries):
            if (row := rows(entry).get(name)) is None:
                continue
            speed, (low, high) = 1 / row["ratio"], row["ratio_interval"]
            spread = [[max(speed - 1 / high, 0)], [max(1 / low - speed, 0)]]
            label = name if not panel.get_legend_handles_labels()[1].count(name) else None
            left = position + (place - (len(names) - 1) / 2) * width
            panel.bar(left, speed, width, yerr=spread, color=f"C{place}", label=label, error_kw={"linewidth": 0.8})
    panel.axhline(1, color="black", linewidth=0.8)
    panel.set_yscale("log")
    panel.set_xticks(range(len(entries)), [entry["program"] for entry in entries], rotation=20, fontsize=8)
    panel.set_ylabel("times as fast as NumPy")
    panel.legend(fontsize=8)
    means = ", ".join(
        f"{name} {1 / found['ratio']:.2f} ({found['programs']})"
        for name, found in record["mean_ratio"].items()
        if found["ratio"]
    )
    picture.suptitle(
        f"Programs written for NumPy: {caption(record)}\ngeometric means (of programs): {means}", fontsize=9
    )
    return picture


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(__doc__, "npbench", arguments)
    if hasattr(os, "sched_setaffinity"):  # Linux; elsewhere everyone has as many threads as they take
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    record = measure(chosen.small, divided=16 if chosen.small else 1, seconds=0.2 if chosen.small else 6.0)
    for name, found in record["mean_ratio"].items():
        if found["ratio"]:
            print(f"{name}: {1 / found['ratio']:.2f} times as fast as NumPy, over {found['programs']} programs")
    print(save(record, draw(record), chosen.output))
    return 0


if __name__ == "__main__":
    sys.exit(0 if one_of_many(sys.argv[1:], one) else main())
