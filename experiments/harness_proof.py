"""How often the comparison harness is wrong: live A/A comparisons, slowdowns of 5 % planted on purpose, and impostors.

    python experiments/harness_proof.py            # 400 A/A comparisons and 50 planted slowdowns, about 20 minutes
    python experiments/harness_proof.py --small    # 8 and 4, to see that it runs

The work is twenty equal strips of exponentials; the planted slowdown computes one strip twice, which is 5 % more of the
same work and the same result. Impostors give wrong values, NaN in one place, their own input, or an error; a run of
the command line that measures nothing has to exit with 3. Twenty more A/A comparisons have both contestants in
processes of their own: those are recorded, and not judged, since two processes may truly differ in how memory lies.

Exits with 1 if more than 2 % of the A/A comparisons end in "faster" or "slower", if fewer than 90 % of the planted
slowdowns are found, if an impostor is timed, or if a run that measured nothing exits otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphopt.bench import Comparison, Worker, compare

STRIPS, STRIP_LENGTH = 20, 4096
FALSE_ALARMS_ALLOWED, FOUND_REQUIRED = 0.02, 0.90
RESULTS = Path(__file__).parent / "results"
OVERFLOWS = "x * 1e30 * 1e30 / 1e30 / 1e30"  # in float32 nobody computes it

Array = NDArray[np.float64]


def exponentials(order: tuple[int, ...], x: Array) -> Array:
    """Exponentials strip by strip, in an order that may name strips twice."""
    result = np.empty_like(x)
    for strip in order:
        np.exp(x[strip], out=result[strip])
    return result


def strips(repeated: int) -> Callable[[Array], Array]:
    """A function that computes so many strips twice."""
    return partial(exponentials, (*range(STRIPS), *range(repeated)))


def data(seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=(STRIPS, STRIP_LENGTH))


def comparison(contestants: Mapping[str, Callable[..., object]], seed: int, seconds: float) -> Comparison:
    """Compare with the first contestant, with warm caches."""
    return compare(contestants, (data(seed),), confidence=0.99, seconds=seconds, seed=seed, cold=False)


def series(
    label: str, count: int, contestants: Callable[[], Mapping[str, Callable[..., object]]], first: int, seconds: float
) -> list[Comparison]:
    """Run a series of fresh contestants and show how it goes on standard error."""
    done = []
    for index in range(count):
        done.append(comparison(contestants(), first + index, seconds))
        verdicts = Counter(result["again"].verdict for result in done)
        print(f"\r{label} {index + 1}/{count} {dict(verdicts)}   ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return done


def summary(results: list[Comparison]) -> dict[str, object]:
    """Verdicts with the ratios and intervals behind them."""
    rows = [result["again"] for result in results]
    controls = [result.control for result in results]
    return {
        "comparisons": len(rows),
        "verdicts": dict(Counter(row.verdict for row in rows)),
        "control_verdicts": dict(Counter(row.verdict for row in controls)),
        "ratios": [row.ratio for row in rows],
        "intervals": [row.ratio_interval for row in rows],
        "control_ratios": [row.ratio for row in controls],
        "control_intervals": [row.ratio_interval for row in controls],
        "rounds": [row.rounds for row in rows],
    }


def with_nan(x: Array) -> Array:
    result = np.exp(x)
    result[3, 5] = np.nan
    return result


def into_input(x: Array) -> Array:
    return np.exp(x, out=x)


def raises(x: Array) -> Array:
    raise RuntimeError("no such kernel")


IMPOSTORS: dict[str, Callable[[Array], object]] = {
    "wrong values": lambda x: np.exp(x) * (1 + 1e-9),
    "NaN": with_nan,
    "its input": lambda x: x,
    "a view of its input": lambda x: x[:],
    "into its input": into_input,
    "another shape": lambda x: np.exp(x).T,
    "nothing": lambda x: None,
    "an error": raises,
}


def refusals(seconds: float) -> dict[str, str]:
    """Why each impostor was refused; empty for one that was not."""
    found = comparison({"work": strips(0), **IMPOSTORS}, 0, seconds)
    return {name: found[name].reason if found[name].median is None else "" for name in IMPOSTORS}


def exit_of_a_run_that_measures_nothing() -> int:
    """What `graphopt compare` exits with where every contestant is wrong."""
    words = ["compare", OVERFLOWS, "--shape", "x=16", "--dtype", "float32", "--seconds", "0.1"]
    return subprocess.run([sys.executable, "-m", "graphopt", *words], capture_output=True, check=False).returncode


def main() -> int:
    """Run everything, write the record, and say whether the harness holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="8 A/A comparisons, 4 planted slowdowns, 1 with workers")
    parser.add_argument("--comparisons", type=int, default=400, help="number of A/A comparisons")
    parser.add_argument("--planted", type=int, default=50, help="number of planted slowdowns")
    parser.add_argument("--apart", type=int, default=20, help="number of A/A comparisons between two processes")
    parser.add_argument("--seconds", type=float, default=1.0, help="time budget of the rounds of one comparison")
    parser.add_argument("--output", type=Path, help="where the record goes")
    options = parser.parse_args()
    count, planted, apart = (8, 4, 1) if options.small else (options.comparisons, options.planted, options.apart)
    output = options.output or RESULTS / ("harness_proof_small.json" if options.small else "harness_proof.json")

    start = time.monotonic()
    refused = refusals(options.seconds)
    status = exit_of_a_run_that_measures_nothing()
    same = series("A/A", count, lambda: {"work": strips(0), "again": strips(0)}, 0, options.seconds)
    slowed = series("planted", planted, lambda: {"work": strips(0), "again": strips(1)}, count, options.seconds)
    with Worker(strips(0)) as one, Worker(strips(0)) as other:
        two = series("two processes", apart, lambda: {"work": one, "again": other}, count + planted, options.seconds)
    false_alarms = sum(result["again"].verdict in ("faster", "slower") for result in same)
    found = sum(result["again"].verdict == "slower" for result in slowed)
    claims = {
        f"A/A: {false_alarms} of {count} called faster or slower": false_alarms <= FALSE_ALARMS_ALLOWED * count,
        f"planted 5 %: {found} of {planted} found": found >= FOUND_REQUIRED * planted,
        f"impostors: {sum(map(bool, refused.values()))} of {len(refused)} refused": all(refused.values()),
        f"a run that measured nothing exits with {status}": status == 3,
    }
    record = {
        "command": f"python experiments/harness_proof.py --comparisons {count} --planted {planted} --apart {apart} "
        f"--seconds {options.seconds:g}",
        "machine": same[0].machine,
        "settings": same[0].settings,
        "date": same[0].date,
        "minutes": round((time.monotonic() - start) / 60, 1),
        "planted_ratio": 1 + 1 / STRIPS,
        "false_alarms": false_alarms,
        "found": found,
        "refused": refused,
        "exit_of_a_run_that_measures_nothing": status,
        "holds": all(claims.values()),
        "same": summary(same),
        "planted": summary(slowed),
        "two_processes": summary(two),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    aside = output.with_name(f".{output.name}.{os.getpid()}")
    aside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    aside.replace(output)
    for claim, holds in claims.items():
        print(f"{'holds' if holds else 'FAILS'}  {claim}")
    print(f"The record is {output}.")
    return 0 if all(claims.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
