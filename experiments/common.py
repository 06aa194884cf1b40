"""What the experiments share: the command line, records with the machine they were taken on, errors, pictures.

Not for measuring time: that is `graphopt.bench.compare`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np

import graphopt as go
from graphopt.bench import Comparison, compare
from graphopt.bench.machine import machine
from graphopt.codegen.c import CSource, c_source
from graphopt.frontend.declare import declare
from graphopt.rewrite.log import Log
from graphopt.runtime.cache import Cache
from graphopt.runtime.compile import build_library
from graphopt.runtime.toolchain import default_flags, find_compiler
from graphopt.schedule.program import Program
from graphopt.schedule.schedule import schedule

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "RESULTS",
    "Record",
    "Stages",
    "absent",
    "apart",
    "caption",
    "errors",
    "exact",
    "figure",
    "mpmath_map",
    "one_of_many",
    "options",
    "package_versions",
    "passes",
    "peak",
    "race",
    "record_of",
    "save",
    "save_record",
    "slope",
    "slopes_in_words",
    "stages",
    "stopwatch",
    "time_bars",
    "warm",
]

RESULTS = Path(__file__).parent / "results"
DIGITS = 50  # of the arithmetic that gives the truth

Record = dict[str, Any]


# The command line and the files ---------------------------------------------------------------------------------------


def options(description: str | None, name: str, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """`--small` and `--output`; the output is `results/NAME.json`, or `results/NAME_small.json` for a small run."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="small sizes, to see that it runs: less than a minute")
    parser.add_argument("--output", type=Path, help="the JSON file; the picture is written beside it, as .png")
    chosen = parser.parse_args(arguments)
    if chosen.output is None:
        chosen.output = RESULTS / (f"{name}_small.json" if chosen.small else f"{name}.json")
    if chosen.output.suffix != ".json":
        parser.error(f"--output names the JSON file, ending in .json; found {chosen.output}")
    return chosen


def record_of(script: str, small: bool) -> Record:
    """The head of a record: how it was made, when, and on which machine."""
    return {
        "command": f"python experiments/{script}.py{' --small' if small else ''}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
    }


def save_record(record: Record, output: Path) -> None:
    """Write a record aside and rename it into place."""
    output.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    with _aside(output) as aside:
        aside.write_text(text, encoding="utf-8")


def save(record: Record, picture: Figure, output: Path) -> Path:
    """Write record and picture aside and rename them into place. Returns the path of the picture."""
    save_record(record, output)
    image = output.with_suffix(".png")
    with _aside(image) as aside:
        picture.savefig(aside, format="png", dpi=120)
    return image


@contextmanager
def _aside(target: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        aside.chmod(0o644)
        aside.replace(target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


# Measuring ------------------------------------------------------------------------------------------------------------


def stopwatch(action: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> tuple[Any, float]:
    """What an action returns, and the seconds it took."""
    start = clock()
    result = action()
    return result, clock() - start


def race(contestants: dict[str, Callable[..., Any]], arguments: tuple[Any, ...], **settings: Any) -> Record:
    """`graphopt.bench.compare` with warm caches, as a record without its samples; prints its table."""
    comparison: Comparison = compare(contestants, arguments, **{"cold": False, **settings})
    print(comparison.table(), flush=True)
    result = asdict(comparison)
    del result["samples"], result["cold_samples"]
    return result


def passes(log: Log) -> list[Record]:
    """What each pass of a pipeline took and left."""
    return [
        {
            "pass": entry.step,
            "seconds": entry.milliseconds * 1e-3,
            "before": entry.nodes_before,
            "after": entry.nodes_after,
            "firings": entry.firings,
        }
        for entry in log.passes
    ]


@dataclass(frozen=True)
class Stages:
    """The road from an expression to C text, with the processor seconds that each stretch of it took."""

    seconds: dict[str, float]
    written: go.Graph
    graph: go.Graph
    log: Log
    program: Program
    source: CSource

    def compile(self, flags: Sequence[str] = ()) -> float:
        """Seconds that compiling the text takes, with an empty cache and flags besides the usual ones."""
        files = self.source.files(self.program.name)
        with TemporaryDirectory() as folder:
            cache = Cache(folder)
            find_compiler(cache=cache)
            default_flags(
                find_compiler(cache=cache), cache=cache
            )  # asking the compiler what it can do is not compiling
            return stopwatch(lambda: build_library(files, extra_flags=flags, cache=cache))[1]


def stages(inputs: Any, outputs: Any, types: Mapping[Any, str], pipeline: str = "default") -> Stages:
    """Import, build the graph, optimize, schedule and write C; one thread, timed by its processor time."""
    seconds: dict[str, float] = {}

    def timed(name: str, action: Callable[[], Any]) -> Any:
        result, seconds[name] = stopwatch(action, time.process_time)
        return result

    declared = timed("import", lambda: declare(inputs, outputs, types))
    written = timed("graph", lambda: go.Graph.from_outputs(declared.inputs, declared.outputs))
    graph = written.copy()
    log = timed("optimize", lambda: go.Pipeline.named(pipeline).run(graph))
    program = timed("schedule", lambda: schedule(graph, "experiment"))
    source = timed("generate", lambda: c_source(program))
    return Stages(seconds, written, graph, log, program, source)


def warm() -> None:
    """Do once what only the first time takes: importing, reading templates, asking the compiler what it can do."""
    x = go.variable("x", "float64[n]")
    stages([x], x + 1.0, {}).compile()


def peak() -> int:
    """The most memory this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def apart(script: str, head: Record, *words: object, limit: float) -> Record:
    """A measurement in a process of its own: what `script --one WORD …` prints, added to `head`.

    Where the script fails or takes longer than `limit` seconds, `failed` says why. The script answers with
    `one_of_many`.
    """
    command = [sys.executable, script, "--one", *map(str, words)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return head | {"failed": f"not done after {limit:g} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return head | {"failed": lines[-1][:200]}
    found: Record = json.loads(done.stdout.splitlines()[-1])
    return head | found


def one_of_many(arguments: Sequence[str], measure: Callable[..., Record]) -> bool:
    """Whether a script was called by `apart`; if so, what `measure` finds for the words is printed."""
    if "--one" not in arguments:
        return False
    print(json.dumps(measure(*arguments[arguments.index("--one") + 1 :])))
    return True


def absent(*packages: str) -> dict[str, str]:
    """Those of the packages that are not installed, each with what to say about it."""
    return {name: "absent: not installed" for name in packages if find_spec(name) is None}


def package_versions(*packages: str) -> dict[str, str]:
    """The versions of those packages that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def slopes_in_words(record: Record) -> str:
    """A line for each entry of a record's `slopes`."""
    lines = []
    for name, found in record["slopes"].items():
        listing = ", ".join(f"{part} {value:.2f}" for part, value in found.items() if value is not None)
        lines.append(f"{name}: slopes from {record['above']:,} on: {listing}")
    return "\n".join(lines)


def slope(sizes: Sequence[float], seconds: Sequence[float]) -> float | None:
    """The exponent p of seconds ~ sizes^p, fitted by least squares in logarithms; None with fewer than two points."""
    if len(sizes) < 2 or min(seconds) <= 0:
        return None
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


# Errors ---------------------------------------------------------------------------------------------------------------


def exact(array: Any) -> Any:
    """An array of floats as mpmath numbers, which are exactly those floats."""
    return np.frompyfunc(lambda value: mpmath.mpf(float(value)), 1, 1)(np.asarray(array))


def mpmath_map(function: Callable[..., Any], *arrays: Any) -> Any:
    """A scalar function applied to each element with `DIGITS` digits; floats are taken exactly."""
    with mpmath.workdps(DIGITS):
        return np.frompyfunc(function, len(arrays), 1)(*[exact(array) for array in arrays])


def errors(values: Any, truth: Any, scale: Any) -> Record:
    """How far an array of floats is from the truth.

    Parameters
    ----------
    values
        The floats; their dtype gives ε, the distance from 1 to the next larger float.
    truth
        The true values, as mpmath numbers.
    scale
        The size of what was added up, for each element: max|term|.

    Returns
    -------
    dict
        `nonfinite`, the fraction of NaN and infinities; over the finite values, or None if there are none:
        `max_scaled` and `mean_scaled`, the error over ε·scale; `max_ulps`, the error in units in the last place of the
        truth; `mean_bits`, the mean of log2(1 + ulps).
    """
    values = np.asarray(values)
    limits = np.finfo(values.dtype)
    finite = np.isfinite(values)
    result: Record = {"nonfinite": float(1 - finite.mean())}
    if not finite.any():
        return result | dict.fromkeys(("max_scaled", "mean_scaled", "max_ulps", "mean_bits"))
    with mpmath.workdps(DIGITS):
        gap = np.abs(exact(values[finite]) - truth[finite]).astype(np.float64)
    true = np.abs(truth[finite].astype(np.float64))
    unit = np.spacing(np.clip(true, float(limits.tiny), float(limits.max)).astype(values.dtype)).astype(np.float64)
    scaled = gap / (float(limits.eps) * np.broadcast_to(scale, values.shape)[finite].astype(np.float64))
    ulps = gap / unit
    return result | {
        "max_scaled": float(scaled.max()),
        "mean_scaled": float(scaled.mean()),
        "max_ulps": float(ulps.max()),
        "mean_bits": float(np.log2(1 + ulps).mean()),
    }


# Pictures -------------------------------------------------------------------------------------------------------------


def figure(columns: int, rows: int = 1, width: float = 5.2, height: float = 4.0) -> tuple[Figure, Any]:
    """A figure with a grid of axes, as a two-dimensional array."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return picture, picture.subplots(rows, columns, squeeze=False)


def time_bars(axes: Any, comparison: Record, title: str, unit: float = 1e-3, label: str = "milliseconds") -> None:
    """The medians of a comparison as bars with their intervals; refused contestants are named with the reason."""
    rows = comparison["rows"][::-1]
    for place, row in enumerate(rows):
        if row["median"] is None:
            reason = (
                "refused: " + row["reason"].partition(": ")[2][:40] if ": " in row["reason"] else row["reason"][:50]
            )
            axes.text(
                0.02, place, reason, transform=axes.get_yaxis_transform(), va="center", fontsize=7, color="tab:red"
            )
            continue
        low, high = row["interval"]
        middle = row["median"] / unit
        spread = [[middle - low / unit], [high / unit - middle]]
        color = "tab:orange" if row["name"].startswith("graphopt") else "tab:blue"
        axes.barh(place, middle, color=color, xerr=spread, capsize=2)
        axes.text(middle, place, f"  {middle:.3g}", va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows], fontsize=8)
    slowest = max((row["median"] for row in rows if row["median"] is not None), default=unit)
    axes.set_xlim(0, 1.25 * slowest / unit)  # an interval may leave the picture, a median does not
    axes.set_xlabel(label)
    axes.set_title(title, fontsize=9)


def caption(record: Record, sizes: Iterable[object] = ()) -> str:
    """One line for the top of a picture: where and when."""
    place = record["machine"]
    parts = [
        str(place["cpu"]),
        f"{place['cores']} cores",
        f"graphopt {go.__version__}",
        record["date"][:10],
        *map(str, sizes),
    ]
    return ", ".join(parts)


if __name__ == "__main__":
    sys.exit("common.py is what the experiments share; run one of them")
