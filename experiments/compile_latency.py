"""How long one waits for a function: in the compiler, from the cache in a new process, and for long formulas.

    python experiments/compile_latency.py            # the suite; 5,000 to 40,000 operations: ten minutes
    python experiments/compile_latency.py --small    # two cases; 1,000 and 2,000 operations

Every function is built in a process of its own. "Cold": its artifact cache knows the compiler, but not the function.
"Warm": the cache has it, and no compiler runs; what is timed begins when `import graphopt` is done, and includes
expressions, gradients, passes, text and looking it up. The straight lines are sums, differences and products in no
order, over vectors, with 24 values alive; their compile time is wall time, with as many compilers side by side as there
are cores.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from common import (
    Record,
    apart,
    caption,
    figure,
    one_of_many,
    options,
    record_of,
    save,
    slope,
    stages,
    warm,
)
from matplotlib.figure import Figure
from suite import CASES

import graphopt as go
from graphopt.runtime.process import compiler_runs, processors

COLD, WARM, LONG = 0.6, 0.030, 6.0  # seconds: goals for a case, cold and warm, and for 20,000 operations
SIZES, SMALL_SIZES = (5_000, 10_000, 20_000, 40_000), (1_000, 2_000)
SMALL_CASES = ("log-softmax", "atax")
REPEATS = 7
ALIVE = 24

SAME = "log-softmax, wide"  # a program that is in the suite twice

FIRST = """
import graphopt as go
x = go.variable("x", "float64[5]")
go.function([x], x + 1, name="asks_the_compiler_what_it_can_do")
"""
BUILD = """
import sys, time
start = time.perf_counter(), time.process_time()
import graphopt
imported = time.perf_counter() - start[0], time.process_time() - start[1]
sys.path.insert(0, {folder!r})
from suite import CASES
from suite_contestants import by_graphopt, inputs
case = CASES[{name!r}]
arguments = inputs(case, 100)
start = time.perf_counter(), time.process_time()
function = by_graphopt(case, arguments)
built = time.perf_counter() - start[0], time.process_time() - start[1]
import json
from graphopt.runtime.process import compiler_runs, compiler_seconds
print(json.dumps({{
    "import": imported, "build": built, "runs": compiler_runs(), "compiler": compiler_seconds(),
    "bytes": function._variants[()].runner.library.path.stat().st_size, "nodes": len(function.graph),
}}))
"""


def straight_line(operations: int) -> tuple[list[Any], Any]:
    """No two stretches are alike, or a compiler would fold them; every value is used later."""
    inputs = [go.variable(f"x{k}", "float64[n]") for k in range(8)]
    choose = random.Random(operations)
    alive = [x + offset for x in inputs for offset in (0.25, 0.5, 0.75)][:ALIVE]
    for _ in range((operations - 2 * ALIVE) // 2):
        place, factor = choose.randrange(ALIVE), choose.uniform(0.1, 0.5)
        other = alive[place - choose.randrange(1, ALIVE)]
        alive[place] = (alive[place] * factor) + other if choose.random() < 0.5 else (alive[place] - other) * factor
    return inputs, sum(alive[1:], alive[0])


# Measuring ------------------------------------------------------------------------------------------------------------


def built(name: str, cache: str) -> Record:
    """A case, built in a new process."""
    code = BUILD.format(folder=str(Path(__file__).parent), name=name)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**environment, "GRAPHOPT_CACHE": cache}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    record: Record = json.loads(done.stdout)
    return record


def measure_case(name: str, cache: str, repeats: int) -> Record:
    """Cold once, and warm several times."""
    cold = built(name, cache)
    again = [built(name, cache) for _ in range(repeats)]
    assert cold["runs"] > 0 and not any(one["runs"] for one in again), f"{name} came from somewhere else"
    wall, processor = zip(*(one["build"] for one in again), strict=True)
    print(f"{name:26s} compiler {cold['compiler']:.2f} s, warm {min(wall) * 1e3:.0f} ms", flush=True)
    return {
        "case": name, "compiler": cold["compiler"], "runs": cold["runs"], "bytes": cold["bytes"],
        "nodes": cold["nodes"], "warm": min(wall), "warm_median": statistics.median(wall),
        "warm_processor": min(processor),
        "import": [one["import"][0] for one in again], "import_processor": [one["import"][1] for one in again],
    }  # fmt: skip


def measure_line(operations: str) -> Record:
    """A straight line: its compile time, and what graphopt itself takes."""
    warm()
    made = stages(*straight_line(int(operations)), {})
    assert len(made.program.kernels) == 1
    before = compiler_runs()
    return {
        "compile": made.compile(), "own": made.seconds, "units": made.source.units,
        "runs": compiler_runs() - before, "text": len(made.source.text), "nodes": len(made.graph),
    }  # fmt: skip


def measure(small: bool) -> Record:
    repeats, sizes = (2, SMALL_SIZES) if small else (REPEATS, SIZES)
    names = SMALL_CASES if small else [name for name in CASES if name != SAME]
    with TemporaryDirectory() as cache:
        subprocess.run([sys.executable, "-c", FIRST], env={**os.environ, "GRAPHOPT_CACHE": cache}, check=True)
        cases = [measure_case(name, cache, repeats) for name in names]
    lines = []
    for size in sizes:
        lines.append(apart(__file__, {"operations": size}, size, limit=600))
        print(lines[-1], flush=True)
    done = [line for line in lines if "failed" not in line]
    imports = [seconds for case in cases for seconds in case.pop("import")]
    imports_processor = [seconds for case in cases for seconds in case.pop("import_processor")]
    return record_of("compile_latency", small) | {
        "cores": processors(),
        "goals": {"cold": COLD, "warm": WARM, "straight line of 20,000": LONG},
        "import": {"median": statistics.median(imports), "least": min(imports), "processor": min(imports_processor)},
        "cases": cases,
        "lines": lines,
        "slope": slope([line["operations"] for line in done], [line["compile"] for line in done]),
    }


# The picture ----------------------------------------------------------------------------------------------------------


def draw(record: Record) -> Figure:
    picture, axes = figure(3, width=5.4, height=5.2)
    cases = record["cases"][::-1]
    names = [case["case"] for case in cases]
    for place, (key, goal, unit, label) in enumerate(
        [
            ("compiler", COLD, 1.0, "seconds in the compiler, cold"),
            ("warm", WARM, 1e-3, "milliseconds from the cache, warm"),
        ]
    ):
        here = axes[0, place]
        here.barh(names, [case[key] / unit for case in cases], color="tab:blue", label="wall time")
        if key == "warm":
            here.plot([case["warm_processor"] / unit for case in cases], names, "k|", ms=9, label="processor time")
            here.legend(fontsize=7, loc="lower right")
        here.axvline(goal / unit, color="tab:red", lw=1)
        here.tick_params(axis="y", labelsize=7)
        here.set_xlabel(label)
    lines = [line for line in record["lines"] if "failed" not in line]
    sizes = [line["operations"] for line in lines]
    here = axes[0, 2]
    here.loglog(sizes, [line["compile"] for line in lines], "o-", label="compilers")
    here.loglog(sizes, [sum(line["own"].values()) for line in lines], "s--", label="graphopt")
    if 20_000 in sizes:
        here.plot(20_000, LONG, "rv", label="goal")
    here.set_xlabel("operations in a straight line")
    here.set_ylabel("seconds")
    here.set_title("" if record["slope"] is None else f"slope {record['slope']:.2f}", fontsize=9)
    here.legend(fontsize=8)
    picture.suptitle(caption(record, [f"import {record['import']['least'] * 1e3:.0f} ms"]), fontsize=9)
    return picture


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(__doc__, "compile_latency", arguments)
    record = measure(chosen.small)
    image = save(record, draw(record), chosen.output)
    print(f"import graphopt: {record['import']['least'] * 1e3:.0f} ms; slope {record['slope']:.2f}\n{image}")
    return 0


if __name__ == "__main__":
    sys.exit(0 if one_of_many(sys.argv, measure_line) else main())
