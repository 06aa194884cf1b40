"""How often the comparison harness is wrong: live A/A comparisons, and slowdowns of 5 % planted on purpose.

    python experiments/harness_proof.py            # 400 A/A comparisons and 50 planted slowdowns, about ten minutes
    python experiments/harness_proof.py --small    # 8 and 4, to see that it runs

The work is twenty equal strips of exponentials; the planted slowdown computes one strip twice, which is 5 % more of the
same work and the same result. Exits with 1 if more than 2 % of the A/A comparisons end in "faster" or "slower", or if
fewer than 90 % of the planted slowdowns are found.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphopt.bench import Comparison, compare

STRIPS, STRIP_LENGTH = 20, 4096
FALSE_ALARMS_ALLOWED, FOUND_REQUIRED = 0.02, 0.90
RESULTS = Path(__file__).parent / "results"

Array = NDArray[np.float64]


def strips(repeated: int) -> Callable[[Array], Array]:
    """A fresh function that takes exponentials strip by strip, so many of them twice."""
    order = [*range(STRIPS), *range(repeated)]

    def exponentials(x: Array) -> Array:
        result = np.empty_like(x)
        for strip in order:
            np.exp(x[strip], out=result[strip])
        return result

    return exponentials


def comparison(repeated: int, seed: int, seconds: float) -> Comparison:
    """Compare the work with itself, or with a version that repeats some strips."""
    x = np.random.default_rng(seed).normal(size=(STRIPS, STRIP_LENGTH))
    return compare(
        {"work": strips(0), "again": strips(repeated)}, (x,), "work", confidence=0.99, seconds=seconds, seed=seed
    )


def series(label: str, count: int, repeated: int, first_seed: int, seconds: float) -> list[Comparison]:
    """Run a series and show how it goes on standard error."""
    done = []
    for index in range(count):
        done.append(comparison(repeated, first_seed + index, seconds))
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


def main() -> int:
    """Run both series, write the record, and say whether the harness holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="8 A/A comparisons and 4 planted slowdowns")
    parser.add_argument("--comparisons", type=int, default=400, help="number of A/A comparisons")
    parser.add_argument("--planted", type=int, default=50, help="number of planted slowdowns")
    parser.add_argument("--seconds", type=float, default=1.0, help="time budget of the rounds of one comparison")
    parser.add_argument("--output", type=Path, help="where the record goes")
    options = parser.parse_args()
    count, planted = (8, 4) if options.small else (options.comparisons, options.planted)
    output = options.output or RESULTS / ("harness_proof_small.json" if options.small else "harness_proof.json")

    start = time.monotonic()
    same = series("A/A", count, 0, 0, options.seconds)
    slowed = series("planted", planted, 1, count, options.seconds)
    false_alarms = sum(result["again"].verdict in ("faster", "slower") for result in same)
    found = sum(result["again"].verdict == "slower" for result in slowed)
    holds = false_alarms <= FALSE_ALARMS_ALLOWED * count and found >= FOUND_REQUIRED * planted
    record = {
        "command": f"python experiments/harness_proof.py --comparisons {count} --planted {planted} "
        f"--seconds {options.seconds:g}",
        "machine": same[0].machine,
        "settings": same[0].settings,
        "date": same[0].date,
        "minutes": round((time.monotonic() - start) / 60, 1),
        "planted_ratio": 1 + 1 / STRIPS,
        "false_alarms": false_alarms,
        "found": found,
        "holds": holds,
        "same": summary(same),
        "planted": summary(slowed),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    aside = output.with_name(f".{output.name}.{os.getpid()}")
    aside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    aside.replace(output)
    print(f"A/A: {false_alarms} of {count} called faster or slower; planted 5 %: {found} of {planted} found.")
    print(f"The harness {'holds' if holds else 'does NOT hold'}; see {output}.")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
